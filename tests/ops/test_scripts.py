"""The shell scripts answer --help and refuse what they do not know, and run nothing then."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.sh"))
# Stands for each program that a script would do anything by.
PROGRAMS = ("dvc", "git", "python", "nvidia-smi", "make", "flock", "setsid")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the scripts alone, and programs that leave a mark when they are called."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    for name in PROGRAMS:
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/called-{name}\n")
        program.chmod(0o755)
    return tmp_path


def script(place: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([place / "scripts" / name, *arguments], cwd=place, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("argument", ["--help", "-h"])
def test_help_is_shown_and_calls_nothing(place, name, argument):
    done = script(place, name, argument)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"usage: scripts/{name} ")
    assert {path.name for path in place.iterdir()} == {"scripts", "bin"}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("arguments", [["--fast"], ["now"], ["--help", "--fast"], ["--tag", "--tag"], ["--foreground", "x"]])
def test_unknown_arguments_are_refused(place, name, arguments):
    done = script(place, name, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"usage: scripts/{name} ")
    assert done.stderr.endswith(f"error: unknown arguments: {' '.join(arguments)}\n")
    assert {path.name for path in place.iterdir()} == {"scripts", "bin"}
