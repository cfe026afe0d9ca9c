"""The bootstrap over families, against counting all resamples by hand and against a loop that draws families one by one."""

from fractions import Fraction
from itertools import product
from random import Random
from statistics import pvariance

import numpy as np
import pytest

from src.regime_w.families import FamilyBootstrap, bootstrap_over_families
from src.regime_w.statistics import Interval, paired_bootstrap_interval

# The variance of 10,000 resamples has a standard error of about 1.4 % of itself; chance goes four of them far once in 16,000.
FAR = 0.06


def laid_out(families: list[list[int]]) -> tuple[list[int], list[str]]:
    """Differences and names of the families' questions, family by family."""
    return (
        [difference for family in families for difference in family],
        [f"family-{place}" for place, family in enumerate(families) for _ in family],
    )


def of(*families: list[int], confidence: float = 0.95) -> FamilyBootstrap:
    return bootstrap_over_families(*laid_out(list(families)), confidence)


def random_families(number: int, seed: int) -> list[list[int]]:
    """Of one to twelve questions each; a family leans to one side."""
    random = Random(seed)
    leaning = [random.random() for _ in range(number)]
    return [[random.choices((1, 0, -1), weights=(lean, 1, 0.3))[0] for _ in range(random.randint(1, 12))] for lean in leaning]


# --- by hand ---


def test_two_families_by_hand():
    """One family all fixed, one all broken: resamples give +1, 0, 0, -1 with equal probability, a variance of 1/2.

    Four questions drawn alone are +1 or -1: a variance of 1/4.
    """
    found = of([1, 1], [-1, -1])
    assert (found.families, found.interval) == (2, Interval(-1.0, 1.0))
    assert found.design_effect == pytest.approx(2.0, rel=FAR)
    # A quarter of the resamples is -1 and a quarter is +1, so the middle 40 % hold 0 alone.
    assert of([1, 1], [-1, -1], confidence=0.4).interval == Interval(0.0, 0.0)


def test_a_resample_is_divided_by_its_own_number_of_questions():
    """A family of one question fixed, and one of three unchanged: resamples give 1, 1/4, 1/4 and 0."""
    found = of([1], [0, 0, 0])
    assert found.interval == Interval(0.0, 1.0)
    assert of([1], [0, 0, 0], confidence=0.4).interval == Interval(0.25, 0.25)
    variance = pvariance([Fraction(1), Fraction(1, 4), Fraction(1, 4), Fraction(0)])
    assert found.design_effect == pytest.approx(float(variance / Fraction(3, 64)), rel=FAR)


def test_of_several_texts_a_question_the_mean_is_that_of_their_shares():
    """One family of a question with 3 of 4 more right, one with 1 of 4 fewer: resamples give 3/4, 1/4, 1/4 and -1/4."""
    found = bootstrap_over_families([3, -1], ["a", "b"], 0.95, 4)
    assert found.interval == Interval(-0.25, 0.75)
    # The variance of the resamples is 1/8; that of two questions drawn alone is the same, as each is a family.
    assert found.design_effect == pytest.approx(1.0, rel=FAR)
    with pytest.raises(ValueError, match="whole numbers from -2 to 2"):
        bootstrap_over_families([3, -1], ["a", "b"], 0.95, 2)


@pytest.mark.parametrize("seed", range(5))
def test_it_goes_where_all_resamples_go(seed: int):
    """Five families have 3,125 resamples, all of which are listed here; a bound may be off by what 1 % of them hold."""
    families = random_families(5, seed)
    every = sorted(
        sum(sum(family) for family in drawn) / sum(len(family) for family in drawn) for drawn in product(families, repeat=5)
    )
    low, high = of(*families).interval
    assert every[int(0.02 * 3125)] <= low <= every[int(0.03 * 3125)]
    assert every[int(0.97 * 3125)] <= high <= every[int(0.98 * 3125)]
    differences, _ = laid_out(families)
    alone = pvariance(differences) / len(differences)
    assert of(*families).design_effect == pytest.approx(pvariance(every) / alone, rel=FAR)


@pytest.mark.parametrize(("number", "confidence"), [(8, 0.95), (24, 0.9), (60, 0.95)])
def test_it_agrees_with_a_loop_that_draws_families_one_by_one(number: int, confidence: float):
    families, random = random_families(number, seed=number), Random(7)
    means = []
    for _ in range(20_000):
        questions = [difference for family in random.choices(families, k=number) for difference in family]
        means.append(sum(questions) / len(questions))
    found = of(*families, confidence=confidence)
    tail = (1 - confidence) / 2
    for bound, share in ((found.interval.low, tail), (found.interval.high, 1 - tail)):
        nearest = np.quantile(means, [share - 0.01, share + 0.01])
        assert nearest[0] <= bound <= nearest[1]
    differences, _ = laid_out(families)
    assert found.design_effect == pytest.approx(pvariance(means) / (pvariance(differences) / len(differences)), rel=FAR)


# --- what families do ---


def test_with_a_family_for_each_question_it_is_the_ordinary_bootstrap():
    fixed, broken, n = 97, 26, 1210
    found = of(*[[1]] * fixed, *[[-1]] * broken, *[[0]] * (n - fixed - broken))
    usual = paired_bootstrap_interval(fixed, broken, n)
    assert found.families == n
    assert tuple(found.interval) == pytest.approx(tuple(usual), abs=1.01 / n)  # a question, the step of the mean
    assert found.design_effect == pytest.approx(1.0, rel=FAR)


@pytest.mark.parametrize("size", [2, 5, 12])
def test_the_design_effect_of_families_all_alike_is_their_size(size: int):
    found = of(*[[1] * size] * 20, *[[-1] * size] * 10, *[[0] * size] * 70)
    assert found.design_effect == pytest.approx(size, rel=FAR)
    usual = paired_bootstrap_interval(20, 10, 100)  # as if each family were one question
    assert tuple(found.interval) == pytest.approx(tuple(usual), abs=1.01 / 100)  # a family, the step of the mean


def test_families_that_each_hold_the_same_mixture_vary_less_than_questions_do():
    found = of([1, -1], [1, -1], [-1, 1])
    assert found == FamilyBootstrap(3, Interval(0.0, 0.0), 0.0)


def test_a_higher_confidence_has_a_wider_interval():
    families = random_families(24, seed=1)
    widths = [found.interval.high - found.interval.low for found in (of(*families, confidence=c) for c in (0.5, 0.9, 0.999999))]
    assert widths == sorted(set(widths))


# --- the same bytes ---


def test_neither_order_nor_names_move_a_digit():
    families = random_families(24, seed=2)
    differences, names = laid_out(families)
    found = bootstrap_over_families(differences, names)
    assert bootstrap_over_families(differences, names) == found
    for seed in range(3):
        order = Random(seed).sample(range(len(names)), len(names))
        mixed = bootstrap_over_families([differences[i] for i in order], [names[i][::-1] for i in order])
        assert mixed == found


def test_the_figures_of_a_fixed_case_stay():
    """The seed is part of the result: another would move the committed metrics of every run."""
    found = of([1, 1, 0], [1, 0], [0, 0, -1, 0], [0], [1, -1, 1])
    assert found == FamilyBootstrap(5, Interval(-1 / 8, 6 / 11), 0.862)


# --- where there is nothing to say ---


@pytest.mark.parametrize("differences", [[1], [1, -1, 0], [0, 0]])
def test_one_family_has_no_interval(differences: list[int]):
    assert of(differences) == FamilyBootstrap(1, None, None)


@pytest.mark.parametrize("all_alike", [0, 1, -1])
def test_without_variation_there_is_no_design_effect(all_alike: int):
    assert of([all_alike] * 2, [all_alike]) == FamilyBootstrap(2, Interval(all_alike, all_alike), None)


@pytest.mark.parametrize(
    ("differences", "families", "confidence"),
    [([], [], 0.95), ([2, 0], ["a", "b"], 0.95), ([1, 0], ["a"], 0.95), ([1], ["a", "b"], 0.95), ([1, 0], ["a", "b"], 95)],
)
def test_what_is_no_difference_family_or_confidence_is_refused(differences, families, confidence):
    with pytest.raises(ValueError):
        bootstrap_over_families(differences, families, confidence)


def test_a_test_set_of_a_large_size_is_a_matter_of_memory_for_few_kinds_of_family():
    """13,000 families of ten questions: alike ones share a column, or the draws alone would fill a gigabyte."""
    import tracemalloc

    random = Random(0)
    families = [random.choices((1, 0, -1), weights=(2, 20, 1), k=10) for _ in range(13_000)]
    differences, names = laid_out(families)
    tracemalloc.start()
    found = bootstrap_over_families(differences, names)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.families == 13_000 and peak < 20e6
