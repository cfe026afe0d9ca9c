"""What a terminal is given: no control character of a text, colour where it is wanted, columns in line."""

import io
import os
from collections.abc import Iterator
from typing import TextIO

import pytest

from src.ops.terminal import Cell, Ink, aligned, has_colour, on_one_line, plain, print_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines → ½ é 問", "two\nlines → ½ é 問"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\x9b31mred", "\\x9b31mred"),  # a whole control sequence in one character
        ("a\rb\tc\x00\x7f", "a\\rb\\tc\\x00\\x7f"),
        ("\u202e5 :rewsnA", "\\u202e5 :rewsnA"),  # would be read from right to left
        ("a\u2028b\u200bc", "a\\u2028b\\u200bc"),
    ],
)
def test_what_is_no_sign_is_escaped(text, shown):
    assert plain(text) == shown


def test_a_line_stays_one():
    assert on_one_line(" a\n\n b  c ") == "a b c"


@pytest.fixture
def terminal(monkeypatch) -> Iterator[TextIO]:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    leader, follower = os.openpty()
    with open(follower, "w") as stream:
        yield stream
    os.close(leader)


def test_a_terminal_has_colour_and_a_file_has_none(terminal):
    assert has_colour(terminal)
    assert not has_colour(io.StringIO())


@pytest.mark.parametrize(
    ("variable", "value", "colour"), [("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False)]
)
def test_the_reader_may_refuse_colour(terminal, monkeypatch, variable, value, colour):
    monkeypatch.setenv(variable, value)
    assert has_colour(terminal) is colour


def test_columns_stand_in_line_with_and_without_colour():
    rows = [[Cell("name"), Cell("n")], [Cell("a", "green"), Cell("100", "red")]]
    assert aligned(rows, "<>", Ink(False)) == ["name    n", "a     100"]
    assert aligned(rows, "<>", Ink(True)) == ["name    n", "\x1b[32ma   \x1b[0m  \x1b[31m100\x1b[0m"]


def test_what_the_encoding_lacks_is_escaped(monkeypatch):
    written = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", written)
    print_lines(["é → 5"])
    written.flush()
    assert written.buffer.getvalue() == "é \\u2192 5\n".encode("latin-1")
