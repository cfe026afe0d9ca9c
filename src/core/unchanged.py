"""What a stage reads must not change while it runs.

A stage reads params, code and inputs when it begins, and DVC hashes them when it has ended. An edit in between would be filed
with a result that it had no part in. So a stage looks at all that dvc.yaml says of it when it begins, and again whenever work
is to be kept or an output is to appear; a difference is one error. And the first stage of a run of DVC notes the params and the
code of all stages: a later one that would run under others says so instead.

Nothing here changes a result.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from src.core.errors import InputError
from src.core.files import WORK, check_before_outputs, write_text
from src.core.params import load_value, read_yaml
from src.core.pipeline import StageEntry, all_entries, stage_entry
from src.core.shapes import check_json

MAX_HASHED = 1_000_000  # bytes; of a longer file size, time and place on the disk are compared, as DVC does
# In which an edit may be set back. DVC puts edits that are not committed away for half a second when an experiment is queued.
SETTLE_SECONDS = 2
SHELLS = ("sh", "bash", "dash", "zsh", "fish", "ksh")
MISSING = "missing"
UNREADABLE = "(all)"  # stands for a key where a file of params is broken
# What to do when something was edited under a stage, and under a run.
STAGE_CURE = (
    "No more outputs are written, since DVC would file them under what is there now. Finished work is kept: set the change back "
    "and run `dvc repro` to go on with it, or run `dvc repro` to make it anew with the change."
)
RUN_CURE = (
    "The stages before it ran without the change, and are kept. Set it back and run `dvc repro` to end the run under the "
    "settings with which it began, or run `dvc repro` to go on with the change."
)


@dataclass(frozen=True)
class Seen:
    """One thing that a stage reads, as it was seen.

    key      of a file of params, to one value; None for a whole file or folder
    content  the value as JSON, or a digest
    """

    file: str
    key: str | None
    content: str


@dataclass(frozen=True)
class Snapshot:
    """All that a stage reads, as it was seen when it began (seconds since 1970)."""

    stage: str
    began: float
    entry: StageEntry
    seen: tuple[Seen, ...]


# --- looking ---


def look(entry: StageEntry) -> tuple[Seen, ...]:
    """Everything that the entry of a stage names as it is now."""
    files = [Seen(file, None, _file_content(Path(file))) for file in entry.deps]
    by_file: dict[str, list[str]] = {}
    for param in entry.params:
        by_file.setdefault(param.file, []).append(param.key)
    return (*files, *(seen for file, keys in by_file.items() for seen in _values(file, keys)))


def _file_content(path: Path) -> str:
    try:
        if path.is_file() and path.stat().st_size <= MAX_HASHED:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        return signature(path)
    except FileNotFoundError:  # between two looks at it
        return MISSING


def signature(path: Path) -> str:
    """Size, time of writing and place on the disk of a file, or of all files of a folder."""
    if not path.exists():
        return MISSING
    files = sorted(inner for inner in path.rglob("*") if inner.is_file()) if path.is_dir() else [path]
    stats = [(file.as_posix(), found.st_size, found.st_mtime_ns, found.st_ino) for file in files for found in [file.stat()]]
    return hashlib.sha256(repr(stats).encode()).hexdigest()


def _values(file: str, keys: Iterable[str]) -> Iterator[Seen]:
    """The values below these keys of a file of params, one by one."""
    try:
        content: Any = read_yaml(Path(file))
    except InputError as error:  # the stage itself tells it, or an editor is about to write it
        yield Seen(file, UNREADABLE, f"broken: {error}")
        return
    for key in keys:
        value = content
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        for path, leaf in _leaves(key, value):
            yield Seen(file, path, json.dumps(leaf, default=str))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    else:
        yield path, value


# --- the stage of this process ---


class Watch:
    """What the stage of this process reads, against what it has seen of it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._files = sorted({*snapshot.entry.deps, *(param.file for param in snapshot.entry.params)})
        self._signatures: list[str] = []  # of the files when they last were as seen

    def check(self) -> None:
        """InputError, with a line for each, if anything is not as the stage has seen it. Quick where nothing was written."""
        signatures = [signature(Path(file)) for file in self._files]
        if signatures == self._signatures:
            return
        if self._changes():
            time.sleep(SETTLE_SECONDS)
        if changes := self._changes():
            began = clock(self.snapshot.began)
            head = f"stage {self.snapshot.stage} began at {began}, and what it read then has been changed since:"
            raise InputError("\n".join([head, *changes, STAGE_CURE]))
        self._signatures = signatures

    def _changes(self) -> list[str]:
        return list(differences(self.snapshot.seen, look(self.snapshot.entry)))


_watch: Watch | None = None  # of this process, which runs one stage


def check_unchanged() -> None:
    """InputError if what the stage of this process reads is not as it was when it began; nothing where DVC runs no stage."""
    if _watch is not None:
        _watch.check()


def watch_stage(stage: str, profile: str | None, began: float) -> StageEntry:
    """Begin to watch the stage of this process, and return its entry.

    stage    DVC_STAGE
    profile  as the command line names it
    began    seconds since 1970, before any of our code but this was loaded

    Raises InputError if code was written while it was loaded, or if params or code are not those of the run's beginning.
    """
    entry = stage_entry(stage, profile)
    snapshot = Snapshot(stage, began, entry, look(entry))
    for file in (Path(file) for file in entry.deps if file.endswith(".py")):
        if file.exists() and file.stat().st_ctime > began:
            raise InputError(f"{file} was written while stage {stage} began, and may be half loaded; run `dvc repro` again")
    _check_run(snapshot, profile)
    _begin(snapshot)
    return entry


def _begin(snapshot: Snapshot) -> None:
    global _watch
    _watch = Watch(snapshot)
    check_before_outputs(check_unchanged)


def hand_over(file: Path) -> None:
    """Leave in a file what the stage of this process has seen, for the processes that it starts; see `take_over`."""
    if _watch is None:
        file.unlink(missing_ok=True)
    else:
        write_text(file, json.dumps(asdict(_watch.snapshot)))


def take_over(file: Path) -> None:
    """Watch, in a process that a stage has started, what the stage has seen."""
    if file.exists():
        _begin(_read(file))


def _read(file: Path) -> Snapshot:
    try:
        return check_json(Snapshot, file.read_bytes())
    except ValueError as error:  # no JSON, or Faults
        raise InputError(f"{file} is corrupt ({error}); remove it, and run `dvc repro` again: finished work is kept") from error


def differences(before: Iterable[Seen], now: Iterable[Seen]) -> Iterator[str]:
    """A line for each thing that is not as it was, with the time at which its file was written."""
    old, new = ({(seen.file, seen.key): seen.content for seen in every} for every in (before, now))
    for file, key in {**old, **new}:
        was, is_now = old.get((file, key), MISSING), new.get((file, key), MISSING)
        if was == is_now:
            continue
        path = Path(file)
        written = f"written at {clock(path.stat().st_mtime)}" if path.exists() else "it is gone"
        if key is None:
            yield f"- {file}: it has another content ({written})"
        else:
            yield f"- {file}: {key} was {brief(was)}, and is {brief(is_now)} ({written})"


def brief(content: str) -> str:
    return content if len(content) <= 60 else f"{content[:57]}..."


def clock(seconds: float) -> str:
    """A moment as the clock on the wall shows it."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


# --- the run of DVC that the stage is part of ---


def _check_run(snapshot: Snapshot, profile: str | None) -> None:
    """InputError if the stage would run under params or code that are not those of the run's first stage; that one notes them."""
    note = _run_note()
    if not note.exists():
        every = _entry_of_all(profile)
        write_text(note, json.dumps(asdict(Snapshot(snapshot.stage, snapshot.began, every, look(every)))))
        return
    first = _read(note)
    noted = {seen.file for seen in first.seen}  # no output of a stage is
    before = [seen for seen in first.seen if _concerns(snapshot.entry, seen)]
    now = [seen for seen in snapshot.seen if seen.file in noted]
    if changes := list(differences(before, now)):
        head = f"this run of DVC began at {clock(first.began)}, and what stage {snapshot.stage} reads has been changed since:"
        raise InputError("\n".join([head, *changes, RUN_CURE]))


def _concerns(entry: StageEntry, seen: Seen) -> bool:
    """Whether a stage reads that."""
    if seen.key is None:
        return seen.file in entry.deps
    sections = [param.key for param in entry.params if param.file == seen.file]
    return any(seen.key in (section, UNREADABLE) or seen.key.startswith(f"{section}.") for section in sections)


def _entry_of_all(profile: str | None) -> StageEntry:
    """Params and code of all stages; what one stage writes for another is left out."""
    entries = all_entries(profile or load_value("profile", str))
    outs = {out for entry in entries for out in entry.outs}
    deps = {dep: None for entry in entries for dep in entry.deps if dep not in outs}
    params = {param: None for entry in entries for param in entry.params}
    return StageEntry(tuple(deps), tuple(params), ())


def _run_note() -> Path:
    """The file for the run of DVC that started this process, in this checkout; those of runs that have ended are removed."""
    runner = psutil.Process().parent()
    while runner is not None and runner.name() in SHELLS:  # those that stay beside the command that they run
        runner = runner.parent()
    if runner is None:
        raise InputError("the DVC that started this stage has ended; run `dvc repro` again")
    folder = Path(os.environ.get("DVC_ROOT", ".")) / WORK / "runs"
    for note in folder.glob("[0-9]*-*.json"):
        if not psutil.pid_exists(int(note.name.partition("-")[0])):
            note.unlink(missing_ok=True)
    checkout = hashlib.sha256(str(Path.cwd()).encode()).hexdigest()[:8]
    return folder / f"{runner.pid}-{runner.create_time():.2f}-{checkout}.json"
