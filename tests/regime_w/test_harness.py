"""The rules of lm-evaluation-harness: what each takes from a text, and what it counts as right.

The answers below are what the filters and the metric of lm_eval 0.4.13 gave for these texts.
"""

import pytest

from src.regime_w.harness import RULES, harness_answer, harness_correct, harness_target, harness_text
from tests.regime_w.builders import question

STRICT, FLEXIBLE = RULES
TEXTS = [
    # text, strict-match, flexible-extract
    ("3 + 2 = 5\n#### 5", "5", "5"),
    ("3 + 2 = 5\nAnswer: 5", None, "5"),
    ("#### 5\nNo: #### 6", "5", "6"),
    ("That is $1,200.", None, "$1,200."),
    ("#### -1,200.50.", "-1,200.50.", "-1,200.50."),
    ("#### $18", None, "$18"),
    ("####5", None, "5"),
    ("five", None, None),
    ("", None, None),
    ("Answer: 5 ...", None, "..."),
    ("Answer: ５", None, None),
    ("#### 5\n\nQuestion: How many are 2 and 2?\n#### 4", "5", "5"),
    ("Answer: 5</s>7", None, "5"),
]


@pytest.mark.parametrize(("text", "strict", "flexible"), TEXTS)
def test_each_rule_takes_what_the_harness_takes(text, strict, flexible):
    assert (harness_answer(text, STRICT), harness_answer(text, FLEXIBLE)) == (strict, flexible)


def test_a_text_ends_where_the_harness_stops_a_model():
    assert harness_text("a<|im_end|>b</s>cQuestion:") == "a"
    assert harness_text("no end") == "no end"


@pytest.mark.parametrize(
    ("answer", "target", "correct"),
    [
        ("$1,200.", "so\n#### 1200", True),
        ("5", "#### 5", True),
        ("5.0", "#### 5", False),  # numbers are compared as texts
        ("05", "#### 5", False),
        (None, "#### 5", False),
        ("-5", "#### 5", False),
    ],
)
def test_an_answer_is_right_where_its_text_is_the_target_s(answer, target, correct):
    assert harness_correct(answer, target) is correct


def test_the_target_is_the_solution_with_the_gold_that_decides():
    assert harness_target(question("7", answer="9 - 2 = 7\n#### 7")) == "9 - 2 = 7\n#### 7"
    revised = question("8", answer="9 - 2 = 7\n#### 7", gsm8k_gold="7", in_platinum=True)
    assert harness_target(revised) == "9 - 2 = 7\n#### 8"
