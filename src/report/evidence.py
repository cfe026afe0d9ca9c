"""The page of the evidence and its picture: what evidence/README.md shows, rendered by the template beside this module."""

from collections.abc import Sequence
from pathlib import Path

from src.regime_w.cells import Cell, Signals
from src.regime_w.evidence import Effect, Evidence, comparisons, mean_signals, recipe_effects
from src.regime_w.forecasts import forecasts
from src.report.figures import Panel, Spread, draw_spreads
from src.report.rendering import template


def assemble(
    cells: Sequence[Cell],
    signals: Sequence[Signals],
    worlds: Sequence[str],
    recipes: Sequence[str],
    seeds: int,
    wanted: int,
    current: int,
    older: Sequence[str],
    left_out: Sequence[str],
) -> Evidence:
    """All figures of the page, from the cells; the fields of Evidence have the same names."""
    ordered = sorted(cells, key=lambda cell: (worlds.index(cell.world), recipes.index(cell.recipe), cell.seed))
    return Evidence(
        worlds=tuple(worlds),
        recipes=tuple(recipes),
        seeds=seeds,
        wanted=wanted,
        current=current,
        older=tuple(older),
        left_out=tuple(left_out),
        cells=tuple(ordered),
        effects=recipe_effects(ordered, worlds, recipes),
        comparisons=comparisons(ordered, worlds),
        signals=mean_signals(signals, worlds),
        forecasts=forecasts(ordered, signals),
    )


def render(evidence: Evidence, picture: str) -> str:
    """The page as Markdown; `picture` is a file beside it."""
    machines = tuple(dict.fromkeys(cell.machine for cell in evidence.cells))
    return str(template("evidence.md.j2").render(vars(evidence) | {"picture": picture, "machines": machines}))


# --- the picture ---


def draw(evidence: Evidence, path: Path) -> None:
    """A panel for each world that has cells: the mean difference of each recipe, its interval, and the seeds."""
    panels = []
    for world in evidence.worlds:
        spreads = tuple(_spread(item.recipe, item.differences, item.effect) for item in evidence.effects if item.world == world)
        if spreads:
            panels.append(Panel(world, spreads))
    if panels:
        draw_spreads("Recipes of pairs", "accuracy after training less before, points: seeds, mean, 95 % interval", panels, path)


def _spread(name: str, differences: Sequence[float], effect: Effect) -> Spread:
    bounds = None if effect.low is None or effect.high is None else (100 * effect.low, 100 * effect.high)
    return Spread(name, 100 * effect.mean, tuple(100 * value for value in differences), bounds)
