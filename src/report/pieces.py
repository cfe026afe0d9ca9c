"""What the sections of report.html are made of: tables, pictures with the figures they show, and how figures are written."""

from dataclasses import dataclass

from src.report.rendering import NONE

OPEN_ROWS = 5  # a longer table is folded away until it is asked for


@dataclass(frozen=True)
class Table:
    """A table in words, ready to print; the first column names its row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"row {row} of table {self.caption!r} has {len(row)} cells, not {len(self.columns)}")

    @property
    def is_short(self) -> bool:
        return len(self.rows) <= OPEN_ROWS


@dataclass(frozen=True)
class Picture:
    """A chart, as an SVG element of `svg.inline_svg`, and its figures."""

    svg: str
    table: Table


def decimals(value: float | None, digits: int = 3) -> str:
    """A figure with so many decimals; a dash for none."""
    return NONE if value is None else f"{value:,.{digits}f}"


def hundredths(share: float | None) -> str:
    """A share in per cent with one decimal; a dash for none."""
    return NONE if share is None else f"{100 * share:.1f}"


def between(low: float | None, high: float | None, digits: int = 3) -> str:
    """Two bounds; a dash for none."""
    return NONE if low is None or high is None else f"{low:,.{digits}f} to {high:,.{digits}f}"


def count(number: int) -> str:
    return f"{number:,}"
