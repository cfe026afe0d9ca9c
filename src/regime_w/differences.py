"""Where two texts part: the first step in which they differ, and the words, numbers and signs that differ from there on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d]+|[^\w\s]|_")
# A step ends with its line, or with its sentence where the next begins with a capital letter.
STEP_END = re.compile(r"\n+|(?<=[.!?])[ \t]+(?=[A-Z])")
# Couples of tokens that are compared. Beyond it, everything between the shared beginning and the shared end is marked: the
# comparison takes time with the square of the length.
MAX_COUPLES = 250_000

# A step's text in parts that are by turns shared and differing, the first of them shared; together they are the text.
Step = tuple[str, ...]
Span = tuple[int, int]  # characters from … to, the latter excluded


@dataclass(frozen=True)
class Differences:
    """Two texts by steps.

    first_step  the first that differs, counted from 0, in either text; None where all words, numbers and signs are the same
    """

    first_step: int | None
    one: tuple[Step, ...]
    other: tuple[Step, ...]


def differences(one: str, other: str) -> Differences:
    """Compare two texts; white space does not count."""
    if one == other:
        same = _in_steps(one, _steps(one), [])
        return Differences(None, same, same)
    steps_one, steps_other = _steps(one), _steps(other)
    first = _first_difference([one[a:b] for a, b in steps_one], [other[a:b] for a, b in steps_other])
    if first is None:
        return Differences(None, _in_steps(one, steps_one, []), _in_steps(other, steps_other, []))
    marked_one, marked_other = _marked(one, _start(steps_one, first), other, _start(steps_other, first))
    return Differences(first, _in_steps(one, steps_one, marked_one), _in_steps(other, steps_other, marked_other))


# --- steps ---


def _steps(text: str) -> list[Span]:
    """The steps of a text one after the other, each with the white space behind it."""
    ends = [found.end() for found in STEP_END.finditer(text)]
    bounds = [0, *(end for end in ends if end < len(text)), len(text)]
    return list(zip(bounds, bounds[1:], strict=False)) if text else []


def _first_difference(one: Sequence[str], other: Sequence[str]) -> int | None:
    for place, (step, its_other) in enumerate(zip(one, other, strict=False)):
        if TOKEN.findall(step) != TOKEN.findall(its_other):
            return place
    shared = min(len(one), len(other))
    rest = [*one[shared:], *other[shared:]]
    return shared if any(TOKEN.search(step) for step in rest) else None


def _start(steps: Sequence[Span], place: int) -> int:
    """Where a step begins; the end of the text for one that it has not."""
    return steps[place][0] if place < len(steps) else steps[-1][1] if steps else 0


# --- tokens ---


def _marked(one: str, start_one: int, other: str, start_other: int) -> tuple[list[Span], list[Span]]:
    """The spans of differing tokens in either text, from its own start on."""
    spans_one = [found.span() for found in TOKEN.finditer(one, start_one)]
    spans_other = [found.span() for found in TOKEN.finditer(other, start_other)]
    ranges = _differing([one[a:b] for a, b in spans_one], [other[a:b] for a, b in spans_other])
    return (
        [(spans_one[a][0], spans_one[b - 1][1]) for a, b, _, _ in ranges if b > a],
        [(spans_other[c][0], spans_other[d - 1][1]) for _, _, c, d in ranges if d > c],
    )


def _differing(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Ranges of tokens (from, to in one; from, to in other) that stand against each other and differ."""
    begin = 0
    while begin < min(len(one), len(other)) and one[begin] == other[begin]:
        begin += 1
    end = 0
    while end < min(len(one), len(other)) - begin and one[-1 - end] == other[-1 - end]:
        end += 1
    inner_one, inner_other = one[begin : len(one) - end], other[begin : len(other) - end]
    if len(inner_one) * len(inner_other) > MAX_COUPLES:
        return [(begin, len(one) - end, begin, len(other) - end)]
    opcodes = SequenceMatcher(None, inner_one, inner_other, autojunk=False).get_opcodes()
    return [(begin + a, begin + b, begin + c, begin + d) for tag, a, b, c, d in opcodes if tag != "equal"]


def _in_steps(text: str, steps: Sequence[Span], marked: Sequence[Span]) -> tuple[Step, ...]:
    """The text by steps, each in parts; a span that reaches over the end of a step is cut there."""
    found, at = [], 0
    for start, end in steps:
        parts, shared_from = [], start
        while at < len(marked) and marked[at][0] < end:
            low, high = max(start, marked[at][0]), min(end, marked[at][1])
            parts += [text[shared_from:low], text[low:high]]
            shared_from = high
            if marked[at][1] > end:
                break
            at += 1
        found.append((*parts, text[shared_from:end]))
    return tuple(found)
