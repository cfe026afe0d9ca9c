"""Evidence over seeds: what the runs of one recipe in one world say together, and what two recipes differ by.

Cells of one world and seed start from the same base and answer the same test questions, so two recipes are compared seed by
seed. Differences are shares, 0.01 is one point.

SciPy is imported where it is called: that takes a second, which `--help` need not wait.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import TypeVar

from src.core.shapes import Count, FilledText, PositiveCount, Share
from src.regime_w.cells import Cell, Signals
from src.regime_w.forecasts import Forecast
from src.regime_w.signals import Over, Signal
from src.regime_w.statistics import Interval, check_level, holm
from src.regime_w.verdict import Difference

MOST_FLIPS = 2**20  # of signs that are tried: all ways of up to 20 units; of more units so many are drawn
ALL_WORLDS = "all worlds"
LABEL_FREE, PARTS = "label-free", ("end", "path", "cf", "quality")


@dataclass(frozen=True)
class Effect:
    """Differences of several units (seeds, or worlds and seeds) together; all but the mean is missing for fewer than two.

    mean          of the units
    low, high     bounds of Student's 95 % interval of the mean
    p_value       of the sign-flip test, which holds as soon as each unit could as well have had the other sign
    holm_p_value  corrected for the number of effects beside it
    """

    units: PositiveCount
    mean: float
    low: float | None = None
    high: float | None = None
    p_value: Share | None = None
    holm_p_value: Share | None = None


@dataclass(frozen=True)
class RecipeEffect:
    """What a recipe does in a world: accuracy after training less that before. `differences` are by seed, in its order."""

    world: FilledText
    recipe: FilledText
    differences: tuple[Difference, ...]
    effect: Effect


@dataclass(frozen=True)
class Versus:
    """Two recipes to compare."""

    recipe: FilledText
    other: FilledText


@dataclass(frozen=True)
class RecipeComparison:
    """By how much more a recipe does than another, paired by seed; `world` may be ALL_WORLDS."""

    world: FilledText
    versus: Versus
    effect: Effect


@dataclass(frozen=True)
class MeanSignal:
    """The mean AUC of a signal over the seeds of a world in which it has one."""

    world: FilledText
    signal: Signal
    over: Over
    seeds: PositiveCount
    mean: Share


COMPARISONS = (
    Versus("guide", "correctness"),
    Versus("guide", "steps"),
    Versus("quality", "correctness"),
    Versus("quality", "steps"),
    Versus(LABEL_FREE, "votes"),
    Versus(LABEL_FREE, "random"),
    *(Versus(f"{LABEL_FREE}-without-{part}", LABEL_FREE) for part in PARTS),
)

E = TypeVar("E", RecipeEffect, RecipeComparison)


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Student's interval for the mean of independent values, in their unit; ValueError for fewer than two."""
    check_level("confidence", confidence)
    if len(values) < 2:
        raise ValueError(f"{len(values)} values have no interval; give at least two")
    from scipy.stats import t

    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return Interval(fmean(values) - half, fmean(values) + half)


def sign_flip_p(values: Sequence[float]) -> float:
    """Two-sided p-value, 0 … 1, of the sign-flip test that the values lie about 0 (Fisher 1935).

    The share of all 2^n ways to give the n values signs in which their sum is at least as far from 0: no p-value of n values
    is below 2 / 2^n. Of more than 20 values MOST_FLIPS ways are drawn, always the same. ValueError for fewer
    than two.
    """
    if len(values) < 2:
        raise ValueError(f"{len(values)} values cannot be tested; give at least two")
    from scipy.stats import permutation_test

    found = permutation_test(
        (list(values),),
        lambda sample, axis: sample.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=MOST_FLIPS,
        batch=2**14,  # rows in memory at once
        rng=0,
    )
    return float(found.pvalue)


def effect_of(differences: Sequence[float]) -> Effect:
    """The effect of at least one unit, not corrected yet."""
    mean = fmean(differences)
    if len(differences) < 2:
        return Effect(len(differences), mean)
    interval = t_interval(differences)
    return Effect(len(differences), mean, interval.low, interval.high, sign_flip_p(differences))


def corrected(found: Sequence[E]) -> tuple[E, ...]:
    """Each with its p-value corrected for the number of those that have one (Holm 1979)."""
    tested = [item.effect.p_value for item in found if item.effect.p_value is not None]
    p_values = iter(holm(tested))
    return tuple(
        item if item.effect.p_value is None else replace(item, effect=replace(item.effect, holm_p_value=next(p_values)))
        for item in found
    )


def recipe_effects(cells: Sequence[Cell], worlds: Sequence[str], recipes: Sequence[str]) -> tuple[RecipeEffect, ...]:
    """The effect of each recipe in each world that has a cell of it, in the given orders; corrected within a world."""
    effects: list[RecipeEffect] = []
    for world in worlds:
        of_world = []
        for recipe in recipes:
            chosen = sorted((cell for cell in cells if (cell.world, cell.recipe) == (world, recipe)), key=lambda cell: cell.seed)
            if chosen:
                differences = tuple(cell.difference for cell in chosen)
                of_world.append(RecipeEffect(world, recipe, differences, effect_of(differences)))
        effects += corrected(of_world)
    return tuple(effects)


def comparisons(cells: Sequence[Cell], worlds: Sequence[str]) -> tuple[RecipeComparison, ...]:
    """Each of COMPARISONS in each world, and over all of them, that has a pair of cells; corrected within a world, and over all.

    Two cells are a pair if world, seed and base are the same.
    """
    found: list[RecipeComparison] = []
    together = [(ALL_WORLDS, tuple(worlds))] if len(worlds) > 1 else []
    for world, within in (*((world, (world,)) for world in worlds), *together):
        chosen = [cell for cell in cells if cell.world in within]
        pairs = [(versus, _paired_differences(chosen, versus)) for versus in COMPARISONS]
        found += corrected([RecipeComparison(world, versus, effect_of(paired)) for versus, paired in pairs if paired])
    return tuple(found)


def _paired_differences(cells: Iterable[Cell], versus: Versus) -> list[float]:
    """In the order of worlds and seeds."""
    ordered = sorted(cells, key=lambda cell: (cell.world, cell.seed))
    others = {(cell.world, cell.seed, cell.base): cell for cell in ordered if cell.recipe == versus.other}
    paired = [
        (cell, others[key])
        for cell in ordered
        if cell.recipe == versus.recipe and (key := (cell.world, cell.seed, cell.base)) in others
    ]
    return [cell.difference - other.difference for cell, other in paired]


def mean_signals(found: Sequence[Signals], worlds: Sequence[str]) -> tuple[MeanSignal, ...]:
    """Of each world in the given order, its signals in the order in which they are first met."""
    means = []
    for world in worlds:
        aucs: dict[tuple[Signal, Over], list[float]] = {}
        for signals in sorted((item for item in found if item.world == world), key=lambda item: item.seed):
            for item in signals.signals:
                if item.auc is not None:
                    aucs.setdefault((item.name, item.over), []).append(item.auc)
        means += [MeanSignal(world, signal, over, len(values), fmean(values)) for (signal, over), values in aucs.items()]
    return tuple(means)


# --- all of it ---


@dataclass(frozen=True)
class Evidence:
    """evidence/evidence.json: all cells, and what they say together.

    wanted    cells that were asked for: worlds x seeds x recipes
    current   how many of these are there, made by the code and the settings at hand
    seeds     how many were asked for, from 0 on
    older     `<world>/<seed>/<recipe>` of cells that are of older code or settings; they count in all figures
    left_out  of cells whose world or recipe is wanted no more; they count in none
    cells     in the order of worlds, recipes, seeds
    """

    worlds: tuple[FilledText, ...]
    recipes: tuple[FilledText, ...]
    seeds: PositiveCount
    wanted: PositiveCount
    current: Count
    older: tuple[FilledText, ...]
    left_out: tuple[FilledText, ...]
    cells: tuple[Cell, ...]
    effects: tuple[RecipeEffect, ...]
    comparisons: tuple[RecipeComparison, ...]
    signals: tuple[MeanSignal, ...]
    forecasts: tuple[Forecast, ...]
