"""Statistics over seeds, by cases that can be computed by hand."""

import math

import pytest

from src.regime_w.cells import Cell, Signals
from src.regime_w.evidence import (
    ALL_WORLDS,
    Effect,
    RecipeEffect,
    Versus,
    comparisons,
    corrected,
    effect_of,
    mean_signals,
    recipe_effects,
    sign_flip_p,
    t_interval,
)
from tests.regime_w.builders import evidence_cell, signal_worth


def compared(cells: list[Cell], worlds: tuple[str, ...]) -> dict[tuple[str, str, str], Effect]:
    return {(item.world, item.versus.recipe, item.versus.other): item.effect for item in comparisons(cells, worlds)}


# --- t interval ---


def test_the_t_interval_of_three_values():
    """Mean 2, standard deviation 1, t of two degrees of freedom 4.3027: half is 4.3027 / sqrt(3)."""
    interval = t_interval([1.0, 2.0, 3.0])
    assert interval.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-6)
    assert interval.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-6)


def test_equal_values_have_an_interval_without_width():
    assert t_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_values_have_no_interval(values):
    with pytest.raises(ValueError, match=f"{len(values)} values have no interval"):
        t_interval(values)


# --- sign flips ---


@pytest.mark.parametrize(
    ("values", "p_value"),
    [
        ([1, 1, 1, 1, 1], 2 / 32),  # all + and all -
        ([-1, -1, -1], 2 / 8),
        ([3, 1, -1], 6 / 8),  # all but ±(3 - 1 - 1) are 3 or more from 0
        ([1, -1], 1.0),
        ([0, 0, 0], 1.0),
    ],
)
def test_sign_flips_are_counted(values, p_value):
    assert sign_flip_p([float(value) for value in values]) == pytest.approx(p_value, abs=1e-12)


def test_fifteen_units_are_counted_exactly():
    """All of one sign: two of the 2^15 ways."""
    assert sign_flip_p([0.01] * 15) == pytest.approx(2 / 2**15, rel=1e-9)


def test_of_many_units_the_same_flips_are_drawn_each_time():
    values = [0.01, -0.005, 0.02] * 8
    assert sign_flip_p(values) == sign_flip_p(values) < 0.05


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_values_cannot_be_tested(values):
    with pytest.raises(ValueError, match=f"{len(values)} values cannot be tested"):
        sign_flip_p(values)


# --- effects ---


def test_one_unit_has_a_mean_alone():
    assert effect_of([0.03]) == Effect(1, 0.03)


def test_holm_counts_the_tested_effects_alone():
    """0.01 and 0.04 of two tests: twice the smaller, and the larger once; the third has no test."""
    effects = [RecipeEffect("a", str(p), (), Effect(5, 0.0, 0.0, 0.0, p)) for p in (0.04, 0.01)]
    single = RecipeEffect("a", "single", (), Effect(1, 0.0))
    found = corrected([effects[0], single, effects[1]])
    assert [item.effect.holm_p_value for item in found] == [0.04, None, 0.02]


def test_the_effects_of_recipes_are_by_world_and_recipe_and_in_the_order_of_seeds():
    cells = [
        evidence_cell("b", 0, "guide", 0.01),
        evidence_cell("a", 1, "guide", 0.03),
        evidence_cell("a", 0, "guide", 0.01),
        evidence_cell("a", 0, "random", -0.02),
    ]
    found = recipe_effects(cells, ("a", "b"), ("random", "votes", "guide"))
    assert [(item.world, item.recipe, item.differences) for item in found] == [
        ("a", "random", (-0.02,)),
        ("a", "guide", (0.01, 0.03)),
        ("b", "guide", (0.01,)),
    ]
    assert found[1].effect.mean == pytest.approx(0.02)
    assert (found[1].effect.p_value, found[1].effect.holm_p_value) == (0.5, 0.5)  # of two seeds: 2 / 2^2, one test in this world


# --- comparisons ---


def test_two_recipes_are_compared_seed_by_seed_and_over_all_worlds():
    cells = [
        *(evidence_cell("a", seed, "guide", 0.03 + seed / 100) for seed in range(2)),
        *(evidence_cell("a", seed, "correctness", 0.01) for seed in range(2)),
        evidence_cell("b", 0, "guide", 0.05),
        evidence_cell("b", 0, "correctness", 0.06),
        evidence_cell("b", 1, "guide", 0.09),  # without the other
    ]
    found = compared(cells, ("a", "b"))
    assert found.keys() == {(world, "guide", "correctness") for world in ("a", "b", ALL_WORLDS)}
    of_a, of_b, of_all = (found[world, "guide", "correctness"] for world in ("a", "b", ALL_WORLDS))
    assert (of_a.units, of_a.mean, of_a.p_value) == (2, pytest.approx(0.025), 0.5)
    assert (of_b.units, of_b.mean, of_b.p_value) == (1, pytest.approx(-0.01), None)
    assert (of_all.units, of_all.mean) == (3, pytest.approx((0.02 + 0.03 - 0.01) / 3))
    assert of_all.p_value == pytest.approx(4 / 8)  # of 2, 3, -1: sums of 4 or more are ±(2+3-1) and ±(2+3+1)


def test_cells_of_different_bases_are_no_pair():
    cells = [evidence_cell("a", 0, "guide", 0.03), evidence_cell("a", 0, "correctness", 0.01, base="other.dir")]
    assert comparisons(cells, ("a",)) == ()


def test_a_part_of_the_reward_is_weighed_by_leaving_it_out():
    cells = [evidence_cell("a", 0, "label-free-without-cf", 0.01), evidence_cell("a", 0, "label-free", 0.03)]
    [found] = comparisons(cells, ("a",))
    assert found.versus == Versus("label-free-without-cf", "label-free")
    assert found.effect == Effect(1, pytest.approx(-0.02))


# --- signals ---


def test_signals_are_means_over_the_seeds_that_have_one():
    found = [
        Signals("a", 1, "d", (signal_worth("end", 0.8), signal_worth("s_end", 0.7, "all questions"))),
        Signals("a", 0, "d", (signal_worth("end", 0.6), signal_worth("cf", None))),
        Signals("gone", 0, "d", (signal_worth("end", 0.1),)),
    ]
    means = mean_signals(found, ("a", "b"))
    assert [(item.world, item.signal, item.over, item.seeds) for item in means] == [
        ("a", "end", "within a question", 2),
        ("a", "s_end", "all questions", 1),
    ]
    assert [item.mean for item in means] == pytest.approx([0.7, 0.7])
