"""Figures over all rollouts of a run: how the scores vary, how often each arm is right, and what each signal is worth."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from src.core.shapes import Count, NonNegative, Share
from src.regime_w.arms import ARM_NAMES, ArmName
from src.regime_w.scoring import Rollout
from src.regime_w.signals import SignalTally, SignalWorth


@dataclass(frozen=True)
class Distribution:
    """Of one figure over all questions or trajectories; `std` is the population standard deviation."""

    mean: float
    std: NonNegative
    min: float
    max: float


@dataclass(frozen=True)
class ArmAccuracy:
    arm_name: ArmName
    accuracy: Share


@dataclass(frozen=True)
class RolloutMetrics:
    """metrics/rollouts.json. Scores are over questions, the reward and the shares over trajectories."""

    questions: Count
    trajectories: Count
    s_end: Distribution
    s_path: Distribution
    s_cf: Distribution
    reward: Distribution
    no_answer_share: Share
    truncated_share: Share
    arms: Annotated[tuple[ArmAccuracy, ...], Field(min_length=1)]
    signals: tuple[SignalWorth, ...]


class Tally:
    """Figures of values that come one after the other: in little memory those of `statistics`, to the last bit."""

    def __init__(self) -> None:
        self.count = 0
        self._min, self._max = math.inf, -math.inf
        # Sums of the values and of their squares without an error: by denominator, a power of 2, those of the numerators.
        self._sums: dict[int, int] = {}
        self._squares: dict[int, int] = {}

    def add(self, value: float) -> None:
        numerator, denominator = value.as_integer_ratio()
        self._sums[denominator] = self._sums.get(denominator, 0) + numerator
        self._squares[denominator] = self._squares.get(denominator, 0) + numerator * numerator
        self.count += 1
        if value < self._min:
            self._min = value
        if value > self._max:
            self._max = value

    def merge(self, other: "Tally") -> None:
        """Add the values of another tally."""
        for sums, more in ((self._sums, other._sums), (self._squares, other._squares)):
            for denominator, numerator in more.items():
                sums[denominator] = sums.get(denominator, 0) + numerator
        self.count += other.count
        self._min, self._max = min(self._min, other._min), max(self._max, other._max)

    def distribution(self) -> Distribution:
        """Of at least one value."""
        total = sum((Fraction(numerator, denominator) for denominator, numerator in self._sums.items()), Fraction())
        squares = sum((Fraction(square, denominator**2) for denominator, square in self._squares.items()), Fraction())
        variance = (squares - total**2 / self.count) / self.count
        return Distribution(mean=float(total) / self.count, std=_root(variance), min=self._min, max=self._max)


def _root(value: Fraction) -> float:
    """The square root, rounded once."""
    # As a whole number of 55 bits or more whose last is 1 where digits are cut off, it rounds to 53 as the root itself does.
    shift = max(0, 112 - value.numerator.bit_length() + value.denominator.bit_length()) // 2
    scaled, rest = divmod(value.numerator << 2 * shift, value.denominator)
    root = math.isqrt(scaled)
    return float(Fraction(root | (rest > 0 or root * root < scaled), 1 << shift))


class RolloutTally:
    """The metrics of rollouts that come one after the other."""

    def __init__(self) -> None:
        self._scores = {name: Tally() for name in ("s_end", "s_path", "s_cf")}
        self._reward = Tally()
        self._unanswered = self._truncated = 0
        self._correct = [0] * len(ARM_NAMES)
        self._signals = SignalTally()

    def add(self, rollout: Rollout) -> None:
        for name, tally in self._scores.items():
            tally.add(getattr(rollout, name))
        for place, trajectory in enumerate(rollout.trajectories):
            self._reward.add(trajectory.reward)
            self._unanswered += trajectory.answer is None
            self._truncated += trajectory.finish_reason == "length"
            self._correct[place] += trajectory.correct
        self._signals.add(rollout)

    def merge(self, other: "RolloutTally") -> None:
        """Add the rollouts of another tally. The order of the rollouts changes no figure."""
        for name, tally in self._scores.items():
            tally.merge(other._scores[name])
        self._reward.merge(other._reward)
        self._unanswered += other._unanswered
        self._truncated += other._truncated
        self._correct = [ours + theirs for ours, theirs in zip(self._correct, other._correct, strict=True)]
        self._signals.merge(other._signals)

    def metrics(self, confidence: float) -> RolloutMetrics:
        """Of at least one rollout; `confidence` is that of the intervals, 0.95 is 95 %."""
        questions, trajectories = self._scores["s_end"].count, self._reward.count
        return RolloutMetrics(
            questions=questions,
            trajectories=trajectories,
            **{name: tally.distribution() for name, tally in self._scores.items()},
            reward=self._reward.distribution(),
            no_answer_share=self._unanswered / trajectories,
            truncated_share=self._truncated / trajectories,
            arms=tuple(ArmAccuracy(arm, correct / questions) for arm, correct in zip(ARM_NAMES, self._correct, strict=True)),
            signals=self._signals.metrics(confidence),
        )
