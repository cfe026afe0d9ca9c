"""Training by several processes, started by accelerate as on GPUs, is training by one."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from src.core.errors import InputError
from src.core.params import profile_path
from src.core.records import read_metrics, write_records
from src.regime_w.questions import Question
from src.regime_w.training_metrics import TrainingStep, TrainMetrics
from src.stages import train
from src.training.dpo import train_adapter
from src.training.dpo_settings import load_training_settings
from src.training.launch import FSDP, Machines, count_processes, work_dependencies
from src.training.pairs import PAIRS, TrainingPair
from tests.training.runs import make_pairs, training_settings, write_training_params

ROOT = Path(__file__).parents[2]
ADAPTER = Path("checkpoints/dpo_coherence_lora")
VALUES = {"dpo.global_batch_size": 8, "train.per_device_train_batch_size": 2, "train.too_few_pairs": "stop", "seed": 3}


def make_folder(folder: Path, checkpoint: Path, questions: Sequence[Question], values: Mapping[str, Any]) -> Path:
    """A checkout's worth of what the train stage reads: params, base and 40 pairs. `values` are those of the settings."""
    shutil.copytree(checkpoint, folder / "checkpoints/base")
    write_training_params(folder, VALUES | dict(values))
    write_records(folder / PAIRS, TrainingPair, make_pairs(questions[:40]))
    return folder


@dataclass(frozen=True)
class Result:
    """Every step, and the adapter's weights by name."""

    steps: list[TrainingStep]
    weights: dict[str, torch.Tensor]


def train_here(folder: Path, checkpoint: Path, questions: Sequence[Question], values: Mapping[str, Any]) -> Result:
    """Train by this process alone."""
    settings = training_settings(VALUES | dict(values))
    run = train_adapter(make_pairs(questions[:40]), settings, checkpoint, folder / "adapter", folder / "work")
    return Result(list(run.steps), load_file(folder / "adapter/adapter_model.safetensors"))


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def start(folder: Path, module: str, **variables: str) -> subprocess.Popen:
    """A command in a process of its own, as it is typed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MASTER_PORT": free_port()} | variables
    return subprocess.Popen(
        [sys.executable, "-m", module], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.fixture
def run_train(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the stage in this process, which has loaded all that it loads; what it starts are processes of their own."""

    def run(folder: Path, **variables: str) -> None:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["python -m src.stages.train"])
        for name, value in ({"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MASTER_PORT": free_port()} | variables).items():
            monkeypatch.setenv(name, value)
        train.main()

    return run


def read_result(folder: Path) -> Result:
    """What the stage wrote."""
    with (folder / "plots/train.csv").open() as file:
        rows = list(csv.DictReader(file))
    steps = [TrainingStep(**{name: float(text) for name, text in row.items()}) for row in rows]
    return Result(steps, load_file(folder / ADAPTER / "adapter_model.safetensors"))


def assert_same(one: Result, other: Result) -> None:
    """Every figure of every step, and the adapter's weights, but for the rounding of sums in another order."""
    assert len(one.steps) == len(other.steps) == 10
    for place, (step, also) in enumerate(zip(one.steps, other.steps, strict=True)):
        if place == 0:  # policy is reference: all rewards are 0 but for rounding
            step, also = replace(step, reward_accuracy=0), replace(also, reward_accuracy=0)
        assert asdict(also) == pytest.approx(asdict(step), rel=1e-3, abs=1e-5)
    assert one.weights.keys() == other.weights.keys()
    for name, weight in one.weights.items():
        assert (weight - other.weights[name]).abs().max() < 1e-4, name
    assert one.steps[-1].loss < one.steps[0].loss - 0.01  # there was something to get wrong


@pytest.fixture(scope="module")
def alone(tmp_path_factory, checkpoint, questions) -> Result:
    return train_here(tmp_path_factory.mktemp("alone"), checkpoint, questions, {})


@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one(tmp_path, checkpoint, questions, alone, run_train):
    folder = make_folder(tmp_path, checkpoint, questions, {"train.processes": 2})
    run_train(folder)
    assert_same(alone, read_result(folder))
    assert sorted(path.name for path in (folder / ADAPTER).iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert read_metrics(folder / "metrics/train.json", TrainMetrics).preflight.trainable_parameters > 0


@pytest.mark.slow
def test_two_machines_give_the_loss_curve_of_one(tmp_path, checkpoint, questions, alone, run_train):
    first = make_folder(tmp_path / "first", checkpoint, questions, {})
    second = make_folder(tmp_path / "second", checkpoint, questions, {})
    place = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    joining = start(second, "src.training.launch", **place, NODE_RANK="1")
    try:
        run_train(first, **place, NODE_RANK="0")
        output, _ = joining.communicate()
    finally:
        joining.kill()  # it would wait for a first machine that failed
    assert joining.returncode == 0, output
    assert_same(alone, read_result(first))
    assert not (second / ADAPTER).exists()


def test_passes_of_another_size_give_the_same_loss_curve(tmp_path, checkpoint, questions, alone):
    assert_same(alone, train_here(tmp_path, checkpoint, questions, {"train.per_device_train_batch_size": 4}))


def test_recomputed_activations_give_the_same_loss_curve(tmp_path, checkpoint, questions, alone):
    assert_same(alone, train_here(tmp_path, checkpoint, questions, {"train.gradient_checkpointing": True}))


@pytest.mark.slow
def test_a_process_that_fails_ends_the_stage_with_its_cause(tmp_path, checkpoint, questions, run_train, capfd):
    folder = make_folder(tmp_path, checkpoint, questions, {"train.processes": 2})
    config = json.loads((folder / "checkpoints/base/config.json").read_text())
    (folder / "checkpoints/base/config.json").write_text(json.dumps(config | {"hidden_size": 48}))
    with pytest.raises(InputError, match="training by 2 processes ended with status 1; the cause stands above"):
        run_train(folder)
    assert "weights have another shape than config.json says" in capfd.readouterr().err
    assert not (folder / ADAPTER).exists()


def failure(folder: Path, module: str = "src.stages.train", **variables: str) -> str:
    """What a command that ends with status 1 says."""
    started = start(folder, module, **variables)
    output, _ = started.communicate()
    assert started.returncode == 1, output
    return output


def test_a_global_batch_that_the_processes_cannot_make_up_is_an_error(tmp_path, checkpoint, questions):
    cause = "dpo.global_batch_size is 8, which is no multiple of train.per_device_train_batch_size x processes = 2 x 3"
    assert cause in failure(make_folder(tmp_path, checkpoint, questions, {"train.processes": 3}))


def test_several_machines_need_the_address_of_the_first(tmp_path, checkpoint, questions):
    folder = make_folder(tmp_path, checkpoint, questions, {})
    for module, cause in (("src.stages.train", "MASTER_ADDR is not set"), ("src.training.launch", "this command joins")):
        assert cause in failure(folder, module, NNODES="2", NODE_RANK="0")


def test_sharding_needs_gpus(tmp_path, checkpoint, questions):
    folder = make_folder(tmp_path, checkpoint, questions, {"train.processes": 2, "train.sharding": "fsdp"})
    assert "error: train.sharding is 'fsdp', which shares the base out over several GPUs" in failure(folder)


def test_accelerate_reads_the_config_of_sharding():
    config = load_config_from_file(str(FSDP))
    assert config.distributed_type == "FSDP"
    assert config.fsdp_config["fsdp_version"] == 2


def test_no_number_of_processes_is_one_without_a_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert count_processes(None) == 1
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    assert count_processes(None) == 8


def test_no_process_at_all_is_an_error(tmp_path, monkeypatch):
    write_training_params(tmp_path, {"train.processes": 0})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="train.processes is 0: it must be greater than or equal to 1"):
        load_training_settings(seed=0, profile=profile_path())


# --- what the checkpoints of a run belong to ---


@pytest.fixture
def work_key(tmp_path, checkpoint, questions, monkeypatch):
    """The key under which the checkpoints of a run with these settings are kept."""
    monkeypatch.chdir(make_folder(tmp_path, checkpoint, questions, {}))

    def key(values: Mapping[str, Any], machines: int = 1, processes: int = 1) -> str:
        settings = training_settings(VALUES | dict(values))
        return work_dependencies(settings, Machines(machines, 0, processes, None, 29500)).key()

    return key


@pytest.mark.parametrize(
    "values", [{"train.min_pairs": 9}, {"train.too_few_pairs": "report"}, {"train.max_truncated_share": 0.5}]
)
def test_a_limit_that_decides_no_adapter_keeps_the_checkpoints(work_key, values):
    assert work_key(values) == work_key({})


@pytest.mark.parametrize(
    "values",
    [
        {"dpo.learning_rate": 2e-3},
        {"dpo.lora.r": 8},
        {"train.max_length": 128},
        {"train.bf16": True},
        {"train.base_dtype": "bfloat16"},
        {"seed": 4},
    ],
)
def test_a_setting_that_decides_the_adapter_has_checkpoints_of_its_own(work_key, values):
    assert work_key(values) != work_key({})


def test_processes_machines_pairs_and_base_have_checkpoints_of_their_own(work_key, questions):
    keys = [work_key({}), work_key({}, processes=2), work_key({}, machines=2)]
    write_records(PAIRS, TrainingPair, make_pairs(questions[:39]))
    keys.append(work_key({}))
    Path("checkpoints/base/config.json").write_text("{}")
    keys.append(work_key({}))
    assert len(set(keys)) == 5
