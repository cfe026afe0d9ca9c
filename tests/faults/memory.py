"""Where small files are written over and over again: in memory, on a machine that has a folder for that.

A disk's file system may put a file that is emptied and written anew onto the disk at once, which takes milliseconds (ext4).
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# None is the usual place of temporary files.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A new folder, gone when the block ends."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)
