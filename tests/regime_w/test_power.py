"""The least difference that several seeds find, against a simulation and another library's arithmetic."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from statsmodels.stats.power import TTestPower

from src.regime_w.power import difference_over_seeds


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_it_is_what_statsmodels_finds_for_so_many_standard_deviations(seeds):
    effect = TTestPower().solve_power(nobs=seeds, alpha=0.05, power=0.8)
    deviation = (0.01**2 + 0.1 / 1209) ** 0.5
    assert difference_over_seeds(1209, seeds, 0.1, 0.01) == pytest.approx(effect * deviation, rel=1e-3)


@pytest.mark.parametrize("between", [0.0, 0.01])
def test_simulated_seeds_with_that_difference_are_found_four_times_of_five(between):
    """Each seed draws its true difference, then which questions are discordant, then which of these are fixed."""
    questions, seeds, studies, share = 1209, 5, 4000, 0.1
    generator = np.random.default_rng(0)
    true = difference_over_seeds(questions, seeds, share, between) + between * generator.standard_normal((studies, seeds))
    discordant = generator.binomial(questions, share, (studies, seeds))
    fixed = generator.binomial(discordant, (1 + true / share) / 2)
    measured = (2 * fixed - discordant) / questions
    found = np.mean((ttest_1samp(measured, 0, axis=1).pvalue < 0.05) & (measured.mean(axis=1) > 0))
    assert found == pytest.approx(0.8, abs=0.03)  # of 4,000 studies the standard error is 0.006


def test_more_seeds_and_more_questions_find_less_and_seeds_that_differ_find_more():
    base = difference_over_seeds(1209, 5, 0.1, 0.01)
    assert difference_over_seeds(1209, 10, 0.1, 0.01) < base
    assert difference_over_seeds(2418, 5, 0.1, 0.01) < base
    assert difference_over_seeds(1209, 5, 0.1, 0.02) > base


def test_without_discordant_questions_and_differing_seeds_any_difference_is_found():
    assert difference_over_seeds(1209, 5, 0.0, 0.0) == 0.0


def test_a_level_that_finds_anything_so_often_needs_no_difference():
    assert difference_over_seeds(1209, 5, 0.1, 0.0, power=0.2, alpha=0.5) == 0.0


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((0, 5, 0.1, 0.0), "questions is 0"),
        ((1209, 1, 0.1, 0.0), "seeds is 1"),
        ((1209, 5, 1.1, 0.0), "discordant_share is 1.1"),
        ((1209, 5, 0.1, -0.1), "between_seeds -0.1"),
    ],
)
def test_impossible_numbers_are_named(values, named):
    with pytest.raises(ValueError, match=named):
        difference_over_seeds(*values)
