"""A copy of the repository in which DVC runs for real, on a profile of seconds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEPT = (
    "src", "profiles", "scripts", "sweeps", "Makefile", "dvc.yaml", "params.yaml",
    "requirements.txt", "requirements-gpu.txt", "requirements-smollm2.txt", ".dvcignore", ".gitignore",
)  # fmt: skip

TINY_PROFILE = """
data: {source: sandbox, train_questions: 700, test_questions: 30}
base:
  source: sandbox
  sandbox:
    {first_question: 24, rounds: 5, batch_size: 32, learning_rate: 0.005, hidden_size: 64, layers: 2, heads: 2,
     feed_forward_size: 128, vocabulary: 800, first_weights: 0.06, terse_wolfram: 1.0, terse_maudlin: 0.5}
engine: {name: transformers, template: plain, dtype: float32, batch_size: 64, workers: 1}
sample: {questions: 24, max_tokens: 48}
train:
  {learning_rate: 5.0e-3, epochs: 2, beta: 0.1, batch_size: 4, global_batch_size: 4, max_length: 256,
   max_truncated_share: 0.0, precision: float32, weights: float32, attention: eager, gradient_checkpointing: false,
   processes: 1, sharding: none, min_pairs: 1, too_few_pairs: report,
   lora: {r: 4, alpha: 8, dropout: 0.0}}
eval: {max_tokens: 40, confidence: 0.95}
machine:
  {gpus: 0, gpu_memory: 0, gpu_capability: 0, memory: 1, disk: 0.1,
   hours: {install: 0, base: 0, sample: 0, train: 0, eval: 0}, dollars_per_hour: 0}
"""


def dvc_environment(scratch: Path) -> dict[str, str]:
    """Keeps DVC out of the home folder, and runs each stage by the interpreter that runs the tests."""
    return os.environ | {
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(scratch / "global"),
        "DVC_SITE_CACHE_DIR": str(scratch / "site"),
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return dvc_environment(tmp_path_factory.mktemp("dvc"))


@pytest.fixture(scope="session")
def run(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess]:
    def run_in(folder: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    return run_in


def make_repository(folder: Path, run, profile: str) -> Path:
    """A committed copy of the repository under that profile, `tiny` among them; nothing has run in it."""
    for name in KEPT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / "profiles/tiny.yaml").write_text(TINY_PROFILE)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("profile: sandbox", f"profile: {profile}"))
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "a copy")
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, run) -> tuple[Path, str]:
    """A copy of profile `tiny` in which `dvc repro` has run and is committed, and what it printed. No test changes it."""
    folder = make_repository(tmp_path_factory.mktemp("finished"), run, "tiny")
    printed = run(folder, "dvc", "repro").stdout
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "a run")
    return folder, printed


@pytest.fixture(scope="module")
def reproduced(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished repository for the tests of one module to change, each leaving it as it was."""
    folder = tmp_path_factory.mktemp("reproduced") / "repository"
    shutil.copytree(finished[0], folder, symlinks=True)
    return folder
