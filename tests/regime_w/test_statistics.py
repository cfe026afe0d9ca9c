"""The paired comparison, against scipy and statsmodels, and against counting by hand."""

import time
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.stats import binom, binomtest, bootstrap, norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from src.regime_w.families import bootstrap_over_families
from src.regime_w.statistics import (
    Interval,
    difference_at_power,
    holm,
    mcnemar_exact,
    paired_bootstrap_interval,
    questions_at_power,
    smallest_detectable_difference,
    wilson_interval,
)
from src.regime_w.verdict import paired_verdict

SMALL_TABLES = [(f, b, n) for n in range(1, 6) for f in range(n + 1) for b in range(n + 1 - f)]


def outcomes(fixed: int, broken: int, both: int = 0) -> tuple[dict[str, bool], dict[str, bool]]:
    """Results of baseline and coherence with so many questions fixed, broken and right in both."""
    rows = (
        [(f"fixed-{i}", False, True) for i in range(fixed)]
        + [(f"broken-{i}", True, False) for i in range(broken)]
        + [(f"both-{i}", True, True) for i in range(both)]
    )
    return {name: old for name, old, _ in rows}, {name: new for name, _, new in reversed(rows)}


# --- Wilson ---


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize("n", [1, 7, 100, 1209])
def test_wilson_agrees_with_statsmodels(n, confidence):
    for successes in {0, 1, n // 3, n - 1, n}:
        expected = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
        assert wilson_interval(successes, n, confidence) == pytest.approx(expected, abs=1e-12)


def test_wilson_stays_within_0_and_1_and_holds_the_share():
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == 1.0
    low, high = wilson_interval(3, 10)
    assert 0 < low < 0.3 < high < 1


def test_wilson_agrees_with_scipy_and_solves_the_score_equation():
    """At a bound p the share lies z standard errors from p, the error being that of p itself."""
    for n, confidence in product([*range(1, 31), 1209], [0.5, 0.9, 0.95, 0.99]):
        z = norm.ppf((1 + confidence) / 2)
        for successes in range(0, n + 1, max(1, n // 30)):
            bounds = wilson_interval(successes, n, confidence)
            expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")
            assert bounds == pytest.approx((expected.low, expected.high), abs=1e-12)
            for bound in bounds:
                assert (successes / n - bound) ** 2 == pytest.approx(z * z * bound * (1 - bound) / n, abs=1e-12)


# --- McNemar ---


def test_mcnemar_agrees_with_statsmodels_and_scipy():
    for fixed, broken in product([0, 1, 2, 5, 6, 13, 40, 133], repeat=2):
        if fixed + broken == 0:
            continue
        p = mcnemar_exact(fixed, broken)
        assert p == pytest.approx(binomtest(fixed, fixed + broken).pvalue, rel=1e-9)
        assert p == pytest.approx(mcnemar([[0, fixed], [broken, 0]], exact=True).pvalue, rel=1e-9)


def test_mcnemar_agrees_with_statsmodels_on_every_table_of_up_to_sixty():
    for discordant in range(1, 61):
        for broken in range(discordant + 1):
            expected = mcnemar([[7, discordant - broken], [broken, 11]], exact=True).pvalue
            assert mcnemar_exact(discordant - broken, broken) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("discordant", range(1, 13))
def test_mcnemar_is_all_ways_to_fall_counted(discordant: int):
    """p is the share of the 2^discordant ways that are as uneven or more."""
    uneven = [abs(sum(way)) for way in product([1, -1], repeat=discordant)]
    for broken in range(discordant + 1):
        as_uneven = sum(other >= abs(discordant - 2 * broken) for other in uneven)
        assert mcnemar_exact(discordant - broken, broken) == as_uneven / 2**discordant


def test_mcnemar_of_up_to_fifty_has_no_rounding_error():
    for discordant in range(1, 51):
        for smaller in range((discordant + 1) // 2):
            ways = sum(comb(discordant, i) for i in range(smaller + 1))
            assert mcnemar_exact(smaller, discordant - smaller) == min(1.0, 2 * ways / 2**discordant)


@pytest.mark.parametrize(
    ("fixed", "broken", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (3, 3, 1.0), (5, 0, 2 / 32), (6, 0, 2 / 64), (7, 1, 2 * (1 + 8) / 256)],
)
def test_mcnemar_by_hand(fixed, broken, p):
    assert mcnemar_exact(fixed, broken) == mcnemar_exact(broken, fixed) == p


def test_mcnemar_of_thousands_is_fast_and_does_not_underflow_to_a_wrong_value():
    start = time.perf_counter()
    assert mcnemar_exact(4900, 5100) == pytest.approx(binomtest(4900, 10_000).pvalue, rel=1e-9)
    assert 0 <= mcnemar_exact(10_000, 0) < 1e-300
    assert time.perf_counter() - start < 2


# --- paired bootstrap ---


def bootstrap_by_enumeration(fixed: int, broken: int, n: int, confidence: str) -> tuple[float, float]:
    """The percentile interval over all nⁿ resamples."""
    differences = [1] * fixed + [-1] * broken + [0] * (n - fixed - broken)
    sums = sorted(sum(resample) for resample in product(differences, repeat=n))

    def quantile(probability: Fraction) -> float:
        return next(s for i, s in enumerate(sums, start=1) if Fraction(i, len(sums)) >= probability) / n

    tail = (1 - Fraction(confidence)) / 2
    return quantile(tail), quantile(1 - tail)


@pytest.mark.parametrize("confidence", ["0.5", "0.8", "0.95"])
def test_bootstrap_is_all_resamples_counted(confidence):
    for fixed, broken, n in SMALL_TABLES:
        expected = bootstrap_by_enumeration(fixed, broken, n, confidence)
        assert paired_bootstrap_interval(fixed, broken, n, float(confidence)) == expected, (fixed, broken, n)


def bootstrap_in_integers(fixed: int, broken: int, n: int, confidence: float) -> tuple[float, float]:
    """The percentile interval without a rounding error: of the nⁿ resamples, those of each sum are counted."""
    counts = {0: 1}
    for _ in range(n):
        longer: dict[int, int] = {}
        for total, count in counts.items():
            for step, ways in ((-1, broken), (0, n - fixed - broken), (1, fixed)):
                longer[total + step] = longer.get(total + step, 0) + ways * count
        counts = longer
    tail = (1 - Fraction(str(confidence))) / 2
    reached, bounds = 0, []
    for total in sorted(counts):
        reached += counts[total]
        while len(bounds) < 2 and reached >= (tail, 1 - tail)[len(bounds)] * n**n:
            bounds.append(total / n)
    return bounds[0], bounds[1]


@pytest.mark.parametrize("confidence", [0.1, 0.5, 0.9, 0.95, 0.999, 0.999999])
def test_bootstrap_has_the_bounds_of_whole_number_arithmetic(confidence: float):
    random = np.random.default_rng(11)
    sizes = [*range(1, 13), *random.integers(13, 120, size=12), 400]
    tables = [random.multinomial(n, random.dirichlet([1, 1, 3])) for n in map(int, sizes)]
    for fixed, broken, neither in [*tables, (0, 40, 60), (40, 0, 60), (50, 50, 0), (1, 0, 99), (0, 1, 99)]:
        table = (int(fixed), int(broken), int(fixed + broken + neither))
        assert paired_bootstrap_interval(*table, confidence) == bootstrap_in_integers(*table, confidence), table


@pytest.mark.parametrize(
    ("fixed", "broken", "n", "confidence"),
    [
        (1, 0, 2, 0.5),  # a quarter of the resamples fix none
        (5, 4, 10, 0.975),
        (1, 0, 5, 0.98656),
        (2, 0, 5, 0.82592),
        (1, 2, 5, 0.24928),
        (1, 3, 5, 0.99936),
    ],
)
def test_bootstrap_bounds_are_exact_where_the_tail_is_a_share_of_the_resamples(
    fixed: int, broken: int, n: int, confidence: float
):
    """So many of the nⁿ resamples reach a bound that their share is (1 - confidence) / 2 itself: an error of 1e-16 would show."""
    assert paired_bootstrap_interval(fixed, broken, n, confidence) == bootstrap_in_integers(fixed, broken, n, confidence)


@pytest.mark.parametrize(("fixed", "n"), [(7, 100), (300, 1209), (5000, 10_000)])
def test_bootstrap_without_broken_questions_is_binomial(fixed, n):
    expected = binom.ppf([0.025, 0.975], n, fixed / n) / n
    assert paired_bootstrap_interval(fixed, 0, n) == pytest.approx(expected, abs=1e-12)
    assert paired_bootstrap_interval(0, fixed, n) == pytest.approx(-expected[::-1], abs=1e-12)


@pytest.mark.parametrize(("fixed", "broken", "n"), [(90, 60, 1209), (5, 31, 200), (100, 200, 300), (1, 1, 500)])
def test_bootstrap_agrees_with_adding_up_draws_one_by_one(fixed, broken, n):
    one_draw = np.array([broken, n - fixed - broken, fixed]) / n
    weights = np.ones(1)
    for _ in range(n):
        weights = np.convolve(weights, one_draw)
    low, high = np.searchsorted(np.cumsum(weights), [0.025, 0.975])
    assert paired_bootstrap_interval(fixed, broken, n) == ((low - n) / n, (high - n) / n)


@pytest.mark.parametrize("confidence", [0.5, 0.95])
@pytest.mark.parametrize(("fixed", "broken", "n"), [(90, 60, 1209), (5, 31, 200), (12, 2, 50), (1, 1, 30)])
def test_bootstrap_is_where_that_of_scipy_goes_with_more_resamples(fixed, broken, n, confidence):
    """Of scipy's resamples, as many lie up to a bound as its probability says, within 4 standard errors."""
    differences = np.repeat([1, -1, 0], [fixed, broken, n - fixed - broken])
    resamples = 20_000
    settings = {"n_resamples": resamples, "confidence_level": confidence, "method": "percentile"}
    found = bootstrap((differences,), np.mean, rng=np.random.default_rng([fixed, broken]), **settings)
    sums = np.rint(found.bootstrap_distribution * n)
    bounds = np.rint(np.array(paired_bootstrap_interval(fixed, broken, n, confidence)) * n)
    for bound, probability in zip(bounds, [(1 - confidence) / 2, (1 + confidence) / 2], strict=True):
        error = 4 * np.sqrt(probability * (1 - probability) / resamples)
        assert np.mean(sums < bound) < probability + error
        assert np.mean(sums <= bound) > probability - error
    assert bounds / n == pytest.approx(list(found.confidence_interval), abs=1.01 / n)


@pytest.mark.parametrize(("fixed", "broken", "value"), [(0, 0, 0.0), (20, 0, 1.0), (0, 20, -1.0)])
def test_bootstrap_of_questions_all_alike_has_no_width(fixed, broken, value):
    assert paired_bootstrap_interval(fixed, broken, 20) == (value, value)


def test_bootstrap_of_a_large_test_set_is_fast():
    start = time.perf_counter()
    low, high = paired_bootstrap_interval(3000, 2500, 10_000)
    assert time.perf_counter() - start < 10  # under half a second where nothing else runs
    spread = np.sqrt((0.55 - 0.05**2) / 10_000)
    assert (low, high) == pytest.approx((0.05 - 1.96 * spread, 0.05 + 1.96 * spread), abs=2e-4)


# --- smallest detectable difference ---


def test_smallest_detectable_difference_is_the_first_significant_one():
    for discordant in [*range(31), 151]:
        by_size = sorted((abs(discordant - 2 * b), b) for b in range(discordant + 1))
        significant = [size for size, b in by_size if mcnemar_exact(discordant - b, b) < 0.05]
        expected = significant[0] / 1209 if significant else None
        assert smallest_detectable_difference(discordant, 1209) == expected


@pytest.mark.parametrize("discordant", [4, 5, 6, 8, 15, 30])
def test_a_p_value_equal_to_alpha_is_not_significant_and_one_just_below_is(discordant: int):
    for smaller in range((discordant - 1) // 2 + 1):
        p = mcnemar_exact(discordant - smaller, smaller)
        this, next_uneven = discordant - 2 * smaller, discordant - 2 * smaller + 2
        if p < 1:
            expected = next_uneven / 50 if smaller else None
            assert smallest_detectable_difference(discordant, 50, alpha=p) == expected
            assert smallest_detectable_difference(discordant, 50, alpha=float(np.nextafter(p, 1))) == this / 50


def test_five_discordant_questions_can_show_nothing_and_six_can():
    assert smallest_detectable_difference(5, 100) is None
    assert smallest_detectable_difference(6, 100) == 0.06


# --- Holm ---


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([], []),
        ([0.3], [0.3]),
        ([0.25, 0.0625, 0.125], [0.25, 0.1875, 0.25]),  # 3 · 1/16, 2 · 1/8, 1/4, in the given order
        ([0.0625, 0.0625, 0.5], [0.1875, 0.1875, 0.5]),  # the second is not below the first
        ([0.5, 0.75, 1.0], [1.0, 1.0, 1.0]),  # at most 1
    ],
)
def test_holm_by_hand(p_values: list[float], corrected: list[float]):
    assert holm(p_values) == corrected


# --- verdict ---


@pytest.mark.parametrize(
    ("fixed", "broken", "verdict"),
    [
        (6, 0, "improved"),
        (0, 6, "worse"),
        (5, 0, "no evidence"),
        (0, 0, "no evidence"),
        (9, 9, "no evidence"),
    ],
)
def test_the_verdict_is_significance_and_its_side(fixed, broken, verdict):
    assert paired_verdict(*outcomes(fixed, broken, both=10)).verdict.verdict == verdict


def test_alpha_decides():
    assert paired_verdict(*outcomes(5, 0)).verdict.verdict == "no evidence"
    assert paired_verdict(*outcomes(5, 0), alpha=0.1).verdict.verdict == "improved"
    # p is exactly 1/16 here, and p < alpha is asked for.
    assert paired_verdict(*outcomes(5, 0), alpha=1 / 16).verdict.verdict == "no evidence"


def test_the_verdict_holds_what_it_is_built_from():
    comparison = paired_verdict(*outcomes(fixed=12, broken=2, both=36), confidence=0.9)
    result = comparison.verdict
    assert (result.questions, result.fixed, result.broken) == (50, 12, 2)
    assert (result.baseline_accuracy, result.coherence_accuracy) == (38 / 50, 48 / 50)
    assert result.difference == 10 / 50
    assert result.p_value == mcnemar_exact(12, 2)
    assert comparison.baseline_interval == wilson_interval(38, 50, 0.9)
    assert comparison.coherence_interval == wilson_interval(48, 50, 0.9)
    assert Interval(result.ci_low, result.ci_high) == paired_bootstrap_interval(12, 2, 50, 0.9)
    assert result.smallest_detectable_difference == smallest_detectable_difference(14, 50)
    assert result.difference_at_power == difference_at_power(14, 50, power=0.8)
    assert result.questions_at_power == questions_at_power(12, 2, 50, power=0.8)
    assert comparison.fixed_ids == tuple(sorted(f"fixed-{i}" for i in range(12)))
    assert comparison.broken_ids == ("broken-0", "broken-1")


def test_families_are_those_of_the_compared_questions_in_any_order():
    before, after = outcomes(12, 3, both=5)
    family_of = {name: name[-1] for name in before} | {"another": "z"}
    found = paired_verdict(before, after, family_of=family_of).verdict
    differences, families = [after[i] - before[i] for i in before], [family_of[i] for i in before]
    by_hand = bootstrap_over_families(differences, families)
    assert found.families == by_hand.families == 10
    assert Interval(found.family_ci_low, found.family_ci_high) == by_hand.interval
    assert found.design_effect == by_hand.design_effect
    backwards = paired_verdict(before, after, family_of=dict(reversed(family_of.items()))).verdict
    assert backwards == found and paired_verdict(after, before, family_of=family_of).verdict.families == 10
    assert paired_verdict(before, after, family_of={"another": "z"}) == paired_verdict(before, after)


def test_a_family_for_some_questions_alone_is_refused():
    before, after = outcomes(2, 1)
    with pytest.raises(ValueError, match="question broken-0 has no kind, though 2 of the 3 questions have one"):
        paired_verdict(before, after, family_of={"fixed-0": "a", "fixed-1": "a"})


@pytest.mark.parametrize(
    ("verdict", "low", "high", "shared"),
    [
        ("improved", 0.01, 0.09, True),
        ("improved", 0.0, 0.09, False),
        ("improved", -0.01, 0.09, False),
        ("worse", -0.09, -0.01, True),
        ("worse", -0.09, 0.0, False),
        ("no evidence", -0.01, 0.09, True),
        ("no evidence", 0.0, 0.09, True),
        ("no evidence", 0.01, 0.09, False),
        ("no evidence", -0.09, -0.01, False),
    ],
)
def test_families_share_a_verdict_where_their_interval_says_the_same(verdict, low, high, shared):
    found = paired_verdict(*outcomes(12, 3)).verdict
    assert found.shared_by_families is None
    assert replace(found, verdict=verdict, families=9, family_ci_low=low, family_ci_high=high).shared_by_families is shared


def test_different_questions_are_refused_by_name_and_number():
    baseline = {"a": True, "b": False, "c": True}
    coherence = {"b": True, **{f"x{i}": True for i in range(7)}}
    with pytest.raises(ValueError) as error:
        paired_verdict(baseline, coherence)
    assert "2 only in baseline: a, c" in str(error.value)
    assert "7 only in coherence: x0, x1, x2, x3, x4 …" in str(error.value)


def test_no_questions_are_refused():
    with pytest.raises(ValueError, match="no questions"):
        paired_verdict({}, {})


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson_interval(0, 0),
        lambda: wilson_interval(4, 3),
        lambda: wilson_interval(1, 3, confidence=1.0),
        lambda: wilson_interval(1, 3, confidence=95),
        lambda: mcnemar_exact(-1, 3),
        lambda: paired_bootstrap_interval(2, 2, 3),
        lambda: paired_bootstrap_interval(1, 1, 3, confidence=0.0),
        lambda: smallest_detectable_difference(4, 3),
        lambda: smallest_detectable_difference(1, 3, alpha=0.0),
        lambda: difference_at_power(4, 3),
        lambda: difference_at_power(1, 3, power=80),
        lambda: difference_at_power(1, 3, alpha=1.0),
        lambda: questions_at_power(2, 2, 3),
        lambda: questions_at_power(1, 0, 3, power=80),
        lambda: questions_at_power(1, 0, 3, alpha=1.0),
        lambda: paired_verdict({"a": True}, {"a": True}, alpha=5),
        lambda: paired_verdict({"a": True}, {"a": True}, power=0.0),
    ],
)
def test_impossible_counts_and_levels_are_refused(call):
    with pytest.raises(ValueError):
        call()
