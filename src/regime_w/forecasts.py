"""Whether what a signal is worth, which is known before training, tells what pairs by it then do to the accuracy.

A unit is a world and a seed. Units of one world are alike, so they are no independent ones, and there is no p-value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from src.core.shapes import FilledText, Seed, Share
from src.regime_w.cells import Cell, Signals
from src.regime_w.signals import Signal, SignalWorth
from src.regime_w.verdict import Difference

MIN_UNITS = 3  # two always lie on a line
# The recipes that know no gold answer and prefer by one signal alone, and that signal.
PREFERS_BY: dict[str, Signal] = {"quality": "quality", "votes": "end", "path": "path", "cf": "cf", "label-free": "reward"}


@dataclass(frozen=True)
class ForecastUnit:
    """A run of a recipe: the AUC of its signal within a question, with its interval, and what the run did."""

    world: FilledText
    seed: Seed
    auc: Share
    ci_low: Share
    ci_high: Share
    difference: Difference


@dataclass(frozen=True)
class Forecast:
    """The runs of a recipe by the AUC of its signal, the least first.

    correlation  Spearman's, of AUC and difference, -1 to 1; None for fewer than MIN_UNITS, and where all of either are equal
    """

    recipe: FilledText
    signal: Signal
    correlation: float | None
    units: tuple[ForecastUnit, ...]


def forecasts(cells: Sequence[Cell], signals: Sequence[Signals]) -> tuple[Forecast, ...]:
    """One for each recipe of PREFERS_BY that has a run whose signal has an AUC."""
    found = []
    for recipe, signal in PREFERS_BY.items():
        worth = {(of.world, of.seed): item for of in signals for item in of.signals if _is_within(item, signal)}
        of_recipe = [cell for cell in cells if cell.recipe == recipe and (cell.world, cell.seed) in worth]
        units = [unit for cell in of_recipe if (unit := _unit(cell, worth[cell.world, cell.seed])) is not None]
        if units:
            found.append(Forecast(recipe, signal, rank_correlation(units), tuple(sorted(units, key=attrgetter("auc")))))
    return tuple(found)


def _is_within(item: SignalWorth, signal: Signal) -> bool:
    return item.name == signal and item.over == "within a question"


def _unit(cell: Cell, worth: SignalWorth) -> ForecastUnit | None:
    """None where the signal has no AUC."""
    if worth.auc is None or worth.ci_low is None or worth.ci_high is None:
        return None
    return ForecastUnit(cell.world, cell.seed, worth.auc, worth.ci_low, worth.ci_high, cell.difference)


def rank_correlation(units: Sequence[ForecastUnit]) -> float | None:
    """Spearman's rank correlation of AUC and difference (1904), as Forecast has it."""
    aucs, differences = [unit.auc for unit in units], [unit.difference for unit in units]
    if len(units) < MIN_UNITS or len(set(aucs)) == 1 or len(set(differences)) == 1:
        return None
    from scipy.stats import spearmanr  # a second, which `--help` need not wait

    return float(spearmanr(aucs, differences).statistic)
