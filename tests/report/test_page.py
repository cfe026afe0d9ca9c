"""The page of a run: every figure that it shows, and free text that cannot break it."""

import re
from dataclasses import replace

import pytest

from src.regime_w.arms import ARM_NAMES
from src.regime_w.criteria import Criterion
from src.regime_w.training_metrics import TrainMetrics
from src.report.page import render
from src.report.rendering import escaped, number, percent, points
from tests.report.pages import CRITERIA, ON_GSM8K, VERDICT, page

CELL_END = re.compile(r"(?<!\\)\|")


def tables(text: str) -> dict[str, list[list[str]]]:
    """The tables of a Markdown text by the first cell of their head: the rows' cells, the head among them."""
    found = {}
    for block in text.split("\n\n"):
        rows = [[cell.strip() for cell in CELL_END.split(line)[1:-1]] for line in block.splitlines() if line.startswith("|")]
        if rows:
            assert len({len(row) for row in rows}) == 1, f"a row of another width: {rows}"
            assert set(rows.pop(1)) == {"---"}
            found[rows[0][0]] = rows
    return found


# --- what it shows ---


def test_the_verdict_stands_first_with_all_that_it_rests_on():
    text = render(page())
    assert text.startswith("# Regime W: profile sandbox, seed 0\n\n## Verdict\n**improved**: +5.87 points of accuracy ")
    assert "(95 % interval +4.13 to +7.69, exact McNemar p = 8e-11) on 1,210 questions: 97 fixed, 26 broken.\n" in text
    assert "\nCoherence training made the model better on these questions.\n" in text
    assert "With 123 questions changed, only a difference of 1.90 points or more could have been significant." in text
    assert "A true difference of 2.63 points would be found by four of five such tests." in text
    assert "not trained" not in text and "GSM8K" not in text


def test_questions_that_come_in_no_families_or_in_one_have_no_interval_over_families():
    alone, one = render(page()), render(page(verdict=replace(VERDICT, families=1)))
    assert "\nThe questions come in no families, so there is no interval over families.\n" in alone
    assert "\nAll questions are of one family, so there is no interval over families.\n" in one
    for text in (alone, one):
        assert "design effect" not in text and "does not share" not in text


IN_FAMILIES = replace(VERDICT, families=24, family_ci_low=0.0123, family_ci_high=0.0987, design_effect=2.3456)


def test_the_interval_over_families_stands_beside_the_verdict():
    text = render(page(verdict=IN_FAMILIES))
    assert (
        "four of five such tests.\nQuestions of a family are not independent of each other: "
        "a bootstrap over the 24 families gives an interval of +1.23 to +9.87.\n"
        "The design effect is 2.35: so many times the variance of independent questions.\n\n| policy |"
    ) in text
    assert "does not share" not in text and "no interval" not in text
    unchanged = replace(IN_FAMILIES, verdict="no evidence", family_ci_low=0.0, family_ci_high=0.0, design_effect=None)
    text = render(page(verdict=unchanged))
    assert "interval of +0.00 to +0.00.\n\n| policy |" in text and "design effect" not in text


@pytest.mark.parametrize(
    ("verdict", "low", "high", "words"),
    [
        ("improved", -0.01, 0.11, "not all of it lies above 0"),
        ("worse", -0.11, 0.01, "not all of it lies below 0"),
        ("no evidence", 0.01, 0.11, "it does not contain 0"),
        ("no evidence", -0.11, -0.01, "it does not contain 0"),
    ],
)
def test_a_verdict_that_the_families_do_not_share_says_so_and_stays(verdict, low, high, words):
    text = render(page(verdict=replace(IN_FAMILIES, verdict=verdict, family_ci_low=low, family_ci_high=high)))
    assert f"\n**The interval over families does not share this verdict**: {words}.\n" in text
    assert f"## Verdict\n**{verdict}**: " in text


@pytest.mark.parametrize(
    ("verdict", "meaning"), [("worse", "made the model worse"), ("no evidence", "That is not proof that there is none.")]
)
def test_every_verdict_has_its_meaning(verdict, meaning):
    assert meaning in render(page(verdict=replace(VERDICT, verdict=verdict)))


def test_no_evidence_says_how_many_questions_it_would_take():
    unsure = replace(VERDICT, verdict="no evidence", difference=0.02, questions_at_power=2934)
    sentence = "If the +2.00 points found here are the true difference, it would take some 2,934 questions"
    assert sentence in render(page(verdict=unsure))
    equal = replace(unsure, difference=0.0, questions_at_power=None)
    assert "so no number of questions would show this difference" in render(page(verdict=equal))
    assert "it would take" not in render(page())


def test_a_comparison_that_could_show_nothing_says_so():
    text = render(page(verdict=replace(VERDICT, smallest_detectable_difference=None, difference_at_power=None)))
    assert "With 123 questions changed no difference, in either direction, could have been significant." in text
    assert "four of five" not in text


@pytest.mark.parametrize(
    ("confidence", "written"), [(0.95, "95 %"), (0.9, "90 %"), (0.57, "57 %"), (0.999, "99.9 %"), (0.999999, "99.9999 %")]
)
def test_every_interval_says_its_confidence(confidence, written):
    text = render(page(confidence=confidence))
    assert f"({written} interval +4.13 to +7.69" in text and f"| {written} interval |" in text
    assert text.count(f"| {written} interval |") == 2 and text.count(" % interval") == 3


def test_a_run_scored_on_both_sets_shows_both_verdicts():
    text = render(page(verdict=replace(VERDICT, gsm8k=ON_GSM8K)))
    assert (
        "\n\nThat is on GSM8K-Platinum.\nOn all 1,319 questions of GSM8K's own test, by its own answers: **no evidence**, "
        in text
    )
    assert "70.17 → 76.03 %, p = 0.25.\n" in text


def test_both_policies_stand_beside_each_other():
    assert tables(render(page()))["policy"] == [
        ["policy", "correct", "accuracy, %", "95 % interval", "no answer", "truncated", "mean tokens"],
        ["baseline", "849 of 1,210", "70.17", "67.53 – 72.68", "3", "2", "28.0"],
        ["coherence", "920 of 1,210", "76.03", "73.55 – 78.35", "3", "2", "29.6"],
    ]


def test_criteria_say_what_was_wanted_and_what_was_found():
    text = render(page())
    assert "## Criteria: 1 of 2 hold\n" in text
    assert tables(text)["criterion"] == [
        ["criterion", "", "wanted", "found"],
        ["rollouts", "holds", "500 × 11 = 5,500 trajectories", "5,500"],
        ["pairs", "**fails**", "3,000 to 5,000 pairs", "12 pairs"],
    ]


def test_scores_arms_and_pairs_are_listed():
    found = tables(render(page()))
    assert found["score"] == [
        ["score", "mean", "std", "min", "max"],
        ["s_end", "0.871", "0.211", "0.250", "1.000"],
        ["s_path", "0.845", "0.249", "0.210", "1.000"],
        ["s_cf", "0.527", "0.411", "0.000", "1.000"],
    ]
    assert [row[0] for row in found["arm"]] == ["arm", *ARM_NAMES]
    assert found["arm"][3] == ["wolfram_2", "10.00"]
    assert found["pairs"][1:4] == [["questions", "500"], ["pairs", "4,397"], ["correctness pairs", "3,257"]]
    assert ["correctness share", "0.7407"] in found["pairs"]
    assert ["mean length difference tokens", "-9.625"] in found["pairs"]


def test_what_each_signal_is_worth_is_listed_or_said_to_be_undefined():
    text = render(page())
    assert "\n0.5 is chance.\n" in text
    assert tables(text)["signal"] == [
        ["signal", "over", "AUC", "95 % interval", "questions", "couples"],
        ["s_path", "all questions", "0.731", "0.690 – 0.770", "500", "40,000"],
        ["s_cf", "unanimous questions", "undefined: no question is unanimous", "", "0", "0"],
        ["reward", "within a question", "0.500", "0.477 – 0.523", "120", "2,904"],
    ]


def test_training_is_shown_by_epoch():
    text = render(page())
    assert tables(text)["epoch"] == [
        ["epoch", "first loss", "last loss", "mean loss"],
        ["1", "0.6931", "0.6823", "0.6463"],
        ["2", "0.4146", "0.6767", "0.5383"],
    ]
    assert text.endswith(
        "\n\n414 steps; gradient norm 0.152 to 2.33; change of the log-probability of the chosen texts -0.13 nats.\n"
    )


def test_a_run_that_trained_nothing_says_why():
    text = render(page(train=TrainMetrics(trained=False, steps=0, reason="3 pairs, fewer than 32")))
    assert "\n\nThe adapter was not trained: 3 pairs, fewer than 32.\n" in text
    assert text.endswith("## Training\nNone: 3 pairs, fewer than 32.\n")


# --- free text ---

NASTY = "a | b\n\n# <script>*x*</script> [here](http://x) `code` \\ _y_ ~~z~~ $1$ &amp;"


def test_free_text_breaks_no_table_and_holds_no_markup():
    untrained = TrainMetrics(trained=False, steps=0, reason=NASTY)
    criteria = (replace(CRITERIA[0], found=NASTY), Criterion("training", False, NASTY, NASTY))
    text = render(page(profile=NASTY, train=untrained, criteria=criteria))
    assert tables(text)["criterion"][1][0] == "rollouts"
    assert text.count("\n# ") == 0 and "<script" not in text.replace("\\<", "")
    assert escaped(NASTY) in text.splitlines()[0]


def test_escaped_text_is_on_one_line_and_reads_as_it_was():
    written = escaped(NASTY)
    assert "\n" not in written
    assert re.sub(r"\\([^\w\s])|\\(_)", r"\1\2", written) == " ".join(NASTY.split())
    assert not re.search(r"(?<!\\)[`*<>|\[\]~$&]", written.replace("\\\\", ""))
    assert escaped("s_path std 0.249, 70% ± 15%") == "s_path std 0.249, 70% ± 15%"


# --- numbers ---


def test_numbers_are_written_for_readers():
    assert (points(0.05868), points(-0.01)) == ("5.87", "-1.00")
    assert (percent(0.95), percent(0.29)) == ("95 %", "29 %")
    assert (number(1210), number(0.7407323), number(-9.62543), number(0.5, ".3f")) == ("1,210", "0.7407", "-9.625", "0.500")
