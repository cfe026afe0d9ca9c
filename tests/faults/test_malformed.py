"""Every kind of malformed file or parameter, through the real stages.

Each ends its stage with one error that says place, cause and cure, and leaves everything in the folder as it was.
"""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from src.errors import run_stage
from src.records import read_records, write_records
from src.regime_w.arms import build_all_arms, build_prompt
from tests.faults.breaking import PROFILE, Case, setting
from tests.faults.malformed import CASES
from tests.faults.malformed_sources import ROW, SOURCE, from_source

ROOT = Path(__file__).parents[2]
SECONDS = 30  # a stage that takes longer waits for what will never come

SMALL = """
data: {source: sandbox, train_questions: 24, test_questions: 3, test_set: null}
base:
  source: model
  adapter: null
  sandbox:
    {first_question: 2, rounds: 1, batch_size: 8, learning_rate: 0.005, hidden_size: 64, layers: 1, heads: 2,
     feed_forward_size: 64, vocabulary: 600, first_weights: 0.06, terse_wolfram: 1.0, terse_maudlin: 0.5}
engine: {name: transformers, template: plain, dtype: float32, batch_size: 64, workers: 1}
sample: {questions: 3, max_tokens: 2}
train:
  {learning_rate: 1.0e-3, epochs: 1, beta: 0.1, batch_size: 4, global_batch_size: 4, max_length: 256,
   max_truncated_share: 0.0, precision: float32, weights: float32, attention: eager, gradient_checkpointing: false,
   processes: 1, sharding: none, min_pairs: 1, too_few_pairs: stop, lora: {r: 2, alpha: 4, dropout: 0.0}}
eval: {max_tokens: 2, confidence: 0.95}
machine:
  {gpus: 0, gpu_memory: 0, gpu_capability: 0, memory: 0.1, disk: 0.001,
   hours: {install: 0, base: 0, sample: 0, train: 0, eval: 0}, dollars_per_hour: 0}
"""


@pytest.fixture(scope="session")
def good_folder(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """A folder in which every stage has passed on a model of no training: nothing in it is to be changed."""
    folder = tmp_path_factory.mktemp("good")
    for name in ("requirements.txt", "requirements-gpu.txt", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    (folder / ".dvc").mkdir()  # what makes a folder DVC's
    (folder / ".dvc/config").touch()
    (folder / "profiles").mkdir()
    for name in ("small", "other"):
        (folder / f"profiles/{name}.yaml").write_text(SMALL)
    setting("params.yaml", "profile", "small")(folder)
    (folder / "source").mkdir()
    rows = [ROW | {"question": f"Ann has {n} pens. How many has she?", "answer": f"#### {n}"} for n in range(6)]
    (folder / "source/questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(checkpoint, folder / "model")
    write_adapter(folder)

    for stage in ("doctor", "data", "base", "sample"):
        assert run_here(folder, stage) is None
    write_trajectories(folder)
    for stage in ("rollouts", "prefs", "train", "eval baseline", "eval coherence", "compare", "report"):
        assert run_here(folder, stage) is None
    return folder


def write_adapter(folder: Path) -> None:
    """A LoRA adapter of model/ in sft/, as one would merge it into the base."""
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")).save_pretrained(folder / "sft")


def write_trajectories(folder: Path) -> None:
    """Texts of which pairs can be made, in place of the noise that an untrained model writes."""
    questions = read_records(folder / "data/train.jsonl", "question")[:3]
    records = [
        {
            "question_id": question["id"],
            "arm_name": arm.name,
            "seed": arm.seed,
            "temperature": arm.temperature,
            "prompt": build_prompt(arm, question["question"]) + "\n\n",
            "text": f"{'so ' * place}\nAnswer: {question['gold'] if place % 2 else 7}",
            "n_tokens": 4,
            "finish_reason": "stop",
        }
        for question in questions
        for place, arm in enumerate(build_all_arms())
    ]
    write_records(folder / "data/trajectories.jsonl", "trajectory", records)


@pytest.fixture
def folder(good_folder: Path, tmp_path: Path) -> Path:
    """A copy of the good folder, to break one thing in."""
    return Path(shutil.copytree(good_folder, tmp_path / "folder"))


def run_here(folder: Path, stage: str) -> str | None:
    """Run a stage as its command line does, in this process; returns what it ends with, None where it passes."""
    name, *arguments = stage.split()
    module = importlib.import_module(f"src.stages.{name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [name, *arguments])
        try:
            run_stage(module.main)
        except SystemExit as end:
            return end.code
    return None


@pytest.fixture
def time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"the stage was still at it after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def contents(folder: Path) -> dict[str, bytes | str]:
    """All that is in a folder, by path: the bytes of files, the kind of what is none. The work kept for later is left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() and not path.is_symlink() else "no file"
        for path in folder.rglob("*")
        if ".work" not in path.parts
    }


def assert_one_error(message: str, case: Case) -> None:
    assert message.startswith("error: ") and [line.startswith("error: ") for line in message.splitlines()].count(True) == 1
    assert "Traceback" not in message
    assert len(message) < 3000  # what is wrong is shown, not poured out
    for words in (case.place, case.cause, case.cure):
        assert words in message


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.stage}: {case.name}")
def test_malformed_input_is_one_error_and_changes_nothing(case, folder, time_limit):
    case.breaks(folder)
    before = contents(folder)
    message = run_here(folder, case.stage)
    assert message is not None, "accepted without a word"
    assert_one_error(message, case)
    assert contents(folder) == before


def test_there_are_cases_of_every_stage_and_no_two_alike():
    assert {case.stage.split()[0] for case in CASES} == {path.stem for path in (ROOT / "src/stages").glob("[a-z]*.py")}
    names = [(case.stage, case.name) for case in CASES]
    assert len(set(names)) == len(names) >= 100


IN_PROCESSES = [
    next(case for case in CASES if case.stage == stage) for stage in ("data", "rollouts", "prefs", "compare", "report")
]
SLOW_IN_PROCESSES = [
    next(case for case in CASES if case.stage == stage) for stage in ("base", "sample", "train", "eval baseline")
]


@pytest.mark.parametrize(
    "case",
    [*IN_PROCESSES, *(pytest.param(case, marks=pytest.mark.slow) for case in SLOW_IN_PROCESSES)],
    ids=lambda case: f"{case.stage}: {case.name}",
)
def test_as_a_command_it_ends_with_status_1_and_the_error_alone(case, folder):
    case.breaks(folder)
    before = contents(folder)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    name, *arguments = case.stage.split()
    command = [sys.executable, "-m", f"src.stages.{name}", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert_one_error(done.stderr[done.stderr.index("error: ") :], case)
    assert contents(folder) == before


def test_the_good_folder_is_good(folder):
    """Else a case could pass for another reason than its own."""
    before = contents(folder)
    for stage in ("doctor", "data", "rollouts", "prefs", "eval baseline", "eval coherence", "compare", "report"):
        assert run_here(folder, stage) is None
    assert contents(folder) == before
    from_source(SOURCE)(folder)
    assert run_here(folder, "data") is None
    setting(PROFILE, "base.adapter", "sft")(folder)
    assert run_here(folder, "base") is None
