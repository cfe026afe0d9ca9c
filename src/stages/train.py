"""Stage `train`: DPO from the base with a LoRA adapter, after the proof that it can learn.

Reads   data/training_pairs.jsonl, checkpoints/base
Writes  checkpoints/dpo_coherence_lora   the adapter (safetensors)
        metrics/train.json               loss of each epoch, gradient norms, what was looked at before the first step
        plots/train.csv                  a row a step
Params  seed, dpo; profile: train
"""

from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.files import atomic_folder, write_csv
from src.core.params import add_profile_argument, load_value, profile_path
from src.core.records import read_records, write_metrics
from src.core.shapes import Seed
from src.models.loading import loading
from src.regime_w.training_metrics import TrainingStep, TrainMetrics, training_metrics
from src.stages import run_stage
from src.training.dpo_settings import TrainingSettings, load_training_settings
from src.training.launch import BASE, train_together
from src.training.pairs import PAIRS, TrainingPair

ADAPTER = Path("checkpoints/dpo_coherence_lora")
# How far the chosen side may fall: nats, the mean of the last tenth of the steps against the first.
MAX_CHOSEN_FALL = 1.0


def main() -> None:
    parser = command_line("python -m src.stages.train", __doc__)
    add_profile_argument(parser)
    profile = profile_path(parser.parse_args().profile)
    settings = load_training_settings(load_value("seed", Seed), profile)
    pairs = read_records(PAIRS, TrainingPair)
    if not BASE.is_dir():
        raise InputError(f"{BASE}: no such checkpoint; run `dvc repro base`")
    steps: Sequence[TrainingStep] = ()
    with atomic_folder(ADAPTER) as folder:
        if len(pairs) < settings.train.min_pairs:
            metrics = leave_untrained(len(pairs), settings, folder)
        else:
            training = train_together(pairs, settings, folder)
            metrics, steps = training_metrics(training.steps, training.preflight), training.steps
    write_metrics(Path("metrics/train.json"), metrics)
    write_csv(Path("plots/train.csv"), [item.name for item in fields(TrainingStep)], [astuple(step) for step in steps])
    for warning in training_warnings(metrics):
        print(f"train: warning: {warning}")


def leave_untrained(pairs: int, settings: TrainingSettings, folder: Path) -> TrainMetrics:
    """Save the adapter as it starts, or stop: too few pairs teach nothing."""
    reason = f"{pairs} preference pairs, fewer than train.min_pairs = {settings.train.min_pairs}: nothing to learn from"
    if settings.train.too_few_pairs == "stop":
        raise InputError(
            f"{PAIRS} holds {reason}. Pairs need questions that the base gets both right and wrong: ask more "
            "(sample.questions), at higher temperatures (arms.variance_temperatures), or see metrics/prefs.json"
        )
    with loading():
        from src.training.dpo import save_untrained_adapter

    print(f"train: {reason}. The adapter is saved as it starts, and changes nothing.")
    save_untrained_adapter(settings, BASE, folder)
    return TrainMetrics(trained=False, steps=0, reason=reason)


def training_warnings(metrics: TrainMetrics) -> list[str]:
    """What went wrong without stopping the run, a line each with the likely cause."""
    warnings = []
    losses = [epoch.mean_loss for epoch in metrics.epochs or ()]
    if any(later >= earlier for earlier, later in zip(losses, losses[1:], strict=False)):
        warnings.append(
            f"the mean loss did not fall from epoch to epoch ({', '.join(f'{loss:.4f}' for loss in losses)}): a "
            "dpo.learning_rate that is too small moves nothing (5e-6 did not), one that is too large throws it about"
        )
    if metrics.logp_chosen_fall is not None and metrics.logp_chosen_fall > MAX_CHOSEN_FALL:
        warnings.append(
            f"the log-probability of the chosen texts fell by {metrics.logp_chosen_fall:.2f} nats; both sides are sinking: "
            "lower dpo.learning_rate or raise dpo.beta"
        )
    return warnings


if __name__ == "__main__":
    run_stage(main)
