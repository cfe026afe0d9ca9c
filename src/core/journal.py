"""Work that survives a kill: finished pieces of a stage, kept until the same stage runs again.

A stage's work lies in .work/<stage>/<key>/ of the DVC repository. The key is a digest of what decides the result: settings,
contents of the inputs, the code that computes it, versions of the packages that do. So work is never taken for another's, an
edit of any other code keeps it, and experiments in folders of their own share it. Removing .work at any time but during a run
loses nothing but time.
"""

import fcntl
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from src.core.errors import InputError
from src.core.files import WORK, atomic_folder, read_json, write_json
from src.core.processor import second_level_cache
from src.core.records import read_metrics, write_metrics
from src.core.unchanged import check_unchanged

SYNC_SECONDS = 5  # after a power cut, that much of the work is done again; after a kill, none
CHECK_SECONDS = 1  # between looks for an edit of what the stage reads: each takes as long as it takes to keep ten pieces
JSON = str | int | float | bool | None | Sequence["JSON"]
SOURCES = Path(__file__).resolve().parents[1]
CHECKSUMS = "checksum.json"  # of a folder: the digest of each of its files
M = TypeVar("M")


# --- what the work depends on ---


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """The digest of each file below a folder, by its path there. InputError if there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such checkpoint; run the stage that writes it (`dvc repro`)")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


@dataclass(frozen=True)
class Dependencies:
    """What decides a result, and nothing else.

    settings   texts and numbers, in an order of the stage's own
    inputs     files and folders whose contents count
    code       modules of ours that compute the result, by their path below src
    packages   distributions whose versions count
    """

    settings: Sequence[JSON]
    inputs: Sequence[Path]
    code: Sequence[str]
    packages: Sequence[str]

    def key(self) -> str:
        """Sixteen hexadecimal digits that no other dependencies have.

        InputError if what the stage reads was edited since it began: what it has read would be kept under the edit's key.
        """
        everything = {
            "settings": self.settings,
            "inputs": [folder_digests(path) if path.is_dir() else file_digest(path) for path in self.inputs],
            "code": {name: file_digest(SOURCES / name) for name in self.code},
            "versions": {name: installed_version(name) for name in self.packages},
            "machine": _machine_kind(),
        }
        check_unchanged()
        return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:16]


def installed_version(name: str) -> str | None:
    """The version of an installed distribution, None where there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine_kind() -> Sequence[str]:
    """All of the machine on which the last bits of a result depend: instructions, second-level cache, number of threads."""
    import torch  # loaded by every stage that keeps a journal

    if torch.cuda.is_available():
        device = [torch.cuda.get_device_name()]
    else:
        instructions = sorted(name for name, has in torch.cpu.get_capabilities().items() if has is True)
        device = [*instructions, f"cache: {second_level_cache()}", f"threads: {torch.get_num_threads()}"]
    return [platform.python_version(), platform.machine(), *device]


# --- where it lies ---


@contextmanager
def work_folder(stage: str, depends_on: Dependencies) -> Iterator[Path]:
    """The folder of this stage's work for exactly these dependencies, held against other runs.

    Waits, and says for whom, while another process holds it.
    """
    folder = Path(os.environ.get("DVC_ROOT", ".")) / WORK / stage / depends_on.key()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            print(f"{stage}: waiting for process {lock.read() or '(unknown)'}, which does the same work", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(f"{os.getpid()} on {platform.node()}")
        lock.flush()
        yield folder


# --- finished folders ---


def write_checksums(folder: Path) -> None:
    """Write into a folder, once it is complete, the digests of its files."""
    write_json(folder / CHECKSUMS, folder_digests(folder))


def is_intact(folder: Path) -> bool:
    """Whether a folder is as its checksums say; one that was being written, or of which a bit has turned, is not."""
    if not (folder / CHECKSUMS).is_file():
        return False
    try:
        checksums = read_json(folder / CHECKSUMS)
    except InputError:  # the checksums themselves are corrupt
        return False
    return {name: digest for name, digest in folder_digests(folder).items() if name != CHECKSUMS} == checksums


def make_once(work: Path, folder: Path, wanted: type[M], make: Callable[[], M]) -> M:
    """What `make` returns, a dataclass `wanted`, and the files that it puts into `folder`.

    Both are kept in the work folder and taken from there the next time: an edit of code that the result does not depend on
    runs a stage again, and must not train again. A kept result that is not intact is made again.
    """
    kept = work / "finished"
    if is_intact(kept):
        print(f"{work.parent.name}: taken from {kept}: the same result was made before (remove it to make it anew)", flush=True)
        shutil.copytree(kept / "files", folder, dirs_exist_ok=True)
        return read_metrics(kept / "result.json", wanted)
    result = make()
    with atomic_folder(kept) as new:
        shutil.copytree(folder, new / "files")
        write_metrics(new / "result.json", result)
        write_checksums(new)
    return result


# --- finished pieces ---


@dataclass(frozen=True)
class Kept:
    """What a journal's file holds: pieces by key, and how many lines are corrupt (cut short, or not as they were written)."""

    pieces: dict[str, list[JSON]]
    corrupt: int


def read_pieces(path: Path) -> Kept:
    """The content of a journal's file; nothing where there is none."""
    pieces, corrupt = {}, 0
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        checksum, _, content = line.partition(b" ")
        if line and checksum == _checksum(content):
            key, piece = json.loads(content)
            pieces[key] = piece
        else:
            corrupt += bool(line)
    return Kept(pieces, corrupt)


class Journal:
    """Finished pieces by key, in one file to which lines are only ever added, each with the checksum of what it says.

    A corrupt line is as if it had not been written. One process at a time: it holds the folder's lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        kept = read_pieces(path)
        self.pieces, self.corrupt = kept.pieces, kept.corrupt
        self._file = path.open("a+b")
        if self._file.tell():
            self._file.seek(-1, os.SEEK_END)
            if self._file.read() != b"\n":
                self._file.write(b"\n")  # ends the line that was cut short
        self._synced = time.monotonic()
        self._checked = -math.inf  # when the first piece comes, all that makes it has been loaded

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, key: str, piece: list[JSON]) -> None:
        """Keep a piece (a list of anything that JSON holds) under a key; InputError if what the stage reads was edited."""
        if time.monotonic() - self._checked > CHECK_SECONDS:
            check_unchanged()
            self._checked = time.monotonic()
        content = json.dumps([key, piece]).encode()
        self._file.write(_checksum(content) + b" " + content + b"\n")
        self._file.flush()  # to the operating system, which outlives this process
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()
        self.pieces[key] = piece


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:16].encode()
