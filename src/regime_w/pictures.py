"""What the pictures of a run count: histograms, agreement of arms, the votes against the truth, and curves made smooth.

Nothing here knows of colours or files; src/report draws it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import ceil, floor, isfinite
from statistics import fmean

import numpy as np

from src.core.shapes import Count, PositiveCount, Share
from src.regime_w.arms import ARM_NAMES, VARIANCE_ARMS, ArmName
from src.regime_w.pair_metrics import PAIR_TYPES
from src.regime_w.preferences import Pair, PairType
from src.regime_w.reading import count_tokens
from src.regime_w.scoring import Rollout
from src.regime_w.statistics import wilson_interval

DIGITS = 9  # to which values are rounded before they are sorted into bins: sums that differ in their last bits are equal
STEPS = (Fraction(1), Fraction(2), Fraction(5), Fraction(10))

# --- histograms ---


@dataclass(frozen=True)
class Series:
    """Values of one kind, and what they are called."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Histogram:
    """How many values of each series lie in each bin; a value on an edge is in the bin above it, on the last in the last.

    edges   of the bins, rising: one more than there are bins
    counts  shape (series, bins)
    """

    names: tuple[str, ...]
    edges: tuple[float, ...]
    counts: tuple[tuple[Count, ...], ...]

    @property
    def total(self) -> int:
        return sum(map(sum, self.counts))


def histogram(series: Sequence[Series], edges: Sequence[float]) -> Histogram:
    """The histogram of all series in the same bins. ValueError for edges that do not rise, and for a value outside them."""
    if len(edges) < 2 or any(high <= low for low, high in zip(edges, edges[1:], strict=False)):
        raise ValueError(f"edges are {list(edges)}; give at least two, each above the one before")
    counts = []
    for item in series:
        outside = [value for value in item.values if not edges[0] <= round(value, DIGITS) <= edges[-1]]
        if outside:
            raise ValueError(f"{outside[0]} of {item.name} lies outside the bins from {edges[0]} to {edges[-1]}")
        found, _ = np.histogram([round(value, DIGITS) for value in item.values], bins=np.array(edges))
        counts.append(tuple(int(count) for count in found))
    return Histogram(tuple(item.name for item in series), tuple(edges), tuple(counts))


def round_edges(low: float, high: float, most: int = 20) -> tuple[float, ...]:
    """Edges at multiples of 1, 2 or 5 times a power of ten, which hold low … high in at most `most` + 1 bins.

    ValueError unless both are finite, low <= high and most >= 1.
    """
    if not (isfinite(low) and isfinite(high) and low <= high and most >= 1):
        raise ValueError(f"low is {low}, high {high} and most {most}; give finite bounds that rise, and at least one bin")
    wanted = Fraction(str(high)) - Fraction(str(low))
    step = _round_step(wanted / most if wanted else Fraction(1, 10))
    first = floor(Fraction(str(low)) / step)
    last = max(ceil(Fraction(str(high)) / step), first + 1)
    return tuple(float(place * step) for place in range(first, last + 1))


def _round_step(least: Fraction) -> Fraction:
    """The smallest of 1, 2 and 5 times a power of ten that is at least `least`, which is above 0."""
    power = Fraction(1)
    while power > least:
        power /= 10
    while power * 10 <= least:
        power *= 10
    return next(power * step for step in STEPS if power * step >= least)


def level_edges(levels: int) -> tuple[float, ...]:
    """Edges around the values 0, 1/levels, 2/levels, … 1, each in the middle of a bin. ValueError for levels < 1."""
    if levels < 1:
        raise ValueError(f"levels is {levels}; give at least one")
    return tuple((2 * place - 1) / (2 * levels) for place in range(levels + 2))


# --- votes ---


@dataclass(frozen=True)
class VoteBin:
    """The questions in which `votes` of the `voters` variance arms give the majority answer.

    right      those of them in which that answer is the gold one
    low, high  bounds of Wilson's interval for right / questions
    """

    votes: PositiveCount
    voters: PositiveCount
    questions: PositiveCount
    right: Count
    low: Share
    high: Share


def vote_bins(rollouts: Sequence[Rollout], confidence: float) -> tuple[VoteBin, ...]:
    """By rising number of votes; a question in which no voter has an answer is in none of them."""
    counts: dict[int, list[int]] = {}
    for rollout in rollouts:
        majority = [
            trajectory
            for trajectory in rollout.trajectories
            if trajectory.arm_name in VARIANCE_ARMS and trajectory.answer is not None and trajectory.answer == rollout.consensus
        ]
        if majority:
            found = counts.setdefault(len(majority), [0, 0])
            found[0] += 1
            found[1] += majority[0].correct
    bins = []
    for votes, (questions, right) in sorted(counts.items()):
        low, high = wilson_interval(right, questions, confidence)
        bins.append(VoteBin(votes, len(VARIANCE_ARMS), questions, right, low, high))
    return tuple(bins)


# --- arms ---


@dataclass(frozen=True)
class ArmTally:
    """What one arm did over all questions; `truncated` texts were ended by the limit of tokens."""

    arm: ArmName
    questions: Count
    correct: Count
    unanswered: Count
    truncated: Count


def arm_tallies(rollouts: Sequence[Rollout]) -> tuple[ArmTally, ...]:
    """Of the eleven arms, in their order."""
    tallies = []
    for place, arm in enumerate(ARM_NAMES):
        texts = [rollout.trajectories[place] for rollout in rollouts]
        tallies.append(
            ArmTally(
                arm=arm,
                questions=len(texts),
                correct=sum(text.correct for text in texts),
                unanswered=sum(text.answer is None for text in texts),
                truncated=sum(text.finish_reason == "length" for text in texts),
            )
        )
    return tuple(tallies)


@dataclass(frozen=True)
class Agreement:
    """In how many of the questions that both of two arms answer their answers are the same."""

    one: ArmName
    other: ArmName
    both: Count
    same: Count

    @property
    def share(self) -> float | None:
        """None where there is no question that both answer."""
        return self.same / self.both if self.both else None


def agreements(rollouts: Sequence[Rollout]) -> tuple[Agreement, ...]:
    """Of every two arms, the first before the second in their order."""
    answers = [[trajectory.answer for trajectory in rollout.trajectories] for rollout in rollouts]
    found = []
    for (place, one), (other_place, other) in combinations(enumerate(ARM_NAMES), 2):
        couples = [(row[place], row[other_place]) for row in answers]
        answered = [(first, second) for first, second in couples if first is not None and second is not None]
        found.append(Agreement(one, other, len(answered), sum(first == second for first, second in answered)))
    return tuple(found)


# --- pairs ---


@dataclass(frozen=True)
class PairFigures:
    """Of the pairs of one type, of which there is one at least, in their order.

    margins  reward of the chosen text less that of the rejected
    lengths  tokens of reasoning of the chosen text less those of the rejected, as the scores count them
    """

    pair_type: PairType
    margins: tuple[float, ...]
    lengths: tuple[int, ...]


def pair_figures(pairs: Sequence[Pair]) -> tuple[PairFigures, ...]:
    """By type, in the order of the types; a text that stands in many pairs is read once."""
    tokens = {text: count_tokens(text) for text in {text for pair in pairs for text in (pair.chosen, pair.rejected)}}
    figures = []
    for pair_type in PAIR_TYPES:
        of_type = [pair for pair in pairs if pair.pair_type == pair_type]
        if of_type:
            margins = tuple(pair.chosen_reward - pair.rejected_reward for pair in of_type)
            lengths = tuple(tokens[pair.chosen] - tokens[pair.rejected] for pair in of_type)
            figures.append(PairFigures(pair_type, margins, lengths))
    return tuple(figures)


# --- curves ---


@dataclass(frozen=True)
class Curve:
    """A figure by step, in few enough points to draw: each is the mean of neighbouring steps.

    steps, values  the middle of each group of steps, and its mean
    smooth         the mean of the last `window` steps up to the end of each group (of all, where there are fewer)
    window         steps; a tenth of all, as in metrics/train.json
    """

    steps: tuple[float, ...]
    values: tuple[float, ...]
    smooth: tuple[float, ...]
    window: PositiveCount


def curve(values: Sequence[float], most: int = 200) -> Curve:
    """Of steps 1, 2, …, in at most `most` points. ValueError for no value, or for most < 1."""
    if not values or most < 1:
        raise ValueError(f"a curve of {len(values)} values in at most {most} points cannot be drawn; give one at least")
    window = max(1, len(values) // 10)
    size = ceil(len(values) / most)
    starts = range(0, len(values), size)
    groups = [values[start : start + size] for start in starts]
    ends = [start + len(group) for start, group in zip(starts, groups, strict=True)]
    return Curve(
        steps=tuple((start + 1 + end) / 2 for start, end in zip(starts, ends, strict=True)),
        values=tuple(fmean(group) for group in groups),
        smooth=tuple(fmean(values[max(0, end - window) : end]) for end in ends),
        window=window,
    )
