"""Disk and memory that are used up, told as the reader's to repair."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from src.core.errors import InputError

# How torch and safetensors say that a file could not be written, and that there is no memory; neither is an OSError.
UNWRITTEN = re.compile(r"inline_container|os error \d+")
NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory")


@contextmanager
def told_when_exhausted(folder: Path, memory_cure: str) -> Iterator[None]:
    """Raise an InputError where the disk below `folder` or the memory is used up and a library raises what is no OSError."""
    try:
        yield
    except (RuntimeError, MemoryError, SafetensorError) as error:
        if UNWRITTEN.search(str(error)):
            free = shutil.disk_usage(folder).free / 1e6
            raise InputError(
                f"{folder}: a file could not be written ({str(error)[:80]}), {free:,.0f} MB are free: free some space, or lift "
                "the limit of file sizes (ulimit -f), and run it again: finished work is kept"
            ) from error
        if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
            raise InputError(f"there is not enough memory ({str(error)[:200]}): {memory_cure}, and run it again") from error
        raise
