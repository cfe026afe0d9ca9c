"""The stages of dvc.yaml, one module each, a command `python -m src.stages.<stage>`; here is how the process of one begins.

Nothing here changes a result: what a stage computes stands in its module and in what that calls.
"""

import os
import sys
from collections.abc import Callable

from src.core.command import end_with_parent, is_orphan, run_command


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage as `run_command` does, in a process that ends with its DVC and shares the cores with others."""
    if "DVC_STAGE" in os.environ:
        end_with_parent()
        if sys.platform == "linux" and is_orphan():
            sys.exit("error: the DVC that started this stage has ended; run `dvc repro` again")
    # Threads of OpenMP that wait by spinning take the cores from any other busy process: beside one, training on two cores
    # took five times as long. Asleep at once, they took a tenth longer alone. After so short a spin (its unit is a loop of the
    # library) they were as fast alone as ever, and two trainings at once 15 % slower than asleep. No bit of a result moves.
    # torch reads it when it is loaded, so stages import torch inside `main`.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    run_command(main)
