"""Interval and test of a mean over questions of several texts each, against scipy, against the single text's, and counted."""

import operator
import time
from fractions import Fraction
from itertools import product
from math import ceil

import numpy as np
import pytest
from scipy.stats import bootstrap, permutation_test

from src.regime_w.statistics import mcnemar_exact, mean_bootstrap_interval, paired_bootstrap_interval, sign_flip_exact

# --- the interval ---


@pytest.mark.parametrize(("fixed", "broken", "n"), [(0, 0, 1), (1, 0, 2), (3, 0, 5), (0, 4, 4), (90, 60, 1209), (5, 31, 200)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999999])
def test_the_interval_of_single_texts_is_the_paired_one(fixed, broken, n, confidence):
    differences = [1] * fixed + [0] * (n - fixed - broken) + [-1] * broken
    assert mean_bootstrap_interval(differences, 1, confidence) == paired_bootstrap_interval(fixed, broken, n, confidence)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("counts", [[0, 3, 3, 1], [-2, 0, 1, 3, 3], [2, 2, 2], [-3, 3], [0]])
def test_the_interval_of_means_is_all_resamples_counted(counts: list[int], confidence: float):
    sums = sorted(sum(drawn) for drawn in product(counts, repeat=len(counts)))
    tail = (1 - Fraction(str(confidence))) / 2
    bounds = (sums[ceil(share * len(sums)) - 1] / (3 * len(counts)) for share in (tail, 1 - tail))
    assert mean_bootstrap_interval(counts, 3, confidence) == pytest.approx(tuple(bounds), abs=1e-15)


def test_the_interval_of_means_is_where_that_of_scipy_goes_with_more_resamples():
    """Of scipy's resamples, as many lie up to a bound as its probability says, within 4 standard errors."""
    counts, resamples = np.random.default_rng(3).integers(-5, 9, 400), 20_000
    settings = {"n_resamples": resamples, "method": "percentile", "rng": np.random.default_rng(4)}
    found = bootstrap((counts,), np.mean, **settings).bootstrap_distribution
    low, high = mean_bootstrap_interval(counts.tolist(), 8)
    for bound, probability in ((low, 0.025), (high, 0.975)):
        share = np.mean(found <= 8 * bound + 1e-9)
        assert abs(share - probability) < 4 * np.sqrt(0.025 * 0.975 / resamples) + 0.002, bound


def test_a_hundred_texts_of_a_large_test_set_take_seconds():
    counts = np.random.default_rng(0).integers(0, 101, 1319).tolist()
    began = time.perf_counter()
    low, high = mean_bootstrap_interval(counts, 100)
    assert low < sum(counts) / 131_900 < high and time.perf_counter() - began < 60


@pytest.mark.parametrize("counts", [[], [4], [1, -4]])
def test_counts_beyond_the_texts_of_a_question_are_refused(counts: list[int]):
    with pytest.raises(ValueError, match="whole numbers from -3 to 3, of one question at least"):
        mean_bootstrap_interval(counts, 3)


# --- the test ---


@pytest.mark.parametrize(("fixed", "broken"), [(0, 0), (1, 0), (5, 0), (4, 4), (8, 1), (40, 10), (83, 33), (700, 600)])
def test_sign_flips_of_single_texts_are_mcnemar(fixed: int, broken: int):
    p_value = sign_flip_exact([1] * fixed + [-1] * broken + [0] * 7)
    assert p_value == pytest.approx(mcnemar_exact(fixed, broken), rel=1e-12)
    if fixed + broken <= 50:
        assert p_value == mcnemar_exact(fixed, broken)


@pytest.mark.parametrize(
    "differences", [[3, -1, 2, 0, 1], [1, 2, 4, 8, -16], [5] * 6, [2, -2, 3], [0, 0], [4, 4, -1, 1, 2, 3, -2]]
)
def test_sign_flips_are_all_ways_counted(differences: list[int]):
    sums = [sum(map(operator.mul, signs, differences)) for signs in product((1, -1), repeat=len(differences))]
    extreme = sum(abs(total) >= abs(sum(differences)) for total in sums)
    assert sign_flip_exact(differences) == extreme / len(sums)


@pytest.mark.parametrize("seed", range(6))
def test_sign_flips_agree_with_scipy_that_counts_all_ways(seed: int):
    differences = np.random.default_rng(seed).integers(-4, 7, 12)
    settings = {"permutation_type": "samples", "n_resamples": np.inf, "alternative": "two-sided"}
    counted = permutation_test((differences, np.zeros(12)), lambda one, other: np.mean(one - other), **settings)
    assert sign_flip_exact(differences.tolist()) == pytest.approx(counted.pvalue, rel=1e-9)


def test_sign_flips_agree_with_scipy_that_draws_where_there_are_many_questions():
    differences = np.random.default_rng(1).integers(-5, 6, 300) + (np.arange(300) % 20 == 0)
    settings = {"permutation_type": "samples", "n_resamples": 20_000, "vectorized": True, "rng": np.random.default_rng(2)}
    drawn = permutation_test((differences, np.zeros(300)), lambda one, other, axis: np.mean(one - other, axis=axis), **settings)
    exact = sign_flip_exact(differences.tolist())
    assert 0.05 < exact < 0.95
    assert drawn.pvalue == pytest.approx(exact, abs=4 * 2 * np.sqrt(0.25 / 20_000))


def test_a_p_value_of_sign_flips_that_equals_alpha_has_no_rounding_error():
    assert sign_flip_exact([2, 2, 2, 2, 2]) == 1 / 16
    assert sign_flip_exact([3] * 50) == 2.0**-49
