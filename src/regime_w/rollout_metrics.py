"""Figures over all rollouts of a run: how the scores vary, and how often each arm is right."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Annotated

from pydantic import Field

from src.core.shapes import Count, NonNegative, Share
from src.regime_w.arms import ARM_NAMES, ArmName
from src.regime_w.scoring import Rollout


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


def distribution(values: Sequence[float]) -> Distribution:
    """Of at least one value."""
    return Distribution(mean=fmean(values), std=pstdev(values), min=min(values), max=max(values))


def rollout_metrics(rollouts: Sequence[Rollout]) -> RolloutMetrics:
    """Of at least one rollout."""
    every = [trajectory for rollout in rollouts for trajectory in rollout.trajectories]
    return RolloutMetrics(
        questions=len(rollouts),
        trajectories=len(every),
        s_end=distribution([rollout.s_end for rollout in rollouts]),
        s_path=distribution([rollout.s_path for rollout in rollouts]),
        s_cf=distribution([rollout.s_cf for rollout in rollouts]),
        reward=distribution([trajectory.reward for trajectory in every]),
        no_answer_share=fmean(trajectory.answer is None for trajectory in every),
        truncated_share=fmean(trajectory.finish_reason == "length" for trajectory in every),
        arms=tuple(
            ArmAccuracy(arm, fmean(rollout.trajectories[place].correct for rollout in rollouts))
            for place, arm in enumerate(ARM_NAMES)
        ),
    )
