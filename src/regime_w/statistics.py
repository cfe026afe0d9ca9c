"""The arithmetic of a paired comparison of two policies on one test set.

Both policies answer the same questions, so what tells them apart is the *discordant* questions:
those that only one of them answers correctly. `fixed` counts those that only the coherence policy
gets right, `broken` those that only the baseline does.

SciPy and statsmodels are imported where they are called: that takes a second, which `--help` need not wait.
"""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.polynomial.polynomial import polypow
from numpy.typing import NDArray


class Interval(NamedTuple):
    """A confidence interval, low <= high, both included."""

    low: float
    high: float


def check_level(name: str, value: float) -> None:
    """ValueError where a probability is not between 0 and 1, both excluded."""
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value!r}; it is a probability between 0 and 1, such as 0.95 or 0.05")


def _check_counts(n: int, **counts: int) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; a comparison needs at least one question")
    if any(count < 0 for count in counts.values()) or sum(counts.values()) > n:
        given = ", ".join(f"{name}={count}" for name, count in counts.items())
        raise ValueError(f"{given} of n={n} questions: counts are 0 or more and together at most n")


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Interval of a share, each bound 0 … 1: the score interval of Wilson (1927).

    Unlike mean ± z·error it stays within 0 … 1 and has a width where all or none succeed.
    Raises ValueError for an impossible count or confidence.
    """
    check_level("confidence", confidence)
    _check_counts(n, successes=successes)
    from scipy.stats import binomtest

    found = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Interval(float(found.low), float(found.high))


# --- exact McNemar ---

# A double holds 53 bits, so up to this many questions a p-value times 2^discordant is a whole number without an error.
_EXACT_QUESTIONS = 50


def _p_values(smaller: NDArray[np.int64], discordant: NDArray[np.int64]) -> NDArray[np.float64]:
    """`mcnemar_exact` of tables with so many discordant questions, `smaller` of them on the smaller side; any shape."""
    from scipy.stats import binom

    p_values = np.minimum(1.0, 2 * binom.cdf(smaller, discordant, 0.5))
    # p counts some of the 2^discordant ways to fall. Where rounding to that whole number removes the error of floating
    # point, do so: p may equal alpha exactly (1/16 with five questions), and then an error would change the verdict.
    ways = 2.0 ** np.minimum(discordant, _EXACT_QUESTIONS)
    return np.where(discordant <= _EXACT_QUESTIONS, np.rint(p_values * ways) / ways, p_values)


def mcnemar_exact(fixed: int, broken: int) -> float:
    """Two-sided p-value, 0 … 1, of the exact McNemar test (McNemar 1947).

    Under the null a discordant question falls on either side like a fair coin, so p is twice the
    smaller tail of Binomial(fixed + broken, 1/2), at most 1. Without discordant questions it is 1.
    Below 1e-250 it may come out as 0. Raises ValueError for a negative count.
    """
    discordant = fixed + broken
    _check_counts(max(discordant, 1), fixed=fixed, broken=broken)
    return float(_p_values(np.array(min(fixed, broken)), np.array(discordant)))


def _significant_sizes(discordant: NDArray[np.int64], alpha: float) -> NDArray[np.int64]:
    """For each number of discordant questions, how many sizes 0, 1, … of the smaller side give `mcnemar_exact` < alpha."""
    from scipy.stats import binom

    # p grows with the size of the smaller side, so the significant sizes are the first few: those below the quantile.
    sizes = binom.ppf(alpha / 2, discordant, 0.5).astype(np.int64)
    # The quantile may be one off where p equals alpha; `_p_values` decides, as it does for the verdict.
    sizes += _p_values(sizes, discordant) < alpha
    sizes -= (sizes > 0) & (_p_values(sizes - 1, discordant) >= alpha)
    return sizes


def smallest_detectable_difference(discordant: int, n: int, alpha: float = 0.05) -> float | None:
    """Least |fixed - broken| / n, 0 … 1, that is significant with this many discordant questions.

    None where even all of them on one side give `mcnemar_exact` >= alpha: such a test can show nothing.
    Raises ValueError for an impossible count or alpha.
    """
    check_level("alpha", alpha)
    _check_counts(n, discordant=discordant)
    significant = int(_significant_sizes(np.array([discordant]), alpha)[0])
    return None if significant == 0 else (discordant - 2 * (significant - 1)) / n


# --- power ---

# Numbers of discordant questions less probable than this are left out; together they weigh less than 1e-12.
_NEGLIGIBLE = 1e-18


def difference_at_power(discordant: int, n: int, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """Least true difference, 0 … 1, that n questions drawn anew would show with this probability.

    To show it is to name the better side by exact McNemar at level alpha. The share of questions that are
    discordant is taken to be as it was here, discordant / n, and the number drawn varies. A true difference of
    `smallest_detectable_difference` would mostly be found about half of the time, so this one is larger.
    Rounded up to a millionth. None where not even all of them on one side would be found so often.
    Raises ValueError for an impossible count, power or alpha.
    """
    check_level("power", power)
    check_level("alpha", alpha)
    _check_counts(n, discordant=discordant)
    if discordant == 0:
        return None
    from scipy.optimize import brentq
    from scipy.stats import binom

    share, drawn = discordant / n, np.arange(n + 1)
    weights = binom.pmf(drawn, n, share)
    drawn, weights = drawn[weights > _NEGLIGIBLE], weights[weights > _NEGLIGIBLE]
    sizes = _significant_sizes(drawn, alpha)

    def excess(difference: float) -> float:
        """The probability of showing this true difference, less `power`; exact, over all ways to draw the questions."""
        on_losing_side = (1 - difference / share) / 2  # of the discordant questions
        return float(weights @ binom.cdf(sizes - 1, drawn, on_losing_side)) - power

    if excess(share) < 0:
        return None
    # Where alpha is large, equal policies may already be found so often.
    least = 0.0 if excess(0.0) >= 0 else brentq(excess, 0.0, share)
    return min(share, ceil(1e6 * least) / 1e6)


def questions_at_power(fixed: int, broken: int, n: int, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Questions that would show the difference found here with this probability, if it is the true one.

    To show it is as in `difference_at_power`, and the share of discordant questions is again that found. By the normal
    approximation of Connor (1987, Sample size for testing differences in proportions for the paired-sample design). The exact
    test wants more: 4 % where 200 of them are discordant, 1 % where 4,000 are.
    None where no difference was found. Raises ValueError for an impossible count, power or alpha.
    """
    check_level("power", power)
    check_level("alpha", alpha)
    _check_counts(n, fixed=fixed, broken=broken)
    if fixed == broken:
        return None
    from scipy.stats import norm

    share, difference = (fixed + broken) / n, (fixed - broken) / n
    spread = float(norm.isf(alpha / 2)) * sqrt(share) + float(norm.ppf(power)) * sqrt(share - difference**2)
    return ceil((spread / difference) ** 2)


# --- paired bootstrap ---

# A cumulative probability that comes so close to the wanted one, relative to it, counts as equal to it. Equal they are in
# small test sets: of two questions with one fixed, a quarter of the resamples fix none. There the error of floating point
# is about 1e-15, among thousands of questions 1e-13; those come so close without being equal once in 1e10 test sets.
_EQUAL = 1e-13


def paired_bootstrap_interval(fixed: int, broken: int, n: int, confidence: float = 0.95) -> Interval:
    """The paired bootstrap's percentile interval for (fixed - broken) / n, each bound -1 … 1.

    Resampling the n questions with replacement makes the sum of their differences a sum of n
    independent draws: +1 with probability fixed/n, -1 with broken/n, else 0. Its distribution is
    computed, not sampled: the limit of infinitely many resamples, without seed or noise. A bound
    is the smallest value whose cumulative probability reaches (1 - confidence)/2, or 1 less that.
    Raises ValueError for impossible counts or confidence.
    """
    check_level("confidence", confidence)
    _check_counts(n, fixed=fixed, broken=broken)
    # Independent draws add up as polynomials multiply: weights[k] is the probability that sum + n is k. Only sums of
    # products of positive numbers occur, so that the smallest weight is as exact, relative to itself, as the largest.
    weights = polypow(np.array([broken, n - fixed - broken, fixed]) / n, n)
    low, high = _percentiles(weights, confidence)
    return Interval((low - n) / n, (high - n) / n)


def mean_bootstrap_interval(counts: Sequence[int], per: int, confidence: float = 0.95) -> Interval:
    """The bootstrap's percentile interval over questions for the mean of counts / per, each bound -1 … 1.

    counts  of each question, one at least: how many of its `per` texts are right (0 … per), or a difference of two such
            counts (-per … per)
    Like `paired_bootstrap_interval`, which it equals for differences of single texts, it is the limit of infinitely many
    resamples: the sum of n draws among n whole numbers has a distribution that can be computed.
    Raises ValueError for no question, a count out of range or an impossible confidence.
    """
    check_level("confidence", confidence)
    n = len(counts)
    if not counts or max(map(abs, counts)) > per:
        raise ValueError(f"counts must be whole numbers from {-per} to {per}, of one question at least")
    least = min(counts)
    weights = polypow(np.bincount(np.array(counts) - least) / n, n)
    low, high = _percentiles(weights, confidence)
    return Interval((low + n * least) / (n * per), (high + n * least) / (n * per))


def _percentiles(weights: NDArray[np.float64], confidence: float) -> tuple[int, int]:
    """The places among probabilities of 0, 1, 2, … at which (1 - confidence)/2, and 1 less that, are reached from below."""
    # Through str, so that 0.95 means the decimal fraction that was written.
    tail = float((1 - Fraction(str(confidence))) / 2)
    # Each tail is added up from its own end: 1 less a sum would lose the digits of a small one.
    up_to, from_on = np.cumsum(weights), np.cumsum(weights[::-1])[::-1]
    low = np.count_nonzero(up_to < tail * (1 - _EQUAL))
    # P(sum <= k) reaches 1 - tail where P(sum >= k + 1) is at most tail, so k is the last with P(sum >= k) above it.
    high = np.count_nonzero(from_on > tail * (1 + _EQUAL)) - 1
    return int(low), int(high)


# --- paired permutation ---


def sign_flip_exact(differences: Sequence[int]) -> float:
    """Two-sided p-value, 0 … 1, of the exact paired permutation test of a mean (Fisher 1935; Pitman 1937).

    differences  of each question, whole numbers: right texts of one policy less those of the other
    Were the policies alike, a question's difference would have either sign equally often. So p is the share of all ways to
    choose the signs whose sum is as far from 0 as the one at hand. It is a test of the mean itself, which is what is
    reported; Wilcoxon's would test ranks, drop the questions without a difference and need a rule for the many ties.
    Dror et al. 2018 (The Hitchhiker's Guide to Testing Statistical Significance in NLP, ACL) recommend it where it can be
    computed. SciPy's permutation_test counts all ways up to some twenty questions and draws beyond; of whole numbers all can
    be counted, without seed or noise, as the sum of those with one sign has a distribution that is computed.
    Of differences of at most 1 this is `mcnemar_exact`. Below 1e-250 it may come out as 0.
    """
    plus = sum(difference for difference in differences if difference > 0)
    minus = -sum(difference for difference in differences if difference < 0)
    weights = np.ones(1)  # of the sums 0, 1, 2, … of the sizes that get a plus
    for size, count in sorted(Counter(abs(difference) for difference in differences if difference).items()):
        spread = np.zeros(size * count + 1)
        spread[::size] = polypow(np.array([0.5, 0.5]), count)
        weights = np.convolve(weights, spread)
    # Up to fifty differing questions each of these numbers is a whole number of 2^-50, and their sum has no rounding error.
    return min(1.0, 2 * float(weights[: min(plus, minus) + 1].sum()))


# --- several comparisons ---


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979), in the given order: the best of many is often good by chance."""
    if not p_values:
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(p_value) for p_value in multipletests(p_values, method="holm")[1]]
