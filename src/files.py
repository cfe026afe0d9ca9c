"""Outputs that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.errors import InputError


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
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
        if path.exists():
            shutil.rmtree(path)  # a folder cannot take the place of one that holds files
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
