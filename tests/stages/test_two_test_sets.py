"""One evaluation scored on GSM8K-Platinum and on GSM8K's own test, from the answers to the report."""

import json
from pathlib import Path
from typing import Any

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, to_json, write_records
from src.regime_w.evaluation import Evaluation, evaluation_metrics, grade
from src.regime_w.questions import Question
from src.regime_w.texts import PolicyText
from src.regime_w.verdict import RunVerdict
from src.report.page import render
from src.stages import compare
from tests.report.pages import page
from tests.stages.small_run import run

ONE_SET = {"id", "question", "gold", "text", "answer", "correct", "n_tokens", "finish_reason"}


def answer(number: int, text: str, **values: Any) -> Evaluation:
    """The evaluation of a question whose answer is 5 unless the values say otherwise."""
    question = {"id": f"test-{number}", "question": f"How many {number}?", "answer": "#### 5", "gold": "5"} | values
    return grade(Question(**question), PolicyText(question["id"], text, 3, "stop"))


def evaluation(*right: bool) -> list[Evaluation]:
    """Four questions of GSM8K: Platinum dropped the first and corrected the second, whose answer was 4 and is 5."""
    golds, kept = ("5", "4", "5", "5"), (False, True, True, True)
    return [answer(n, "#### 5" if r else "#### 4", gsm8k_gold=golds[n], in_platinum=kept[n]) for n, r in enumerate(right)]


def run_compare(
    folder: Path, monkeypatch: pytest.MonkeyPatch, baseline: list[Evaluation], coherence: list[Evaluation]
) -> RunVerdict:
    write_records(folder / "outputs/baseline_eval.jsonl", Evaluation, baseline)
    write_records(folder / "outputs/coherence_eval.jsonl", Evaluation, coherence)
    run(compare.main, folder, monkeypatch)
    return read_metrics(folder / "metrics/verdict.json", RunVerdict)


def test_an_answer_is_graded_by_either_gold():
    by_platinum, by_gsm8k = (answer(1, text, gsm8k_gold="4", in_platinum=True) for text in ("#### 5.0", "#### 4"))
    assert (by_platinum.correct, by_platinum.gsm8k_correct) == (True, False)
    assert (by_gsm8k.correct, by_gsm8k.gsm8k_correct) == (False, True)
    none = answer(1, "five", gsm8k_gold="5", in_platinum=True)
    assert (none.correct, none.gsm8k_correct) == (False, False)


def test_platinum_gives_the_figures_and_gsm8k_stands_apart():
    metrics = evaluation_metrics(evaluation(True, True, False, True), 0.95)
    assert (metrics.correct, metrics.questions, metrics.accuracy) == (2, 3, 2 / 3)
    assert metrics.gsm8k is not None
    assert (metrics.gsm8k.correct, metrics.gsm8k.questions, metrics.gsm8k.accuracy) == (2, 4, 1 / 2)
    assert metrics.gsm8k.ci_low < 1 / 2 < metrics.gsm8k.ci_high


def test_with_one_set_nothing_is_added():
    records = [answer(0, "#### 5"), answer(1, "#### 4")]
    assert all(to_json(record).keys() == ONE_SET for record in records)
    metrics = evaluation_metrics(records, 0.95)
    assert (metrics.correct, metrics.questions) == (1, 2) and "gsm8k" not in to_json(metrics)


def test_the_verdict_is_platinums_and_gsm8ks_stands_apart(tmp_path, monkeypatch):
    """The dropped question is fixed and the corrected one too, which by GSM8K's answer is broken."""
    verdict = run_compare(tmp_path, monkeypatch, evaluation(False, False, True, True), evaluation(True, True, True, True))
    assert (verdict.questions, verdict.fixed, verdict.broken) == (3, 1, 0)
    assert verdict.gsm8k is not None
    assert (verdict.gsm8k.questions, verdict.gsm8k.fixed, verdict.gsm8k.broken) == (4, 1, 1)
    written = json.loads((tmp_path / "metrics/verdict.json").read_text())
    assert written["gsm8k"].keys() == written.keys() - {"gsm8k"}
    changed = [json.loads(line) for line in (tmp_path / "outputs/changed_questions.jsonl").open()]
    assert [(change["id"], change["change"]) for change in changed] == [("test-1", "fixed")]
    assert "On all 4 questions of GSM8K's own test" in render(page(verdict=verdict))


def test_questions_of_gsm8k_come_in_no_families(tmp_path, monkeypatch):
    verdict = run_compare(tmp_path, monkeypatch, evaluation(False, False, True, True), evaluation(True, True, True, True))
    assert verdict.families is None and verdict.gsm8k is not None and verdict.gsm8k.families is None
    assert "famil" not in (tmp_path / "metrics/verdict.json").read_text()
    assert "The questions come in no families, so there is no interval over families.\n" in render(page(verdict=verdict))


def test_with_one_set_there_is_one_verdict(tmp_path, monkeypatch):
    records = [answer(0, "#### 5"), answer(1, "#### 4")]
    verdict = run_compare(tmp_path, monkeypatch, records, records)
    assert verdict.questions == 2 and "gsm8k" not in json.loads((tmp_path / "metrics/verdict.json").read_text())
    assert "GSM8K" not in render(page(verdict=verdict))


def test_evaluations_on_different_sets_are_not_compared(tmp_path, monkeypatch):
    one_set = [answer(n, "#### 5") for n in range(4)]
    for baseline, coherence in ((one_set, evaluation(*[True] * 4)), (evaluation(*[True] * 4), one_set)):
        with pytest.raises(InputError, match="has another gold in each evaluation; run `dvc repro` for both"):
            run_compare(tmp_path, monkeypatch, baseline, coherence)
