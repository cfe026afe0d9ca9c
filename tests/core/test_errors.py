"""What messages show of a value: enough to know it again, and never more than a line holds."""

import pytest

from src.core.errors import InputError, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("canonic", "'canonic'"),
        ("two\nlines", r"'two\nlines'"),
        (None, "None"),
        (0.1, "0.1"),
        ([1, "x"], "[1, 'x']"),
        ({"a": 1}, "{'a': 1}"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_a_value_is_shown_as_python_writes_it(value, text):
    assert shown(value) == text


def test_a_number_that_python_does_not_write_is_shown_by_its_length():
    assert shown(1 << 20_000) == "a whole number of 20,001 bits"


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


LONG = {
    "text": "x" * 10_000,
    "list": list(range(10_000)),
    "mapping": {str(number): number for number in range(1000)},
    "number": 10**1000,
    "nested": nested(900),
}


@pytest.mark.parametrize("value", LONG.values(), ids=LONG)
def test_a_long_value_is_cut(value):
    assert len(shown(value)) <= 60 and "..." in shown(value)
    assert len(shown(value, max_length=20)) <= 20


def test_an_input_error_is_a_value_error_and_its_message_is_its_text():
    assert isinstance(InputError("x.yaml: seed is missing; add it"), ValueError)
    assert str(InputError("x.yaml: seed is missing; add it")) == "x.yaml: seed is missing; add it"
