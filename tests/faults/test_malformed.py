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

from src.core.records import read_records, write_metrics, write_records
from src.regime_w.arms import build_all_arms, build_prompt
from src.regime_w.questions import Question
from src.regime_w.texts import Trajectory
from src.stages import run_stage
from tests.faults.breaking import PROFILE, Case, setting
from tests.faults.good_folder import Entry, GoodFolder
from tests.faults.malformed import CASES
from tests.faults.malformed_sources import ROW, SOURCE, from_source
from tests.faults.memory import memory_folder
from tests.profiles import profile_text
from tests.regime_w.builders import NO_EVIDENCE

ROOT = Path(__file__).parents[2]
SECONDS = 30  # a stage that takes longer waits for what will never come

SMALL = profile_text(
    {
        "data.train_questions": 24,
        "data.test_questions": 3,
        "base.source": "model",
        "base.sandbox.first_question": 2,
        "base.sandbox.epochs": 1,
        "base.sandbox.num_hidden_layers": 1,
        "base.sandbox.intermediate_size": 64,
        "base.sandbox.vocab_size": 600,
        "sample.questions": 3,
        "sample.max_tokens": 2,
        "train.too_few_pairs": "stop",
        "train.dpo.num_train_epochs": 1,
        "answer.max_tokens": 2,
        "answer.samples": 2,
        "machine.disk": 0.001,
    }
)
BEFORE_SAMPLE = ("settings", "doctor", "data", "base", "sample")
POLICIES = ("baseline", "coherence")
AFTER_SAMPLE = (
    "rollouts",
    "prefs",
    "train",
    *(f"{stage} {policy}" for stage in ("answer", "eval") for policy in POLICIES),
    "compare",
    "report",
)


@pytest.fixture(scope="session")
def good_folder(checkpoint: Path) -> Iterator[GoodFolder]:
    """A folder in which every stage has passed on a model of no training."""
    with memory_folder() as folder:
        fill(folder, checkpoint)
        yield GoodFolder(folder)


def fill(folder: Path, checkpoint: Path) -> None:
    for name in ("requirements.txt", "requirements-gpu.txt", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    (folder / ".dvc").mkdir()  # what makes a folder DVC's
    (folder / ".dvc/config").touch()
    shutil.copy(ROOT / "versions.yaml", folder)
    write_metrics(folder / "evidence/evidence.json", NO_EVIDENCE)
    (folder / "profiles").mkdir()
    for name in ("small", "other"):
        (folder / f"profiles/{name}.yaml").write_text(SMALL)
    setting("params.yaml", "profile", "small")(folder)
    (folder / "source").mkdir()
    rows = [ROW | {"question": f"Ann has {n} pens. How many has she?", "answer": f"#### {n}"} for n in range(6)]
    (folder / "source/questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(checkpoint, folder / "model")
    write_adapter(folder)

    for stage in BEFORE_SAMPLE:
        assert run_here(folder, stage) is None
    write_trajectories(folder)
    for stage in AFTER_SAMPLE:
        assert run_here(folder, stage) is None


def write_adapter(folder: Path) -> None:
    """A LoRA adapter of model/ in sft/, as one would merge it into the base."""
    # Every process of the tests reads this file; few run its tests.
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")).save_pretrained(folder / "sft")


def write_trajectories(folder: Path) -> None:
    """Texts of which pairs can be made, in place of the noise that an untrained model writes."""
    records = [
        Trajectory(
            question_id=question.id,
            arm_name=arm.name,
            seed=arm.seed,
            temperature=arm.temperature,
            prompt=build_prompt(arm, question.question) + "\n\n",
            text=f"{'so ' * place}\nAnswer: {question.gold if place % 2 else 7}",
            n_tokens=4,
            finish_reason="stop",
        )
        for question in read_records(folder / "data/train.jsonl", Question)[:3]
        for place, arm in enumerate(build_all_arms())
    ]
    write_records(folder / "data/trajectories.jsonl", Trajectory, records)


@pytest.fixture
def folder(good_folder: GoodFolder) -> Iterator[Path]:
    """The good folder, to break one thing in; it is put back afterwards."""
    yield good_folder.path
    good_folder.restore()


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


def results(good_folder: GoodFolder) -> dict[str, Entry]:
    """All that is in the folder, by path, but the work that is kept for the next run."""
    return {name: entry for name, entry in good_folder.contents().items() if not name.startswith(".work/")}


def assert_one_error(message: str, case: Case) -> None:
    assert message.startswith("error: ") and [line.startswith("error: ") for line in message.splitlines()].count(True) == 1
    assert "Traceback" not in message
    assert len(message) < 3000  # what is wrong is shown, not poured out
    for words in (case.place, case.cause, case.cure):
        assert words in message


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.stage}: {case.name}")
def test_malformed_input_is_one_error_and_changes_nothing(case, good_folder, folder, time_limit):
    case.breaks(folder)
    before = results(good_folder)
    message = run_here(folder, case.stage)
    assert message is not None, "accepted without a word"
    assert_one_error(message, case)
    assert results(good_folder) == before


def test_there_are_cases_of_every_stage_and_no_two_alike():
    stages = {path.stem for path in (ROOT / "src/stages").glob("[a-z]*.py")} - {"all_settings"}
    assert {case.stage.split()[0] for case in CASES} == stages
    names = [(case.stage, case.name) for case in CASES]
    assert len(set(names)) == len(names) >= 1206


def first_of(stage: str) -> Case:
    return next(case for case in CASES if case.stage == stage)


IN_PROCESSES = [first_of(stage) for stage in ("data", "rollouts", "prefs", "eval baseline", "compare", "report")]
SLOW_IN_PROCESSES = [first_of(stage) for stage in ("base", "sample", "train", "answer baseline")]


@pytest.mark.parametrize(
    "case",
    [*IN_PROCESSES, *(pytest.param(case, marks=pytest.mark.slow) for case in SLOW_IN_PROCESSES)],
    ids=lambda case: f"{case.stage}: {case.name}",
)
def test_as_a_command_it_ends_with_status_1_and_the_error_alone(case, good_folder, folder):
    case.breaks(folder)
    before = results(good_folder)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    name, *arguments = case.stage.split()
    command = [sys.executable, "-m", f"src.stages.{name}", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert_one_error(done.stderr[done.stderr.index("error: ") :], case)
    assert results(good_folder) == before


def test_the_good_folder_is_good(good_folder, folder):
    """Else a case could pass for another reason than its own."""
    before = results(good_folder)
    for stage in ("settings", "doctor", "data", "rollouts", "prefs", *AFTER_SAMPLE[3:]):
        assert run_here(folder, stage) is None
    assert results(good_folder) == before
    from_source(SOURCE)(folder)
    assert run_here(folder, "data") is None
    setting(PROFILE, "base.adapter", "sft")(folder)
    assert run_here(folder, "base") is None
