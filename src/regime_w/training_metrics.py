"""What training records of itself: every step, every epoch, and what was looked at before the first step."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated

from pydantic import Field

from src.core.shapes import Count, FilledText, NonNegative, PositiveCount, Share


@dataclass(frozen=True)
class TrainingStep:
    """A row of plots/train.csv.

    epoch                      1, 2, …
    reward_accuracy            share of the step's pairs in which the chosen text gains more log-probability than the rejected
    reward_margin              mean difference of these gains, times beta
    logp_chosen, logp_rejected sums over a text, in nats, mean over the step's pairs
    """

    step: PositiveCount
    epoch: PositiveCount
    loss: float
    gradient_norm: NonNegative
    learning_rate: NonNegative
    reward_accuracy: Share
    reward_margin: float
    logp_chosen: float
    logp_rejected: float


@dataclass(frozen=True)
class EpochLoss:
    """Loss of the first and the last step of an epoch, and the mean over its steps."""

    first_loss: float
    last_loss: float
    mean_loss: float


@dataclass(frozen=True)
class GradientNorm:
    min: NonNegative
    mean: NonNegative
    max: NonNegative


@dataclass(frozen=True)
class Preflight:
    """What was looked at before the first step. The last three are None where no process holds the whole model.

    truncated_share      of pairs that are cut at max_length
    max_pair_tokens      of the longest pair
    first_gradient_norm  of one batch
    loss_at_step_0       ln 2 where policy and reference are the same
    chosen_nats          of a token of the chosen texts, by the base
    """

    truncated_share: Share
    max_pair_tokens: Count
    trainable_parameters: PositiveCount
    first_gradient_norm: NonNegative | None = None
    loss_at_step_0: float | None = None
    chosen_nats: float | None = None


@dataclass(frozen=True)
class TrainMetrics:
    """metrics/train.json; `reason` says why nothing was trained, and all else is there only where something was.

    reward_accuracy_last, reward_margin_last  means over the last tenth of the steps
    logp_chosen_fall                          nats, the mean of the first tenth of the steps less that of the last
    """

    trained: bool
    steps: Count
    reason: FilledText | None = None
    epochs: Annotated[tuple[EpochLoss, ...], Field(min_length=1)] | None = None
    gradient_norm: GradientNorm | None = None
    reward_accuracy_last: Share | None = None
    reward_margin_last: float | None = None
    logp_chosen_fall: float | None = None
    preflight: Preflight | None = None

    def __post_init__(self) -> None:
        of_training = {
            "epochs": self.epochs,
            "gradient_norm": self.gradient_norm,
            "reward_accuracy_last": self.reward_accuracy_last,
            "reward_margin_last": self.reward_margin_last,
            "logp_chosen_fall": self.logp_chosen_fall,
            "preflight": self.preflight,
        }
        wanted = of_training if self.trained else {"reason": self.reason}
        if missing := [name for name, value in wanted.items() if value is None]:
            raise ValueError(f"`trained` is {self.trained}, and key {', '.join(map(repr, missing))} is missing")


def training_metrics(steps: Sequence[TrainingStep], preflight: Preflight) -> TrainMetrics:
    """Of at least one step."""
    of_epoch = [[row.loss for row in steps if row.epoch == epoch] for epoch in sorted({row.epoch for row in steps})]
    norms = [row.gradient_norm for row in steps]
    tenth = max(1, len(steps) // 10)
    last = steps[-tenth:]
    return TrainMetrics(
        trained=True,
        steps=len(steps),
        epochs=tuple(EpochLoss(losses[0], losses[-1], fmean(losses)) for losses in of_epoch),
        gradient_norm=GradientNorm(min(norms), fmean(norms), max(norms)),
        reward_accuracy_last=fmean(row.reward_accuracy for row in last),
        reward_margin_last=fmean(row.reward_margin for row in last),
        logp_chosen_fall=fmean(row.logp_chosen for row in steps[:tenth]) - fmean(row.logp_chosen for row in last),
        preflight=preflight,
    )
