"""A command that runs warm is as one that is started anew: folder, environment, output, status, signal."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warm_python import WarmPython

PROGRAM = """
import os, signal, sys
from pathlib import Path
print(sys.argv[1:], Path.cwd(), os.environ["WORD"], __name__)
print("trouble", file=sys.stderr)
how = sys.argv[-1]
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "raises":
    raise ValueError("a fault")
sys.exit({"status": 3, "text": "error: no", "none": None}[how])
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmPython]:
    with WarmPython() as python:
        yield python


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/program.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("start", [("-m", "package.program"), ("package/program.py",)])
@pytest.mark.parametrize(("how", "status"), [("status", 3), ("text", 1), ("none", 0), ("raises", 1), ("killed", -9)])
def test_a_warm_command_ends_as_a_new_one(warm, folder, start, how, status):
    command = ("python", *start, "a word", how)
    environment = os.environ | {"WORD": "held"}
    done = warm.run(folder, *command, environment=environment)
    assert done.returncode == status
    if how != "killed":  # which takes with it what Python holds back
        assert done.stdout == f"['a word', '{how}'] {folder.resolve()} held __main__\n"
        assert done.stderr.startswith("trouble\n")
    assert ("ValueError: a fault" in done.stderr) == (how == "raises")
    assert ("error: no" in done.stderr) == (how == "text")


def test_a_module_of_ours_is_that_of_its_own_folder_each_time(warm, tmp_path):
    for word in ("one", "other"):
        (tmp_path / word / "src").mkdir(parents=True)
        (tmp_path / word / "src/said.py").write_text(f"word = {word!r}")
        (tmp_path / word / "src/say.py").write_text("from src.said import word\nprint(word)")
        assert warm.run(tmp_path / word, "python", "-m", "src.say", environment=os.environ).stdout == f"{word}\n"


def test_what_one_command_has_loaded_the_next_need_not_load(warm, tmp_path):
    assert "wave" not in sys.modules
    (tmp_path / "program.py").write_text("import sys\nprint('wave' in sys.modules)\nimport wave\n")
    said = [warm.run(tmp_path, "python", "program.py", environment=os.environ).stdout for _ in range(2)]
    assert said == ["False\n", "True\n"]


def test_any_other_command_runs_as_ever(warm, tmp_path):
    done = warm.run(tmp_path, "sh", "-c", "pwd; exit 4", environment=os.environ)
    assert (done.returncode, done.stdout) == (4, f"{tmp_path.resolve()}\n")
