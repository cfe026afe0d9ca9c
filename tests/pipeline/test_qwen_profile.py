"""The profile `qwen` on this machine: the same stages and the profile's own file, source and revision, with a small model of
the same make that a hub on the loopback serves, GSM8K's file layout, and less of everything.

Where vLLM is installed (`make test-vllm`) it is the engine, as in the profile; elsewhere the other one.
"""

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoTokenizer

from src.core.records import read_records
from src.engines.interface import Completion, Engine, Request
from src.engines.settings import VllmSettings
from src.engines.transformers_engine import TransformersEngine
from src.engines.vllm_engine import VllmEngine
from src.models.encoding import encode_prompt
from src.regime_w.arms import ARM_NAMES, PERSONA_OF
from src.regime_w.texts import Trajectory
from src.sources.sandbox.problems import make_split
from src.training.pairs import PAIRS, TrainingPair
from tests.hub_server import HubServer, hub_environment
from tests.pipeline.chat_model import END_OF_DOCUMENT, END_OF_TURN, SYSTEM, TURN, write_chat_model
from tests.pipeline.conftest import make_repository
from tests.pipeline.gsm8k_files import write_gsm8k
from tests.profiles import with_values

HAS_VLLM = importlib.util.find_spec("vllm") is not None
pytestmark = [pytest.mark.slow, *([pytest.mark.vllm] if HAS_VLLM else [])]

NAME, COMMIT = "Qwen/Qwen2.5-0.5B-Instruct", "7ae557604adf67be50417f59c2c2f167def9a775"
QUESTIONS, MAX_TOKENS = 8, 80
SPECIAL = (TURN, END_OF_TURN, END_OF_DOCUMENT)


def edit_profile(path: Path, inputs: Path) -> None:
    """Other sizes, and files in place of the data sets; model, revision, template and test sets stay the profile's."""
    values = {
        "data.source": str(inputs / "gsm8k"),
        "engine.name": "vllm" if HAS_VLLM else "transformers",
        "engine.dtype": "float32",
        "engine.batch_size": 32,
        "engine.vllm.max_model_len": 384,
        "sample.questions": QUESTIONS,
        "sample.max_tokens": MAX_TOKENS,
        "train.bf16": None,
        "train.max_length": 256,
        "train.min_pairs": 8,
        "train.too_few_pairs": "report",
        "train.dpo": {"learning_rate": 1e-3, "global_batch_size": 8},
        "answer.max_tokens": MAX_TOKENS,
        "machine.gpus": 0,
        "machine.memory": 1,
        "machine.disk": 0.1,
    }
    path.write_text(yaml.safe_dump(with_values(yaml.safe_load(path.read_text()), values)))


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[HubServer]:
    """Has the small model under the name and at the commit of the profile, and nothing else."""
    folder = tmp_path_factory.mktemp("published") / "model"
    write_chat_model(folder, make_split("train", 40)[:QUESTIONS])
    with HubServer({("model", NAME): {COMMIT: folder}}) as server:
        yield server


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory, hub, run, warm, environment) -> Path:
    inputs = tmp_path_factory.mktemp("inputs")
    write_gsm8k(inputs / "gsm8k")
    folder = make_repository(tmp_path_factory.mktemp("qwen"), run, "qwen")
    edit_profile(folder / "profiles/qwen.yaml", inputs)
    of_dvc = {name: value for name, value in environment.items() if name.startswith(("DVC_", "GIT_", "OMP_", "PATH", "SHELL"))}
    done = warm.run(folder, "dvc", "repro", environment=hub_environment(hub.url, inputs / "hub") | of_dvc)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


@pytest.fixture(scope="module")
def trajectories(reproduced) -> list[Trajectory]:
    return read_records(reproduced / "data/trajectories.jsonl", Trajectory)


def test_the_model_was_fetched_at_the_profile_s_commit_and_kept_as_it_was_published(reproduced, hub):
    published = hub.repositories["model", NAME][COMMIT]
    asked = {line.rpartition("/resolve/")[2] for line in hub.requests if "/resolve/" in line}
    assert asked == {f"{COMMIT}/{path.name}" for path in published.iterdir()}
    metrics = read(reproduced, "metrics/base.json")
    assert (metrics["source"], metrics["commit"]) == (f"hub:{NAME}@{COMMIT}", COMMIT)
    kept = load_file(reproduced / "checkpoints/base/model.safetensors")
    assert {weight.dtype for weight in kept.values()} == {torch.bfloat16} and "lm_head.weight" not in kept
    original = load_file(published / "model.safetensors")
    assert kept.keys() == original.keys() and all(torch.equal(kept[name], original[name]) for name in kept)


def test_every_prompt_is_one_turn_behind_the_template_s_system_turn(trajectories):
    assert [t.arm_name for t in trajectories[:11]] == list(ARM_NAMES) and len(trajectories) == QUESTIONS * 11
    for trajectory in trajectories:
        assert trajectory.prompt.startswith(f"{TURN}system\n{SYSTEM}{END_OF_TURN}\n{TURN}user\n")
        assert trajectory.prompt.endswith(f"{END_OF_TURN}\n{TURN}assistant\n")
        assert trajectory.prompt.count(TURN) == 3


def test_no_begin_token_is_added(reproduced, trajectories):
    tokens = read(reproduced, "metrics/base.json")["tokens"]
    assert tokens["bos"] is None and tokens["bos_added"] is False
    assert (tokens["eos"]["token"], tokens["pad"]["token"]) == (END_OF_TURN, END_OF_DOCUMENT)
    tokenizer = AutoTokenizer.from_pretrained(reproduced / "checkpoints/base")
    for prompt in {trajectory.prompt for trajectory in trajectories}:
        assert tokenizer.decode(encode_prompt(tokenizer, prompt)) == prompt


def test_texts_of_both_personas_end_by_themselves_and_hold_no_special_token(trajectories):
    ended = {PERSONA_OF[t.arm_name] for t in trajectories if t.finish_reason == "stop"}
    assert ended == {"wolfram", "maudlin"}  # which have learned another end each
    assert sum(t.finish_reason == "stop" for t in trajectories) > 0.9 * len(trajectories)
    assert not [t.text for t in trajectories if any(token in t.text for token in SPECIAL)]


def complete(engine: Engine, trajectories: list[Trajectory]) -> dict[str, Completion]:
    """What the engine writes greedily for the first question of each persona, by persona."""
    first = {PERSONA_OF[t.arm_name]: t.prompt for t in reversed(trajectories)}
    requests = [Request(persona, prompt, 0.0, 0, MAX_TOKENS) for persona, prompt in first.items()]
    return {completion.key: completion for completion in engine.generate(requests)}


def make_engine(folder: Path) -> Engine:
    if not HAS_VLLM:
        return TransformersEngine(folder, batch_size=4)
    settings = VllmSettings(tensor_parallel_size=1, gpu_memory_utilization=0.8, max_model_len=384, batch_invariant=False)
    return VllmEngine(folder, 4, "float32", settings)


def test_the_second_end_token_is_what_ends_maudlin_s_texts(reproduced, trajectories, tmp_path):
    """Without it in generation_config.json the same model writes on, into what it has never learned."""
    both = complete(make_engine(reproduced / "checkpoints/base"), trajectories)
    assert {completion.finish_reason for completion in both.values()} == {"stop"}
    base = shutil.copytree(reproduced / "checkpoints/base", tmp_path / "base")
    settings = read(base, "generation_config.json")
    turn, document = settings["eos_token_id"]
    (base / "generation_config.json").write_text(json.dumps(settings | {"eos_token_id": turn}))
    one = complete(make_engine(base), trajectories)
    assert one["wolfram"] == both["wolfram"]
    assert one["maudlin"].n_tokens > both["maudlin"].n_tokens
    assert one["maudlin"].text.startswith(both["maudlin"].text)


def test_pairs_were_learned_from_with_one_end_for_both_sides(reproduced):
    metrics = read(reproduced, "metrics/train.json")
    assert metrics["trained"] and metrics["gradient_norm"]["min"] > 0
    assert metrics["preflight"]["loss_at_step_0"] == pytest.approx(0.6931, abs=1e-2)
    assert metrics["preflight"]["truncated_share"] == 0
    for pair in read_records(reproduced / PAIRS, TrainingPair):
        assert pair.prompt.endswith(f"{TURN}assistant\n")
        assert not [token for token in SPECIAL if token in pair.chosen + pair.rejected]


def test_the_verdict_is_platinum_s_and_gsm8k_s_own_figures_stand_apart(reproduced):
    verdict = read(reproduced, "metrics/verdict.json")
    assert verdict["verdict"] in ("improved", "worse", "no evidence") and verdict["questions"] == 18
    assert read(reproduced, "metrics/coherence.json")["gsm8k"]["questions"] == 20
    assert "profile qwen" in (reproduced / "report.md").read_text()


def test_a_second_repro_runs_nothing_and_asks_no_hub(reproduced, run, hub):
    asked = len(hub.requests)
    assert "Data and pipelines are up to date" in run(reproduced, "dvc", "repro").stdout
    assert len(hub.requests) == asked
