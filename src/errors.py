"""The one error that is the reader's to mend, and how a stage ends by it."""

import errno
import re
import reprlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

# What the operating system refuses for reasons that are the reader's to mend, and how.
CURES = {
    errno.ENOSPC: "free some space on that file system",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "the file system or a limit (ulimit -f) allows no larger file",
    errno.EROFS: "its file system is read-only: work in a checkout that you may write to",
    errno.EACCES: "give yourself the right to it",
    errno.EPERM: "give yourself the right to it",
    errno.EIO: "the disk fails: look at its health (dmesg) and work on another",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EISDIR: "a folder stands where a file belongs: move it away",
    errno.ENOTDIR: "a file stands where a folder belongs: move it away",
    errno.ELOOP: "a link that points to itself: remove it",
    errno.EEXIST: "move away what stands there",
}


class InputError(ValueError):
    """Input is not as it must be. The message says the value, where it stands, the cause and the cure."""


class _Brief(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        """Python writes no number of more than some thousand digits."""
        return super().repr_int(x, level) if x.bit_length() < 10_000 else f"a whole number of {x.bit_length():,} bits"


def shown(value: Any, most: int = 60) -> str:
    """A value as messages show it, in at most so many characters: of lists in lists only the first few are looked at."""
    brief = _Brief()
    brief.maxstring = brief.maxlong = brief.maxother = most
    text = brief.repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


# How torch and safetensors say that a file could not be written, and that there is no memory; neither is an OSError.
UNWRITTEN = re.compile(r"inline_container|os error \d+")
NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory")


@contextmanager
def exhausted(folder: Path, cure_of_memory: str) -> Iterator[None]:
    """Tell by an InputError that the disk below `folder` or the memory is used up, where libraries raise what is no OSError."""
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
            raise InputError(f"there is not enough memory ({str(error)[:200]}): {cure_of_memory}, and run it again") from error
        raise


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`. What the reader can mend ends it with its message alone and exit status 1; Ctrl-C with 130.

    Any other error keeps its traceback, which tells where the code is at fault.
    """
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in CURES:
            raise
        place = error.filename or "a file"
        sys.exit(f"error: {place}: {error.strerror}; {CURES[error.errno]}, and run it again: finished work is kept")
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C; run it again: finished work is kept", file=sys.stderr)
        sys.exit(130)
