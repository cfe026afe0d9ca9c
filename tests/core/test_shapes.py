"""The ranges of values, at their bounds."""

from dataclasses import dataclass, make_dataclass
from typing import Any, Literal

import pytest

from src.core.shapes import (
    Confidence,
    Count,
    FilledText,
    Integer,
    Level,
    NonNegative,
    NumberText,
    Positive,
    PositiveCount,
    Seed,
    Share,
    check_json,
    check_value,
)

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Integer, [0, LARGEST, -LARGEST - 1], [LARGEST + 1, -LARGEST - 2, 0.0, True]),
        (Count, [0, LARGEST], [-1, LARGEST + 1, 1.0, False]),
        (PositiveCount, [1, LARGEST], [0, LARGEST + 1]),
        (Seed, [0, 2**32 - 1], [-1, 2**32]),
        (Share, [0, 0.5, 1], [-1e-9, 1.0000001, True, float("nan")]),
        (NonNegative, [0, 1e308], [-1e-300, float("inf"), 10**400]),
        (Positive, [1e-300], [0, -1]),
        (Level, [1e-9, 0.999], [0, 1]),
        (Confidence, [1e-9, 0.999999], [0, 0.9999991, 1]),
        (str, ["", " ", "\x00", "😀"], ["\ud83d", 1, None]),
        (FilledText, ["x", " x "], ["", " \n\t\u3000"]),
        (
            NumberText,
            ["18", "-0.25", "1/3", "-7/12", "9" * 500],
            ["", "1/0", "+1", "1,000", "1.", ".5", "1e5", "1 ", "٣", "9" * 501],
        ),
    ],
    ids=lambda value: "",
)
def test_a_value_is_within_its_bounds(kind: Any, good: list, bad: list):
    for value in good:
        assert check_value(kind, value) == value
    for value in bad:
        with pytest.raises(ValueError):
            check_value(kind, value)


@dataclass(frozen=True)
class Point:
    x: float
    label: str | None = None


def test_a_dataclass_is_made_of_an_object_and_its_tuples_of_lists():
    assert check_json(tuple[Point, ...], '[{"x": 1}, {"x": 2, "label": "b"}]') == (Point(1.0), Point(2.0, "b"))
    assert check_value(Point, {"x": 1, "label": None}) == Point(1.0)


@pytest.mark.parametrize(
    "kind", [list, dict, dict[str, int], int | str, int | str | None, tuple[int, int], tuple, set[int], Any, bytes]
)
def test_a_type_that_no_value_of_a_file_can_have_is_a_fault_of_the_code(kind: Any):
    for wanted in (kind, make_dataclass("Odd", [("value", kind)], frozen=True), tuple[kind, ...], kind | None):
        with pytest.raises(TypeError, match="no value of a file can have the type .*; change the dataclass"):
            check_value(wanted, {"value": 1})


@pytest.mark.parametrize(
    "kind", [bool, int | None, Share | None, tuple[Point, ...], Point | None, Literal["a", "b"], tuple[Share, ...]]
)
def test_these_can(kind: Any):
    with pytest.raises(ValueError):
        check_value(make_dataclass("Even", [("value", kind)], frozen=True), {"value": "c"})
