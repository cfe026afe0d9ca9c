"""Files that appear whole or not at all, and JSON read with every doubt."""

import csv
import heapq
import json
import os
import pickle
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Generic, Self, TextIO, TypeVar

from src.core.errors import InputError

WORK = ".work"  # below the repository's root: work that is kept, and no output
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SORTED_AT_ONCE = 20_000  # items in memory
BUFFER = 1 << 20  # bytes of a long file that are read at once

T = TypeVar("T", bound=tuple[str, ...])

# --- writing ---


_checks: list[Callable[[], None]] = []  # of this process


def check_before_outputs(check: Callable[[], None]) -> None:
    """Call `check` before any file or folder takes its place but those of kept work; what it raises keeps them from appearing."""
    if check not in _checks:
        _checks.append(check)


def _check_output(path: Path) -> None:
    if WORK not in path.parts:
        for check in _checks:
            check()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; it takes the place of `path` when the block ends without an error.

    After an error `path` is as it was, and the unfinished folder is gone. InputError if a file stands in the folder's place.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file, where a folder is to be written; move it away")
    part = path.with_name(f"{path.name}.part")
    if part.exists():
        shutil.rmtree(part)  # of a process that was killed
    part.mkdir(parents=True)
    try:
        yield part
        _check_output(path)
        if path.exists():
            shutil.rmtree(path)  # a folder cannot take the place of one that holds files
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def atomic_file(path: Path) -> Iterator[TextIO]:
    """Yield a text file beside `path`, open to write; it takes the place of `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        with naming(path), part.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the new name with no content
        _check_output(path)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all; parent folders are made."""
    with atomic_file(path) as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write one JSON value, keys in the given order, whole or not at all. InputError for NaN or infinity."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError as error:
        raise InputError(f"{path} cannot be written: {error}; every number in it must be finite") from error
    write_text(path, text + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with a line of column names, whole or not at all."""
    with atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


class SortedOnDisk(Generic[T]):
    """Items that come in any order and are given in order, of which only some are in memory: in a `with` block.

    folder  where the others wait, in files without a name that no killed process leaves behind
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, ExitStack()
        self._waiting: list[T] = []
        self._runs: list[Iterable[T]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()

    def add(self, item: T) -> None:
        """Keep one more item: values that can be pickled, such as texts, in a tuple."""
        self._waiting.append(item)
        if len(self._waiting) >= SORTED_AT_ONCE:
            self._runs.append(self._put_away(sorted(self._waiting)))
            self._waiting.clear()

    def __iter__(self) -> Iterator[T]:
        """All items in order. To be called once, after the last `add`."""
        return heapq.merge(*self._runs, sorted(self._waiting))

    def _put_away(self, items: Sequence[T]) -> Iterator[T]:
        with naming(self._folder):
            file = self._files.enter_context(TemporaryFile(dir=self._folder))
            for item in items:
                pickle.dump(item, file)
            file.seek(0)
        return (pickle.load(file) for _ in range(len(items)))


# --- reading ---


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give the system's errors that say nothing of a file, such as a full disk while writing, the name of this one."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def require_file(path: Path, cure: str) -> None:
    """InputError with `cure` unless `path` is a regular file: a pipe could keep a stage waiting for ever."""
    if not path.is_file():
        if path.is_dir():
            cause = "is a folder, not a file"
        elif path.exists():
            cause = "is no regular file"
        elif path.is_symlink():
            cause = f"is a link to {os.readlink(path)}, which leads to no file"
        else:
            cause = f"does not exist (looked from {Path.cwd()})"
        raise InputError(f"{path} {cause}; {cure}")


def read_bytes(path: Path) -> bytes:
    """The content of a file that a stage writes; InputError if it is not there."""
    require_file(path, "run the stage that writes it, from the repository's root")
    with naming(path):
        return path.read_bytes()


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that a stage writes, without their ends, one after the other; InputError if it is not there."""
    require_file(path, "run the stage that writes it, from the repository's root")
    with naming(path), path.open("rb", BUFFER) as file:
        # Split at b"\n" alone: U+2028 and its like may stand inside a text.
        for line in file:
            yield line.rstrip(b"\r\n")


def count_lines(path: Path) -> int:
    """How many lines end in a file that a stage writes; InputError if it is not there."""
    require_file(path, "run the stage that writes it, from the repository's root")
    with naming(path), path.open("rb", 0) as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(BUFFER), b""))


def parse_json(data: bytes) -> Any:
    """The value of JSON in UTF-8; ValueError says what is wrong with it and where."""
    if data.startswith(BYTE_ORDER_MARK):
        raise ValueError("it begins with a byte order mark; save it as UTF-8 without one")
    try:
        return json.loads(
            data.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
            object_pairs_hook=_refuse_duplicate_key,
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start + 1} is 0x{data[error.start]:02x}") from error
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if b"\n" in data else ""
        raise ValueError(f"not JSON: {error.msg} at {line}column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("not a record: brackets are nested too deep to read") from error


def read_json(path: Path) -> Any:
    """The one JSON value of a file. InputError, with the file's name, if it is missing or not JSON."""
    data = read_bytes(path)
    try:
        return parse_json(data)
    except ValueError as error:
        raise InputError(f"{path}: {error}; run the stage that writes it again") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON knows")


def _refuse_duplicate_key(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        duplicate = next(key for key in record if counts[key] > 1)
        raise ValueError(f"key {duplicate!r} stands twice in one object")
    return record


def _whole_number(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as error:  # a limit of Python's, whose advice is to lift it
        raise ValueError(f"a number of {len(digits)} digits is longer than any here") from error
