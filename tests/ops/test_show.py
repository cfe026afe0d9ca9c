"""`make show`: verdict, figures, criteria and pages of the run in the folder."""

import pytest

from src.core.errors import InputError
from src.core.records import write_metrics
from src.core.seconds import StageSeconds, keep_seconds
from src.ops import show
from tests.report.pages import ON_GSM8K, VERDICT
from tests.stages.small_run import run
from tests.stages.test_report import CRITERIA, METRICS


@pytest.fixture
def folder(tmp_path):
    for name in show.NEEDED:
        write_metrics(tmp_path / f"metrics/{name}.json", METRICS[name])
    return tmp_path


def test_verdict_figures_criteria_and_pages_are_printed(folder, monkeypatch, capsys):
    (folder / "report.html").write_text("")
    (folder / "report.md").write_text("")
    monkeypatch.chdir(folder)
    for stage, seconds in (("answer@baseline", 12.3), ("base", 605.0), ("answer@baseline", 12.34)):
        keep_seconds(StageSeconds(stage, seconds))
    run(show.main, folder, monkeypatch, criteria=CRITERIA)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "improved: coherence minus baseline +5.87 points (95 %: +4.13 to +7.69), 97 questions fixed, 26 broken, p = 8e-11"
    )
    assert "baseline       849      1,210   70.17 %  67.53 to 72.68" in lines
    assert "coherence      920      1,210   76.03 %  73.55 to 78.35" in lines
    assert "5 of 5 criteria hold" in lines
    assert [line.split()[0] for line in lines if "  holds  " in line] == ["rollouts", "pairs", "training", "evaluation", "score"]
    assert lines[-3] == "last ran base 10 min 05 s, answer@baseline 12 s"
    assert lines[-2:] == ["page     report.html", "page     report.md"]
    assert max(map(len, lines)) <= 130


def test_a_criterion_that_fails_and_a_page_that_is_missing_are_said(folder, monkeypatch, capsys):
    run(show.main, folder, monkeypatch, criteria=CRITERIA | {"min_gain": 0.5})
    printed = capsys.readouterr().out
    assert "4 of 5 criteria hold" in printed and "evaluation      fails" in printed
    assert printed.splitlines()[-1] == "no page is here: run `dvc repro report`"


def test_kinds_of_question_and_a_second_test_set_have_a_line_each(folder, monkeypatch, capsys):
    both = {**vars(VERDICT), "families": 42, "family_ci_low": 0.0033, "family_ci_high": 0.0858, "design_effect": 5.7}
    write_metrics(folder / "metrics/verdict.json", type(VERDICT)(**both | {"gsm8k": ON_GSM8K}))
    run(show.main, folder, monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "over 42 kinds of question: +0.33 to +8.58 points"
    assert lines[2].startswith("on GSM8K's own test, no evidence: ") and lines[2].endswith("p = 0.25")


def test_no_evidence_has_a_line_for_the_questions_that_it_would_take(folder, monkeypatch, capsys):
    unsure = {**vars(VERDICT), "verdict": "no evidence", "p_value": 0.25, "questions_at_power": 2934}
    write_metrics(folder / "metrics/verdict.json", type(VERDICT)(**unsure))
    run(show.main, folder, monkeypatch)
    assert capsys.readouterr().out.splitlines()[1] == "some 2,934 questions would show that difference four times of five"


def test_a_folder_without_a_run_is_one_error(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="^no run is here: metrics/rollouts.json, .* missing from .*; run `make repro`"):
        run(show.main, tmp_path, monkeypatch)


def test_a_run_that_is_not_whole_says_what_it_lacks(folder, monkeypatch):
    (folder / "metrics/train.json").unlink()
    with pytest.raises(InputError, match="^no whole run is here: metrics/train.json missing"):
        run(show.main, folder, monkeypatch)


@pytest.mark.parametrize("text", ["", "12\n", "12.5", "nan\n"])
def test_seconds_that_are_none_name_their_file(folder, monkeypatch, text):
    monkeypatch.chdir(folder)
    keep_seconds(StageSeconds("base", 605.0))
    (folder / ".dvc/tmp/seconds/train.txt").write_text(text)
    with pytest.raises(InputError, match=r"^\.dvc/tmp/seconds/train.txt: holds b'.*', no number of seconds; remove it"):
        run(show.main, folder, monkeypatch)
