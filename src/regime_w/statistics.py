"""The paired comparison of two policies on one test set.

Both policies answer the same questions, so what tells them apart is the *discordant* questions:
those that only one of them answers correctly. `fixed` counts those that only the coherence policy
gets right, `broken` those that only the baseline does.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, exp, lgamma, log, log1p, sqrt
from statistics import NormalDist
from typing import Literal


def _check_level(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value!r}; it is a probability between 0 and 1, such as 0.95 or 0.05")


def _check_counts(n: int, **counts: int) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; a comparison needs at least one question")
    if any(count < 0 for count in counts.values()) or sum(counts.values()) > n:
        given = ", ".join(f"{name}={count}" for name, count in counts.items())
        raise ValueError(f"{given} of n={n} questions: counts are 0 or more and together at most n")


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """(low, high) of a share, each 0 … 1: the score interval of Wilson (1927).

    Unlike mean ± z·error it stays within 0 … 1 and has a width where all or none succeed.
    """
    _check_level("confidence", confidence)
    _check_counts(n, successes=successes)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    half_width = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At 0 and at n successes the bound is 0 or 1 exactly, which rounding would miss by an ulp.
    low = 0.0 if successes == 0 else (centre - half_width) / scale
    high = 1.0 if successes == n else (centre + half_width) / scale
    return low, high


def mcnemar_exact(fixed: int, broken: int) -> float:
    """Two-sided p-value, 0 … 1, of the exact McNemar test (McNemar 1947).

    Under the null a discordant question falls on either side like a fair coin, so p is twice the
    smaller tail of Binomial(fixed + broken, 1/2), at most 1. Without discordant questions it is 1.
    """
    discordant = fixed + broken
    _check_counts(max(discordant, 1), fixed=fixed, broken=broken)
    tail = term = 1  # of the binomial coefficients C(discordant, 0 … min)
    for i in range(min(fixed, broken)):
        term = term * (discordant - i) // (i + 1)
        tail += term
    # Integers of any size divide to the nearest float, so no rounding builds up on the way.
    return min(1.0, 2 * tail / 2**discordant)


def paired_bootstrap_interval(fixed: int, broken: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """(low, high) of the paired bootstrap's percentile interval for (fixed - broken) / n, each -1 … 1.

    Resampling the n questions with replacement makes the sum of their differences a sum of n
    independent draws: +1 with probability fixed/n, -1 with broken/n, else 0. Its distribution is
    computed, not sampled: the limit of infinitely many resamples, without seed or noise. A bound
    is the smallest value whose cumulative probability reaches (1 - confidence)/2, or 1 less that.
    """
    _check_level("confidence", confidence)
    _check_counts(n, fixed=fixed, broken=broken)
    # The weights of sum - n are the coefficients of (a + b·x + c·x²)ⁿ, integers that add up to nⁿ.
    a, b, c = broken, n - fixed - broken, fixed
    lowest = -n
    while a == 0:  # no draw can be the lowest one: shift, so that the series starts above zero
        a, b, c = b, c, 0
        lowest += n
    # Through str, so that 0.95 means the decimal fraction that was written.
    tail = (1 - Fraction(str(confidence))) / 2
    reach_low, reach_high = ceil(n**n * tail), ceil(n**n * (1 - tail))

    # With P = (a + bx + cx²)ⁿ, equating coefficients in (a + bx + cx²)·P' = n·(b + 2cx)·P gives
    # each weight from the two before it. In integers every division is exact and nothing cancels.
    before, weight, reached = 0, a**n, a**n
    k, low = 0, None
    while reached < reach_high:
        if low is None and reached >= reach_low:
            low = k
        before, weight = weight, (b * (n - k) * weight + c * (2 * n - k + 1) * before) // (a * (k + 1))
        reached += weight
        k += 1
    return (lowest + (k if low is None else low)) / n, (lowest + k) / n


def smallest_detectable_difference(discordant: int, n: int, alpha: float = 0.05) -> float | None:
    """Least |fixed - broken| / n, 0 … 1, that is significant with this many discordant questions.

    None where even all of them on one side give `mcnemar_exact` >= alpha: such a test can show nothing.
    """
    _check_level("alpha", alpha)
    _check_counts(n, discordant=discordant)
    # p grows with the size of the smaller side, so the significant sizes are the first few.
    significant = bisect_left(range(discordant // 2 + 1), alpha, key=lambda smaller: mcnemar_exact(discordant - smaller, smaller))
    return None if significant == 0 else (discordant - 2 * (significant - 1)) / n


def _significant_sizes(n: int, alpha: float) -> list[int]:
    """For 0 … n discordant questions, how many sizes 0, 1, … of the smaller side give `mcnemar_exact` < alpha."""
    sizes, size = [], 0
    tail, term = 0, 1  # of the binomial coefficients C(discordant, i): the sum of those before `size`, and that of `size`
    for discordant in range(n + 1):
        if 2 * (tail + term) / 2**discordant < alpha:  # one more question makes room for one more size at most
            size, tail, term = size + 1, tail + term, term * (discordant - size) // (size + 1)
        sizes.append(size)
        # Pascal's rule, from `discordant` to one more.
        tail = 2 * tail - term * size // (discordant - size + 1)
        term = term * (discordant + 1) // (discordant + 1 - size)
    return sizes


def _binomial(successes: int, n: int, share: float) -> float:
    """Probability of so many successes in n draws."""
    if share <= 0 or share >= 1:
        return float(successes == (n if share >= 1 else 0))
    ways = lgamma(n + 1) - lgamma(successes + 1) - lgamma(n - successes + 1)
    return exp(ways + successes * log(share) + (n - successes) * log1p(-share))


def _power(difference: float, discordant_share: float, n: int, sizes: list[int]) -> float:
    """Probability, 0 … 1, that n questions drawn anew show a true difference: that `paired_verdict` names the better side.

    difference        the true one, a share of the questions, 0 … discordant_share
    discordant_share  true share of the questions that only one of the policies gets right, above 0
    sizes             `_significant_sizes` of n

    Exact: summed over the number of discordant questions drawn, and over how they fall to the two sides.
    """
    against = (1 - difference / discordant_share) / 2  # of the discordant questions, those on the losing side
    power = tail = 0.0  # tail: probability that the losing side has less than `size`
    before = 0
    for discordant, size in enumerate(sizes):
        if size > before:
            tail += _binomial(size - 1, discordant, against)
        weight = _binomial(discordant, n, discordant_share)
        if weight < 1e-18 and discordant > n * discordant_share:
            break  # all that follow weigh less still, together less than 1e-14
        power += weight * tail
        if size:  # the next question may be the one too many
            tail -= against * _binomial(size - 1, discordant, against)
        before = size
    return power


def difference_at_power(discordant: int, n: int, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """Least true difference, 0 … 1, that n questions drawn anew would show with this probability.

    To show it is to name the better side by exact McNemar at level alpha. The share of questions that are
    discordant is taken to be as it was here, discordant / n, and the number drawn varies. A true difference of
    `smallest_detectable_difference` would mostly be found about half of the time, so this one is larger.
    In steps of at most 1e-6, rounded up. None where not even all of them on one side would be found so often.
    """
    _check_level("power", power)
    _check_level("alpha", alpha)
    _check_counts(n, discordant=discordant)
    share, sizes = discordant / n, _significant_sizes(n, alpha)
    if discordant == 0 or _power(share, share, n, sizes) < power:
        return None
    low, high = 0.0, share
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if _power(middle, share, n, sizes) >= power else (middle, high)
    return high


@dataclass(frozen=True)
class Verdict:
    """What the test set says about coherence against baseline.

    Accuracies and intervals are shares (0.01 is one point); `difference` is coherence - baseline.
    `smallest_detectable_difference` is None where no outcome would have been significant, and
    `difference_at_power` where no true difference would have been found so often.
    """

    verdict: Literal["improved", "worse", "no evidence"]
    n: int
    baseline_accuracy: float
    baseline_interval: tuple[float, float]
    coherence_accuracy: float
    coherence_interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    p_value: float
    fixed: int
    broken: int
    fixed_ids: list[str]
    broken_ids: list[str]
    smallest_detectable_difference: float | None
    difference_at_power: float | None


def _check_same_questions(baseline: Mapping[str, bool], coherence: Mapping[str, bool]) -> None:
    if not baseline and not coherence:
        raise ValueError("no questions to compare: both policies' results are empty")
    sides = {
        "baseline": sorted(baseline.keys() - coherence.keys()),
        "coherence": sorted(coherence.keys() - baseline.keys()),
    }
    if any(sides.values()):
        told = "; ".join(
            f"{len(ids)} only in {side}: {', '.join(ids[:5])}{' …' if len(ids) > 5 else ''}" for side, ids in sides.items() if ids
        )
        raise ValueError(
            f"the policies answered different questions (baseline {len(baseline)}, "
            f"coherence {len(coherence)}): {told}. Evaluate both on the same test set"
        )


def paired_verdict(
    baseline_correct: Mapping[str, bool],
    coherence_correct: Mapping[str, bool],
    alpha: float = 0.05,
    confidence: float = 0.95,
    power: float = 0.8,
) -> Verdict:
    """Compare the policies by question id -> answered correctly.

    `improved` or `worse` where exact McNemar gives p < alpha, by the side that has more discordant
    questions; otherwise `no evidence`, which is not evidence of no difference. Ids in sorted order.
    `power` is the one at which `difference_at_power` states the difference that would have been found.
    Raises ValueError where the two do not hold the same question ids, or none.
    """
    _check_level("alpha", alpha)
    _check_same_questions(baseline_correct, coherence_correct)
    ids = sorted(baseline_correct)
    fixed_ids = [i for i in ids if coherence_correct[i] and not baseline_correct[i]]
    broken_ids = [i for i in ids if baseline_correct[i] and not coherence_correct[i]]
    n, fixed, broken = len(ids), len(fixed_ids), len(broken_ids)
    right_before, right_after = sum(baseline_correct.values()), sum(coherence_correct.values())
    p_value = mcnemar_exact(fixed, broken)

    verdict = "no evidence" if p_value >= alpha else "improved" if fixed > broken else "worse"
    return Verdict(
        verdict=verdict,
        n=n,
        baseline_accuracy=right_before / n,
        baseline_interval=wilson_interval(right_before, n, confidence),
        coherence_accuracy=right_after / n,
        coherence_interval=wilson_interval(right_after, n, confidence),
        difference=(fixed - broken) / n,
        difference_interval=paired_bootstrap_interval(fixed, broken, n, confidence),
        p_value=p_value,
        fixed=fixed,
        broken=broken,
        fixed_ids=fixed_ids,
        broken_ids=broken_ids,
        smallest_detectable_difference=smallest_detectable_difference(fixed + broken, n, alpha),
        difference_at_power=difference_at_power(fixed + broken, n, power, alpha),
    )
