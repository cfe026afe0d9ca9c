"""Records and metrics: dataclasses in files, checked at the door.

A file of records holds one JSON object a line, UTF-8; what is written here is escaped to ASCII. A file of metrics holds one
object. The dataclass says which keys an object has and what their values must be. Reading and writing check the same
dataclass, so a broken file is found where it is made or first read, by line number. A field whose default is None is a key
that may be missing.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from src.core.errors import InputError, shown
from src.core.files import atomic_file, parse_json, read_bytes, write_json
from src.core.shapes import Fault, Faults, check_json, is_optional


class Record(Protocol):
    """What a dataclass of records says of its file, beside its fields."""

    IDENTITY: ClassVar[tuple[str, ...]]  # the fields whose values no two records of a file share


R = TypeVar("R", bound=Record)
M = TypeVar("M")
MAX_FAULTS = 5  # of one record in a message


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


def _told(faults: Faults) -> str:
    return "; ".join(f"key {f.path!r} {f.words}" if f.path else f"it {f.words}" for f in faults.faults[:MAX_FAULTS])


# --- records ---


def read_records(path: Path, wanted: type[R]) -> list[R]:
    """The records of a JSON Lines file, in file order.

    Raises InputError, with file, line and key, for a missing file, an empty one (unless `wanted.MAY_BE_EMPTY`), a line that is
    no JSON object or not UTF-8, a key that is missing, unknown or twice there, a value of the wrong type or range (NaN too),
    and for a record whose identity stands on an earlier line.
    """
    data = read_bytes(path)
    cure = "it is not readable; repair it, or run the stage that writes the file again"
    records = list(_checked(_parsed(path, data, wanted, cure), path, wanted, cure))
    if not records and not _may_be_empty(wanted):
        raise InputError(f"{path} is empty; run the stage that writes it again")
    return records


def write_records(path: Path, wanted: type[R], records: Iterable[R]) -> None:
    """Write records, one a line, whole or not at all; parent folders are made.

    Raises InputError as `read_records` does, before anything stands at `path`.
    """
    cure = "it cannot be written; the stage that made it is at fault"
    written = 0
    with atomic_file(path) as file:
        for record in _checked(_made(path, records, wanted, cure), path, wanted, cure):
            file.write(json.dumps(to_json(record), allow_nan=False) + "\n")
            written += 1
        if not written and not _may_be_empty(wanted):
            raise InputError(f"there are no records of kind {wanted.__name__} to write to {path}")


def _may_be_empty(wanted: type[Record]) -> bool:
    return getattr(wanted, "MAY_BE_EMPTY", False)


def _parsed(path: Path, data: bytes, wanted: type[R], cure: str) -> Iterator[tuple[int, R]]:
    """The records of a file's lines, each checked alone, with the numbers of the lines."""
    # Split at b"\n" alone: U+2028 and its like may stand inside a text.
    lines = data.split(b"\n")
    for number, line in enumerate(lines if lines[-1] else lines[:-1], start=1):
        try:
            yield number, _from_json(wanted, line.rstrip(b"\r"))
        except Faults as faults:
            raise InputError(f"{path}:{number}: {_told(faults)}. As a record of kind {wanted.__name__} {cure}") from faults
        except ValueError as error:
            cause = "the line is blank" if not line.strip() else str(error)
            raise InputError(
                f"{path}:{number}: {cause}. A line is one whole JSON object; one cut short is left by a "
                "writer that was stopped. Repair the line, or run the stage that writes the file again"
            ) from error


def _made(path: Path, records: Iterable[R], wanted: type[R], cure: str) -> Iterator[tuple[int, R]]:
    """Records that are to be written, each checked alone as its reader will, with the numbers of their lines."""
    for number, record in enumerate(records, start=1):
        try:
            check_json(wanted, json.dumps(to_json(record)))
        except Faults as faults:
            raise InputError(f"{path}:{number}: {_told(faults)}. As a record of kind {wanted.__name__} {cure}") from faults
        yield number, record


def _checked(records: Iterable[tuple[int, R]], path: Path, wanted: type[R], cure: str) -> Iterator[R]:
    """The records of (line number, record), each held against those before it."""
    together: tuple[str, ...] = getattr(wanted, "TOGETHER", ())
    identity_of = attrgetter(*wanted.IDENTITY) if wanted.IDENTITY else None
    line_of: dict[Any, int] = {}
    held_by_all: set[str] | None = None
    for line, record in records:
        held = {key for key in together if getattr(record, key) is not None}
        if held not in (set(), set(together)) or held_by_all not in (None, held):
            raise InputError(
                f"{path}:{line}: of the keys {', '.join(together)} it has {', '.join(sorted(held)) or 'none'}, but all "
                f"records of the file must have all of them, or none. As a record of kind {wanted.__name__} {cure}"
            )
        held_by_all = held
        if identity_of is not None:
            identity = identity_of(record)
            if identity in line_of:
                keys = ", ".join(f"{key} {getattr(record, key)!r}" for key in wanted.IDENTITY)
                raise InputError(
                    f"{path}:{line}: {keys} stands on line {line_of[identity]} already, "
                    f"and a record of kind {wanted.__name__} may stand only once; {cure}"
                )
            line_of[identity] = line
        yield record


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
