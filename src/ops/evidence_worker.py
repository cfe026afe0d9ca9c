"""What a run of `make evidence` has written in the folder of its worker."""

from dataclasses import dataclass
from pathlib import Path

from src.core.records import read_metrics
from src.ops.worker import output_digest
from src.regime_w.pair_metrics import PairMetrics
from src.regime_w.rollout_metrics import RolloutMetrics
from src.regime_w.training_metrics import TrainMetrics
from src.regime_w.verdict import RunVerdict


@dataclass(frozen=True)
class Found:
    """The figures of a run up to its verdict. `base` is DVC's digest of checkpoints/base."""

    base: str
    verdict: RunVerdict
    pairs: PairMetrics
    train: TrainMetrics
    rollouts: RolloutMetrics


def found_in(folder: Path) -> Found:
    """Of the run that ended last in a worker's folder; InputError if a file of it cannot be read."""
    metrics = folder / "metrics"
    return Found(
        base=output_digest(folder, "base", "checkpoints/base"),
        verdict=read_metrics(metrics / "verdict.json", RunVerdict),
        pairs=read_metrics(metrics / "prefs.json", PairMetrics),
        train=read_metrics(metrics / "train.json", TrainMetrics),
        rollouts=read_metrics(metrics / "rollouts.json", RolloutMetrics),
    )
