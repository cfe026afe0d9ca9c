"""Records that a command goes on from: cells of evidence, and rounds. An earlier run of it wrote them, maybe by older code."""

from pathlib import Path
from typing import TypeVar

from src.core.errors import InputError
from src.core.records import read_metrics

Kept = TypeVar("Kept")


def read_kept(path: Path, wanted: type[Kept]) -> Kept:
    """The record of one file, typed; InputError for one that cannot be read, such as one in the form of older code."""
    try:
        return read_metrics(path, wanted)
    except InputError as error:
        fault = str(error).removesuffix("; run the stage that writes it again")  # none does
        raise InputError(
            f"{fault}; an earlier run of this command wrote it, maybe by older code: remove it, and give the same command again"
        ) from error
