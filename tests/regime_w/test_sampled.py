"""Grading of sampled texts: majorities by hand."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest

from src.regime_w.sampled import SampledEvaluation, grade_samples, majority_answer
from tests.regime_w.builders import sampled_texts


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
    found = grade_samples(Fraction("0.5"), sampled_texts("Answer: 2", "so\nAnswer: 1/2", "0.5", "#### 0.50"))
    assert found == SampledEvaluation(4, 0.35, right=2, unparsed=1, majority="0.5", votes=2, correct=True)


def test_a_question_without_an_answer_in_any_text_is_wrong():
    found = grade_samples(Fraction(2), sampled_texts("I see", "nothing"))
    assert found == SampledEvaluation(2, 0.35, right=0, unparsed=2, majority=None, votes=0, correct=False)


def test_a_majority_may_be_wrong_where_some_are_right_and_right_where_most_are_wrong():
    outvoted = grade_samples(Fraction(2), sampled_texts("Answer: 3", "Answer: 2", "Answer: 3"))
    assert (outvoted.right, outvoted.majority, outvoted.votes, outvoted.correct) == (1, "3", 2, False)
    split = grade_samples(Fraction(2), sampled_texts("Answer: 3", "Answer: 2", "Answer: 4", "Answer: 2", "no"))
    assert (split.right, split.unparsed, split.votes, split.correct) == (2, 1, 2, True)


GOOD = SampledEvaluation(5, 0.35, right=2, unparsed=1, majority="2", votes=2, correct=True)


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
