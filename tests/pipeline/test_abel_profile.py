"""The profile `abel` on this machine: the same stages and the profile's own file, with a small model of the same make
(float32 .bin shards, an SFT adapter to merge) and GSM8K's file layout in place of the hub, and less of everything.

Where vLLM is installed (`make test-vllm`) it is the engine, as in the profile; elsewhere the other one.
"""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
import yaml
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from src.regime_w.arms import ARM_NAMES
from src.sources.sandbox.problems import make_split
from src.training.sandbox_model import train_sandbox_model
from tests.pipeline.conftest import make_repository
from tests.pipeline.gsm8k_files import write_gsm8k
from tests.profiles import model_settings, with_values

HAS_VLLM = importlib.util.find_spec("vllm") is not None
pytestmark = [pytest.mark.slow, *([pytest.mark.vllm] if HAS_VLLM else [])]

MODEL = model_settings(first_question=0, epochs=4)


def write_model(folder: Path, work: Path) -> None:
    """A model that has learned to answer, as three float32 .bin shards with their index."""
    folder.mkdir()
    train_sandbox_model(make_split("train", 400), MODEL, 0, folder, work)
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    place = {name: f"pytorch_model-{1 + 3 * i // len(names):05d}-of-00003.bin" for i, name in enumerate(names)}
    for shard in set(place.values()):
        torch.save({name: weights[name].clone() for name in names if place[name] == shard}, folder / shard)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": place}))
    (folder / "model.safetensors").unlink()


def write_adapter(folder: Path, model_folder: Path) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")).save_pretrained(folder)


def edit_profile(path: Path, inputs: Path) -> None:
    values = {
        "data.source": str(inputs / "gsm8k"),
        "data.test_set": "both",
        "base.source": str(inputs / "model"),
        "base.adapter": str(inputs / "sft"),
        "engine.dtype": "float32",
        "engine.batch_size": 32,
        "engine.name": "vllm" if HAS_VLLM else "transformers",
        "engine.vllm.max_model_len": 256,
        "sample.questions": 16,
        "sample.max_tokens": 48,
        "train.max_length": 256,
        "train.min_pairs": 8,
        "train.processes": 2,
        "train.dpo": {"learning_rate": 5e-3, "global_batch_size": 8},
        "answer.max_tokens": 48,
        "machine.gpus": 0,
        "machine.memory": 1,
        "machine.disk": 0.1,
    }
    path.write_text(yaml.safe_dump(with_values(yaml.safe_load(path.read_text()), values)))


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory, run) -> Path:
    inputs = tmp_path_factory.mktemp("inputs")
    write_gsm8k(inputs / "gsm8k")
    write_model(inputs / "model", inputs / "work")
    write_adapter(inputs / "sft", inputs / "model")
    folder = make_repository(tmp_path_factory.mktemp("abel"), run, "abel")
    edit_profile(folder / "profiles/abel.yaml", inputs)
    run(folder, "dvc", "repro")
    return folder


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def test_the_whole_pipeline_ends_in_a_verdict(reproduced):
    assert read(reproduced, "metrics/verdict.json")["verdict"] in ("improved", "worse", "no evidence")
    assert read(reproduced, "metrics/verdict.json")["questions"] == 18
    assert read(reproduced, "metrics/coherence.json")["gsm8k"]["questions"] == 20
    assert "profile abel" in (reproduced / "report.md").read_text()


def test_every_question_was_asked_in_the_eleven_ways_by_abels_template(reproduced):
    trajectories = [json.loads(line) for line in (reproduced / "data/trajectories.jsonl").open()]
    assert len(trajectories) == 16 * 11
    assert [t["arm_name"] for t in trajectories[:11]] == list(ARM_NAMES)
    for trajectory in trajectories:
        assert trajectory["prompt"].startswith("Question:\n")
        assert trajectory["prompt"].endswith("\nAnswer:\nLet's think step by step.\n")


def test_the_base_is_bfloat16_safetensors_with_its_tokens_described(reproduced):
    base = reproduced / "checkpoints/base"
    assert not list(base.glob("*.bin"))
    assert {weight.dtype for weight in load_file(base / "model.safetensors").values()} == {torch.bfloat16}
    metrics = read(reproduced, "metrics/base.json")
    assert metrics["tokens"]["eos"]["id"] is not None and metrics["adapter"].endswith("sft")


def test_a_base_that_is_only_fetched_has_no_steps(reproduced):
    assert (reproduced / "plots/base.csv").read_text() == "step,loss,gradient_norm,learning_rate\n"
    assert "How the base learned" not in (reproduced / "report.html").read_text()


def test_the_adapter_was_trained_by_two_processes(reproduced):
    metrics = read(reproduced, "metrics/train.json")
    assert metrics["trained"] and metrics["gradient_norm"]["min"] > 0
    assert {path.name for path in (reproduced / "checkpoints/dpo_coherence_lora").iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_a_second_repro_runs_nothing(reproduced, run):
    assert "Data and pipelines are up to date" in run(reproduced, "dvc", "repro").stdout
