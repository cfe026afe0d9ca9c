"""The whole pipeline on a pretrained chat model that is fine-tuned first (base.sft), killed on the way, and edited."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from transformers import AutoTokenizer

from src.sources.sandbox.problems import make_split
from src.training.sandbox_model import train_sandbox_model
from tests.pipeline.conftest import make_repository
from tests.profiles import PROFILE, model_settings, with_values

pytestmark = pytest.mark.slow

SFT = {
    "first_question": 60,
    "questions": 600,
    "num_train_epochs": 2,
    "template": "chat",
    "learning_rate": 5e-3,
    "batch_size": 16,
    "per_device_train_batch_size": 16,
    "max_length": 256,
    "max_truncated_share": 0.0,
    "lora": {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0},
    "bf16": None,
    "base_dtype": "float32",
    "attn_implementation": "eager",
    "gradient_checkpointing": False,
}
# As SmolLM2's: the begin token begins each turn, and the end token ends it.
CHAT = (
    "{% for m in messages %}{{ bos_token }}{{ m.role }}\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}{{ bos_token }}assistant\n{% endif %}"
)


def write_chat_model(folder: Path, work: Path) -> None:
    """A model that has learned the problems a little, and nothing of its chat template."""
    folder.mkdir()
    train_sandbox_model(make_split("train", 700), model_settings(epochs=4), 0, folder, work)
    content = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(content | {"post_processor": None}))  # adds no begin token of its own
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def repository(tmp_path_factory, run) -> Path:
    """Nothing has run in it."""
    inputs = tmp_path_factory.mktemp("inputs")
    write_chat_model(inputs / "model", inputs / "work")
    folder = make_repository(tmp_path_factory.mktemp("fine-tuned"), run, "tuned")
    values = {
        "base.source": str(inputs / "model"),
        "base.sft": SFT,
        "engine.template": "chat",
        "sample.questions": 40,
        "train.max_length": 256,
        "train.min_pairs": 8,
        "train.too_few_pairs": "report",
    }
    (folder / "profiles/tuned.yaml").write_text(yaml.safe_dump(with_values(PROFILE, values)))
    return folder


def checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob(".work/base/*/checkpoint-*/checksum.json"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "checkpoints/base").iterdir()}


@pytest.fixture(scope="module")
def killed(repository, environment) -> Path:
    """A run that was killed while the base was fine-tuned, after its first checkpoint."""
    started = subprocess.Popen(["dvc", "repro", "base"], cwd=repository, env=environment, start_new_session=True)
    while not checkpoints(repository):
        assert started.poll() is None
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    return repository


@pytest.fixture(scope="module")
def reproduced(killed, run) -> Path:
    """The run that goes on from there, to its end."""
    run(killed, sys.executable, "-m", "src.ops.repair")
    printed = run(killed, "dvc", "repro").stdout
    assert "training goes on from step 50" in printed
    return killed


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def test_the_base_learned_and_the_run_ends_in_a_verdict(reproduced):
    training = read(reproduced, "metrics/base.json")["training"]
    assert (training["examples"], training["steps"]) == (1200, 75)
    assert training["last_loss"] < 0.95 * training["preflight"]["loss_at_step_0"]
    columns, *steps = (reproduced / "plots/base.csv").read_text().splitlines()
    assert columns == "step,loss,gradient_norm,learning_rate" and len(steps) == 75
    assert read(reproduced, "metrics/verdict.json")["questions"] == 30
    assert read(reproduced, "metrics/baseline.json")["accuracy"] > 0


def test_texts_are_asked_in_the_template_and_end_by_its_end_token(reproduced):
    trajectories = [json.loads(line) for line in (reproduced / "data/trajectories.jsonl").open()]
    assert all(item["prompt"].startswith("<s>user\n") and item["prompt"].endswith("<s>assistant\n") for item in trajectories)
    assert not any("<s>" in item["text"] or "</s>" in item["text"] for item in trajectories)
    assert sum(item["finish_reason"] == "stop" for item in trajectories) > 0.8 * len(trajectories)


def test_a_run_that_was_never_killed_makes_the_same_base(reproduced, run, tmp_path):
    straight = tmp_path / "straight"
    shutil.copytree(reproduced, straight, ignore=shutil.ignore_patterns(".work", "cache", "tmp", "base"), symlinks=True)
    run(straight, "dvc", "repro", "--force", "--single-item", "base")
    assert contents(straight) == contents(reproduced)


def test_another_learning_rate_of_dpo_leaves_the_base(reproduced, run):
    profile = reproduced / "profiles/tuned.yaml"
    values = {"train.dpo": {"learning_rate": 2e-5, "global_batch_size": 8}}
    profile.write_text(yaml.safe_dump(with_values(yaml.safe_load(profile.read_text()), values)))
    printed = run(reproduced, "dvc", "repro", "train").stdout
    assert "Running stage 'train'" in printed and "Running stage 'base'" not in printed
