"""Stage `compare`: two evaluations of the same questions become a verdict, the changed questions and a plot."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, read_records, write_records
from src.regime_w.evaluation import Evaluation
from src.regime_w.verdict import ChangedQuestion, RunVerdict
from src.stages import compare
from tests.stages.small_run import run


def evaluation(policy: str, *right: bool) -> list[Evaluation]:
    return [
        Evaluation(f"test-{n}", f"How many {n}?", "5", f"{policy} on {n}", "5" if r else "4", r, 3, "stop")
        for n, r in enumerate(right)
    ]


BASELINE = evaluation("baseline", *[False] * 8, True, True)
COHERENCE = evaluation("coherence", *[True] * 8, False, True)


def run_compare(folder: Path, monkeypatch, baseline=BASELINE, coherence=COHERENCE, **params) -> RunVerdict:
    write_records(folder / "outputs/baseline_eval.jsonl", Evaluation, baseline)
    write_records(folder / "outputs/coherence_eval.jsonl", Evaluation, coherence)
    run(compare.main, folder, monkeypatch, **params)
    return read_metrics(folder / "metrics/verdict.json", RunVerdict)


def test_the_verdict_is_written_flat_and_without_an_empty_key(tmp_path, monkeypatch):
    verdict = run_compare(tmp_path, monkeypatch)
    assert (verdict.verdict, verdict.questions, verdict.fixed, verdict.broken) == ("improved", 10, 8, 1)
    assert (verdict.baseline_accuracy, verdict.coherence_accuracy, verdict.difference) == (0.2, 0.9, 0.7)
    assert verdict.p_value == 20 / 512  # one or none of nine on the smaller side, both tails
    written = json.loads((tmp_path / "metrics/verdict.json").read_text())
    assert list(written)[:2] == ["verdict", "questions"] and "gsm8k" not in written


def test_level_and_confidence_are_those_of_the_params(tmp_path, monkeypatch):
    usual = run_compare(tmp_path, monkeypatch)
    strict = run_compare(tmp_path, monkeypatch, compare={"alpha": 0.01, "confidence": 0.5})
    assert strict.verdict == "no evidence"
    assert usual.ci_low < strict.ci_low < strict.difference < strict.ci_high < usual.ci_high


def test_changed_questions_have_both_texts_fixed_ones_first(tmp_path, monkeypatch):
    run_compare(tmp_path, monkeypatch)
    changed = read_records(tmp_path / "outputs/changed_questions.jsonl", ChangedQuestion)
    assert [(one.id, one.change) for one in changed] == [(f"test-{n}", "fixed") for n in range(8)] + [("test-8", "broken")]
    assert changed[-1] == ChangedQuestion("test-8", "broken", "How many 8?", "5", "baseline on 8", "coherence on 8")


def test_policies_that_agree_on_everything_leave_no_changed_question(tmp_path, monkeypatch):
    assert run_compare(tmp_path, monkeypatch, BASELINE, BASELINE).verdict == "no evidence"
    assert (tmp_path / "outputs/changed_questions.jsonl").read_bytes() == b""


def test_the_plot_has_both_accuracies_between_their_bounds(tmp_path, monkeypatch):
    run_compare(tmp_path, monkeypatch)
    rows = list(csv.DictReader((tmp_path / "plots/accuracy.csv").open()))
    assert [(row["policy"], row["bound"]) for row in rows] == [
        (policy, bound) for policy in ("baseline", "coherence") for bound in ("low", "accuracy", "high")
    ]
    percents = [float(row["percent"]) for row in rows]
    assert (percents[1], percents[4]) == (20.0, 90.0)
    assert percents[0] < percents[1] < percents[2] and percents[3] < percents[4] < percents[5]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (COHERENCE[:-1], "1 only in baseline: test-9"),
        ([replace(COHERENCE[0], id="x"), *COHERENCE[1:]], "1 only in coherence: x"),
        ([replace(COHERENCE[0], gold="6"), *COHERENCE[1:]], "question test-0 has another gold in each evaluation"),
        ([replace(COHERENCE[0], question="Why?"), *COHERENCE[1:]], "question test-0 has another text in each evaluation"),
    ],
)
def test_evaluations_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path, monkeypatch, other, message):
    with pytest.raises(InputError, match=f"{message}.*run `dvc repro` for both"):
        run_compare(tmp_path, monkeypatch, coherence=other)
    assert not (tmp_path / "metrics").exists()
