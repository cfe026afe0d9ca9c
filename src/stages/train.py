"""Stage `train`: DPO from the base with a LoRA adapter, after the proof that it can learn.

Reads   data/coherence_preferences.jsonl, checkpoints/base
Writes  checkpoints/dpo_coherence_lora   the adapter (safetensors)
        metrics/train.json               loss of each epoch, gradient norms, what the preflight saw
        plots/train.csv                  a row a step
Params  seed; profile: train
"""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from statistics import fmean

from src.errors import InputError, run_stage
from src.files import whole_folder
from src.params import Seed, load_profile_section, load_value
from src.records import read_records, write_json, write_text
from src.training.dpo import STEP_COLUMNS, TrainSettings, save_untrained_adapter
from src.training.launch import train_together

# How far the chosen side may fall: nats, the mean of the last tenth of the steps against the first.
CHOSEN_FALL_WARNING = 1.0


def training_metrics(steps: Sequence[dict]) -> dict:
    """Loss by epoch (first, last and mean over its steps), gradient norms, and how far the log-probabilities moved."""
    epochs = {}
    for epoch in sorted({row["epoch"] for row in steps}):
        losses = [row["loss"] for row in steps if row["epoch"] == epoch]
        epochs[str(epoch)] = {"first_loss": losses[0], "last_loss": losses[-1], "mean_loss": fmean(losses)}
    norms = [row["gradient_norm"] for row in steps]
    tenth = max(1, len(steps) // 10)
    fall = fmean(r["logp_chosen"] for r in steps[:tenth]) - fmean(r["logp_chosen"] for r in steps[-tenth:])
    return {
        "trained": True,
        "steps": len(steps),
        "epochs": epochs,
        "gradient_norm": {"least": min(norms), "mean": fmean(norms), "greatest": max(norms)},
        "reward_accuracy_last": fmean(r["reward_accuracy"] for r in steps[-tenth:]),
        "reward_margin_last": fmean(r["reward_margin"] for r in steps[-tenth:]),
        "logp_chosen_fall": fall,
    }


def training_warnings(metrics: Mapping) -> list[str]:
    """What went wrong without stopping the run, a line each with the likely cause."""
    warnings = []
    losses = [epoch["mean_loss"] for epoch in metrics["epochs"].values()]
    if any(later >= earlier for earlier, later in zip(losses, losses[1:], strict=False)):
        warnings.append(
            f"the mean loss did not fall from epoch to epoch ({', '.join(f'{loss:.4f}' for loss in losses)}): a "
            "train.learning_rate that is too small moves nothing (5e-6 did not), one that is too large throws it about"
        )
    if metrics["logp_chosen_fall"] > CHOSEN_FALL_WARNING:
        warnings.append(
            f"the log-probability of the chosen texts fell by {metrics['logp_chosen_fall']:.2f} nats; both sides are sinking: "
            "lower train.learning_rate or raise train.beta"
        )
    return warnings


def write_steps(path: Path, steps: Sequence[dict]) -> None:
    text = StringIO()
    writer = csv.DictWriter(text, STEP_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(steps)
    write_text(path, text.getvalue())


def main() -> None:
    settings = load_profile_section("train", TrainSettings)
    seed = load_value("seed", Seed)
    pairs = read_records(Path("data/coherence_preferences.jsonl"), "preference")
    base, adapter = Path("checkpoints/base"), Path("checkpoints/dpo_coherence_lora")
    if not base.is_dir():
        raise InputError(f"{base}: no such checkpoint; run `dvc repro base`")
    too_few = len(pairs) < settings.min_pairs
    reason = f"{len(pairs)} preference pairs, fewer than train.min_pairs = {settings.min_pairs}: nothing to learn from"
    if too_few and settings.too_few_pairs == "stop":
        raise InputError(
            f"data/coherence_preferences.jsonl holds {reason}. Pairs need questions that the base gets both right and "
            "wrong: ask more (sample.questions), hotter (arms.variance_temperatures), or see metrics/prefs.json"
        )
    with whole_folder(adapter) as folder:
        if too_few:
            print(f"train: {reason}. The adapter is saved as it starts, and changes nothing.")
            save_untrained_adapter(settings, seed, base, folder)
            metrics, steps = {"trained": False, "steps": 0, "reason": reason}, []
        else:
            preflight, steps = train_together(pairs, settings, seed, folder)
            metrics = training_metrics(steps) | {"preflight": preflight}
    write_json(Path("metrics/train.json"), metrics)
    write_steps(Path("plots/train.csv"), steps)
    for warning in training_warnings(metrics) if metrics["trained"] else ():
        print(f"train: warning: {warning}")


if __name__ == "__main__":
    run_stage(main)
