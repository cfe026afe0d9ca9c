"""Records as Parquet: the dataclass of a record says the type of each column.

A text is a string, a whole number int64, a share or reward double, yes or no a bool; the trajectories of a question are a list
of structs. A key that a record may lack is a column that may be null. So a file reads back as the records it was made of.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from itertools import islice
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from src.core.files import naming
from src.core.records import to_json

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 5_000  # records in memory, and of a row group
T = TypeVar("T")


def write_parquet(path: Path, kind: type[T], records: Iterable[T]) -> int:
    """Write records of a dataclass, whole or not at all, and say how many; parent folders are made."""
    import pyarrow as pa  # takes a quarter of a second, which `--help` need not wait for
    from pyarrow.parquet import ParquetWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    schema, count = schema_of(kind), 0
    try:
        with naming(path):
            with ParquetWriter(part, schema) as writer:
                for batch in _batches(records):
                    writer.write_batch(pa.RecordBatch.from_pylist([to_json(record) for record in batch], schema))
                    count += len(batch)
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _batches(records: Iterable[T]) -> Iterator[list[T]]:
    waiting = iter(records)
    while batch := list(islice(waiting, ROWS_AT_ONCE)):
        yield batch


def schema_of(kind: Any) -> pa.Schema:
    """The columns of a dataclass, in the order of its fields."""
    import pyarrow as pa

    return pa.schema(_columns(kind))


def _columns(kind: Any) -> list[pa.Field]:
    import pyarrow as pa

    types = get_type_hints(kind)
    return [pa.field(item.name, _type_of(types[item.name]), nullable=_may_be_none(types[item.name])) for item in fields(kind)]


def _may_be_none(annotation: Any) -> bool:
    return NoneType in get_args(annotation)


def _type_of(annotation: Any) -> pa.DataType:
    """Of the types that src/core/shapes.py allows; TypeError for any other."""
    import pyarrow as pa

    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_of(arguments[0])
    if origin in (Union, UnionType):
        [inner] = [argument for argument in arguments if argument is not NoneType]
        return _type_of(inner)
    if origin is tuple:
        return pa.list_(pa.field("element", _type_of(arguments[0]), nullable=False))
    if origin is Literal and all(isinstance(argument, str) for argument in arguments):
        return pa.string()
    if is_dataclass(annotation):
        return pa.struct(_columns(annotation))
    simple = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    if annotation not in simple:
        raise TypeError(f"no column holds values of type {annotation!r}; give it one in src/ops/parquet.py")
    return simple[annotation]
