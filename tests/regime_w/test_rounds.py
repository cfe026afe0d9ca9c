"""Iterated training: when the gain is gone, what all rounds have changed together, and how that is said."""

import pytest

from src.regime_w.compare_settings import CompareSettings
from src.regime_w.rounds import Round, Rounds, against_first, is_over, sentence
from tests.regime_w.builders import training_round

COMPARE = CompareSettings(alpha=0.05, confidence=0.95)
NONE, SIX, SEVEN = "0" * 20, "1" * 6 + "0" * 14, "0" + "1" * 6 + "0" * 13
GAIN = training_round(1, NONE, SIX)  # 6 fixed, 0 broken: p = 2 / 2^6 = 0.031
EVEN = training_round(2, SIX, SEVEN)  # 1 fixed, 1 broken
LOSS = training_round(2, SIX, NONE)


def rounds(*each: Round, wanted: int = 3, stop: bool = True) -> Rounds:
    return Rounds("tiny", "guide", 0, 48, 20, wanted, stop, each, against_first(each, COMPARE))


def test_rounds_end_where_one_is_no_improvement():
    assert not is_over((), 1, True)
    assert not is_over((GAIN,), 2, True) and is_over((GAIN,), 1, True)
    for last in (EVEN, LOSS):
        assert is_over((GAIN, last), 3, True) and not is_over((GAIN, last), 3, False)
        assert is_over((GAIN, last), 2, False)


def test_each_round_is_compared_with_round_0_too():
    first, second = against_first((GAIN, EVEN), COMPARE)
    assert (first.fixed, first.broken, first.p_value) == (6, 0, 2 / 2**6)
    assert (second.fixed, second.broken, second.difference) == (6, 0, 0.3)
    assert (EVEN.verdict.fixed, EVEN.verdict.broken) == (1, 1)
    assert against_first((), COMPARE) == ()


def test_the_end_is_told_in_words():
    assert sentence(rounds()) == "No round is done."
    assert sentence(rounds(GAIN)) == "1 of 3 rounds are done; the same command goes on."
    assert "All 1 rounds are done, and the last is still better than round 0 (6 fixed, 0 broken, p 0.031)" in sentence(
        rounds(GAIN, wanted=1)
    )
    gone = sentence(rounds(GAIN, EVEN))
    assert gone.startswith("The gain is gone: by the paired test round 2 is not better than round 1 (1 fixed, 1 broken, p 1)")
    assert "*no evidence*" in gone and "round 1 is the last that helped" in gone and "trained nothing" not in gone
    assert "*worse*" in sentence(rounds(GAIN, LOSS))
    untrained = training_round(1, SIX, SIX, trained=False, pairs=0)
    assert "It had too few pairs and trained nothing." in sentence(rounds(untrained))
    assert "and no round has helped." in sentence(rounds(untrained))
    assert sentence(rounds(GAIN, EVEN, wanted=2, stop=False)).startswith("All 2 rounds are done; the last is not better")


def test_marks_are_of_the_questions_of_the_verdict():
    with pytest.raises(ValueError, match="correct has 19 marks, but the verdict is of 20 questions"):
        training_round(1, NONE, SIX, correct=SIX[1:])
