"""Work that survives a kill: finished pieces of a stage, kept until the same stage runs again.

A stage's work lies in .work/<stage>/<key>/ of the DVC repository, where the key is a digest of everything that changes the
result: settings, contents of the inputs, the code that is loaded, versions. So work is never taken for another's, and
experiments in folders of their own share it. Removing .work at any time but during a run loses nothing but time.
"""

import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from src.errors import InputError

SYNC_SECONDS = 5  # after a power cut, that much of the work is done again; after a kill, none
VERSIONS_OF = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers", "vllm")


# --- what the work depends on ---


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> dict[str, str]:
    """The digest of each file below a folder, by its path there. InputError if there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such checkpoint; run the stage that writes it (`dvc repro`)")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def code_digest() -> dict[str, str]:
    """The digest of each file of ours that this process has loaded, by its path below src."""
    own = Path(__file__).parent
    loaded = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    files = {Path(file).resolve() for file in loaded if file is not None}
    return {path.relative_to(own).as_posix(): file_digest(path) for path in sorted(files) if path.is_relative_to(own)}


def machine_kind() -> dict[str, str | None]:
    """Versions and kind of processor, on which the last bits of a result depend."""
    import torch  # loaded by every stage that keeps a journal

    installed = {name: _version(name) for name in VERSIONS_OF}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return installed | {"python": platform.python_version(), "processor": platform.machine(), "device": device}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


# --- where it lies ---


@contextmanager
def work_folder(stage: str, depends_on: dict[str, Any]) -> Iterator[Path]:
    """The folder of this stage's work for exactly these dependencies, code and versions, held against other runs.

    Waits, and says for whom, while another process holds it.
    """
    everything = {"depends_on": depends_on, "code": code_digest(), "machine": machine_kind()}
    key = hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("DVC_ROOT", ".")) / ".work" / stage / key
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


# --- finished pieces ---


def read_pieces(path: Path) -> tuple[dict[str, Any], int]:
    """The pieces in a journal's file, by key, and how many lines were spoiled: cut short, or not as they were written."""
    pieces, spoiled = {}, 0
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        digest, _, content = line.partition(b" ")
        if line and digest == _line_digest(content):
            key, piece = json.loads(content)
            pieces[key] = piece
        else:
            spoiled += bool(line)
    return pieces, spoiled


class Journal:
    """Finished pieces by key, in one file to which lines are only ever added, each with the digest of what it says.

    A line that is spoiled is as if it had not been written. One process at a time: it holds the folder's lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pieces, self.spoiled = read_pieces(path)
        self._file = path.open("a+b")
        if self._file.tell():
            self._file.seek(-1, os.SEEK_END)
            if self._file.read() != b"\n":
                self._file.write(b"\n")  # ends the line that was cut short
        self._synced = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, key: str, piece: Any) -> None:
        """Keep a piece (anything that JSON holds) under a key."""
        content = json.dumps([key, piece]).encode()
        self._file.write(_line_digest(content) + b" " + content + b"\n")
        self._file.flush()  # to the operating system, which outlives this process
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()
        self.pieces[key] = piece


def _line_digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:16].encode()
