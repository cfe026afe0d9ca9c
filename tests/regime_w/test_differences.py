"""Where two texts part: steps, the first that differs, and what is marked."""

import random
import string

import pytest

from src.regime_w import differences as module
from src.regime_w.differences import Step, differences


def marked(steps: tuple[Step, ...]) -> list[list[str]]:
    """The differing parts of each step."""
    return [list(step[1::2]) for step in steps]


def test_equal_texts_differ_nowhere():
    found = differences("a: 1\nb: 2", "a: 1\nb: 2")
    assert found.first_step is None and found.one == found.other == (("a: 1\n",), ("b: 2",))


def test_the_first_step_that_differs_and_the_numbers_from_there_on():
    before = "earned: 5 * 2 = 10\nmissing: 64 - 6 = 56\nAnswer: 7"
    after = "earned: 5 * 2 = 10\nmissing: 66 - 6 = 60\nAnswer: 6"
    found = differences(before, after)
    assert found.first_step == 1
    assert found.one == (("earned: 5 * 2 = 10\n",), ("missing: ", "64", " - 6 = ", "56", "\n"), ("Answer: ", "7", ""))
    assert found.other == (("earned: 5 * 2 = 10\n",), ("missing: ", "66", " - 6 = ", "60", "\n"), ("Answer: ", "6", ""))


def test_a_step_is_a_line_or_a_sentence_of_it():
    found = differences("He has 3.5 pens. She has 2. Together 5.\n#### 5", "He has 3.5 pens. She has 4. Together 7.\n#### 7")
    assert ["".join(step) for step in found.one] == ["He has 3.5 pens. ", "She has 2. ", "Together 5.\n", "#### 5"]
    assert found.first_step == 1 and marked(found.other) == [[], ["4"], ["7"], ["7"]]


@pytest.mark.parametrize(
    ("one", "other", "first", "marks"),
    [
        ("a\nb", "a\nb\nc", 2, ([[], []], [[], [], ["c"]])),
        ("", "a", 0, ([], [["a"]])),
        ("a", "", 0, ([["a"]], [])),
        ("a  b\n", "a b", None, ([[]], [[]])),
        ("", "\n", None, ([], [[]])),
        ("1,000", "1000", 0, ([["1,000"]], [["1000"]])),
        ("so\n1 + 1 = 2", "1 + 1 = 2", 0, ([["so"], []], [[]])),
    ],
)
def test_texts_of_other_lengths_and_other_white_space(one, other, first, marks):
    found = differences(one, other)
    assert found.first_step == first and (marked(found.one), marked(found.other)) == marks


def test_a_run_of_differing_words_is_one_mark_that_is_cut_at_the_end_of_a_step():
    found = differences("x a b\nc d y", "x p q\nr s y")
    assert found.one == (("x ", "a b\n", ""), ("", "c d", " y")) and found.first_step == 0


def test_very_long_texts_are_marked_between_what_they_share(monkeypatch):
    monkeypatch.setattr(module, "MAX_COUPLES", 3)
    found = differences("a 1 b 2 c", "a 3 b 4 c")
    assert marked(found.one) == [["1 b 2"]] and marked(found.other) == [["3 b 4"]]


def test_the_parts_are_the_text_and_the_shared_parts_are_the_same_words():
    draw = random.Random(0)
    letters = "ab1 \n.A" + string.punctuation[:3]
    for _ in range(500):
        one, other = ("".join(draw.choices(letters, k=draw.randrange(12))) for _ in range(2))
        found = differences(one, other)
        for text, steps in ((one, found.one), (other, found.other)):
            assert "".join("".join(step) for step in steps) == text
            assert all(len(step) % 2 for step in steps)
        shared = [module.TOKEN.findall(" ".join(" ".join(step[::2]) for step in steps)) for steps in (found.one, found.other)]
        assert shared[0] == shared[1]
