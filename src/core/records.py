"""Records and metrics: dataclasses in files, checked at the door.

A file of records holds one JSON object a line, UTF-8; what is written here is escaped to ASCII. A file of metrics holds one
object. The dataclass says which keys an object has and what their values must be. Reading and writing check the same
dataclass, so a broken file is found where it is made or first read, by line number. A field whose default is None is a key
that may be missing.
"""

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, get_args, get_type_hints

from src.core.errors import InputError, shown
from src.core.files import atomic_file, parse_json, read_bytes, read_lines, write_json
from src.core.shapes import Fault, Faults, check_json, is_optional


class Record(Protocol):
    """What a dataclass of records says of its file, beside its fields."""

    # The fields whose values no two records of a file share. Records that share the first of several stand together.
    IDENTITY: ClassVar[tuple[str, ...]]


R = TypeVar("R", bound=Record)
M = TypeVar("M")
MAX_FAULTS = 5  # of one record in a message
UNWRITABLE = "it cannot be written; the stage that made it is at fault"


# --- a record and its JSON ---


def to_json(value: Any) -> Any:
    """A dataclass as JSON's types, keys in the order of its fields; optional keys that are None are left out."""
    if is_dataclass(value):
        given = ((item, getattr(value, item.name)) for item in fields(value))
        return {item.name: to_json(inner) for item, inner in given if not (inner is None and is_optional(item))}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value


def _from_json(wanted: type[M], text: bytes) -> M:
    """The dataclass of a JSON object. ValueError says what is wrong with the text, Faults what is wrong with its values."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise Faults([Fault("", f"holds {shown(value)}, not a JSON object")])
    return check_json(wanted, text)


def _from_line(wanted: type[M], line: bytes) -> M:
    """`_from_json` of a line, in a third of the time where the line is as `write_records` writes it."""
    try:
        record: M = check_json(wanted, line)
    except ValueError:  # Faults, or no UTF-8
        return _from_json(wanted, line)  # which has the better words
    # The check alone takes a key that stands twice. Here a colon follows each key, and no text holds what looks like one.
    if line.count(b'":') == _keys(record) and b'" ' not in line and b"\t" not in line and b"\r" not in line:
        return record
    return _from_json(wanted, line)


def _keys(record: Any) -> int:
    """How many keys stand in the JSON of a record, at any depth."""
    shape = _shape(record.__class__)
    count = shape.required
    for name in shape.optional:
        count += getattr(record, name) is not None
    for name in shape.inner:
        value = getattr(record, name)
        if value is not None:
            count += sum(map(_keys, value)) if isinstance(value, tuple) else _keys(value)
    return count


@dataclass(frozen=True)
class _Shape:
    """Of a dataclass: how many keys its JSON always has, the fields that may be missing, and those that hold dataclasses."""

    required: int
    optional: tuple[str, ...]
    inner: tuple[str, ...]


@cache
def _shape(kind: type) -> _Shape:
    optional = tuple(item.name for item in fields(kind) if is_optional(item))
    inner = tuple(name for name, annotation in get_type_hints(kind).items() if _holds_dataclass(annotation))
    return _Shape(len(fields(kind)) - len(optional), optional, inner)


def _holds_dataclass(annotation: Any) -> bool:
    return is_dataclass(annotation) or any(map(_holds_dataclass, get_args(annotation)))


def _object(value: Any) -> dict[str, Any]:
    """What JSON's encoder writes for a dataclass, as `to_json` has it."""
    optional, values = _shape(value.__class__).optional, vars(value)
    return {name: inner for name, inner in values.items() if not (inner is None and name in optional)} if optional else values


_encode = json.JSONEncoder(default=_object).encode


def _told(faults: Faults) -> str:
    return "; ".join(f"key {f.path!r} {f.words}" if f.path else f"it {f.words}" for f in faults.faults[:MAX_FAULTS])


# --- records ---


def read_records(path: Path, wanted: type[R]) -> list[R]:
    """The records of a JSON Lines file, in file order: `stream_records` of a file that has room in memory."""
    return [record for _, record in stream_records(path, wanted)]


def stream_records(path: Path, wanted: type[R]) -> Iterator[tuple[int, R]]:
    """Each record of a JSON Lines file with the number of its line, in file order; one is in memory at a time.

    Raises InputError, with file, line and key, for a missing file, an empty one (unless `wanted.MAY_BE_EMPTY`), a line that is
    no JSON object or not UTF-8, a key that is missing, unknown or twice there, a value of the wrong type or range (NaN too),
    for a record whose identity stands on an earlier line, and for one that stands apart from those that share the first field
    of its identity. What stands before the fault has been given by then.
    """
    line = 0
    for line, record in records_of_lines(path, wanted, enumerate(read_lines(path), start=1)):
        yield line, record
    if not line and not _may_be_empty(wanted):
        raise InputError(f"{path} is empty; run the stage that writes it again")


def records_of_lines(path: Path, wanted: type[R], lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, R]]:
    """`stream_records` of some lines of a file, each with its number, as if the file had no others; there may be none."""
    cure = "it is not readable; repair it, or run the stage that writes the file again"
    checks = _Checks(path, wanted, cure)
    for number, line in lines:
        record = _parsed(path, wanted, number, line, cure)
        checks.check(number, record)
        yield number, record


def write_records(path: Path, wanted: type[R], records: Iterable[R]) -> None:
    """Write records, one a line, whole or not at all; parent folders are made.

    Raises InputError as `stream_records` does, before anything stands at `path`.
    """
    checks = _Checks(path, wanted, UNWRITABLE)
    line = 0
    with atomic_file(path) as file:
        for line, record in enumerate(records, start=1):
            text = line_of_record(path, wanted, line, record)
            checks.check(line, record)
            file.write(text)
        if not line and not _may_be_empty(wanted):
            raise InputError(f"there are no records of kind {wanted.__name__} to write to {path}")


def line_of_record(path: Path, wanted: type[R], number: int, record: R) -> str:
    """A record as `write_records` writes it on line `number`, with the end of the line; InputError for one that has faults."""
    text = _encode(record)
    try:
        check_json(wanted, text)  # as its reader will
    except Faults as faults:
        raise InputError(f"{path}:{number}: {_told(faults)}. As a record of kind {wanted.__name__} {UNWRITABLE}") from faults
    return text + "\n"


def _may_be_empty(wanted: type[Record]) -> bool:
    return getattr(wanted, "MAY_BE_EMPTY", False)


def _parsed(path: Path, wanted: type[R], number: int, line: bytes, cure: str) -> R:
    """The record of a line, checked alone."""
    try:
        return _from_line(wanted, line)
    except Faults as faults:
        raise InputError(f"{path}:{number}: {_told(faults)}. As a record of kind {wanted.__name__} {cure}") from faults
    except ValueError as error:
        cause = "the line is blank" if not line.strip() else str(error)
        raise InputError(
            f"{path}:{number}: {cause}. A line is one whole JSON object; one cut short is left by a "
            "writer that was stopped. Repair the line, or run the stage that writes the file again"
        ) from error


class _Checks:
    """Holds each record of a file against those before it."""

    def __init__(self, path: Path, wanted: type[Record], cure: str) -> None:
        self._path, self._kind, self._cure = path, wanted.__name__, cure
        self._together: tuple[str, ...] = getattr(wanted, "TOGETHER", ())
        self._held_by_all: set[str] | None = None
        self._identity = wanted.IDENTITY
        self._shared: str | None = None  # the first field of the identity, in the record before
        self._first_lines = _FirstLines()  # by that field
        self._line_of: dict[Any, int] = {}  # of the records that share it, by the other fields
        self._others = attrgetter(*self._identity[1:]) if self._identity[1:] else lambda _: None

    def check(self, line: int, record: Any) -> None:
        """InputError for a record that may not stand on this line."""
        if self._together:
            self._check_together(line, record)
        if not self._identity:
            return
        shared = getattr(record, self._identity[0])
        if shared != self._shared:
            earlier = self._first_lines.add(shared, line)
            if earlier != line:
                self._refuse_identity(line, record, earlier, apart=len(self._identity) > 1)
            self._shared, self._line_of = shared, {}
        earlier = self._line_of.setdefault(self._others(record), line)
        if earlier != line:
            self._refuse_identity(line, record, earlier, apart=False)

    def _refuse_identity(self, line: int, record: Any, earlier: int, apart: bool) -> None:
        names = self._identity[:1] if apart else self._identity
        keys = ", ".join(f"{key} {getattr(record, key)!r}" for key in names)
        rule = (
            f"records of kind {self._kind} that share a {names[0]} must stand together"
            if apart
            else f"a record of kind {self._kind} may stand only once"
        )
        raise InputError(f"{self._path}:{line}: {keys} stands on line {earlier} already, and {rule}; {self._cure}")

    def _check_together(self, line: int, record: Any) -> None:
        held = {key for key in self._together if getattr(record, key) is not None}
        if held not in (set(), set(self._together)) or self._held_by_all not in (None, held):
            raise InputError(
                f"{self._path}:{line}: of the keys {', '.join(self._together)} it has {', '.join(sorted(held)) or 'none'}, "
                f"but all records of the file must have all of them, or none. As a record of kind {self._kind} {self._cure}"
            )
        self._held_by_all = held


class _FirstLines:
    """On which line each key stood first, in 16 bytes a key and not the hundreds of a dict: files may hold millions.

    A key is known by its hash of 64 bits. In a file of a million keys two have the same once in 40 million processes.
    """

    BUCKETS = 256  # so that an insertion moves few others

    def __init__(self) -> None:
        self._hashes = [array("q") for _ in range(self.BUCKETS)]  # sorted
        self._lines = [array("q") for _ in range(self.BUCKETS)]

    def add(self, key: str, line: int) -> int:
        """The line on which the key stood first, which is this one for a new key."""
        hashed = hash(key)
        hashes, lines = self._hashes[hashed % self.BUCKETS], self._lines[hashed % self.BUCKETS]
        place = bisect_left(hashes, hashed)
        if place < len(hashes) and hashes[place] == hashed:
            return lines[place]
        hashes.insert(place, hashed)
        lines.insert(place, line)
        return line


# --- metrics ---


def read_metrics(path: Path, wanted: type[M]) -> M:
    """The metrics of one file, typed; InputError names file and key."""
    data = read_bytes(path)
    try:
        return _from_json(wanted, data)
    except Faults as faults:
        raise InputError(f"{path}: {_told(faults)}; run the stage that writes it again") from faults
    except ValueError as error:
        raise InputError(f"{path}: {error}; run the stage that writes it again") from error


def write_metrics(path: Path, metrics: Any) -> None:
    """Write a dataclass of metrics, keys in the order of its fields, whole or not at all. InputError for NaN or infinity."""
    write_json(path, to_json(metrics))
