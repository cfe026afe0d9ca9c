"""The verdict, where the truth is known: on policies that are equally good, and on a true difference of the size it states.

Seeds are fixed, so each simulation gives the same count every time; the bounds say how far chance could have taken it.
"""

from functools import cache
from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from src.regime_w.statistics import difference_at_power, mcnemar_exact, questions_at_power
from src.regime_w.verdict import Verdict, paired_verdict

RUNS = 3000
FAR = 4.0  # standard errors: chance goes so far once in 16,000 times


@cache  # a verdict depends on these three counts alone, and a simulation meets the same ones often
def verdict_of(fixed: int, broken: int, n: int) -> Verdict:
    before = [False] * fixed + [True] * broken + [True] * (n - fixed - broken)
    after = [True] * fixed + [False] * broken + [True] * (n - fixed - broken)
    ids = [f"test-{i}" for i in range(n)]
    return paired_verdict(dict(zip(ids, before, strict=True)), dict(zip(ids, after, strict=True))).verdict


# --- two policies that are equally good ---


def false_alarm_probability(discordant: int, alpha: float = 0.05) -> float:
    """That a fair coin makes exact McNemar significant: both tails of the binomial, by scipy."""
    sizes = [b for b in range(discordant // 2 + 1) if binomtest(b, max(discordant, 1)).pvalue < alpha]
    return 2 * binom.cdf(sizes[-1], discordant, 0.5) if sizes else 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "right", "wrong"), [(20, 4, 2), (20, 0.3, 0.3), (100, 4, 2), (200, 1, 6), (200, 0.3, 0.3), (1209, 0.02, 0.02)]
)
def test_of_two_equal_policies_at_least_95_of_100_verdicts_are_no_evidence(n: int, right: float, wrong: float):
    """Every question has its own probability, the same for both policies, which answer independently of each other.

    The probabilities are drawn from a beta distribution: most questions easy, most hard, or nearly all very easy or
    very hard.
    """
    random = np.random.default_rng([n, int(100 * right)])
    discordant, alarms = [], 0
    for _ in range(RUNS):
        probability = random.beta(right, wrong, size=n)
        before, after = random.random(n) < probability, random.random(n) < probability
        fixed, broken = int((after & ~before).sum()), int((before & ~after).sum())
        discordant.append(fixed + broken)
        alarms += verdict_of(fixed, broken, n).verdict != "no evidence"
    # The bound is 95 %, and it is no accident of these seeds: an exact test errs just so often.
    counts, times = np.unique(discordant, return_counts=True)
    each = np.array([false_alarm_probability(int(count)) for count in counts])
    expected, spread = (times * each).sum(), np.sqrt((times * each * (1 - each)).sum())
    assert each.max() <= 0.05
    assert alarms <= 0.05 * RUNS, f"{alarms} of {RUNS} verdicts see a difference where there is none"
    assert abs(alarms - expected) <= FAR * spread, (alarms, expected, spread)


def test_a_policy_compared_with_itself_is_no_evidence():
    for n in (1, 20, 1209):
        assert verdict_of(0, 0, n).verdict == "no evidence"


# --- the difference that it says it would have found ---


@pytest.mark.slow
@pytest.mark.parametrize(("discordant", "n"), [(12, 1209), (40, 1209), (80, 200), (30, 100), (40, 40)])
@pytest.mark.parametrize("better", ["improved", "worse"])
def test_the_stated_difference_is_found_as_often_as_stated(discordant: int, n: int, better: str):
    """Simulated at the difference and the share of discordant questions that the verdict states for a power of 0.8."""
    stated = verdict_of(discordant // 2, discordant - discordant // 2, n).difference_at_power
    share = discordant / n
    ahead, behind = (share + stated) / 2, (share - stated) / 2
    fixed, broken = (ahead, behind) if better == "improved" else (behind, ahead)
    random = np.random.default_rng([discordant, n, better == "improved"])
    draws = random.multinomial(n, [fixed, broken, 1 - share], size=RUNS)
    found = sum(verdict_of(int(f), int(b), n).verdict == better for f, b, _ in draws)
    assert abs(found - 0.8 * RUNS) <= FAR * np.sqrt(RUNS * 0.8 * 0.2), f"found in {found} of {RUNS} runs"


@pytest.mark.parametrize(("fixed", "broken", "n"), [(20, 14, 300), (14, 20, 300), (3, 0, 300), (40, 39, 200), (60, 40, 400)])
def test_so_many_questions_as_it_says_would_show_the_difference_found(fixed: int, broken: int, n: int):
    """By the exact power: of so many questions, with as many discordant, the least difference at a power of 0.8 is that found."""
    count = questions_at_power(fixed, broken, n)
    least = difference_at_power(round((fixed + broken) * count / n), count)
    assert least == pytest.approx(abs(fixed - broken) / n, rel=0.08)


def test_no_number_of_questions_would_show_a_difference_of_none():
    assert verdict_of(7, 7, 300).questions_at_power is None


def power_by_enumeration(difference: float, discordant: int, n: int, alpha: float) -> float:
    """Over every (fixed, broken) that n questions can give."""
    ahead, behind = (discordant / n + difference) / 2, (discordant / n - difference) / 2
    return sum(
        comb(n, fixed) * comb(n - fixed, broken) * ahead**fixed * behind**broken * (1 - ahead - behind) ** (n - fixed - broken)
        for fixed, broken in product(range(n + 1), repeat=2)
        if fixed + broken <= n and fixed > broken and mcnemar_exact(fixed, broken) < alpha
    )


@pytest.mark.parametrize(("power", "alpha"), [(0.8, 0.05), (0.5, 0.05), (0.95, 0.2), (0.3, 0.9)])
def test_no_smaller_difference_has_the_power(power: float, alpha: float):
    for n in (6, 11, 25):
        for discordant in range(n + 1):
            least = difference_at_power(discordant, n, power, alpha)
            if least is None:
                assert power_by_enumeration(discordant / n, discordant, n, alpha) < power + 1e-9
            else:
                assert power_by_enumeration(least, discordant, n, alpha) >= power - 1e-9
                # Where alpha is large, no difference at all may be found so often already.
                assert least < 2e-6 or power_by_enumeration(least - 2e-6, discordant, n, alpha) < power + 1e-9


def test_a_large_test_set_has_its_answer_in_a_moment():
    normal = (1.959964 * np.sqrt(0.55) + 0.841621 * np.sqrt(0.55 - 0.021**2)) / np.sqrt(10_000)
    assert difference_at_power(5500, 10_000) == pytest.approx(normal, rel=0.01)
