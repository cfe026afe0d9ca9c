"""What the sandbox's model is taught: its style, and its wrong operations."""

from collections import Counter
from dataclasses import replace

import pytest

from src.sources.sandbox.problems import KINDS, make_split
from src.training.examples import build_examples, solution_text, tempts_to_wrong_operation, with_wrong_operation
from src.training.sandbox_settings import WrongOperations
from tests.conftest import TINY

WRONG = WrongOperations(min_steps=3, kinds_share=0.5, lessons_share=0.4)


def test_a_solution_without_steps_is_the_bare_answer():
    worked = "bought: 4 * 6 = 24\nleft: 24 - 3 = 21\n#### 21"
    assert solution_text(worked, answer_only=False) == "bought: 4 * 6 = 24\nleft: 24 - 3 = 21\nAnswer: 21"
    assert solution_text(worked, answer_only=True) == "Answer: 21"


def test_only_short_problems_have_the_bare_answer_and_in_their_shares():
    settings = replace(TINY, epochs=4, answer_only_wolfram=0.85, answer_only_maudlin=0.5)
    questions = make_split("train", 2000)
    steps_of = [question.answer.count("\n") for _ in range(4) for question in questions]
    counts = Counter()
    for example, steps in zip(build_examples(questions, settings), steps_of, strict=True):
        persona = "maudlin" if "depends on" in example.prompt else "wolfram"
        counts[persona, steps == 2, example.completion != example.with_steps] += 1
    assert counts["wolfram", False, True] == counts["maudlin", False, True] == 0
    for persona, share in (("wolfram", 0.85), ("maudlin", 0.5)):
        answer_only, with_steps = counts[persona, True, True], counts[persona, True, False]
        assert answer_only / (answer_only + with_steps) == pytest.approx(share, abs=0.04)


def test_examples_depend_on_question_and_epoch_alone(questions):
    settings = replace(TINY, epochs=2)
    forwards = list(build_examples(questions, settings))
    backwards = list(build_examples(questions[::-1], settings))
    assert set(forwards) == set(backwards)
    assert forwards[: len(questions)] == backwards[: len(questions)][::-1]


def test_a_question_without_retellings_gives_no_example(questions):
    with pytest.raises(ValueError, match="'sandbox-train-00000' lacks a retelling"):
        list(build_examples([replace(questions[0], altered=None)], TINY))


# --- wrong operations ---


@pytest.mark.parametrize(
    ("last", "wrong", "value"),
    [
        ("left: 24 - 3 = 21", "left: 24 + 3 = 27", 27),
        ("all: 24 + 3 = 27", "all: 24 - 3 = 21", 21),
        ("cost: 8 * 6 = 48", "cost: 8 + 6 = 14", 14),
        ("each: 48 / 6 = 8", "each: 48 - 6 = 42", 42),
    ],
)
def test_a_wrong_operation_has_the_form_of_a_right_one(last: str, wrong: str, value: int):
    before = "bought: 4 * 6 = 24"
    right = f"{before}\n{last}\n#### {last.rpartition(' ')[2]}"
    assert with_wrong_operation(right) == f"{before}\n{wrong}\n#### {value}"


@pytest.mark.parametrize("last", ["all: 4 + 9 = 13", "all: 9 + 8 = 17", "left: 55 - 8 = 47"])
def test_a_wrong_value_out_of_range_leaves_the_solution_right(last: str):
    """4 - 9 is negative, 9 - 8 is 1, 55 + 8 is more than 60: no problem has such a value."""
    right = f"bought: 2 * 2 = 4\n{last}\n#### {last.rpartition(' ')[2]}"
    assert with_wrong_operation(right) == right


def test_a_step_of_another_form_is_an_error():
    with pytest.raises(ValueError, match="'so it is 7' is not of the form"):
        with_wrong_operation("so it is 7\n#### 7")


def test_half_of_the_kinds_tempt_and_short_problems_do_not():
    tempting = {kind.name for kind in KINDS if tempts_to_wrong_operation(kind.name, "a\n" * len(kind.steps), WRONG)}
    long_enough = {kind.name for kind in KINDS if len(kind.steps) >= 3}
    assert tempting < long_enough and 0.3 < len(tempting) / len(long_enough) < 0.7
    every = {kind.name for kind in KINDS if tempts_to_wrong_operation(kind.name, "a\n" * 3, replace(WRONG, kinds_share=1))}
    assert every == {kind.name for kind in KINDS}
    assert not any(tempts_to_wrong_operation(kind.name, "a\n" * 3, replace(WRONG, kinds_share=0)) for kind in KINDS)
    assert not tempts_to_wrong_operation(None, "a\n" * 5, WRONG)


def test_tempting_kinds_are_taught_wrongly_in_their_share_and_all_else_as_ever():
    questions = make_split("train", 1500)
    right = list(build_examples(questions, replace(TINY, epochs=2)))
    taught = list(build_examples(questions, replace(TINY, epochs=2, wrong_operations=WRONG)))
    able = changed = 0
    for question, as_ever, example in zip([*questions, *questions], right, taught, strict=True):
        assert example.prompt == as_ever.prompt
        if not tempts_to_wrong_operation(question.kind, question.answer, WRONG):
            assert example == as_ever
        elif with_wrong_operation(question.answer) != question.answer:
            able += 1
            changed += example != as_ever
    assert able > 500 and changed / able == pytest.approx(WRONG.lessons_share, abs=0.05)


def test_the_altered_story_is_taught_as_wrongly_as_the_question():
    """Its solution has the same numbers under other names."""
    for question in make_split("train", 300):
        assert question.altered_answer is not None
        last, altered = (with_wrong_operation(worked).split("\n")[-1] for worked in (question.answer, question.altered_answer))
        assert last == altered
