"""Training by several processes, started by accelerate as on GPUs, is training by one."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from src.errors import InputError
from src.records import read_json, write_records
from src.regime_w.arms import canonical_prompt
from src.training.launch import FSDP, count_processes

ROOT = Path(__file__).parents[2]
TRAIN = """
train:
  {{learning_rate: 1.0e-3, epochs: 2, beta: 0.1, batch_size: {batch_size}, global_batch_size: 8, max_length: 256,
   max_truncated_share: 0.0, precision: float32, weights: float32, attention: eager, gradient_checkpointing: {recompute},
   processes: {processes}, sharding: none, min_pairs: 1, too_few_pairs: stop, lora: {{r: 4, alpha: 8, dropout: 0.0}}}}
"""


def make_folder(
    folder: Path, checkpoint: Path, questions: list[dict], processes: int, batch_size: int = 2, recompute: str = "false"
) -> Path:
    """A checkout's worth of what the train stage reads: params, base and 40 pairs."""
    shutil.copytree(checkpoint, folder / "checkpoints/base")
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    (folder / "profiles/tiny.yaml").write_text(TRAIN.format(processes=processes, batch_size=batch_size, recompute=recompute))
    (folder / "params.yaml").write_text("profile: tiny\nseed: 3\n")
    pairs = [
        {
            "question_id": q["id"],
            "question": q["question"],
            "prompt": canonical_prompt(q["question"]) + "\n\n",
            "chosen": q["answer"].replace("####", "Answer:"),
            "rejected": "Answer: 7",
            "pair_type": "correctness",
            "chosen_arm": "wolfram_0",
            "rejected_arm": "wolfram_1",
            "chosen_reward": 1.0,
            "rejected_reward": 0.5,
        }
        for q in questions[:40]
    ]
    write_records(folder / "data/coherence_preferences.jsonl", "preference", pairs)
    return folder


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def start(folder: Path, module: str, **variables: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MASTER_PORT": free_port()} | variables
    return subprocess.Popen(
        [sys.executable, "-m", module], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def train(folder: Path, **variables: str) -> tuple[list[dict], dict]:
    """Losses and gradient norms by step, and the adapter's weights."""
    stage = start(folder, "src.stages.train", **variables)
    told, _ = stage.communicate()
    assert stage.returncode == 0, told
    return result(folder)


def result(folder: Path) -> tuple[list[dict], dict]:
    header, *rows = (folder / "plots/train.csv").read_text().splitlines()
    steps = [dict(zip(header.split(","), map(float, row.split(",")), strict=True)) for row in rows]
    return steps, load_file(folder / "checkpoints/dpo_coherence_lora/adapter_model.safetensors")


def assert_same(one: tuple, other: tuple) -> None:
    """Every figure of every step, and the adapter's weights, but for the rounding of sums in another order."""
    assert len(one[0]) == 10
    for row in (one[0][0], other[0][0]):
        row.pop("reward_accuracy", None)  # policy is reference: all rewards are 0 but for rounding
    for step, also in zip(one[0], other[0], strict=True):
        assert also == pytest.approx(step, rel=1e-3, abs=1e-5)
    assert one[1].keys() == other[1].keys()
    for name, weight in one[1].items():
        assert (weight - other[1][name]).abs().max() < 1e-4, name
    assert one[0][-1]["loss"] < one[0][0]["loss"] - 0.01  # there was something to get wrong


@pytest.fixture(scope="module")
def alone(tmp_path_factory, checkpoint, questions) -> tuple:
    return train(make_folder(tmp_path_factory.mktemp("alone"), checkpoint, questions, processes=1))


@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one(tmp_path, checkpoint, questions, alone):
    together = train(make_folder(tmp_path, checkpoint, questions, processes=2))
    assert_same(alone, together)
    assert sorted(path.name for path in (tmp_path / "checkpoints/dpo_coherence_lora").iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert read_json(tmp_path / "metrics/train.json")["preflight"]["trainable_parameters"] > 0


@pytest.mark.slow
def test_two_machines_give_the_loss_curve_of_one(tmp_path, checkpoint, questions, alone):
    first = make_folder(tmp_path / "first", checkpoint, questions, processes=1)
    second = make_folder(tmp_path / "second", checkpoint, questions, processes=1)
    place = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    joining = start(second, "src.training.launch", **place, NODE_RANK="1")
    together = train(first, **place, NODE_RANK="0")
    told, _ = joining.communicate()
    assert joining.returncode == 0, told
    assert_same(alone, together)
    assert not (second / "checkpoints/dpo_coherence_lora").exists()


@pytest.mark.slow
def test_passes_of_another_size_give_the_same_loss_curve(tmp_path, checkpoint, questions, alone):
    assert_same(alone, train(make_folder(tmp_path, checkpoint, questions, processes=1, batch_size=4)))


@pytest.mark.slow
def test_recomputed_activations_give_the_same_loss_curve(tmp_path, checkpoint, questions, alone):
    assert_same(alone, train(make_folder(tmp_path, checkpoint, questions, processes=1, recompute="true")))


@pytest.mark.slow
def test_a_process_that_fails_ends_the_stage_with_its_cause(tmp_path, checkpoint, questions):
    folder = make_folder(tmp_path, checkpoint, questions, processes=2)
    config = json.loads((folder / "checkpoints/base/config.json").read_text())
    (folder / "checkpoints/base/config.json").write_text(json.dumps(config | {"hidden_size": 48}))
    stage = start(folder, "src.stages.train")
    told, _ = stage.communicate()
    assert stage.returncode == 1
    assert "error: training by 2 processes ended with status 1; the cause stands above" in told
    assert not (folder / "checkpoints/dpo_coherence_lora").exists()


def test_a_global_batch_that_the_processes_cannot_make_up_is_an_error(tmp_path, checkpoint, questions):
    stage = start(make_folder(tmp_path, checkpoint, questions, processes=3), "src.stages.train")
    told, _ = stage.communicate()
    assert stage.returncode == 1
    assert "train.global_batch_size is 8, which is no multiple of train.batch_size x processes = 2 x 3" in told


def test_several_machines_need_the_address_of_the_first(tmp_path, checkpoint, questions):
    folder = make_folder(tmp_path, checkpoint, questions, processes=1)
    for module, told_of in (("src.stages.train", "MASTER_ADDR is not set"), ("src.training.launch", "this command joins")):
        started = start(folder, module, NNODES="2", NODE_RANK="0")
        told, _ = started.communicate()
        assert started.returncode == 1 and told_of in told, told


def test_sharding_needs_gpus(tmp_path, checkpoint, questions):
    folder = make_folder(tmp_path, checkpoint, questions, processes=2)
    profile = folder / "profiles/tiny.yaml"
    profile.write_text(profile.read_text().replace("sharding: none", "sharding: fsdp"))
    stage = start(folder, "src.stages.train")
    told, _ = stage.communicate()
    assert stage.returncode == 1
    assert "error: train.sharding is 'fsdp', which shares the base out over several GPUs" in told


def test_accelerate_reads_the_config_of_sharding():
    config = load_config_from_file(str(FSDP))
    assert config.distributed_type == "FSDP"
    assert config.fsdp_config["fsdp_version"] == 2


def test_no_number_of_processes_is_one_without_a_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert count_processes(None) == 1
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    assert count_processes(None) == 8
    with pytest.raises(InputError, match="train.processes is 0"):
        count_processes(0)
