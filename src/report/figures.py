"""Pictures of the pages. The same figures give the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, low <= value <= high, in the unit of the axis."""

    name: str
    value: float
    low: float
    high: float


def draw_estimates(title: str, axis: str, estimates: Sequence[Estimate], path: Path) -> None:
    """Write an SVG: a row for each estimate, the first on top, and a line at 0. `axis` says what is measured, and its unit."""
    import matplotlib.pyplot as plt  # a second, which --help need not wait

    with plt.rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        figure, axes = plt.subplots(figsize=(7, 1.2 + 0.4 * len(estimates)), layout="constrained")
        middle = [item.value for item in estimates]
        below = [item.value - item.low for item in estimates]
        above = [item.high - item.value for item in estimates]
        axes.errorbar(middle, range(len(estimates)), xerr=(below, above), fmt="o", capsize=3)
        axes.axvline(0, color="grey", linewidth=1)
        axes.set_yticks(range(len(estimates)), [item.name for item in estimates])
        axes.invert_yaxis()
        axes.set(title=title, xlabel=axis)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


@dataclass(frozen=True)
class Spread:
    """A mean with the values that it is of, and its interval where it has one; all in the unit of the axis."""

    name: str
    mean: float
    values: tuple[float, ...]
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Panel:
    """The part of a picture that shows one kind of spreads."""

    title: str
    spreads: tuple[Spread, ...]


def draw_spreads(title: str, axis: str, panels: Sequence[Panel], path: Path) -> None:
    """Write an SVG: panels side by side, in each a row for each name of any of them, the first on top, and a line at 0.

    `axis` says what is measured, and its unit. Each value is a dot, the mean a line with its interval.
    """
    from matplotlib import rc_context  # a second, which --help need not wait
    from matplotlib.figure import Figure  # without pyplot, which wants the main thread

    names = list(dict.fromkeys(spread.name for panel in panels for spread in panel.spreads))
    with rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        figure = Figure(figsize=(2 + 3.6 * len(panels), 1.4 + 0.34 * len(names)), layout="constrained")
        every = list(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0])
        for axes, panel in zip(every, panels, strict=True):
            for spread in panel.spreads:
                row = names.index(spread.name)
                axes.plot(spread.values, [row] * len(spread.values), "o", color="grey", markersize=3, alpha=0.7)
                axes.plot([spread.mean], [row], "|", color="C0", markersize=12, markeredgewidth=2)
                if spread.interval is not None:
                    axes.plot(spread.interval, [row, row], color="C0", linewidth=1.5)
            axes.axvline(0, color="black", linewidth=0.8)
            axes.set_title(panel.title)
        every[0].set_yticks(range(len(names)), names)
        every[0].invert_yaxis()
        figure.suptitle(title)
        figure.supxlabel(axis)
        figure.savefig(path, metadata={"Date": None})
