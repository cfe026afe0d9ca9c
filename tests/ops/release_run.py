"""A finished run as far as a release reads it: params, a profile, metrics, a small base and an adapter on it, and no stage."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from src.core.records import write_metrics
from tests.profiles import profile_text
from tests.report.pages import BASELINE, COHERENCE, PAIRS, TRAINED, VERDICT
from tests.report.sections import base_of
from tests.stages.small_run import PARAMS

ROOT = Path(__file__).parents[2]
DPO = {
    "learning_rate": 5e-5,
    "num_train_epochs": 3,
    "beta": 0.1,
    "loss_type": ["sigmoid"],
    "loss_weights": None,
    "label_smoothing": 0.0,
    "ld_alpha": None,
    "global_batch_size": 4,
}
LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0}
METRICS = {
    "base": base_of(()),
    "train": TRAINED,
    "prefs": PAIRS,
    "verdict": VERDICT,
    "baseline": BASELINE,
    "coherence": COHERENCE,
}


def make_adapter(checkpoint: Path, folder: Path) -> None:
    """A LoRA adapter on the checkpoint that moves its logits."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(checkpoint), config).save_pretrained(folder)


def write_run(folder: Path, profile: Mapping[str, Any] | None = None, **metrics: Any) -> None:
    """Params, profile and metrics in a folder; `profile` has other values by dotted key, `metrics` other ones by name."""
    params = {**PARAMS, "dpo": {**DPO, "lora": LORA}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles/small.yaml").write_text(profile_text(profile))
    for name, value in (METRICS | metrics).items():
        write_metrics(folder / f"metrics/{name}.json", value)


def write_checkpoints(folder: Path, base: Path, adapter: Path) -> None:
    shutil.copytree(base, folder / "checkpoints/base")
    shutil.copytree(adapter, folder / "checkpoints/dpo_coherence_lora")


def make_repository(folder: Path) -> None:
    """Make of it a repository of DVC without stages, so that nothing in it is out of date, and commit it."""
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"], ["git", "add", "-A"]):
        done = call(folder, *command)
        assert done.returncode == 0, done.stderr
    assert call(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "a run").returncode == 0


def call(folder: Path, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder, by our code and apart from what the machine has of the hub and of DVC."""
    ours = {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", "HF_HUB_OFFLINE": "1"}
    ours |= {"DVC_GLOBAL_CONFIG_DIR": str(folder.parent / "global"), "DVC_SITE_CACHE_DIR": str(folder.parent / "site")}
    every = {**os.environ, **ours} if environment is None else {**environment, **ours, "HF_HUB_OFFLINE": "0"}
    return subprocess.run(command, cwd=folder, env=every, capture_output=True, text=True)
