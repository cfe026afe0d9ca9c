"""The section *Training* of report.html: what happened at each step, and what of it is healthy.

Bands are those by which the project itself stops or warns, and the deployment guide's losses; what has no known band gets none.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import log
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from src.core.errors import InputError
from src.core.files import read_lines
from src.core.shapes import Faults, check_value
from src.regime_w.pictures import curve
from src.regime_w.sft_steps import SftStep
from src.regime_w.training_metrics import TrainingStep, TrainMetrics
from src.report.charts import Band, Mark, draw_curve
from src.report.pieces import Picture, Table, count, decimals

# Nats by which the chosen texts may fall before stage train warns: the limit of src/stages/train.py, which no page can import.
CHOSEN_FALL = 1.0
# What the deployment guide expects of the loss in its three epochs, on a model of seven billion parameters.
GUIDE_LOSSES = ((0.5, 0.7), (0.4, 0.5), (0.35, 0.4))
ROWS = 10  # of a table of steps
S = TypeVar("S", TrainingStep, SftStep)
OWN_LOSS_TOLERANCE = 0.05  # nats from ln 2: a loss in bfloat16 is that near, and no other loss of TRL's at its usual settings


@dataclass(frozen=True)
class Curves:
    """Of a run that trained.

    window          steps of the running mean
    falls           whether the mean loss falls from epoch to epoch
    first_chosen    nats, the mean of the first `window` steps
    last_chosen     nats, the mean of the last `window` steps
    chosen_fall     nats, `first_chosen` less `last_chosen`
    rejected_fall   nats, likewise of the rejected texts
    begins          the loss before the first step
    own_loss        whether that is ln 2, as of DPO's own loss
    guide           whether the guide's losses are drawn: of DPO's own loss, where there are as many epochs as it has
    """

    steps: int
    window: int
    falls: bool
    first_chosen: float
    last_chosen: float
    chosen_fall: float
    rejected_fall: float
    begins: float
    own_loss: bool
    guide: bool
    epochs: Table
    loss: Picture
    gradient: Picture
    margin: Picture
    chosen: Picture
    rejected: Picture


@dataclass(frozen=True)
class BaseCurve:
    """Of a base that was trained or fine-tuned here. window: steps of the running mean."""

    steps: int
    window: int
    loss: Picture


@dataclass(frozen=True)
class TrainingSection:
    """All that the section shows: why nothing was trained, or the curves, and how the base learned if it did so here.

    chosen_fall_limit  nats
    """

    reason: str | None
    curves: Curves | None
    base: BaseCurve | None
    chosen_fall_limit: float = CHOSEN_FALL


def read_steps(stage: str, wanted: type[S], counted: int) -> tuple[S, ...]:
    """The rows of a stage's plots/<stage>.csv: as many as its metrics count, none where nothing was trained.

    InputError, with file and line, for what is no such row, and where file and metrics are not of one run.
    """
    path = Path(f"plots/{stage}.csv")
    lines = [line.decode(errors="replace") for line in read_lines(path)]
    steps = []
    for row in (reader := csv.DictReader(lines)):
        try:
            given = {str(key): _number(value) for key, value in row.items()}
            step: S = check_value(wanted, given)
        except Faults as faults:
            told = "; ".join(f"column {fault.path!r} {fault.words}" for fault in faults.faults[:3])
            raise InputError(f"{path}:{reader.line_num}: {told}; run `dvc repro {stage}`") from faults
        steps.append(step)
    columns = [item.name for item in fields(wanted)]
    if not steps and reader.fieldnames != columns:  # with rows, the first of them would have told
        found = ", ".join(reader.fieldnames or ()) or "none"
        raise InputError(f"{path}: it has the columns {found} in the place of {', '.join(columns)}; run `dvc repro {stage}`")
    if len(steps) != counted:
        raise InputError(
            f"metrics/{stage}.json counts {counted} steps and {path} has {len(steps)}: they are of two runs; "
            f"run `dvc repro {stage}`"
        )
    return tuple(steps)


def _number(text: Any) -> Any:
    """A cell as JSON has numbers; any other cell as it is, which the check of the row refuses with its name."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text if isinstance(text, str) else None


def training_section(metrics: TrainMetrics, steps: Sequence[TrainingStep], base_steps: Sequence[SftStep]) -> TrainingSection:
    """The section of metrics/train.json and of the rows of plots/train.csv and plots/base.csv."""
    base = _base_curve(base_steps) if base_steps else None
    if not steps or metrics.epochs is None:
        return TrainingSection(metrics.reason or "no step was done", None, base)
    return TrainingSection(None, _curves(metrics, steps), base)


def _base_curve(steps: Sequence[SftStep]) -> BaseCurve:
    losses = [row.loss for row in steps]
    picture = _picture("base", "loss of the base", "loss (nats a token)", steps, losses)
    return BaseCurve(len(steps), curve(losses).window, picture)


def _curves(metrics: TrainMetrics, steps: Sequence[TrainingStep]) -> Curves:
    losses = [epoch.mean_loss for epoch in metrics.epochs or ()]
    window = curve([row.loss for row in steps]).window
    chosen, rejected = [row.logp_chosen for row in steps], [row.logp_rejected for row in steps]
    first, last = fmean(chosen[:window]), fmean(chosen[-window:])
    begins = steps[0].loss
    if metrics.preflight is not None and metrics.preflight.loss_at_step_0 is not None:
        begins = metrics.preflight.loss_at_step_0
    own_loss = abs(begins - log(2)) < OWN_LOSS_TOLERANCE
    guide = own_loss and len(losses) == len(GUIDE_LOSSES)
    top = max(*chosen, first)
    return Curves(
        steps=len(steps),
        window=window,
        falls=all(later < earlier for earlier, later in zip(losses, losses[1:], strict=False)),
        first_chosen=first,
        last_chosen=last,
        chosen_fall=first - last,
        rejected_fall=fmean(rejected[:window]) - fmean(rejected[-window:]),
        begins=begins,
        own_loss=own_loss,
        guide=guide,
        epochs=_epochs(metrics),
        loss=_picture(
            "loss",
            "loss",
            "loss (nats)",
            steps,
            [row.loss for row in steps],
            _loss_bands(steps) if guide else (),
            Mark("ln 2", log(2)) if own_loss else Mark("before step 1", begins),
        ),
        gradient=_picture(
            "gradient",
            "gradient norm",
            "gradient norm (nats)",
            steps,
            [row.gradient_norm for row in steps],
            (),
            Mark("0", 0),
        ),
        margin=_picture("margin", "margin", "margin (β × nats)", steps, [row.reward_margin for row in steps], (), Mark("0", 0)),
        chosen=_picture(
            "chosen",
            "log-probability of the chosen texts",
            "log-probability (nats)",
            steps,
            chosen,
            (Band("no warning", first - CHOSEN_FALL, top),),
        ),
        rejected=_picture("rejected", "log-probability of the rejected texts", "log-probability (nats)", steps, rejected),
    )


def _loss_bands(steps: Sequence[TrainingStep]) -> tuple[Band, ...]:
    """The guide's range of each epoch, over its steps."""
    bands = []
    for epoch, (low, high) in enumerate(GUIDE_LOSSES, start=1):
        of_epoch = [row.step for row in steps if row.epoch == epoch]
        if of_epoch:
            bands.append(Band("guide", low, high, of_epoch[0], of_epoch[-1]))
    return tuple(bands)


def _picture(
    name: str,
    title: str,
    y: str,
    steps: Sequence[TrainingStep | SftStep],
    values: Sequence[float],
    bands: Sequence[Band] = (),
    mark: Mark | None = None,
) -> Picture:
    found = curve(values)
    first, last = fmean(values[: found.window]), fmean(values[-found.window :])
    told = (
        f"Curve of the {title} over {count(len(values))} steps: the mean of the first {found.window} is {first:.3f}, of the "
        f"last {found.window} {last:.3f}; from {min(values):.3f} to {max(values):.3f}."
    )
    svg = draw_curve(f"curve-{name}", told, found, "step (count)", y, bands, () if mark is None else (mark,))
    return Picture(svg, _table(title, steps, values))


def _table(title: str, steps: Sequence[TrainingStep | SftStep], values: Sequence[float]) -> Table:
    """The means of at most ROWS groups of steps."""
    size = -(-len(steps) // ROWS)
    rows = []
    for start in range(0, len(steps), size):
        of_group, group = steps[start : start + size], values[start : start + size]
        spans = f"{of_group[0].step}–{of_group[-1].step}" if len(of_group) > 1 else str(of_group[0].step)
        rows.append((spans, decimals(min(group)), decimals(fmean(group)), decimals(max(group))))
    return Table(f"{title[0].upper()}{title[1:]} by steps", ("steps", "least", "mean", "most"), tuple(rows))


def _epochs(metrics: TrainMetrics) -> Table:
    rows = tuple(
        (str(place), decimals(epoch.first_loss, 4), decimals(epoch.last_loss, 4), decimals(epoch.mean_loss, 4))
        for place, epoch in enumerate(metrics.epochs or (), start=1)
    )
    return Table("Loss by epoch (nats)", ("epoch", "first step", "last step", "mean"), rows)
