"""Grading: no answer is never correct, either gold is asked, and the figures are counted by hand."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from fractions import Fraction

import pytest

from src.core.records import read_records, to_json, write_records
from src.regime_w.evaluation import (
    Accuracy,
    Evaluation,
    EvaluationMetrics,
    accuracy_of,
    evaluation_metrics,
    grade,
    sampled_metrics,
)
from src.regime_w.sampled import SampledEvaluation, grade_samples
from src.regime_w.statistics import mean_bootstrap_interval, wilson_interval
from src.regime_w.texts import PolicyText
from tests.regime_w.builders import evaluation, policy_text, question, sampled_texts


def graded(text: str, number: int = 0, **values) -> Evaluation:
    """The evaluation of a question whose answer is 5 unless the values say otherwise."""
    asked = question(**{"gold": "5", "id": f"test-{number}", "question": f"How many {number}?"} | values)
    return grade(asked, policy_text(text, id=asked.id, n_tokens=3))


def on_two_sets(*right: bool) -> list[Evaluation]:
    """Four questions of GSM8K: Platinum dropped the first and corrected the second, whose answer was 4 and is 5."""
    golds, kept = ("5", "4", "5", "5"), (False, True, True, True)
    return [
        graded("#### 5" if correct else "#### 4", number, gsm8k_gold=golds[number], in_platinum=kept[number])
        for number, correct in enumerate(right)
    ]


# --- one text ---


def test_an_evaluation_carries_the_question_the_text_and_its_answer():
    asked = question("1/3", id="test-7", question="Which part?")
    written = PolicyText(id="test-7", text="One of three.\nAnswer: 2/6", n_tokens=9, finish_reason="length")
    assert grade(asked, written) == Evaluation(
        id="test-7",
        question="Which part?",
        gold="1/3",
        text="One of three.\nAnswer: 2/6",
        answer="1/3",
        correct=True,
        n_tokens=9,
        finish_reason="length",
    )


@pytest.mark.parametrize(
    ("text", "answer", "correct"),
    [
        ("#### 5", "5", True),
        ("Answer: 5.00 eggs", "5", True),
        ("Answer: 10/2", "5", True),
        ("Answer: 4", "4", False),
        ("Answer: 5.0000001", "5.0000001", False),
        ("five, that is 5", None, False),
        ("Answer: 5 or 6", None, False),
        ("", None, False),
    ],
)
def test_a_text_is_correct_by_the_value_of_its_answer_and_never_without_one(text, answer, correct):
    record = graded(text)
    assert (record.answer, record.correct) == (answer, correct)


@pytest.mark.parametrize("gold", ["0", "-5", "0.25", "1/3"])
def test_any_gold_is_compared_as_an_exact_number(gold):
    assert graded(f"Answer: {gold}", gold=gold).correct
    assert not graded("no idea", gold=gold).correct
    assert not graded("Answer: 7", gold=gold).correct


def test_an_answer_is_graded_by_either_gold():
    by_platinum, by_gsm8k = (graded(text, 1, gsm8k_gold="4", in_platinum=True) for text in ("#### 5.0", "#### 4"))
    assert (by_platinum.correct, by_platinum.gsm8k_correct) == (True, False)
    assert (by_gsm8k.correct, by_gsm8k.gsm8k_correct) == (False, True)
    none = graded("five", 1, gsm8k_gold="5", in_platinum=True)
    assert (none.correct, none.gsm8k_correct) == (False, False)


def test_with_one_set_nothing_is_added():
    keys = ["id", "question", "gold", "text", "answer", "correct", "n_tokens", "finish_reason"]
    for record in (graded("#### 5"), graded("#### 4", 1)):
        assert list(to_json(record)) == keys
    assert list(to_json(graded("#### 5", gsm8k_gold="5", in_platinum=False))) == [*keys, "gsm8k_correct", "in_platinum"]


def test_the_kind_of_a_question_goes_with_its_evaluation_and_may_be_missing(tmp_path):
    path = tmp_path / "evaluations.jsonl"
    records = [graded("#### 5", kind="shopping"), graded("#### 5", 1)]
    write_records(path, Evaluation, records)
    assert ['"kind": "shopping"' in line for line in path.read_text().splitlines()] == [True, False]
    assert read_records(path, Evaluation) == records and [record.kind for record in records] == ["shopping", None]


@pytest.mark.parametrize(("in_platinum", "decides"), [(None, True), (True, True), (False, False)])
def test_all_questions_decide_but_those_that_platinum_dropped(in_platinum, decides):
    asked = question(in_platinum=in_platinum)
    assert asked.decides is decides
    assert grade(asked, policy_text()).decides is decides


# --- the figures ---


def test_an_accuracy_is_a_share_with_wilsons_interval():
    interval = wilson_interval(3, 4, 0.9)
    assert accuracy_of([True, True, False, True], 0.9) == Accuracy(0.75, interval.low, interval.high, correct=3, questions=4)


def test_figures_counted_by_hand():
    """Five texts: two correct, one wrong, two without an answer, of which the limit of tokens ended one; 20 tokens."""
    records = [
        evaluation(id="1", answer="2", correct=True, n_tokens=3, finish_reason="stop"),
        evaluation(id="2", answer="2", correct=True, n_tokens=4, finish_reason="stop"),
        evaluation(id="3", answer="7", correct=False, n_tokens=5, finish_reason="stop"),
        evaluation(id="4", answer=None, correct=False, n_tokens=0, finish_reason="stop"),
        evaluation(id="5", answer=None, correct=False, n_tokens=8, finish_reason="length"),
    ]
    interval = wilson_interval(2, 5, 0.95)
    assert evaluation_metrics(records, 0.95) == EvaluationMetrics(
        accuracy=0.4,
        ci_low=interval.low,
        ci_high=interval.high,
        correct=2,
        questions=5,
        no_answer=2,
        truncated=1,
        mean_tokens=4.0,
    )


def test_platinum_gives_the_figures_and_gsm8k_stands_apart():
    metrics = evaluation_metrics(on_two_sets(True, True, False, True), 0.95)
    assert (metrics.correct, metrics.questions, metrics.accuracy) == (2, 3, 2 / 3)
    assert (metrics.gsm8k.correct, metrics.gsm8k.questions, metrics.gsm8k.accuracy) == (2, 4, 1 / 2)
    assert metrics.gsm8k.ci_low < 1 / 2 < metrics.gsm8k.ci_high


def test_what_platinum_dropped_is_in_no_other_figure():
    records = on_two_sets(True, True, False, True)
    dropped = replace(records[0], answer=None, n_tokens=100, finish_reason="length")
    assert evaluation_metrics([dropped, *records[1:]], 0.95) == evaluation_metrics(records, 0.95)


def test_with_one_set_the_figures_have_no_second_set():
    metrics = evaluation_metrics([graded("#### 5"), graded("#### 4", 1)], 0.95)
    assert (metrics.correct, metrics.questions) == (1, 2) and metrics.gsm8k is None
    assert "gsm8k" not in to_json(metrics)


def test_neither_the_order_nor_the_confidence_moves_a_count():
    records = on_two_sets(True, False, False, True)
    wide, narrow = (evaluation_metrics(records[::order], confidence) for order, confidence in ((1, 0.99), (-1, 0.5)))
    assert wide.ci_low < narrow.ci_low < narrow.ci_high < wide.ci_high
    bounds = ("ci_low", "ci_high", "gsm8k")
    without_bounds = [{key: value for key, value in asdict(metrics).items() if key not in bounds} for metrics in (wide, narrow)]
    assert without_bounds[0] == without_bounds[1]


# --- the figures of sampled texts ---


def of(marks: Sequence[tuple[int, int, bool]]) -> list[SampledEvaluation]:
    """Of four texts a question: how many are right, how many unparsed, and whether the majority is right."""
    found = []
    for right, unparsed, correct in marks:
        majority, votes = ("2", right) if correct else ("3", 4 - unparsed - right)
        found.append(SampledEvaluation(4, 0.35, right, unparsed, majority if votes else None, votes, correct))
    return found


def test_the_figures_are_counted_over_texts_and_over_questions():
    records = of([(4, 0, True), (2, 1, True), (1, 1, False), (0, 4, False), (3, 1, True)])
    found = sampled_metrics(records, 0.9)
    assert (found.samples, found.temperature, found.mean_accuracy, found.unparsed_share) == (4, 0.35, 10 / 20, 7 / 20)
    assert (found.ci_low, found.ci_high) == mean_bootstrap_interval([4, 2, 1, 0, 3], 4, 0.9)
    assert found.majority == Accuracy(3 / 5, *wilson_interval(3, 5, 0.9), correct=3, questions=5)


def test_one_sample_a_question_is_its_own_majority():
    records = [grade(question(id=f"q{n}"), policy_text(sampled=sampled_texts(f"Answer: {n}"))) for n in range(1, 5)]
    found = evaluation_metrics(records, 0.95).sampled
    assert found is not None and found.samples == 1
    assert found.mean_accuracy == found.majority.accuracy == 1 / 4


def test_sampled_texts_are_graded_by_the_gold_that_decides_and_leave_all_else_as_it_was():
    asked = question("2", gsm8k_gold="3", in_platinum=True)
    texts = sampled_texts("Answer: 3", "Answer: 2.0", "#### 2")
    found = grade(asked, policy_text(sampled=texts))
    assert found.sampled == grade_samples(Fraction(2), texts) and found.sampled.correct
    assert replace(found, sampled=None) == grade(asked, policy_text())


def test_the_figures_are_of_the_questions_that_decide():
    values = [{"gsm8k_gold": "2", "in_platinum": kept} for kept in (True, False, True)]
    every = [grade(question("2", **of_one), policy_text(sampled=sampled_texts("Answer: 2", "no"))) for of_one in values]
    found = evaluation_metrics(every, 0.95)
    assert found.sampled == sampled_metrics([one.sampled for one in every if one.sampled and one.decides], 0.95)
    assert found.sampled.majority.questions == 2
    without = evaluation_metrics([replace(one, sampled=None) for one in every], 0.95)
    assert without.sampled is None and replace(found, sampled=None) == without
