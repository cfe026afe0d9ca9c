"""The stages of dvc.yaml, one module each, a command `python -m src.stages.<stage>`; here is how the process of one begins.

Nothing here changes a result: what a stage computes stands in its module and in what that calls.
"""

import os
import sys
from collections.abc import Callable

from src.core.command import end_with_parent, is_orphan, run_command, share_cores


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage as `run_command` does, in a process that ends with its DVC and shares the cores with others."""
    if "DVC_STAGE" in os.environ:
        end_with_parent()
        if sys.platform == "linux" and is_orphan():
            sys.exit("error: the DVC that started this stage has ended; run `dvc repro` again")
    share_cores()
    run_command(main)
