"""Grade-school word problems with exact worked solutions, as many as wanted, the same on every machine.

A problem has two to five steps. Its numbers are whole and small, so that a model of a million
parameters that reads whole numbers as single tokens can learn the arithmetic in minutes on a CPU.
The worked solution has a line a step and ends as in GSM8K (Cobbe et al. 2021, arXiv:2110.14168):

    apples bought: 4 * 6 = 24
    apples left: 24 - 3 = 21
    #### 21
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Literal, NamedTuple, get_args

from src.regime_w.questions import Question
from src.sources.sandbox.kinds import MAX_VALUE, MIN_VALUE, PEOPLE, Kind
from src.sources.sandbox.kinds_long import FIVE_STEPS, FOUR_STEPS
from src.sources.sandbox.kinds_short import THREE_STEPS, TWO_STEPS

KINDS = TWO_STEPS + THREE_STEPS + FOUR_STEPS + FIVE_STEPS

# Share of the problems by number of steps, in percent; within a number of steps, kinds are equally likely.
STEP_SHARES = ((TWO_STEPS, 25), (THREE_STEPS, 40), (FOUR_STEPS, 25), (FIVE_STEPS, 10))

MAX_PART = 12  # of the smaller part of a sum: 48 + 12 and 60 - 48, but not 30 + 30
MAX_FACTOR = 10  # the multiplication table, read both ways
MAX_DOUBLED = 30  # 2 * 30; doubling and halving reach further than the table
MAX_DRAWS = 100_000  # a kind needs 1 to 150 of them on average
TEST_SHARE = 7  # one in so many of the (kind, numbers) keys belongs to the test split

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


class Line(NamedTuple):
    """One step of a worked solution in numbers."""

    left: int
    sign: str
    right: int
    value: int


def split_of(kind: Kind, numbers: Mapping[str, int]) -> Split:
    """The split that owns these numbers in this kind: "test" for one key in seven, else "train".

    The rule looks at nothing else, so no test problem is a train problem with other names.
    """
    key = f"{kind.name}:" + ",".join(f"{name}={numbers[name]}" for name in sorted(numbers))
    digest = hashlib.sha256(key.encode("ascii")).digest()
    return "test" if int.from_bytes(digest[:8], "big") % TEST_SHARE == 0 else "train"


def in_table(first: int, second: int) -> bool:
    """Whether the product of two whole numbers is one that the small model is asked to know."""
    small, large = sorted((first, second))
    return large <= MAX_FACTOR or (small == 2 and large <= MAX_DOUBLED)


def side_value(side: str, values: Mapping[str, int], kind: Kind) -> int:
    """The number that one side of a step's expression stands for: a constant in digits, or a named value."""
    if side.isdecimal():
        return int(side)
    if side not in values:
        raise ValueError(
            f"kind {kind.name!r}: a step uses {side!r}, which is neither a constant nor one of "
            f"{sorted(values)}; correct the step's expression, or add the number to the kind"
        )
    return values[side]


def easy_value(left: int, sign: str, right: int) -> int | None:
    """What `left sign right` gives, or None where the small model is not asked to know it."""
    if sign == "+":
        value = left + right if min(left, right) <= MAX_PART else 0
    elif sign == "-":
        value = left - right if min(left - right, right) <= MAX_PART else 0
    elif sign == "*":
        value = left * right if in_table(left, right) else 0
    elif sign == "/":
        value, rest = divmod(left, right)
        if rest or not in_table(value, right):
            return None
    else:
        raise ValueError(f"operator {sign!r} in a step's expression; use one of + - * /")
    return value if MIN_VALUE <= value <= MAX_VALUE else None


def work_out(kind: Kind, numbers: Mapping[str, int]) -> list[Line] | None:
    """A line for each step of `kind`, in order, or None where a value is not easy for the small model."""
    values = dict(numbers)
    lines = []
    for step in kind.steps:
        left_side, sign, right_side = step.expression.split()
        left, right = side_value(left_side, values, kind), side_value(right_side, values, kind)
        value = easy_value(left, sign, right)
        if value is None:
            return None
        values[step.result] = value
        lines.append(Line(left, sign, right, value))
    return lines


def draw_numbers(kind: Kind, split: Split, rng: Random) -> tuple[dict[str, int], list[Line]]:
    """Numbers for `kind` that belong to `split` and give easy values, and the lines that they give."""
    for _ in range(MAX_DRAWS):
        numbers = {name: rng.choice(choices) for name, choices in kind.numbers.items()}
        lines = work_out(kind, numbers)
        if lines is not None and split_of(kind, numbers) == split:
            return numbers, lines
    raise ValueError(
        f"kind {kind.name!r}: none of {MAX_DRAWS} draws gave easy values that belong to {split!r}; "
        "change the ranges of its numbers"
    )


def partner(words: Sequence[str], word: str) -> str:
    """The word's partner in a list of even length: first and second belong together, third and fourth, and so on."""
    return words[words.index(word) ^ 1]


@dataclass(frozen=True)
class Cast:
    """What fills a wording's names, pronouns and things; {He}, {he} and {his} stand for `name`."""

    name: str
    other: str
    third: str
    things: str

    def fill(self, wording: str, numbers: Mapping[str, int]) -> str:
        he, his = PEOPLE[self.name]
        return wording.format(
            **numbers,
            name=self.name,
            other=self.other,
            third=self.third,
            things=self.things,
            he=he,
            He=he.capitalize(),
            his=his,
        )


def draw_casts(kind: Kind, rng: Random) -> tuple[Cast, Cast]:
    """Two casts for the same problem, which share no name and no thing.

    The second holds the partners of the first: a story's other telling is one that a small model can learn to give.
    """
    pool = list(PEOPLE)
    name, other, third = (rng.choice(pool[2 * pair : 2 * pair + 2]) for pair in rng.sample(range(len(pool) // 2), 3))
    thing = rng.choice(kind.things) if kind.things else ""
    other_thing = partner(kind.things, thing) if kind.things else ""
    altered = Cast(partner(pool, name), partner(pool, other), partner(pool, third), other_thing)
    return Cast(name, other, third, thing), altered


def worked_solution(kind: Kind, lines: Sequence[Line], cast: Cast) -> str:
    """A line a step, `{label}: {left} {sign} {right} = {value}`, then `#### {last value}`."""
    written = [
        f"{cast.fill(step.label, {})}: {line.left} {line.sign} {line.right} = {line.value}"
        for step, line in zip(kind.steps, lines, strict=True)
    ]
    return "\n".join([*written, f"#### {lines[-1].value}"])


def draw_problem(split: Split, index: int, attempt: int) -> Question:
    """The question that this attempt at the problem `index` of `split` gives."""
    rng = Random(f"sandbox:{split}:{index}:{attempt}")
    [kinds] = rng.choices([kinds for kinds, _ in STEP_SHARES], weights=[share for _, share in STEP_SHARES])
    kind = rng.choice(kinds)
    numbers, lines = draw_numbers(kind, split, rng)
    cast, altered_cast = draw_casts(kind, rng)
    place = rng.randrange(len(kind.wordings))
    wording, other_wording = kind.wordings[place], kind.wordings[(place + 1) % len(kind.wordings)]
    return Question(
        id=f"sandbox-{split}-{index:05d}",
        question=cast.fill(wording, numbers),
        answer=worked_solution(kind, lines, cast),
        gold=str(lines[-1].value),
        restated=cast.fill(other_wording, numbers),
        altered=altered_cast.fill(wording, numbers),
        altered_answer=worked_solution(kind, lines, altered_cast),
        kind=kind.name,
    )


def problems(split: Split) -> Iterator[Question]:
    """The problems of `split` in order, without end; a question that already occurred is redrawn."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r} does not exist; ask for one of {SPLITS}")
    asked: set[str] = set()
    index = 0
    while True:
        attempt = 0
        while (question := draw_problem(split, index, attempt)).question in asked:
            attempt += 1
        asked.add(question.question)
        yield question
        index += 1


def make_split(split: Split, count: int) -> list[Question]:
    """The first `count` questions of `split`; asking for more gives the same ones first.

    Every question has its restatement, its altered story with a worked solution, and its kind. None occurs twice.
    ValueError for another split or a negative count.
    """
    if count < 0:
        raise ValueError(f"count is {count}; a split has 0 problems or more")
    return list(islice(problems(split), count))


def problem(split: Split, index: int) -> Question:
    """Question `index` (from 0) of `split`. It makes all earlier ones too: for many, call `make_split`."""
    if index < 0:
        raise ValueError(f"index is {index}; the first problem of a split has index 0")
    return make_split(split, index + 1)[index]
