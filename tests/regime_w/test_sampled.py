"""Grading of sampled texts: majorities by hand, and figures that are counted."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest

from src.regime_w.evaluation import Accuracy
from src.regime_w.sampled import SampledEvaluation, grade_samples, majority_answer, sampled_metrics
from src.regime_w.sampled_texts import SampledText
from src.regime_w.statistics import mean_bootstrap_interval, wilson_interval
from tests.regime_w.builders import question


def texts(*written: str) -> list[SampledText]:
    return [SampledText("q1", sample, 0.35, text, 4, "stop") for sample, text in enumerate(written)]


def numbers(*answers: int | str | None) -> list[Fraction | None]:
    return [None if answer is None else Fraction(answer) for answer in answers]


# --- the majority ---


@pytest.mark.parametrize(
    ("answers", "majority"),
    [
        (numbers(3), 3),
        (numbers(3, 2, 2), 2),
        (numbers("1/3", 2, "2/6"), "1/3"),  # by value
        (numbers(7, None, None, None), 7),  # a text without an answer has no vote
        (numbers(None, None, 2, 3, 3, None), 3),
        # Of tied ones that which came first, whatever its size and wherever its other votes stand.
        (numbers(5, 2), 5),
        (numbers(2, 5), 2),
        (numbers(None, 5, 2, 2, 5, None), 5),
        (numbers(9, 1, 4, 4, 1), 1),
        (numbers(9, 4, 1, 4, 1), 4),
    ],
)
def test_the_majority_by_hand(answers: list[Fraction | None], majority: int | str):
    assert majority_answer(answers) == Fraction(majority)


@pytest.mark.parametrize("answers", [[], [None], [None, None, None]])
def test_where_no_text_has_an_answer_there_is_no_majority(answers: list[None]):
    assert majority_answer(answers) is None


def test_a_tie_favours_none_of_its_answers_over_all_orders_of_the_texts():
    """Two right of four, the others alike or not: each of the tied is the majority in its share of the orders."""
    every = [answers for answers in product(numbers(1, 2), repeat=4) if answers.count(Fraction(1)) == 2]
    assert [majority_answer(answers) for answers in every].count(Fraction(1)) == len(every) / 2


def test_texts_are_parsed_by_the_parser_of_answers_and_marked_by_value():
    found = grade_samples(question("0.5"), texts("Answer: 2", "so\nAnswer: 1/2", "0.5", "#### 0.50"))
    assert found == SampledEvaluation("q1", 4, 0.35, right=2, unparsed=1, majority="0.5", votes=2, correct=True)


def test_a_question_without_an_answer_in_any_text_is_wrong():
    found = grade_samples(question(), texts("I see", "nothing"))
    assert found == SampledEvaluation("q1", 2, 0.35, right=0, unparsed=2, majority=None, votes=0, correct=False)


def test_a_majority_may_be_wrong_where_some_are_right_and_right_where_most_are_wrong():
    outvoted = grade_samples(question("2"), texts("Answer: 3", "Answer: 2", "Answer: 3"))
    assert (outvoted.right, outvoted.majority, outvoted.votes, outvoted.correct) == (1, "3", 2, False)
    split = grade_samples(question("2"), texts("Answer: 3", "Answer: 2", "Answer: 4", "Answer: 2", "no"))
    assert (split.right, split.unparsed, split.votes, split.correct) == (2, 1, 2, True)


GOOD = SampledEvaluation("q1", 5, 0.35, right=2, unparsed=1, majority="2", votes=2, correct=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"right": 5}, "5 samples, 1 of them unparsed, cannot give 5 right and 2 votes"),
        ({"votes": 5}, "cannot give 2 right and 5 votes"),
        ({"unparsed": 4}, "cannot give 2 right and 2 votes"),
        ({"unparsed": 6}, "5 samples, 6 of them unparsed"),
        ({"majority": None}, "majority None has 2 votes, where 4 samples have an answer"),
        ({"right": 0, "votes": 0, "correct": False}, "majority 2 has 0 votes"),
        ({"right": 0, "votes": 0, "majority": None, "correct": False}, "majority None has 0 votes, where 4 samples have"),
        ({"right": 3}, "the majority has 2 votes and is correct, which 3 right cannot give"),
        ({"right": 1}, "the majority has 2 votes and is correct, which 1 right cannot give"),
        ({"right": 3, "correct": False}, "is not correct, which 3 right cannot give"),
        ({"right": 0, "unparsed": 5, "majority": None, "votes": 0}, "has 0 votes and is correct"),
    ],
)
def test_counts_that_no_texts_give_are_refused(values: dict, message: str):
    with pytest.raises(ValueError, match=message):
        replace(GOOD, **values)


# --- the figures ---


def of(marks: Sequence[tuple[int, int, bool]]) -> list[SampledEvaluation]:
    """Of four texts a question: how many are right, how many unparsed, and whether the majority is right."""
    found = []
    for n, (right, unparsed, correct) in enumerate(marks):
        majority, votes = ("2", right) if correct else ("3", 4 - unparsed - right)
        found.append(SampledEvaluation(f"q{n}", 4, 0.35, right, unparsed, majority if votes else None, votes, correct))
    return found


def test_the_figures_are_counted_over_texts_and_over_questions():
    records = of([(4, 0, True), (2, 1, True), (1, 1, False), (0, 4, False), (3, 1, True)])
    found = sampled_metrics(records, 0.9)
    assert (found.samples, found.temperature, found.mean_accuracy, found.unparsed_share) == (4, 0.35, 10 / 20, 7 / 20)
    assert (found.ci_low, found.ci_high) == mean_bootstrap_interval([4, 2, 1, 0, 3], 4, 0.9)
    assert found.majority == Accuracy(3 / 5, *wilson_interval(3, 5, 0.9), correct=3, questions=5)


def test_one_sample_a_question_is_its_own_majority():
    records = [grade_samples(question(id=f"q{n}"), texts(f"Answer: {n}")) for n in range(1, 5)]
    found = sampled_metrics(records, 0.95)
    assert found.mean_accuracy == found.majority.accuracy == 1 / 4
