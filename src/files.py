"""Outputs that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; it takes the place of `path` when the block ends without an error."""
    part = path.with_name(f"{path.name}.part")
    for stale in (part, path):
        if stale.exists():
            shutil.rmtree(stale)
    part.mkdir(parents=True)
    yield part
    os.replace(part, path)
