"""A copy of the repository in which DVC runs for real, on a profile of seconds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from src.core.records import write_metrics
from tests.profiles import profile_text
from tests.regime_w.builders import NO_EVIDENCE
from tests.warm_python import WarmPython

ROOT = Path(__file__).parents[2]
KEPT = (
    "src", "profiles", "scripts", "sweeps", "data", "checkpoints", "metrics", "Makefile", "dvc.yaml", "params.yaml",
    "versions.yaml",
    "requirements.txt", "requirements-gpu.txt", "requirements-smollm2.txt", ".dvcignore", ".gitignore",
)  # fmt: skip


def dvc_environment(scratch: Path) -> dict[str, str]:
    """Keeps DVC out of the home folder, and runs each stage by the interpreter that runs the tests.

    A make of a test is nobody's child, whether or not make runs the tests: below another it would tell of folders.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return inherited | {
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(scratch / "global"),
        "DVC_SITE_CACHE_DIR": str(scratch / "site"),
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        # DVC runs stages by it. This one may stay between DVC and the stage, where bash would become the stage.
        "SHELL": "/bin/sh",
        # Bytes depend on the number of threads, and tests compare runs; one is the fastest for models so small.
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return dvc_environment(tmp_path_factory.mktemp("dvc"))


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmPython]:
    with WarmPython() as python:
        yield python


@pytest.fixture(scope="session")
def run(environment: dict[str, str], warm: WarmPython) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a folder; DVC need not be loaded each time, since the tests run it hundreds of times."""

    def run_in(folder: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = warm.run(folder, *command, environment=environment)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    return run_in


def make_repository(folder: Path, run, profile: str) -> Path:
    """A committed copy of the repository under that profile, `tiny` among them; nothing has run in it."""
    for name in KEPT:
        source = ROOT / name
        if source.is_dir():
            only_list = name in ("data", "checkpoints", "metrics")  # what DVC keeps there is not of the copy
            left_out = shutil.ignore_patterns("__pycache__", *(["[!.]*"] if only_list else []))
            shutil.copytree(source, folder / name, ignore=left_out)
        else:
            shutil.copy(source, folder / name)
    (folder / "profiles/tiny.yaml").write_text(profile_text())
    (folder / "evidence").mkdir()
    write_metrics(folder / "evidence/evidence.json", NO_EVIDENCE)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("profile: sandbox", f"profile: {profile}"))
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "a copy")
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, run, worker_id: str) -> tuple[Path, str]:
    """A copy of profile `tiny` in which `dvc repro` has run and is committed, and what it printed. No test changes it.

    The processes of one run of the tests share it: the first that needs it makes it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    folder, printed = shared / "finished", shared / "finished.txt"
    with FileLock(shared / "finished.lock"):
        if not printed.exists():
            folder.mkdir()
            make_repository(folder, run, "tiny")
            done = run(folder, "dvc", "repro")
            run(folder, "git", "add", "-A")
            run(folder, "git", "commit", "-qm", "a run")
            printed.write_bytes((done.stdout + done.stderr).encode())  # a carriage return must stay one
    return folder, printed.read_bytes().decode()


@pytest.fixture(scope="module")
def reproduced(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished repository for the tests of one module to change, each leaving it as it was."""
    folder = tmp_path_factory.mktemp("reproduced") / "repository"
    shutil.copytree(finished[0], folder, symlinks=True)
    return folder
