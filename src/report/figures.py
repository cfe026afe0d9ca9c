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
