"""Regime W. What stands here happens before any stage imports torch, which takes seconds."""

import ctypes
import os
import signal
import sys
from pathlib import Path

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux


def die_with_parent() -> None:
    """End this process when its parent ends, by SIGTERM.

    Linux only; elsewhere the lock of the stage's work folder keeps a second run off (see src/journal.py).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


def is_orphan() -> bool:
    """Whether what started this process has ended already, so that process 1 has taken it over (and is no DVC itself)."""
    return os.getppid() == 1 and b"dvc" not in Path("/proc/1/cmdline").read_bytes()


# DVC that is killed must leave no stage that goes on writing.
if "DVC_STAGE" in os.environ:
    die_with_parent()
    if sys.platform == "linux" and is_orphan():
        sys.exit("error: the DVC that started this stage has ended; run `dvc repro` again")

# Threads of OpenMP that wait by spinning take the cores from any other busy process: beside one, training on two cores
# took five times as long. Asleep at once, they took a tenth longer alone. After so short a spin (its unit is a loop of the
# library) they were as fast alone as ever, and two trainings at once 15 % slower than asleep. No bit of a result moves.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
