"""One evaluation scored on GSM8K-Platinum and on GSM8K's own test, from the answers to the report."""

import json
from pathlib import Path

import pytest

from src.engines.interface import Completion
from src.errors import InputError
from src.records import write_records
from src.stages import compare
from src.stages.eval import evaluation_metrics, grade
from src.stages.report import verdict_part

MARKS = {"id", "question", "gold", "text", "answer", "correct", "n_tokens", "finish_reason"}


def answer(number: int, text: str, **keys) -> dict:
    """The evaluation record of a question whose answer is 5 unless the keys say otherwise."""
    question = {"id": f"test-{number}", "question": f"How many {number}?", "answer": "#### 5", "gold": "5"} | keys
    return grade(question, Completion(question["id"], text, 3, "stop"))


def evaluation(*right: bool, **keys) -> list[dict]:
    """Four questions of GSM8K: Platinum dropped the first and mended the second, whose answer was 4 and is 5."""
    golds, kept = ("5", "4", "5", "5"), (False, True, True, True)
    return [answer(n, "#### 5" if r else "#### 4", gsm8k_gold=golds[n], in_platinum=kept[n], **keys) for n, r in enumerate(right)]


def run_compare(folder: Path, monkeypatch: pytest.MonkeyPatch, baseline: list[dict], coherence: list[dict]) -> dict:
    (folder / "params.yaml").write_text("compare: {alpha: 0.05, confidence: 0.95}\n")
    write_records(folder / "outputs/baseline_eval.jsonl", "evaluation", baseline)
    write_records(folder / "outputs/coherence_eval.jsonl", "evaluation", coherence)
    monkeypatch.chdir(folder)
    compare.main()
    return json.loads((folder / "metrics/verdict.json").read_text())


def test_an_answer_is_graded_by_either_gold():
    by_platinum, by_gsm8k = (answer(1, text, gsm8k_gold="4", in_platinum=True) for text in ("#### 5.0", "#### 4"))
    assert (by_platinum["correct"], by_platinum["gsm8k_correct"]) == (True, False)
    assert (by_gsm8k["correct"], by_gsm8k["gsm8k_correct"]) == (False, True)
    none = answer(1, "five", gsm8k_gold="5", in_platinum=True)
    assert (none["correct"], none["gsm8k_correct"]) == (False, False)


def test_platinum_gives_the_figures_and_gsm8k_stands_apart():
    metrics = evaluation_metrics(evaluation(True, True, False, True), 0.95)
    assert (metrics["correct"], metrics["questions"], metrics["accuracy"]) == (2, 3, 2 / 3)
    assert (metrics["gsm8k"]["correct"], metrics["gsm8k"]["questions"], metrics["gsm8k"]["accuracy"]) == (2, 4, 1 / 2)
    assert metrics["gsm8k"]["accuracy_low"] < 1 / 2 < metrics["gsm8k"]["accuracy_high"]


def test_with_one_set_nothing_is_added():
    records = [answer(0, "#### 5"), answer(1, "#### 4")]
    assert all(record.keys() == MARKS for record in records)
    metrics = evaluation_metrics(records, 0.95)
    assert (metrics["correct"], metrics["questions"]) == (1, 2) and "gsm8k" not in metrics


def test_the_verdict_is_platinums_and_gsm8ks_stands_apart(tmp_path, monkeypatch):
    """The dropped question is fixed and the mended one too, which by GSM8K's answer is broken."""
    verdict = run_compare(tmp_path, monkeypatch, evaluation(False, False, True, True), evaluation(True, True, True, True))
    assert (verdict["questions"], verdict["fixed"], verdict["broken"]) == (3, 1, 0)
    assert (verdict["gsm8k"]["questions"], verdict["gsm8k"]["fixed"], verdict["gsm8k"]["broken"]) == (4, 1, 1)
    assert verdict["gsm8k"].keys() == verdict.keys() - {"gsm8k"}
    changed = [json.loads(line) for line in (tmp_path / "outputs/changed_questions.jsonl").open()]
    assert [(change["id"], change["change"]) for change in changed] == [("test-1", "fixed")]
    assert "On all 4 questions of GSM8K's own test" in verdict_part(verdict, {"trained": True})


def test_with_one_set_there_is_one_verdict(tmp_path, monkeypatch):
    records = [answer(0, "#### 5"), answer(1, "#### 4")]
    verdict = run_compare(tmp_path, monkeypatch, records, records)
    assert verdict["questions"] == 2 and "gsm8k" not in verdict
    assert "GSM8K" not in verdict_part(verdict, {"trained": True})


def test_evaluations_on_different_sets_are_not_compared(tmp_path, monkeypatch):
    one_set = [answer(n, "#### 5") for n in range(4)]
    for baseline, coherence in ((one_set, evaluation(*[True] * 4)), (evaluation(*[True] * 4), one_set)):
        with pytest.raises(InputError, match="has another gold in each evaluation; run `dvc repro` for both"):
            run_compare(tmp_path, monkeypatch, baseline, coherence)
