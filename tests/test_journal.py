"""What was finished is kept, whatever happens to the process, to the file, or to what the work depends on."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from src.errors import InputError
from src.journal import Journal, code_digest, folder_digest, read_pieces, work_folder

PIECES = {f"key {number}": [f"text {number} \u00e9\u2028\n\x00", number, "stop"] for number in range(20)}
ROOT = Path(__file__).parents[1]


def write(path: Path) -> Path:
    with Journal(path) as journal:
        for key, piece in PIECES.items():
            journal.add(key, piece)
    return path


def test_what_was_added_is_there_the_next_time(tmp_path):
    assert read_pieces(write(tmp_path / "texts.jsonl")) == (PIECES, 0)
    assert read_pieces(tmp_path / "none") == ({}, 0)


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_loses_what_was_cut_and_what_comes_after_is_kept(tmp_path, seed):
    path = write(tmp_path / "texts.jsonl")
    size = random.Random(seed).randrange(path.stat().st_size)
    whole_lines = path.read_bytes()[:size].count(b"\n")
    os.truncate(path, size)
    with Journal(path) as journal:
        assert whole_lines <= len(journal.pieces) <= whole_lines + 1
        assert journal.pieces.items() <= PIECES.items()
        journal.add("later", 1)
    assert read_pieces(path)[0]["later"] == 1


@pytest.mark.parametrize("seed", range(50))
def test_a_turned_bit_loses_two_pieces_at_the_most_and_changes_none(tmp_path, seed):
    path = write(tmp_path / "texts.jsonl")
    data, draw = bytearray(path.read_bytes()), random.Random(seed)
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)
    pieces, spoiled = read_pieces(path)
    assert len(pieces) >= len(PIECES) - 2  # two, where the end of a line is no longer one
    assert pieces.items() <= PIECES.items() and spoiled >= 1


def test_a_writer_that_is_killed_loses_nothing_that_it_had_added(tmp_path):
    code = (
        "import os, signal\nfrom pathlib import Path\nfrom src.journal import Journal\n"
        f"with Journal(Path({str(tmp_path / 'texts.jsonl')!r})) as journal:\n"
        "    for number in range(1000):\n        journal.add(str(number), number)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -signal.SIGKILL
    assert len(read_pieces(tmp_path / "texts.jsonl")[0]) == 1000


# --- the folder ---


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def folder_of(depends_on: dict) -> Path:
    with work_folder("stage", depends_on) as folder:
        return folder


def test_the_same_dependencies_have_the_same_folder_and_any_other_another(repository):
    mine = folder_of({"seed": 0, "rate": 5e-5})
    assert mine.is_relative_to(repository / ".work/stage")
    assert folder_of({"rate": 5e-5, "seed": 0}) == mine
    assert folder_of({"seed": 1, "rate": 5e-5}) != mine != folder_of({"seed": 0, "rate": 6e-5})


def test_other_code_has_another_folder(repository, monkeypatch):
    mine = folder_of({})
    assert {"journal.py", "errors.py", "__init__.py"} <= code_digest().keys()
    monkeypatch.setattr("src.journal.code_digest", lambda: {"journal.py": "another"})
    assert folder_of({}) != mine


def test_a_checkpoint_is_known_by_all_of_its_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_text("1")
    (tmp_path / "sub/b").write_text("2")
    before = folder_digest(tmp_path)
    assert before.keys() == {"a", "sub/b"}
    (tmp_path / "sub/b").write_text("3")
    assert folder_digest(tmp_path) != before
    with pytest.raises(InputError, match="none: no such checkpoint; run the stage that writes it"):
        folder_digest(tmp_path / "none")


HOLDER = """
from src.journal import work_folder
with work_folder("stage", {}):
    print("mine", flush=True)
    input()
"""
STAGE = """
import time
import src
print("runs", flush=True)
time.sleep(600)
"""
PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]])
"""


def start(*code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", *code], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_second_run_of_the_same_work_waits_and_says_for_whom(repository):
    first = start(HOLDER)
    assert first.stdout.readline() == "mine\n"
    second = start(HOLDER)
    assert second.stdout.readline().startswith(f"stage: waiting for process {first.pid} on ")
    first.kill()
    assert second.stdout.readline() == "mine\n"
    second.communicate("\n")
    first.communicate()


def test_a_stage_ends_with_the_dvc_that_started_it(monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "sample")
    parent = start(PARENT, STAGE)
    assert parent.stdout.readline() == "runs\n"
    parent.kill()
    # The pipe ends when nobody holds it: the stage has gone too.
    assert parent.stdout.read() == ""
    parent.communicate()


def test_a_stage_that_is_started_by_hand_outlives_its_shell():
    parent = start(PARENT, STAGE.replace("600", "1") + 'print("ends", flush=True)')
    assert parent.stdout.readline() == "runs\n"
    parent.kill()
    assert parent.stdout.read() == "ends\n"
    parent.communicate()
