"""The page of the evidence and its picture: what evidence/README.md shows, rendered by the template beside this module."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from src.regime_w.evidence import (
    Cell,
    Effect,
    Evidence,
    Signals,
    comparisons,
    mean_signals,
    recipe_effects,
)
from src.report.figures import Panel, Spread, draw_spreads
from src.report.page import TEMPLATES, escaped, number, percent, points, signed

if TYPE_CHECKING:
    from jinja2 import Template

NONE = "—"


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
    )


# --- words ---


def share(value: float | None) -> str:
    """A share in hundredths with its sign of per cent; a dash for none."""
    return NONE if value is None else f"{points(value)} %"


def p_value(value: float | None) -> str:
    return NONE if value is None else f"{value:.2g}"


def bounds(low: float | None, high: float | None) -> str:
    """An interval of shares in points; a dash for none."""
    return NONE if low is None or high is None else f"{signed(low)} to {signed(high)}"


@cache  # read once: a command of hours must not meet a template that was edited meanwhile
def markdown_template(name: str) -> "Template":
    """A template of this folder for Markdown, with the words above."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # which is for HTML; a template escapes free text by `escaped`, and names of profiles need none
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": share, "signed": signed, "p_value": p_value}
    environment.filters |= {"points": points, "percent": percent, "number": number, "escaped": escaped}
    environment.globals["bounds"] = bounds
    return environment.get_template(name)


def render(evidence: Evidence, picture: str) -> str:
    """The page as Markdown; `picture` is a file beside it."""
    machines = tuple(dict.fromkeys(cell.machine for cell in evidence.cells))
    return str(markdown_template("evidence.md.j2").render(vars(evidence) | {"picture": picture, "machines": machines}))


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
