"""What a stage reads must not change while it runs: each kind of edit is found, and nothing else is."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from src.core import unchanged
from src.core.errors import InputError
from src.core.files import atomic_folder, write_text
from src.core.journal import Journal
from src.core.pipeline import Param, StageEntry
from src.core.unchanged import Snapshot, Watch, check_unchanged, hand_over, look, take_over, watch_stage

ROOT = Path(__file__).parents[2]
PIPELINE = """
stages:
  first:
    cmd: python first.py --profile ${profile}
    deps: [src/first.py, params.yaml]
    params: [seed, 'profiles/${profile}.yaml': [train]]
    outs: [data/first.txt]
  second:
    foreach: {left: {model: models/left}, right: {model: models/right}}
    do:
      cmd: python second.py ${key}
      deps: [src/second.py, data/first.txt, '${item.model}']
      params: [dpo]
      outs: ['outputs/${key}.txt']
      metrics:
        - metrics/${key}.json: {cache: false}
"""
PARAMS = "profile: small\nseed: 0\ndpo: {beta: 0.1, lora: {r: 4, names: [a, b]}}\nother: 1\n"
PROFILE = "train: {epochs: 3}\nother: 1\n"


@pytest.fixture(autouse=True)
def nothing_is_watched_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged, "_watch", None)


@pytest.fixture(autouse=True)
def an_edit_may_be_set_back_in_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged, "SETTLE_SECONDS", 0.2)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two stages, before a run; nothing of it is younger than this second."""
    files = {
        "dvc.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "profiles/small.yaml": PROFILE,
        "src/first.py": "1\n",
        "src/second.py": "2\n",
        "data/first.txt": "x" * 2_000_000,  # longer than what is hashed
        "models/left/weights": "l",
        "models/right/weights": "r",
    }
    for name, text in files.items():
        put(tmp_path / name, text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    time.sleep(0.02)  # a tick of the clock by which files are dated
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def replaced(path: str, old: str, new: str) -> Callable[[], None]:
    def edit() -> None:
        text = Path(path).read_text()
        assert old in text
        Path(path).write_text(text.replace(old, new))

    return edit


SECOND = "second@left"
EDITS = {
    "a value": (replaced("params.yaml", "beta: 0.1", "beta: 0.2"), "params.yaml: dpo.beta was 0.1, and is 0.2 (written at "),
    "a value of a section in it": (replaced("params.yaml", "r: 4", "r: 8"), "params.yaml: dpo.lora.r was 4, and is 8 ("),
    "an item of a list": (replaced("params.yaml", "[a, b]", "[a]"), 'params.yaml: dpo.lora.names was ["a", "b"], and is ["a"] ('),
    "a key that is gone": (replaced("params.yaml", "beta: 0.1, ", ""), "params.yaml: dpo.beta was 0.1, and is missing ("),
    "a key that is new": (replaced("params.yaml", "beta: 0.1", "beta: 0.1, b: 1"), "params.yaml: dpo.b was missing, and is 1 ("),
    "a section that is gone": (replaced("params.yaml", "dpo:", "dpp:"), "params.yaml: dpo.beta was 0.1, and is missing ("),
    "params that are broken": (replaced("params.yaml", "dpo: {", "dpo: {{"), "params.yaml: dpo.beta was 0.1, and is missing ("),
    "params that are gone": (lambda: Path("params.yaml").unlink(), "params.yaml: dpo.beta was 0.1, and is missing (it is gone)"),
    "code": (replaced("src/second.py", "2", "3"), "src/second.py: it has another content (written at "),
    "code that is gone": (lambda: Path("src/second.py").unlink(), "src/second.py: it has another content (it is gone)"),
    "a long input": (replaced("data/first.txt", "x", "y"), "data/first.txt: it has another content (written at "),
    "a file of a folder": (replaced("models/left/weights", "l", "m"), "models/left: it has another content (written at "),
    "a file more in a folder": (lambda: put(Path("models/left/more"), ""), "models/left: it has another content (written at "),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_what_a_stage_reads_is_told_with_its_time(checkout, edit):
    watch_stage(SECOND, None, time.time())
    check_unchanged()
    change, words = EDITS[edit]
    change()
    with pytest.raises(InputError) as error:
        check_unchanged()
    first, *changes, cure = str(error.value).splitlines()
    assert first.startswith("stage second@left began at ")
    assert any(line.startswith(f"- {words}") for line in changes), changes
    assert "set the change back and run `dvc repro` to go on with it" in cure


NO_EDITS = {
    "another section": replaced("params.yaml", "other: 1", "other: 2"),
    "a comment": replaced("params.yaml", "seed: 0", "seed: 0  # of all"),
    "another way to write a value": replaced("params.yaml", "beta: 0.1", "beta: 0.10"),
    "a section of the profile": replaced("profiles/small.yaml", "epochs: 3", "epochs: 4"),
    "the profile's name": replaced("params.yaml", "profile: small", "profile: large"),
    "code of another stage": replaced("src/first.py", "1", "4"),
    "another instance's input": replaced("models/right/weights", "r", "s"),
    "code written again as it was": lambda: put(Path("src/second.py"), "2\n"),
    "params written again as they were": lambda: put(Path("params.yaml"), PARAMS),
}


@pytest.mark.parametrize("edit", NO_EDITS)
def test_an_edit_of_anything_else_is_nothing_to_the_stage(checkout, edit):
    watch_stage(SECOND, None, time.time())
    NO_EDITS[edit]()
    check_unchanged()


def test_every_edit_is_told_at_once(checkout):
    watch_stage("first", "small", time.time())
    replaced("params.yaml", "seed: 0", "seed: 7")()
    replaced("profiles/small.yaml", "epochs: 3", "epochs: 4")()
    with pytest.raises(InputError) as error:
        check_unchanged()
    told = str(error.value)
    assert "params.yaml: seed was 0, and is 7" in told and "profiles/small.yaml: train.epochs was 3, and is 4" in told
    assert "params.yaml: it has another content" in told  # `first` depends on the whole file too


def test_an_edit_that_is_set_back_at_once_is_none(checkout):
    """As by DVC, which puts edits that are not committed away for a moment when an experiment is queued."""
    watch_stage(SECOND, None, time.time())
    replaced("params.yaml", "beta: 0.1", "beta: 0.2")()
    setting_back = Timer(0.05, replaced("params.yaml", "beta: 0.2", "beta: 0.1"))
    setting_back.start()
    check_unchanged()
    setting_back.join()


def test_nothing_is_watched_where_dvc_runs_no_stage(checkout):
    replaced("params.yaml", "beta: 0.1", "beta: 0.2")()
    check_unchanged()
    write_text(Path("outputs/left.txt"), "done")


# --- what is held back, and what is kept ---


def test_no_output_appears_after_an_edit_but_work_is_kept(checkout):
    watch_stage(SECOND, None, time.time())
    replaced("src/second.py", "2", "3")()
    with pytest.raises(InputError, match="src/second.py"):
        write_text(Path("outputs/left.txt"), "done")
    with pytest.raises(InputError, match="src/second.py"), atomic_folder(Path("outputs/left")) as folder:
        put(folder / "weights", "done")
    assert list(Path("outputs").iterdir()) == []
    write_text(Path(".work/second/key/left.txt"), "done")
    assert Path(".work/second/key/left.txt").exists()


def test_a_journal_takes_no_piece_that_may_be_of_edited_code(checkout):
    with Journal(checkout / "texts.jsonl") as journal:
        watch_stage(SECOND, None, time.time())
        replaced("src/second.py", "2", "3")()
        with pytest.raises(InputError, match="src/second.py"):
            journal.add("a", ["text"])
        assert journal.pieces == {}


def test_code_that_was_written_while_it_was_loaded_is_refused(checkout):
    began = time.time()
    time.sleep(0.02)
    put(Path("src/second.py"), "2\n")
    with pytest.raises(InputError, match="src/second.py was written while stage second@left began"):
        watch_stage(SECOND, None, began)


def test_processes_of_a_stage_watch_what_the_stage_has_seen(checkout, monkeypatch):
    hand_over(Path("snapshot.json"))
    assert not Path("snapshot.json").exists()  # there is no stage
    watch_stage(SECOND, None, time.time())
    hand_over(Path("snapshot.json"))
    monkeypatch.setattr(unchanged, "_watch", None)
    take_over(Path("snapshot.json"))
    check_unchanged()
    replaced("params.yaml", "beta: 0.1", "beta: 0.2")()
    with pytest.raises(InputError, match="dpo.beta was 0.1, and is 0.2"):
        check_unchanged()


STAGE = """
import atexit
from pathlib import Path
from src.stages import run_stage

def main():
    Path("outputs").mkdir()
    Path("metrics").mkdir()
    for name in ("outputs/left.txt", "metrics/left.json"):
        Path(name).write_text('{{"left": 1}}')
    print("worked")
    atexit.register({edit})

run_stage(main)
"""


@pytest.mark.parametrize(
    ("edit", "status"),
    [("lambda: Path('src/second.py').write_text('3')", 1), ("lambda: Path('src/first.py').write_text('3')", 0)],
)
def test_the_last_look_comes_after_all_that_libraries_do_at_the_end(checkout, edit, status):
    environment = os.environ | {"DVC_STAGE": SECOND, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STAGE.format(edit=edit)]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert re.fullmatch(
        r"worked\nsecond@left: [0-9.]+ s; wrote\nsecond@left: outputs/left.txt   0.0 kB\n"
        r"second@left: metrics/left.json  0.0 kB  left 1\n",
        done.stdout,
    )
    assert ("error: stage second@left began at " in done.stderr) == bool(status)


def test_a_stage_that_would_write_through_a_link_is_refused(checkout, tmp_path_factory):
    (checkout / "outputs").symlink_to(tmp_path_factory.mktemp("disk"))
    environment = os.environ | {"DVC_STAGE": SECOND, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STAGE.format(edit="print")]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: folders: outputs is a link to ") and "dvc cache dir --local" in done.stderr


# --- between the stages of one run ---


def test_a_later_stage_of_a_run_refuses_params_and_code_that_were_edited_since_it_began(checkout):
    watch_stage("first", "small", time.time())
    replaced("params.yaml", "beta: 0.1", "beta: 0.2")()
    replaced("src/second.py", "2", "3")()
    time.sleep(0.02)
    with pytest.raises(InputError) as error:
        watch_stage(SECOND, None, time.time())
    told = str(error.value)
    assert told.startswith("this run of DVC began at ") and "what stage second@left reads has been changed since:" in told
    assert "params.yaml: dpo.beta was 0.1, and is 0.2" in told and "src/second.py: it has another content" in told
    replaced("params.yaml", "beta: 0.2", "beta: 0.1")()
    replaced("src/second.py", "3", "2")()
    time.sleep(0.02)
    watch_stage(SECOND, None, time.time())


def test_a_later_stage_reads_what_an_earlier_one_wrote_and_other_edits_are_nothing_to_it(checkout):
    watch_stage("first", "small", time.time())
    replaced("data/first.txt", "x", "z")()
    replaced("params.yaml", "seed: 0", "seed: 7")()
    replaced("profiles/small.yaml", "epochs: 3", "epochs: 4")()
    watch_stage(SECOND, None, time.time())


def test_another_run_of_dvc_begins_with_what_is_there(checkout, monkeypatch):
    watch_stage("first", "small", time.time())
    (note,) = (checkout / ".work/runs").iterdir()
    note.rename(note.with_name(f"{2**22 + 1}-0.00-0.json"))  # of a process that has ended
    replaced("params.yaml", "beta: 0.1", "beta: 0.2")()
    watch_stage(SECOND, None, time.time())
    assert [path.name for path in (checkout / ".work/runs").iterdir()] == [note.name]


def test_a_corrupt_note_of_the_run_is_one_error(checkout):
    watch_stage("first", "small", time.time())
    (note,) = (checkout / ".work/runs").iterdir()
    note.write_text(note.read_text()[:100])
    with pytest.raises(InputError, match=r"\.work/runs/.* is corrupt .*; remove it, and run `dvc repro` again"):
        watch_stage(SECOND, None, time.time())


# --- the look itself ---


def test_a_look_is_not_repeated_where_nothing_was_written(checkout, monkeypatch):
    entry = StageEntry(("src/second.py",), (Param("params.yaml", "dpo"),), ())
    watch = Watch(Snapshot("second", time.time(), entry, look(entry)))
    watch.check()
    monkeypatch.setattr(unchanged, "look", lambda _: pytest.fail("looked again"))
    watch.check()
    os.utime("src/second.py")
    with pytest.raises(pytest.fail.Exception):
        watch.check()
