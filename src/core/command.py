"""How a command begins and ends. Nothing here changes a result."""

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from src.core.errors import CURES, InputError

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux
# Parameters of glibc's mallopt, and the highest values that it takes.
TRIM_THRESHOLD, NEVER = -1, 2**31 - 1
MMAP_THRESHOLD, MAX_MMAP_THRESHOLD = -3, 2**25


def command_line(command: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of a command: `--help` shows the module's docstring, and an unknown argument ends it with status 2.

    command   as it is typed: `python -m src.stages.train`
    """
    return argparse.ArgumentParser(
        prog=command, description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )


def run_command(main: Callable[[], None]) -> None:
    """Run a command. What the reader can repair ends it with its message alone and exit status 1; Ctrl-C with 130.

    Any other error keeps its traceback, which tells where the code is at fault.
    """
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:
        # Python would try once more to print what is left when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(
            "error: nobody reads the output any more (`… | head` ends after some lines); run it again with the output in a file, "
            "`… > log 2>&1`: finished work is kept"
        )
    except OSError as error:
        if error.errno not in CURES:
            raise
        place = error.filename or "a file"
        sys.exit(f"error: {place}: {error.strerror}; {CURES[error.errno]}, and run it again: finished work is kept")
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C; run it again: finished work is kept", file=sys.stderr)
        sys.exit(130)


def end_with_parent() -> None:
    """End this process when its parent ends, by SIGTERM.

    Linux only; elsewhere the lock of the stage's work folder keeps a second run off (see src/core/journal.py).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


def is_orphan() -> bool:
    """Whether what started this process has ended already, so that process 1 has taken it over (and is no DVC itself)."""
    return os.getppid() == 1 and b"dvc" not in Path("/proc/1/cmdline").read_bytes()


def share_cores() -> None:
    """Let threads of OpenMP that wait give their core away soon. To be called before torch is loaded, which reads it then.

    Threads that wait by spinning take the cores from any other busy process: beside one, training on two cores took five
    times as long. Asleep at once, they took a tenth longer alone. After so short a spin (its unit is a loop of the library)
    they were as fast alone as ever, and two trainings at once 15 % slower than asleep. No bit of a result moves.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def keep_memory() -> None:
    """Let this process keep the memory that it frees, up to 32 MiB a piece, for what it asks for next. glibc only.

    Else each large tensor is new memory, which the system clears page by page: a sixth of a step of the sandbox's training.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, MAX_MMAP_THRESHOLD)
        mallopt(TRIM_THRESHOLD, NEVER)
