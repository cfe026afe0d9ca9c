"""What was finished is kept, whatever happens to the process, to the file, or to what the work depends on."""

import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from src.core import journal as journal_module
from src.core.errors import InputError
from src.core.journal import (
    CHECKSUMS,
    Dependencies,
    Journal,
    Kept,
    file_digest,
    folder_digests,
    installed_version,
    make_once,
    read_pieces,
    work_folder,
)
from src.core.processor import second_level_cache

PIECES = {f"key {number}": [f"text {number} \u00e9\u2028\n\x00", number, "stop"] for number in range(20)}
ROOT = Path(__file__).parents[2]


def write(path: Path) -> Path:
    with Journal(path) as journal:
        for key, piece in PIECES.items():
            journal.add(key, piece)
    return path


def test_what_was_added_is_there_the_next_time(tmp_path):
    path = write(tmp_path / "texts.jsonl")
    assert read_pieces(path) == Kept(PIECES, corrupt=0)
    assert read_pieces(tmp_path / "none") == Kept({}, corrupt=0)
    with Journal(path) as journal:
        assert (journal.pieces, journal.corrupt) == (PIECES, 0)


def test_a_piece_that_is_added_again_is_the_later_one(tmp_path):
    with Journal(tmp_path / "texts.jsonl") as journal:
        journal.add("key", ["first"])
        journal.add("key", ["second"])
        assert journal.pieces == {"key": ["second"]}
    assert read_pieces(tmp_path / "texts.jsonl") == Kept({"key": ["second"]}, corrupt=0)


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_loses_what_was_cut_and_what_comes_after_is_kept(tmp_path, seed):
    path = write(tmp_path / "texts.jsonl")
    size = random.Random(seed).randrange(path.stat().st_size)
    whole_lines = path.read_bytes()[:size].count(b"\n")
    os.truncate(path, size)
    with Journal(path) as journal:
        assert whole_lines <= len(journal.pieces) <= whole_lines + 1
        assert journal.pieces.items() <= PIECES.items()
        journal.add("later", [1])
    assert read_pieces(path).pieces["later"] == [1]


@pytest.mark.parametrize("seed", range(50))
def test_a_turned_bit_loses_two_pieces_at_the_most_and_changes_none(tmp_path, seed):
    path = write(tmp_path / "texts.jsonl")
    data, draw = bytearray(path.read_bytes()), random.Random(seed)
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)
    kept = read_pieces(path)
    assert len(kept.pieces) >= len(PIECES) - 2  # two, where the end of a line is no longer one
    assert kept.pieces.items() <= PIECES.items() and kept.corrupt >= 1


@pytest.mark.parametrize(
    "line", [b"x", b" ", b'["key 1", [2]]', b"0123456789abcdef", b'0123456789abcdef ["key 1", [2]]', b"\xff\x00"]
)
def test_a_line_without_its_checksum_is_corrupt_and_changes_no_piece(tmp_path, line):
    path = write(tmp_path / "texts.jsonl")
    path.write_bytes(path.read_bytes() + line + b"\n")
    assert read_pieces(path) == Kept(PIECES, corrupt=1)
    with Journal(path) as journal:
        assert journal.corrupt == 1
        journal.add("later", [1])
    assert read_pieces(path) == Kept({**PIECES, "later": [1]}, corrupt=1)


def test_a_writer_that_is_killed_loses_nothing_that_it_had_added(tmp_path):
    code = (
        "import os, signal\nfrom pathlib import Path\nfrom src.core.journal import Journal\n"
        f"with Journal(Path({str(tmp_path / 'texts.jsonl')!r})) as journal:\n"
        "    for number in range(1000):\n        journal.add(str(number), [number])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -signal.SIGKILL
    assert len(read_pieces(tmp_path / "texts.jsonl").pieces) == 1000


# --- what the work depends on ---


@pytest.fixture
def work(tmp_path, monkeypatch) -> Dependencies:
    """Dependencies on a file, a folder, two modules and two installed packages, all below tmp_path."""
    contents = {
        "inputs/questions.jsonl": "one question",
        "inputs/base/config.json": "{}",
        "inputs/base/sub/weights": "1 2 3",
        "src/engines/engine.py": "print(1)",
        "src/core/files.py": "print(2)",
        "src/report/page.py": "print(3)",
    }
    versions = {"decoder": "1.0", "tokens": "2.0", "pages": "3.0"}
    contents |= {
        f"site/{name}-{version}.dist-info/METADATA": f"Name: {name}\nVersion: {version}\n" for name, version in versions.items()
    }
    for path, content in contents.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    monkeypatch.setattr(journal_module, "SOURCES", tmp_path / "src")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return Dependencies(
        settings=["float32", 0, 5e-5, None],
        inputs=[tmp_path / "inputs/questions.jsonl", tmp_path / "inputs/base"],
        code=["engines/engine.py", "core/files.py"],
        packages=["decoder", "tokens"],
    )


def test_a_key_is_sixteen_digits_and_always_the_same(work):
    assert len(work.key()) == 16 and set(work.key()) <= set("0123456789abcdef")
    assert work.key() == work.key() == replace(work).key()


@pytest.mark.parametrize(
    "settings",
    [
        ["bfloat16", 0, 5e-5, None],
        ["float32", 1, 5e-5, None],
        ["float32", 0, 6e-5, None],
        ["float32", 0, 5e-5, 0],
        ["float32", False, 5e-5, None],
        ["float32", 0, 5e-5],
        [0, "float32", 5e-5, None],
        [],
    ],
)
def test_other_settings_have_another_key(work, settings):
    assert replace(work, settings=settings).key() != work.key()


def changed(work: Dependencies, path: Path, text: str | None) -> bool:
    """Whether the key is another when a file has another text, or is gone."""
    before = work.key()
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    return work.key() != before


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("inputs/questions.jsonl", "another question"),
        ("inputs/base/config.json", "{ }"),
        ("inputs/base/sub/weights", "1 2 4"),
        ("inputs/base/sub/weights", None),
        ("inputs/base/added", ""),
        ("src/engines/engine.py", "print(10)"),
        ("src/core/files.py", "print(2)  # a comment"),
        ("site/decoder-1.0.dist-info/METADATA", "Name: decoder\nVersion: 1.1\n"),
    ],
)
def test_another_content_of_what_is_named_has_another_key(work, tmp_path, path, text):
    assert changed(work, tmp_path / path, text)


def test_a_package_that_is_not_there_any_more_has_another_key(work):
    assert installed_version("decoder") == "1.0" and installed_version("no-such-package") is None
    assert replace(work, packages=["decoder", "no-such-package"]).key() != work.key()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/report/page.py", "print(30)"),
        ("src/report/page.py", None),
        ("src/new.py", "print(4)"),
        ("inputs/other", "a file beside the inputs"),
        ("site/pages-3.0.dist-info/METADATA", "Name: pages\nVersion: 3.1\n"),
    ],
)
def test_what_is_not_named_leaves_the_key_alone(work, tmp_path, path, text):
    assert not changed(work, tmp_path / path, text)


def test_neither_the_order_of_names_nor_the_place_of_the_inputs_is_in_the_key(work, tmp_path, monkeypatch):
    assert replace(work, code=work.code[::-1], packages=work.packages[::-1]).key() == work.key()
    before = work.key()
    (tmp_path / "inputs").rename(tmp_path / "elsewhere")
    moved = replace(work, inputs=[tmp_path / "elsewhere/questions.jsonl", tmp_path / "elsewhere/base"])
    assert moved.key() == before
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert replace(work, inputs=[Path("questions.jsonl"), Path("base")]).key() == before
    os.utime("questions.jsonl", (0, 0))
    assert moved.key() == before


def test_what_an_input_is_for_is_in_the_key(work):
    assert replace(work, inputs=work.inputs[::-1]).key() != work.key()


@pytest.mark.parametrize("kind", ["machine", "python_version"])
def test_another_kind_of_machine_has_another_key(work, monkeypatch, kind):
    before = work.key()
    monkeypatch.setattr(f"platform.{kind}", lambda: "another")
    assert work.key() != before


@pytest.mark.parametrize(("what", "found"), [("torch.get_num_threads", 3), ("src.core.journal.second_level_cache", "1024K")])
def test_another_number_of_threads_or_another_cache_has_another_key(work, monkeypatch, what, found):
    """Training that went on with another number would give neither's bytes."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    before = work.key()
    monkeypatch.setattr(what, lambda: found)
    assert work.key() != before


def test_the_cache_is_as_linux_has_it(tmp_path):
    (tmp_path / "size").write_text("2048K\n")
    assert second_level_cache(tmp_path / "size") == "2048K"
    assert second_level_cache(tmp_path / "none") is None


def test_a_checkpoint_is_known_by_all_of_its_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_text("1")
    (tmp_path / "sub/b").write_text("2")
    before = folder_digests(tmp_path)
    assert before == {"a": file_digest(tmp_path / "a"), "sub/b": file_digest(tmp_path / "sub/b")}
    (tmp_path / "sub/b").write_text("3")
    assert folder_digests(tmp_path) != before
    with pytest.raises(InputError, match="none: no such checkpoint; run the stage that writes it"):
        folder_digests(tmp_path / "none")


# --- the folder ---


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def folder_of(depends_on: Dependencies, stage: str = "stage") -> Path:
    with work_folder(stage, depends_on) as folder:
        assert folder.is_dir()
        return folder


def test_the_same_dependencies_have_the_same_folder_and_any_other_another(repository, work):
    mine = folder_of(work)
    assert mine == repository / ".work/stage" / work.key()
    assert folder_of(replace(work)) == mine
    assert folder_of(replace(work, settings=[])) != mine != folder_of(work, stage="other")


def test_without_dvc_the_folder_is_below_the_working_folder(tmp_path, monkeypatch, work):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert folder_of(work).resolve() == tmp_path / ".work/stage" / work.key()


HOLDER = """
from src.core.journal import Dependencies, work_folder
with work_folder("stage", Dependencies(settings=[], inputs=[], code=[], packages=[])):
    print("mine", flush=True)
    input()
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


# --- finished folders ---


@dataclass(frozen=True)
class Made:
    steps: int


def make_in(work: Path, folder: Path, calls: list[int]) -> Made:
    """Put a file into a new folder by make_once, and note the call where it was made."""
    folder.mkdir()

    def make() -> Made:
        calls.append(1)
        (folder / "weights").write_text("some")
        return Made(steps=7)

    return make_once(work, folder, Made, make)


def test_a_finished_folder_is_made_once(tmp_path):
    calls: list[int] = []
    assert make_in(tmp_path / "work", tmp_path / "one", calls) == make_in(tmp_path / "work", tmp_path / "two", calls) == Made(7)
    assert calls == [1] and (tmp_path / "two/weights").read_text() == "some"
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["weights"]


@pytest.mark.parametrize("name", ["files/weights", "result.json", CHECKSUMS])
def test_a_finished_folder_in_which_a_bit_has_turned_is_made_again(tmp_path, name):
    calls: list[int] = []
    make_in(tmp_path / "work", tmp_path / "one", calls)
    kept = tmp_path / "work/finished" / name
    kept.write_bytes(bytes([kept.read_bytes()[0] ^ 1]) + kept.read_bytes()[1:])
    make_in(tmp_path / "work", tmp_path / "two", calls)
    assert calls == [1, 1] and (tmp_path / "two/weights").read_text() == "some"
    make_in(tmp_path / "work", tmp_path / "three", calls)
    assert calls == [1, 1], "what was made again is kept again"


def test_what_could_not_be_made_is_not_kept(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()

    def fail() -> Made:
        (folder / "weights").write_text("half")
        raise InputError("no memory")

    with pytest.raises(InputError, match="no memory"):
        make_once(tmp_path / "work", folder, Made, fail)
    assert not (tmp_path / "work").exists()
