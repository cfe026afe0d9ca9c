"""The page of iterated training: a line a round, round 0 first, and the words of its end."""

from src.report.rounds import render
from tests.regime_w.test_rounds import EVEN, GAIN, rounds


def test_a_line_a_round():
    page = render(rounds(GAIN, EVEN))
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    assert [line[0] for line in lines] == ["round", "---", "0", "1", "2"]
    assert all(len(line) == len(lines[0]) for line in lines)
    assert lines[2][3] == "0.00 %"
    assert lines[3][1:7] == ["0 to 23", "40", "30.00 %", "+30.00", "6 / 0", "0.031"]
    assert lines[4][1:7] == ["24 to 47", "40", "30.00 %", "+0.00", "1 / 1", "1"] and lines[4][8:11] == [
        "+30.00",
        "6 / 0",
        "0.031",
    ]
    assert "The gain is gone" in page and "held-out training questions (48 to 67)" in page
    assert "Model of round 1: `.work/rounds/models/r1`" in page and "does not share" not in page


def test_an_interval_over_families_that_does_not_share_a_verdict_is_told():
    verdict = type(GAIN.verdict)(**(vars(GAIN.verdict) | {"families": 3, "family_ci_low": -0.1, "family_ci_high": 0.6}))
    page = render(rounds(type(GAIN)(**(vars(GAIN) | {"verdict": verdict}))))
    assert "the interval over families does not share the verdict of round 1." in page and "-10.00 to +60.00" in page


def test_no_round_helped():
    assert "Model of round" not in render(rounds(EVEN, wanted=1))


def test_merging_that_changed_texts_is_told():
    changed = type(EVEN)(**(vars(EVEN) | {"changed_by_merge": 3}))
    assert "| 3 of 20 |" in render(rounds(GAIN, changed))
