"""What a terminal is given: text without control characters, colour where the terminal has it, columns that stand in line."""

import os
import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

Style = Literal["bold", "dim", "red", "green", "yellow"]
CODES: dict[Style, int] = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}
# Unicode's categories of control characters, of those that are not seen (some turn a line's direction), and of line breaks.
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp"})
PRINTABLE_ASCII = re.compile(r"[ -~\n]*")


def plain(text: str) -> str:
    r"""Text from a file as a terminal may have it: its lines stay, and every other character that is no sign is escaped.

    An escape sequence of a model's text would else move the cursor, hide what stands before it or set a title: \x1b[2J
    """
    if PRINTABLE_ASCII.fullmatch(text):
        return text
    return "".join(_escaped(sign) if _is_hidden(sign) else sign for sign in text)


def _is_hidden(sign: str) -> bool:
    return sign != "\n" and unicodedata.category(sign) in HIDDEN_CATEGORIES


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


def on_one_line(text: str) -> str:
    """`plain` text in a single line, runs of spaces made one."""
    return " ".join(plain(text).split())


def has_colour(stream: TextIO) -> bool:
    """Whether to colour: to a terminal alone, unless NO_COLOR is set (https://no-color.org) or the terminal is a dumb one."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@dataclass(frozen=True)
class Ink:
    """Colours texts, or leaves them as they are."""

    colours: bool

    def __call__(self, text: str, style: Style | None) -> str:
        return f"\x1b[{CODES[style]}m{text}\x1b[0m" if self.colours and style and text else text


@dataclass(frozen=True)
class Cell:
    """A cell of a table: `plain` text on one line."""

    text: str
    style: Style | None = None


def aligned(rows: Sequence[Sequence[Cell]], sides: str, ink: Ink) -> list[str]:
    """The lines of a table: columns as wide as their widest cell, two spaces apart.

    sides  a sign for each column, `<` left or `>` right; each row has as many cells
    """
    widths = [max(len(row[place].text) for row in rows) for place in range(len(sides))]
    lines = []
    for row in rows:
        # The colour goes round what is padded already, for its own characters take no place.
        cells = (ink(f"{cell.text:{side}{width}}", cell.style) for cell, side, width in zip(row, sides, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return lines


def print_lines(lines: Sequence[str]) -> None:
    """Print lines to a terminal or file of any encoding: what that cannot hold is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, errors="backslashreplace").decode(encoding))
