"""The picture of a run: accuracy of both policies with intervals, the loss of training, and which arms are right how often."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from src.report.figures import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Loss:
    """Of one step of training: its epoch (1, 2, …) and its loss in nats."""

    step: int
    epoch: int
    loss: float


@dataclass(frozen=True)
class Arm:
    """An arm and the share of its trajectories that are correct, in percent."""

    name: str
    percent: float


def draw_run(title: str, policies: Sequence[Estimate], losses: Sequence[Loss], arms: Sequence[Arm], path: Path) -> None:
    """Write an SVG of three panels. The same figures give the same bytes.

    policies  accuracy in percent, with its interval
    losses    in the order of steps; empty where nothing was trained
    """
    from matplotlib import rc_context  # a second, which --help need not wait
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        figure = Figure(figsize=(11, 3.4), layout="constrained")
        accuracy, training, trajectories = figure.subplots(1, 3)
        _draw_accuracy(accuracy, policies)
        _draw_losses(training, losses)
        trajectories.barh([arm.name for arm in arms], [arm.percent for arm in arms])
        trajectories.invert_yaxis()
        trajectories.set(title="Trajectories by arm", xlabel="correct (percent)")
        figure.suptitle(title)
        figure.savefig(path, metadata={"Date": None})


def _draw_accuracy(axes: "Axes", policies: Sequence[Estimate]) -> None:
    values = [policy.value for policy in policies]
    below = [policy.value - policy.low for policy in policies]
    above = [policy.high - policy.value for policy in policies]
    axes.errorbar(values, range(len(values)), xerr=(below, above), fmt="o", capsize=4)
    for row, policy in enumerate(policies):
        axes.annotate(f"{policy.value:.2f}", (policy.value, row), xytext=(0, 8), textcoords="offset points", ha="center")
    axes.set_yticks(range(len(values)), [policy.name for policy in policies])
    axes.set_ylim(len(values) - 0.5, -0.5)  # the first on top
    axes.set(title="Test questions", xlabel="accuracy, with its interval (percent)")


def _draw_losses(axes: "Axes", losses: Sequence[Loss]) -> None:
    axes.plot([item.step for item in losses], [item.loss for item in losses], color="lightgrey", linewidth=0.8)
    for epoch in dict.fromkeys(item.epoch for item in losses):
        of_epoch = [item for item in losses if item.epoch == epoch]
        mean = fmean(item.loss for item in of_epoch)
        axes.plot([of_epoch[0].step, of_epoch[-1].step], [mean, mean], color="C0", linewidth=2)
    axes.set(title="Training, and the mean by epoch", xlabel="step", ylabel="DPO loss (nats)")
