"""How sure a difference is where questions come in families: kinds of problem, whose questions stand or fall together."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256
from math import ceil
from typing import NamedTuple

import numpy as np

from src.regime_w.statistics import Interval, check_level

RESAMPLES = 10_000
# Any seed would do. One that a text gives was not picked for the interval that it leads to.
SEED = int.from_bytes(sha256(b"bootstrap over families").digest()[:8], "big")


class FamilyBootstrap(NamedTuple):
    """What a bootstrap over families says.

    families       how many there are
    interval       of the mean difference, each bound -1 … 1; None with fewer than two families
    design_effect  0 or more, a thousandth is the smallest step; None with fewer than two families, and where all
                   questions have the same difference
    """

    families: int
    interval: Interval | None
    design_effect: float | None


def bootstrap_over_families(
    differences: Sequence[int], families: Sequence[str], confidence: float = 0.95, per: int = 1
) -> FamilyBootstrap:
    """The percentile interval of the mean difference when whole families are drawn with replacement, and its design effect.

    differences  of each question: +1 fixed, -1 broken, 0 neither; of several texts a question: right ones of the one policy
                 less those of the other
    families     the name of each question's family, in the same order
    per          texts of a question; the mean is that of differences / per

    A resample holds as many families as there are; its statistic is the sum of its differences over the number of its
    questions (Davison & Hinkley 1997, Bootstrap Methods and their Application, on clustered data). A bound is the smallest
    value that (1 - confidence)/2 of the resamples, or 1 less that, do not exceed. The design effect (Kish 1965, Survey
    Sampling) is the variance of that statistic over the one it has if questions are drawn alone, in closed form. With
    10,000 resamples chance moves it by about 1.5 %.
    The same questions give the same figures, in whatever order and under whatever names of families. With few families,
    below twenty or so, the interval is too narrow, as every bootstrap is of few draws.
    Raises ValueError for no question, for lists of unequal length, another difference or an impossible confidence.
    """
    check_level("confidence", confidence)
    if not differences or max(map(abs, differences)) > per:
        raise ValueError(f"differences must be whole numbers from {-per} to {per}, of one question at least")
    sizes, sums = Counter[str](), Counter[str]()
    for difference, family in zip(differences, families, strict=True):
        sizes[family] += 1
        sums[family] += difference
    if len(sizes) < 2:
        return FamilyBootstrap(len(sizes), None, None)
    # Families of the same size and sum are alike: drawn together, they need one column, however many they are.
    alike = Counter((sizes[family], sums[family]) for family in sizes)
    columns = sorted(alike)
    shares = np.array([alike[column] for column in columns]) / len(sizes)
    drawn = np.random.default_rng(SEED).multinomial(len(sizes), shares, size=RESAMPLES)
    questions, changes = (drawn @ np.array(columns)).T
    means = np.sort(changes / (questions * per))
    # Through str, so that 0.95 means the decimal fraction that was written.
    tail = (1 - Fraction(str(confidence))) / 2
    low, high = (float(means[ceil(share * RESAMPLES) - 1]) for share in (tail, 1 - tail))
    return FamilyBootstrap(len(sizes), Interval(low, high), _design_effect(float(means.var()), differences, per))


def _design_effect(variance: float, differences: Sequence[int], per: int) -> float | None:
    """`variance` over that of the mean of so many questions drawn alone; None where the latter is 0."""
    n, squares, total = len(differences), sum(difference**2 for difference in differences), sum(differences)
    alone = (Fraction(squares, n**2) - Fraction(total**2, n**3)) / per**2
    # The digits beyond are chance, and the last of them may differ from machine to machine.
    return round(variance / float(alone), 3) if alone else None
