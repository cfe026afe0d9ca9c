"""Stage `eval`: the texts of one policy are graded against the test set that they were written for, and no other."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, read_records, write_records
from src.regime_w.evaluation import Evaluation, EvaluationMetrics, evaluation_metrics
from src.regime_w.questions import Question
from src.regime_w.texts import PolicyText
from src.stages import eval as eval_stage

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
    write_records(folder / "outputs/baseline_answers.jsonl", PolicyText, TEXTS)
    code = (
        "import sys; sys.argv = ['eval', 'baseline']; from src.stages.eval import main; main(); "
        "sys.exit(sorted({'torch', 'transformers', 'vllm', 'ray'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "metrics/baseline.json").exists()
