"""What a kind of word problem is, and the words all kinds share.

A kind is data: which numbers are drawn, how the question may be worded, and the steps that solve it.
The kinds themselves stand in `kinds_short.py` (two and three steps) and `kinds_long.py` (four and five).
"""

from collections.abc import Mapping
from dataclasses import dataclass

MIN_VALUE, MAX_VALUE = 2, 60  # of every value in a solution; never 1, so that plurals are always right

# Name and pronouns. A question may tell of up to three people: {name}, {other} and {third};
# pronouns always stand for {name}.
HE, SHE = ("he", "his"), ("she", "her")
PEOPLE = {
    **dict.fromkeys("Adam Ben Carl Dan Eric Finn Hugo Ivan Jack Leo Noah Tom".split(), HE),
    **dict.fromkeys("Anna Beth Clara Dora Emma Fay Gina Hana Ivy Kate Mia Rosa".split(), SHE),
}

# Plural nouns only, so that no sentence needs an article or a singular. Names and nouns come in pairs (Adam and Ben,
# marbles and stickers): a story's other telling swaps partners.
COLLECTED = tuple("marbles stickers stamps shells cards beads buttons crayons pencils balloons".split())
FRUIT = tuple("apples pears plums lemons oranges peaches".split())
BAKED = tuple("cookies muffins buns rolls".split())
SOLD = tuple("books toys hats games mugs lamps puzzles candles".split())
EDIBLE = FRUIT + BAKED
SMALL = COLLECTED + FRUIT + BAKED
THINGS = SMALL + SOLD


@dataclass(frozen=True)
class Step:
    """One line of the worked solution: `{label}: {left} {sign} {right} = {value}`."""

    result: str  # the name by which later steps may use the value
    label: str  # one to three words; {things}, {name}, {other} and {third} are filled in
    expression: str  # "left sign right"; a side is a drawn number, an earlier result or a constant in digits


@dataclass(frozen=True)
class Kind:
    """A structure of computation together with its wordings."""

    name: str
    numbers: Mapping[str, range]  # what is drawn; results that are out of range are redrawn by the caller
    wordings: tuple[str, ...]  # at least three; each tells every number once and ends in a question mark
    steps: tuple[Step, ...]
    things: tuple[str, ...] = ()  # nouns that {things} may be, an even number; empty where no wording has {things}
