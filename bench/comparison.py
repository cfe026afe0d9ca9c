"""What a benchmark finds: ours against another's, measured in one run, and the table of it."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """One figure of ours beside another's.

    what      was measured, and on how much
    unit      of both figures
    against   whose the other figure is
    at_least  what the ratio ours / other must reach; None where more is not the goal
    at_most   what it must not exceed; both None where there is no goal
    """

    what: str
    unit: str
    ours: float
    against: str
    other: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.other

    @property
    def reached(self) -> bool:
        above = self.at_least is None or self.ratio >= self.at_least
        return above and (self.at_most is None or self.ratio <= self.at_most)

    @property
    def goal(self) -> str:
        goals = [f"{sign} {bound:g}" for sign, bound in (("≥", self.at_least), ("≤", self.at_most)) if bound is not None]
        return " and ".join(goals) + ("" if self.reached else " **missed**")


def comparisons_of(name: str) -> Sequence[Comparison]:
    """What the benchmark of that name finds. It stands here because a new process cannot import a package's `__main__`."""
    found: Sequence[Comparison] = importlib.import_module(f"bench.{name}").compare()
    return found


def table(comparisons: Sequence[Comparison]) -> str:
    """Markdown, a comparison a line."""
    lines = ["| what | ours | the other's | whose | ratio | goal |", "| --- | ---: | ---: | --- | ---: | --- |"]
    lines += [f"| {' | '.join(_cells(one))} |" for one in comparisons]
    return "\n".join(lines)


def _cells(one: Comparison) -> tuple[str, ...]:
    ours, other = (f"{figure(value)} {one.unit}" for value in (one.ours, one.other))
    return one.what, ours, other, one.against, f"{one.ratio:.2f}", one.goal


def figure(value: float) -> str:
    """Three digits that count, thousands separated."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
