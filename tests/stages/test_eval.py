"""Stage `eval`: the texts of one policy are graded against the test set that they were written for, and no other."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, read_records, write_records
from src.regime_w.evaluation import Evaluation, EvaluationMetrics, evaluation_metrics, sampled_metrics
from src.regime_w.questions import Question
from src.regime_w.sampled import SampledEvaluation
from src.regime_w.texts import PolicyText
from src.stages import eval as eval_stage
from tests.regime_w.builders import sampled_texts

ROOT = Path(__file__).parents[2]
QUESTIONS = [
    Question(id=f"test-{n}", question=f"How many are {n} and 2?", answer=f"#### {n + 2}", gold=str(n + 2)) for n in range(4)
]
TEXTS = [
    PolicyText("test-0", "0 + 2 = 2\nAnswer: 2", 9, "stop"),
    PolicyText("test-1", "1 + 2 = 4\nAnswer: 4.0", 9, "stop"),
    PolicyText("test-2", "2 + 2 = 4\nAnswer: 4.0", 10, "stop"),
    PolicyText("test-3", "3 + 2 =", 12, "length"),
]


# Of each question three, by number: right in 3, 1, 0 and 2 of them; of the last two a text has no answer.
ANSWERS = [("2", "2", "2.0"), ("4", "3", "4"), ("5", "5", None), ("5", None, "5")]
SAMPLED = [
    replace(text, sampled=sampled_texts(*("I cannot say" if answer is None else f"so\nAnswer: {answer}" for answer in answers)))
    for text, answers in zip(TEXTS, ANSWERS, strict=True)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "params.yaml").write_text("compare: {alpha: 0.05, confidence: 0.9}\n")
    monkeypatch.chdir(tmp_path)
    write_records(tmp_path / "data/test.jsonl", Question, QUESTIONS)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, texts: Sequence[PolicyText], policy: str = "baseline") -> None:
    write_records(Path(f"outputs/{policy}_answers.jsonl"), PolicyText, texts)
    monkeypatch.setattr("sys.argv", ["eval", policy])
    eval_stage.main()


@pytest.mark.parametrize("policy", ["baseline", "coherence"])
def test_texts_are_graded_in_the_order_of_the_test_set(folder, monkeypatch, policy):
    run(monkeypatch, TEXTS[::-1], policy)
    records = read_records(folder / f"outputs/{policy}_eval.jsonl", Evaluation)
    assert [record.id for record in records] == [question.id for question in QUESTIONS]
    assert [(record.answer, record.correct) for record in records] == [("2", True), ("4", False), ("4", True), (None, False)]
    assert [(record.text, record.n_tokens, record.finish_reason) for record in records] == [
        (text.text, text.n_tokens, text.finish_reason) for text in TEXTS
    ]
    metrics = read_metrics(folder / f"metrics/{policy}.json", EvaluationMetrics)
    assert metrics == evaluation_metrics(records, 0.9)  # the confidence of params.yaml
    assert (metrics.correct, metrics.questions, metrics.no_answer, metrics.truncated, metrics.mean_tokens) == (2, 4, 1, 1, 10)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (TEXTS[:3], "1 questions of data/test.jsonl have no text, the first is 'test-3'"),
        (TEXTS[2:], "2 questions of data/test.jsonl have no text, the first is 'test-0'"),
        ([*TEXTS, replace(TEXTS[0], id="test-9")], "1 texts are for no question of data/test.jsonl, the first for 'test-9'"),
        ([*TEXTS[:3], replace(TEXTS[0], id="other")], "1 questions of data/test.jsonl have no text, the first is 'test-3'"),
    ],
)
def test_texts_of_another_test_set_are_refused(folder, monkeypatch, texts, message):
    with pytest.raises(InputError) as caught:
        run(monkeypatch, texts, "coherence")
    assert str(caught.value) == f"outputs/coherence_answers.jsonl: {message}; run `dvc repro answer@coherence`"
    assert not (folder / "outputs/coherence_eval.jsonl").exists() and not (folder / "metrics").exists()


def test_a_test_set_in_which_no_question_decides_is_refused(folder, monkeypatch):
    dropped = [replace(question, gsm8k_gold=question.gold, in_platinum=False) for question in QUESTIONS]
    write_records(folder / "data/test.jsonl", Question, dropped)
    with pytest.raises(InputError, match="^data/test.jsonl: no question is in GSM8K-Platinum, which decides; run `dvc repro"):
        run(monkeypatch, TEXTS)


def test_no_model_is_asked_and_torch_is_not_loaded(folder):
    write_records(folder / "outputs/baseline_answers.jsonl", PolicyText, SAMPLED)
    code = (
        "import sys; sys.argv = ['eval', 'baseline']; from src.stages.eval import main; main(); "
        "sys.exit(sorted({'torch', 'transformers', 'vllm', 'ray'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "metrics/baseline.json").exists()


# --- sampled texts ---


def test_without_samples_evaluations_and_metrics_have_no_part_of_them(folder, monkeypatch):
    run(monkeypatch, TEXTS)
    assert "sampled" not in (folder / "outputs/baseline_eval.jsonl").read_text()
    assert "sampled" not in json.loads((folder / "metrics/baseline.json").read_text())


@pytest.mark.parametrize("texts", [SAMPLED, SAMPLED[::-1]], ids=["in order", "in another"])
def test_sampled_texts_are_counted_by_question_and_voted_on(folder, monkeypatch, texts):
    run(monkeypatch, texts)
    records = [one.sampled for one in read_records(folder / "outputs/baseline_eval.jsonl", Evaluation)]
    assert records == [
        SampledEvaluation(3, 0.35, right=3, unparsed=0, majority="2", votes=3, correct=True),
        SampledEvaluation(3, 0.35, right=1, unparsed=0, majority="4", votes=2, correct=False),
        SampledEvaluation(3, 0.35, right=0, unparsed=1, majority="5", votes=2, correct=False),
        SampledEvaluation(3, 0.35, right=2, unparsed=1, majority="5", votes=2, correct=True),
    ]
    found = read_metrics(folder / "metrics/baseline.json", EvaluationMetrics)
    assert found.sampled == sampled_metrics(records, 0.9)  # the confidence of params.yaml
    assert found.sampled is not None and (found.sampled.mean_accuracy, found.sampled.majority.correct) == (6 / 12, 2)


def test_sampled_texts_leave_all_that_is_of_the_greedy_ones_as_it_was(folder, monkeypatch):
    run(monkeypatch, TEXTS)
    before = read_records(folder / "outputs/baseline_eval.jsonl", Evaluation)
    metrics = json.loads((folder / "metrics/baseline.json").read_text())
    run(monkeypatch, SAMPLED)
    after = read_records(folder / "outputs/baseline_eval.jsonl", Evaluation)
    assert [replace(one, sampled=None) for one in after] == before
    sampled = json.loads((folder / "metrics/baseline.json").read_text())
    assert sampled.pop("sampled")["samples"] == 3 and sampled == metrics


def test_a_question_that_does_not_decide_is_graded_and_not_counted(folder, monkeypatch):
    dropped = [replace(question, gsm8k_gold=question.gold, in_platinum=n > 0) for n, question in enumerate(QUESTIONS)]
    write_records(folder / "data/test.jsonl", Question, dropped)
    run(monkeypatch, SAMPLED)
    assert all(one.sampled for one in read_records(folder / "outputs/baseline_eval.jsonl", Evaluation))
    found = read_metrics(folder / "metrics/baseline.json", EvaluationMetrics).sampled
    assert found is not None and (found.mean_accuracy, found.majority.correct, found.majority.questions) == (3 / 9, 1, 3)


@pytest.mark.parametrize(
    ("last", "has"),
    [
        (TEXTS[3], "no samples"),
        (replace(TEXTS[3], sampled=sampled_texts("Answer: 5", "Answer: 5")), "2 samples at temperature 0.35"),
        (replace(TEXTS[3], sampled=sampled_texts("a", "b", "c", temperature=0.5)), "3 samples at temperature 0.5"),
    ],
)
def test_questions_that_were_sampled_otherwise_than_others_are_refused(folder, monkeypatch, last, has):
    with pytest.raises(InputError) as caught:
        run(monkeypatch, [*SAMPLED[:3], last], "coherence")
    assert str(caught.value) == (
        f"outputs/coherence_answers.jsonl: question 'test-3' has {has}, and question 'test-0' has 3 samples at temperature 0.35; "
        "run `dvc repro answer@coherence`"
    )
    assert not (folder / "outputs/coherence_eval.jsonl").exists() and not (folder / "metrics").exists()
