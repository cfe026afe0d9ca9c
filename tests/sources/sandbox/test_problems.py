"""The word problems: right, small, all different, the same every time, and split without overlap."""

import re
from collections import Counter
from fractions import Fraction
from random import Random
from string import Formatter

import pytest

from src.regime_w.questions import Question
from src.sources.sandbox.kinds import PEOPLE, Kind, Step
from src.sources.sandbox.problems import (
    KINDS,
    Cast,
    draw_numbers,
    easy_value,
    make_split,
    problem,
    split_of,
    work_out,
    worked_solution,
)

TRAIN, TEST = 7_473, 1_210
LINE = re.compile(r"(?P<label>[A-Za-z]+(?: [A-Za-z]+){0,2}): (\d+) ([-+*/]) (\d+) = (\d+)")
BY_NAME = {kind.name: kind for kind in KINDS}
CAST_WORDS = {"name", "other", "third", "things", "he", "He", "his"}
FIRST_QUESTION = "On a trip of 37 people, Hugo has 2 vans of 5 seats and 4 buses of 8 seats. How many seats are not used?"
FIRST_ANSWER = "bus seats: 4 * 8 = 32\nvan seats: 2 * 5 = 10\nall seats: 32 + 10 = 42\nempty: 42 - 37 = 5\n#### 5"


@pytest.fixture(scope="module")
def train() -> list[Question]:
    return make_split("train", TRAIN)


@pytest.fixture(scope="module")
def held_out() -> list[Question]:
    return make_split("test", TEST)


@pytest.fixture(scope="module")
def both(train, held_out) -> list[Question]:
    return train + held_out


def numbers_in(text: str) -> list[str]:
    return re.findall(r"\d+", text)


def kind_and_numbers(record: Question) -> tuple[str, tuple[tuple[str, int], ...]]:
    """Kind and numbers, read from the question by the wording of its kind that it follows."""
    kind = BY_NAME[record.kind]
    for wording in kind.wordings:
        pattern = "".join(
            re.escape(text) + ("" if field is None else r"(\w+)") for text, field, _, _ in Formatter().parse(wording)
        )
        match = re.fullmatch(pattern, record.question)
        if match:
            fields = [field for _, field, _, _ in Formatter().parse(wording) if field is not None]
            values = dict(zip(fields, match.groups(), strict=True))
            return kind.name, tuple((name, int(values[name])) for name in kind.numbers)
    raise AssertionError(f"no wording of {kind.name} gives {record.question!r}")


# --- splits ---------------------------------------------------------------------------------------


def test_no_question_occurs_twice_in_or_across_splits(train, held_out):
    assert len(train) == TRAIN and len(held_out) == TEST
    questions = [record.question for record in train + held_out]
    assert len(set(questions)) == TRAIN + TEST


def test_no_form_of_a_test_problem_is_a_train_question(train, held_out):
    asked = {record.question for record in train}
    for record in held_out:
        assert not asked & {record.question, record.restated, record.altered}


def test_test_problems_differ_from_train_problems_in_more_than_words(train, held_out):
    assert not {kind_and_numbers(record) for record in train} & {kind_and_numbers(record) for record in held_out}


def test_the_key_alone_decides_the_split():
    kind = BY_NAME["shop_change"]
    numbers, _ = draw_numbers(kind, "test", Random(0))
    assert split_of(kind, numbers) == "test"
    assert split_of(kind, dict(reversed(numbers.items()))) == "test"


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_longer_split_begins_with_the_shorter_one(split, train, held_out):
    longer = {"train": train, "test": held_out}[split]
    assert make_split(split, 0) == []
    assert make_split(split, 100) == longer[:100]
    assert problem(split, 37) == longer[37]


def test_ids_tell_split_and_index(train, held_out):
    assert train[42].id == "sandbox-train-00042"
    assert held_out[1209].id == "sandbox-test-01209"
    assert len({record.id for record in train + held_out}) == TRAIN + TEST


def test_these_problems_stay_as_published():
    # A change here changes every figure measured on the embedded world.
    first = make_split("train", 1)[0]
    assert first.question == FIRST_QUESTION
    assert first.answer == FIRST_ANSWER


def test_an_unknown_split_or_a_negative_number_is_an_error():
    with pytest.raises(ValueError, match="'dev'"):
        make_split("dev", 3)
    with pytest.raises(ValueError, match="-1"):
        make_split("train", -1)
    with pytest.raises(ValueError, match="-1"):
        problem("train", -1)


# --- variety --------------------------------------------------------------------------------------


def test_every_kind_occurs_in_both_splits(train, held_out):
    assert len(BY_NAME) == len(KINDS) >= 34
    assert {record.kind for record in train} == set(BY_NAME)
    assert {record.kind for record in held_out} == set(BY_NAME)


def test_steps_are_two_to_five_in_their_shares(train, held_out):
    for records, tolerance in ((train, 0.02), (held_out, 0.05)):
        steps = Counter(len(record.answer.splitlines()) - 1 for record in records)
        assert set(steps) == {2, 3, 4, 5}
        for count, share in {2: 0.25, 3: 0.40, 4: 0.25, 5: 0.10}.items():
            assert steps[count] / len(records) == pytest.approx(share, abs=tolerance)


def structure(kind: Kind) -> tuple:
    """The computation of a kind with drawn numbers and results named by order of use: equal if the same."""
    renamed, result = {}, []
    for step in kind.steps:
        left, sign, right = step.expression.split()
        sides = [side if side.isdecimal() else renamed.setdefault(side, f"v{len(renamed)}") for side in (left, right)]
        result.append((sides[0], sign, sides[1]))
        renamed[step.result] = f"step{len(result)}"
    return tuple(result)


def test_every_kind_is_a_computation_of_its_own():
    shared = Counter(structure(kind) for kind in KINDS)
    assert max(shared.values()) == 1, [k.name for k in KINDS if shared[structure(k)] > 1]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_wording_tells_every_number_once_and_nothing_unknown(kind):
    assert len(set(kind.wordings)) >= 3
    for wording in kind.wordings:
        fields = Counter(field for _, field, _, _ in Formatter().parse(wording) if field is not None)
        assert {name: fields[name] for name in kind.numbers} == dict.fromkeys(kind.numbers, 1)
        assert set(fields) <= set(kind.numbers) | CAST_WORDS
        assert fields["name"] >= 1
        assert ("things" in fields) == bool(kind.things)
        assert not re.search(r"\d", wording)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_number_and_every_result_is_used(kind):
    sides = {side for step in kind.steps for side in step.expression.split()[::2]}
    results = [step.result for step in kind.steps]
    assert set(kind.numbers) | set(results[:-1]) <= sides
    assert not set(kind.numbers) & CAST_WORDS
    assert len(set(results) | set(kind.numbers)) == len(results) + len(kind.numbers)


# --- solutions ------------------------------------------------------------------------------------


def test_every_line_is_right_and_small_and_the_last_value_is_the_gold(both):
    for record in both:
        *lines, last = record.answer.split("\n")
        for line in lines:
            _, left, sign, right, value = LINE.fullmatch(line).groups()
            x, y = Fraction(left), Fraction(right)
            exact = {"+": x + y, "-": x - y, "*": x * y, "/": x / y}[sign]
            assert exact == Fraction(value), record.id
            assert 2 <= Fraction(value) <= 60 and 2 <= min(x, y), record.id
            # What is taken from or divided is bounded by its own table: 60 + 12 and 10 * 10, read backwards.
            assert max(x, y) <= {"+": 60, "*": 60, "-": 72, "/": 100}[sign], record.id
            if sign in "+-":
                assert min(x, y) <= 12 or (sign == "-" and x - y <= 12), record.id
        assert last == f"#### {record.gold}"
        assert record.gold == value


def test_every_operand_is_given_or_worked_out_before_or_a_constant_of_the_kind(both):
    for record in both:
        expressions = [step.expression.split() for step in BY_NAME[record.kind].steps]
        known = numbers_in(record.question)
        for (left, _, right), line in zip(expressions, record.answer.split("\n"), strict=False):
            _, left_number, _, right_number, value = LINE.fullmatch(line).groups()
            for side, number in ((left, left_number), (right, right_number)):
                assert number == side if side.isdecimal() else number in known, record.id
            known.append(value)


def test_products_and_quotients_stay_in_the_table(both):
    for record in both:
        for left, sign, right in re.findall(r"(\d+) ([*/]) (\d+)", record.answer):
            x, y = int(left), int(right)
            small, large = sorted((x, y) if sign == "*" else (x // y, y))
            assert large <= 10 or (small == 2 and large <= 30), record.answer


@pytest.mark.parametrize(
    ("left", "sign", "right", "value"),
    [
        (7, "+", 8, 15),
        (48, "+", 12, 60),
        (49, "+", 12, None),
        (13, "+", 13, None),
        (9, "-", 4, 5),
        (9, "-", 9, None),
        (9, "-", 8, None),
        (60, "-", 48, 12),
        (60, "-", 30, None),
        (10, "*", 6, 60),
        (10, "*", 7, None),
        (11, "*", 3, None),
        (2, "*", 30, 60),
        (31, "*", 2, None),
        (54, "/", 6, 9),
        (55, "/", 6, None),
        (33, "/", 3, None),
        (60, "/", 2, 30),
        (7, "/", 7, None),
    ],
)
def test_easy_values_are_whole_from_2_to_60_and_in_the_tables(left, sign, right, value):
    assert easy_value(left, sign, right) == value


def test_a_worked_solution_in_full():
    kind = Kind(
        name="toy",
        numbers={"packs": range(4, 5), "each": range(6, 7), "lost": range(3, 4)},
        things=("apples", "pears"),
        wordings=("{name}?",) * 3,
        steps=(
            Step("total", "{things} bought", "packs * each"),
            Step("left", "{things} left", "total - lost"),
        ),
    )
    lines = work_out(kind, {"packs": 4, "each": 6, "lost": 3})
    assert worked_solution(kind, lines, Cast("Adam", "Ben", "Carl", "apples")) == (
        "apples bought: 4 * 6 = 24\napples left: 24 - 3 = 21\n#### 21"
    )
    assert work_out(kind, {"packs": 4, "each": 6, "lost": 30}) is None


def test_a_kind_with_a_mistake_is_an_error():
    def kind(expression: str, number: int = 5) -> Kind:
        step = Step("x", "x", expression)
        return Kind("toy", {"a": range(number, number + 1)}, ("{name} {a}?",) * 3, (step,))

    with pytest.raises(ValueError, match="'toy'.*'b'"):
        work_out(kind("a + b"), {"a": 5})
    with pytest.raises(ValueError, match="%"):
        work_out(kind("a % 2"), {"a": 5})
    with pytest.raises(ValueError, match="'toy'.*change the ranges"):
        draw_numbers(kind("a - 5"), "train", Random(0))


# --- language -------------------------------------------------------------------------------------


def test_questions_are_clean_short_sentences(both):
    for record in both:
        for text in (record.question, record.restated, record.altered):
            assert text[0].isupper() and text.endswith("?"), text
            assert text.isascii() and not re.search(r"[{}]|  |\n|[ ,][,.?]", text), text
            assert all(sentence[0].isupper() for sentence in re.split(r"[.?] ", text)), text
            assert 20 <= len(text.split()) <= 45, text
            assert "1" not in numbers_in(text), text
            assert all(int(number) <= 100 for number in numbers_in(text)), text


def test_restated_is_another_wording_of_the_same_problem(both):
    for record in both:
        assert record.restated != record.question
        assert Counter(numbers_in(record.restated)) == Counter(numbers_in(record.question))
        people = [{word for word in re.findall(r"\w+", text) if word in PEOPLE} for text in (record.question, record.restated)]
        assert people[0] & people[1]


def test_altered_has_the_same_numbers_in_place_but_no_name_in_common(both):
    for record in both:
        question, altered = (re.findall(r"\w+", text) for text in (record.question, record.altered))
        assert len(question) == len(altered)
        assert numbers_in(record.question) == numbers_in(record.altered)
        changed = [(old, new) for old, new in zip(question, altered, strict=True) if old != new]
        assert all(old in PEOPLE for old, new in changed if new in PEOPLE)
        assert not set(question) & set(altered) & set(PEOPLE)
        nouns = set(BY_NAME[record.kind].things)
        assert all(new in nouns for old, new in changed if old in nouns)
        if nouns:
            assert any(old in nouns for old, _ in changed)
