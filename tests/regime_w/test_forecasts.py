"""Whether an AUC tells what training did, by cases that can be computed by hand."""

import pytest

from src.regime_w.cells import Signals
from src.regime_w.forecasts import forecasts
from tests.regime_w.builders import evidence_cell, signal_worth


def signals(world: str, seed: int, quality: float | None, **others: float) -> Signals:
    of_credits = [signal_worth(name, auc) for name, auc in ({"quality": quality} | others).items()]
    return Signals(world, seed, "d1", (signal_worth("s_end", 0.9, "all questions"), *of_credits))


def test_a_recipe_is_set_beside_its_own_signal_the_least_first():
    cells = [evidence_cell("a", 0, "quality", 0.03), evidence_cell("a", 1, "quality", -0.01), evidence_cell("a", 0, "votes", 0.0)]
    by_quality, by_votes = forecasts(cells, [signals("a", 0, 0.8, end=0.7), signals("a", 1, 0.6, end=0.5)])
    assert (by_quality.recipe, by_quality.signal) == ("quality", "quality")
    assert [(unit.seed, unit.auc, unit.difference) for unit in by_quality.units] == [(1, 0.6, -0.01), (0, 0.8, 0.03)]
    assert (by_votes.recipe, by_votes.signal) == ("votes", "end")
    assert [(unit.seed, unit.auc) for unit in by_votes.units] == [(0, 0.7)]


@pytest.mark.parametrize(
    ("differences", "correlation"),
    [
        ([0.01, 0.02, 0.03, 0.04], 1.0),  # in the same order
        ([0.04, 0.03, 0.02, 0.01], -1.0),
        ([0.02, 0.01, 0.04, 0.03], 0.6),  # ranks are apart by 1 four times: 1 - 6 · 4 / (4 · 15)
        ([0.02, 0.02, 0.02, 0.02], None),
        ([0.01, 0.02], None),
    ],
)
def test_the_correlation_is_that_of_ranks(differences, correlation):
    cells = [evidence_cell("a", seed, "quality", difference) for seed, difference in enumerate(differences)]
    [found] = forecasts(cells, [signals("a", seed, 0.5 + seed / 10) for seed in range(len(cells))])
    assert found.correlation == (None if correlation is None else pytest.approx(correlation))


def test_a_run_whose_signal_has_no_auc_tells_nothing():
    assert forecasts([evidence_cell("a", 0, "quality", 0.03)], [signals("a", 0, None)]) == ()


def test_recipes_by_gold_answers_and_by_several_signals_are_left_out():
    recipes = ("guide", "correctness", "steps", "label-free-without-end")
    assert forecasts([evidence_cell("a", 0, recipe, 0.03) for recipe in recipes], [signals("a", 0, 0.8)]) == ()
