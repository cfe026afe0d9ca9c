"""The stages that need no model load none of its libraries while they run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.core.records import write_metrics, write_records
from src.regime_w.arms import ARM_NAMES
from src.regime_w.questions import Question
from src.regime_w.sft_steps import SftStep
from src.regime_w.texts import PolicyText, Trajectory
from src.regime_w.training_metrics import TrainingStep, TrainMetrics
from tests.profiles import profile_text
from tests.regime_w.builders import NO_EVIDENCE, sampled_texts
from tests.report.sections import base_of, csv_of
from tests.stages.small_run import QUESTIONS, trajectory

ROOT = Path(__file__).parents[2]
IDENTITY = {"GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.org"}
# Python reads this when it starts.
WATCH = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "ray", "vllm"):
            sys.exit(f"{name} is imported")

sys.meta_path.insert(0, Refused())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All that the stages read that no stage below writes."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(WATCH)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/small.yaml").write_text(profile_text({"data.train_questions": 30, "data.test_questions": 4}))
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text().replace("profile: sandbox", "profile: small"))
    for name in ("requirements.txt", "requirements-gpu.txt", "versions.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    write_metrics(tmp_path / "metrics/train.json", TrainMetrics(trained=False, steps=0, reason="no pairs"))
    write_metrics(tmp_path / "metrics/base.json", base_of(()))
    csv_of(tmp_path / "plots/train.csv", TrainingStep, ())
    csv_of(tmp_path / "plots/base.csv", SftStep, ())
    write_metrics(tmp_path / "evidence/evidence.json", NO_EVIDENCE)
    return tmp_path


def run(folder: Path, *stage: str) -> None:
    environment = os.environ | {"PYTHONPATH": f"{folder / 'hook'}{os.pathsep}{ROOT}"} | IDENTITY
    command = [sys.executable, "-m", f"src.stages.{stage[0]}", *stage[1:]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (stage, done.stdout, done.stderr)


def test_no_stage_that_runs_no_model_loads_its_libraries(folder: Path) -> None:
    for stage in ("settings", "doctor", "data"):
        run(folder, stage)
    write_records(folder / "data/train.jsonl", Question, QUESTIONS)
    write_records(folder / "data/test.jsonl", Question, QUESTIONS)
    texts = ("2 + 3 = 5\nAnswer: 5", "It is so.\nAnswer: 7")
    sampled = [trajectory(question, arm, texts[place % 2]) for question in QUESTIONS for place, arm in enumerate(ARM_NAMES)]
    write_records(folder / "data/trajectories.jsonl", Trajectory, sampled)
    for policy in ("baseline", "coherence"):
        written = [
            PolicyText(question.id, f"Answer: {question.gold}", 3, "stop", sampled_texts("Answer: 5", "no"))
            for question in QUESTIONS
        ]
        write_records(folder / f"outputs/{policy}_answers.jsonl", PolicyText, written)
    for stage in (("rollouts",), ("prefs",), ("eval", "baseline"), ("eval", "coherence"), ("compare",), ("report",)):
        run(folder, *stage)
