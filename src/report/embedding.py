"""Records inside a page: compressed, in letters that end no script, and no more of them than there is room for."""

import json
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from src.core.records import to_json

# At how many characters a text is cut, beyond which a browser would be slow or the page have no room: the first of these with
# which everything has room, else the last.
LIMITS = (100_000, 20_000, 4_000, 2_000, 1_000, 500)
BATCH = 20  # records between two looks at the size
GZIP = 31  # zlib's number for a gzip header, in which it writes no time


@dataclass(frozen=True)
class Embedded:
    """A list of records as the page holds it: gzip in base64, of a JSON array.

    records  how many of them are in it
    whole    whether it is all of them; else the rest had no room
    """

    text: str
    records: int
    whole: bool


@dataclass(frozen=True)
class Lists:
    """Both lists of a page; every text is cut at `limit` characters."""

    flips: Embedded
    strips: Embedded
    limit: int


def embed(records: Iterable[Any], room: int) -> Embedded:
    """As many of the records, dataclasses, from the first on as have room in `room` bytes; none where not even a batch has."""
    packer, written, kept, count = zlib.compressobj(9, zlib.DEFLATED, GZIP), b"", _nothing(), 0
    for batch in batched(records):
        written += packer.compress(_json(batch, first=not count))
        end = packer.copy()
        closed = written + end.compress(b"]") + end.flush()
        if _size(closed) > room:
            return Embedded(b64encode(kept).decode(), count, whole=False)
        kept, count = closed, count + len(batch)
    return Embedded(b64encode(kept).decode(), count, whole=True)


def batched(records: Iterable[Any]) -> Iterator[list[Any]]:
    """The records by BATCH; the last may hold fewer."""
    rest = iter(records)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _json(batch: Sequence[Any], first: bool) -> bytes:
    inner = ",".join(json.dumps(to_json(record), ensure_ascii=False, separators=(",", ":")) for record in batch)
    return (("[" if first else ",") + inner).encode()


def _nothing() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, GZIP)
    return packer.compress(b"[]") + packer.flush()


def _size(compressed: bytes) -> int:
    """In base64."""
    return (len(compressed) + 2) // 3 * 4


def fitted(flips: Callable[[int], Iterable[Any]], strips: Callable[[int], Iterable[Any]], longest: int, room: int) -> Lists:
    """Both lists in `room` bytes: with texts as long as have room, and then as many questions, those of `flips` first.

    flips, strips  give the records, texts cut at so many characters
    longest        characters of the longest text: of the limits that cut none one is tried
    """
    cutting = [limit for limit in LIMITS if limit < longest]
    for limit in [*LIMITS[: len(LIMITS) - len(cutting)][-1:], *cutting]:
        of_tests = embed(flips(limit), room)
        if not of_tests.whole and limit != LIMITS[-1]:
            continue
        of_training = embed(strips(limit), room - len(of_tests.text))
        if of_tests.whole and of_training.whole:
            break
    return Lists(of_tests, of_training, limit)
