"""The charts of report.html, each an SVG element. `name` is a chart's own on the page; `told` says in words what is seen.

Matplotlib is imported where it is called: that takes a second, which `--help` need not wait.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING

from src.regime_w.pictures import Curve, Histogram, VoteBin
from src.report.svg import ACCENT, GOOD, LINE, MUTED, TEXT, WIDTH, chart_style, inline_svg, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Fills of series that stand beside each other: they differ in lightness too, for those who see no colours.
FILLS = ((ACCENT, 1.0), (MUTED, 0.65), (GOOD, 0.8))
ROW, LINE_MORE, LEAST_HEIGHT = 0.27, 0.19, 1.4  # inches: a row, what each further line of its label adds, a chart of few rows
SQUARE = 0.34
LETTERS, LINES = 20, 3  # of a label: what is longer is broken into lines, and what is longer still is cut


@dataclass
class _Drawn:
    """The axes of a chart, and its text once it is drawn."""

    axes: "Axes"
    svg: str = ""


@contextmanager
def _drawing(name: str, told: str, height: float, x: str, y: str) -> Iterator[_Drawn]:
    """An empty chart with its titles of axes; at the end of the block it is written. `height` is in inches."""
    from matplotlib.figure import Figure  # without pyplot, which wants the main thread

    with chart_style(name):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        drawn = _Drawn(figure.subplots())
        drawn.axes.set(xlabel=x, ylabel=y)
        yield drawn
        if drawn.axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper left", ncols=4, columnspacing=0.9)
        drawn.svg = inline_svg(figure, name, told)


# --- histograms ---


def draw_histogram(name: str, told: str, found: Histogram, x: str, y: str, ticks: Mapping[float, str] | None = None) -> str:
    """Bars that stand on each other, a colour for each series; at most three."""
    from matplotlib.ticker import MaxNLocator

    with _drawing(name, told, 2.5, x, y) as drawn:
        below = [0] * (len(found.edges) - 1)
        widths = [high - low for low, high in zip(found.edges, found.edges[1:], strict=False)]
        for series, counts, (colour, alpha) in zip(found.names, found.counts, FILLS, strict=False):
            drawn.axes.bar(
                found.edges[:-1],
                counts,
                [0.92 * width for width in widths],
                bottom=below,
                align="edge",
                color=colour,
                alpha=alpha,
                label=series,
            )
            below = [one + other for one, other in zip(below, counts, strict=True)]
        drawn.axes.set_xlim(found.edges[0], found.edges[-1])
        drawn.axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        if ticks is not None:
            drawn.axes.set_xticks(list(ticks), list(ticks.values()))
    return drawn.svg


# --- rows ---


@dataclass(frozen=True)
class Row:
    """A line of a chart of rows; without a value it is the title of those below it, or says why it has none.

    low, high  of its interval, in the unit of the axis, where it has one
    dots       the single values that `value` is the mean of
    note       in the place of a value
    """

    label: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    dots: tuple[float, ...] = field(default=())
    note: str = ""


def draw_rows(
    name: str,
    told: str,
    rows: Sequence[Row],
    x: str,
    y: str,
    mark: float | None = None,
    limits: tuple[float, float] | None = None,
) -> str:
    """A row for each, the first on top: a point, its interval, single values as grey dots; `mark` is a line to compare with."""
    labels = [_label(row.label) for row in rows]
    row_height = ROW + LINE_MORE * max((label.count("\n") for label in labels), default=0)
    with _drawing(name, told, max(LEAST_HEIGHT, 0.75 + row_height * len(rows)), x, y) as drawn:
        axes = drawn.axes
        if mark is not None:
            axes.axvline(mark, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for place, row in enumerate(rows):
            if row.dots:
                axes.plot(row.dots, [place] * len(row.dots), "o", color=MUTED, markersize=3.5, alpha=0.7)
            if row.low is not None and row.high is not None:
                axes.plot((row.low, row.high), (place, place), color=ACCENT, linewidth=2)
            if row.value is not None:
                axes.plot([row.value], [place], "o", color=ACCENT, markersize=6)
            if row.note:
                axes.text(0.02, place, row.note, transform=axes.get_yaxis_transform(), color=MUTED, va="center")
        axes.set_yticks(range(len(rows)), labels)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=LINE, linewidth=0.8)
        axes.set_axisbelow(True)
        if limits is not None:
            axes.set_xlim(*limits)
    return drawn.svg


def _label(text: str) -> str:
    """On as many lines as it needs to leave room for the chart; its table has the whole."""
    lines = wrap(printable(text), LETTERS) or [""]
    return "\n".join(lines if len(lines) <= LINES else [*lines[: LINES - 1], "…"])


def draw_bars(name: str, told: str, labels: Sequence[str], series: Mapping[str, Sequence[float]], x: str, y: str) -> str:
    """Bars from the left, those of each label side by side; values are at least 0."""
    with _drawing(name, told, max(LEAST_HEIGHT, 0.95 + ROW * len(labels)), x, y) as drawn:
        thick = 0.8 / len(series)
        for place, ((title, values), (colour, alpha)) in enumerate(zip(series.items(), FILLS, strict=False)):
            heights = [row + (place - (len(series) - 1) / 2) * thick for row in range(len(labels))]
            label = title if len(series) > 1 else None
            drawn.axes.barh(heights, values, thick, color=colour, alpha=alpha, label=label)
        drawn.axes.set_yticks(range(len(labels)), labels)
        drawn.axes.set_ylim(len(labels) - 0.4, -0.6)
        drawn.axes.tick_params(axis="y", length=0)
        drawn.axes.set_xlim(0, max((value for values in series.values() for value in values), default=0) * 1.05 or 1)
    return drawn.svg


# --- votes and agreement ---


def draw_votes(name: str, told: str, bins: Sequence[VoteBin], x: str, y: str) -> str:
    """The share of right majority answers by the share of votes, with intervals; on the dashed line the two are equal."""
    with _drawing(name, told, 3.4, x, y) as drawn:
        axes = drawn.axes
        axes.plot((0, 100), (0, 100), color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="votes = right")
        for item in bins:
            place = 100 * item.votes / item.voters
            axes.plot((place, place), (100 * item.low, 100 * item.high), color=ACCENT, linewidth=2)
        places = [100 * item.votes / item.voters for item in bins]
        rights = [100 * item.right / item.questions for item in bins]
        axes.plot(places, rights, "o", color=ACCENT, markersize=6, label="questions")
        axes.set(xlim=(0, 103), ylim=(-3, 103))
        axes.grid(color=LINE, linewidth=0.8)
        axes.set_axisbelow(True)
    return drawn.svg


def draw_matrix(
    name: str, told: str, labels: Sequence[str], shares: Mapping[tuple[int, int], float | None], x: str, y: str
) -> str:
    """Squares below the diagonal, a row and a column for each label, darker for a larger share and with its hundredths.

    shares  by (column, row), column before row; None where there is none
    """
    from matplotlib.patches import Rectangle

    known = [share for share in shares.values() if share is not None]
    least, most = (min(known), max(known)) if known else (0.0, 1.0)
    with _drawing(name, told, 0.7 + SQUARE * (len(labels) - 1), x, y) as drawn:
        for (column, row), share in shares.items():
            strength = 0.0 if share is None else 0.06 + 0.5 * ((share - least) / (most - least) if most > least else 1.0)
            square = Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, facecolor=ACCENT, alpha=strength, linewidth=0)
            drawn.axes.add_patch(square)
            text = "—" if share is None else f"{100 * share:.0f}"
            drawn.axes.text(column, row, text, ha="center", va="center", color=TEXT)
        last = len(labels) - 1
        drawn.axes.set_xticks(range(last), labels[:-1])
        drawn.axes.set_yticks(range(1, last + 1), labels[1:])
        drawn.axes.set(xlim=(-0.5, last - 0.5), ylim=(last + 0.5, 0.5))
        drawn.axes.tick_params(length=0)
        drawn.axes.spines[["left", "bottom"]].set_visible(False)
    return drawn.svg


# --- curves ---


@dataclass(frozen=True)
class Band:
    """What is healthy: a part of the chart from step `first` to `last` (both None: all) and from `low` to `high`."""

    name: str
    low: float
    high: float
    first: float | None = None
    last: float | None = None


@dataclass(frozen=True)
class Mark:
    """A value to compare with, as a dashed line."""

    name: str
    value: float


def draw_curve(name: str, told: str, found: Curve, x: str, y: str, bands: Sequence[Band] = (), marks: Sequence[Mark] = ()) -> str:
    """A thin line of the steps and a thick one of their running mean, over bands of what is healthy."""
    seen = [*found.values, *(mark.value for mark in marks), *(bound for band in bands for bound in (band.low, band.high))]
    low, high = min(seen), max(seen)
    room = 0.05 * (high - low) or 0.5
    with _drawing(name, told, 2.9, x, y) as drawn:
        axes = drawn.axes
        start, end = (0.5, found.steps[-1] + 0.5) if len(found.steps) == 1 else (found.steps[0], found.steps[-1])
        for place, band in enumerate(bands):
            first, last = (start if band.first is None else band.first), (end if band.last is None else band.last)
            label = band.name if band.name not in [before.name for before in bands[:place]] else None
            axes.fill_between((first, last), band.low, band.high, color=GOOD, alpha=0.18, linewidth=0, label=label)
        axes.plot(found.steps, found.values, color=MUTED, linewidth=0.8, alpha=0.7, label="steps")
        axes.plot(found.steps, found.smooth, color=ACCENT, linewidth=2, label=f"mean of {found.window}")
        for mark in marks:
            axes.axhline(mark.value, color=TEXT, linewidth=1, linestyle=(0, (4, 3)), label=mark.name)
        axes.set(xlim=(start, end), ylim=(low - room, high + room))
    return drawn.svg
