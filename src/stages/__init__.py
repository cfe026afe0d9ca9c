"""The stages of dvc.yaml, one module each, a command `python -m src.stages.<stage>`; here is how its process begins and ends.

Nothing here changes a result: what a stage computes stands in its module and in what that calls.
"""

import argparse
import atexit
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from src import BEGAN
from src.core.command import end_with_parent, is_orphan, keep_memory, run_command, share_cores
from src.core.errors import InputError
from src.core.made import made_lines
from src.core.params import add_profile_argument
from src.core.pipeline import StageEntry
from src.core.progress import duration, silence_library_bars
from src.core.seconds import StageSeconds, keep_seconds
from src.core.unchanged import check_unchanged, watch_stage


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage as `run_command` does, in a process that ends with its DVC and shares the cores with others.

    What the stage reads must stay as it is until the end (see src/core/unchanged.py).
    """
    share_cores()
    keep_memory()
    silence_library_bars()
    stage = os.environ.get("DVC_STAGE")
    if stage is None:
        run_command(main)
        return
    end_with_parent()
    if sys.platform == "linux" and is_orphan():
        sys.exit("error: the DVC that started this stage has ended; run `dvc repro` again")
    run_command(lambda: _run_watched(main, stage))


def _run_watched(main: Callable[[], None], stage: str) -> None:
    last = _LastLook()
    atexit.register(last)  # first, and so the last of all: libraries take up to a second to end, and DVC hashes after that
    entry = watch_stage(stage, _profile_argument(), BEGAN)
    _check_folders(entry)
    main()
    check_unchanged()
    taken = StageSeconds(stage.rpartition(":")[2], time.time() - BEGAN)
    keep_seconds(taken)
    print("\n".join([f"{stage}: {duration(taken.seconds)}; wrote", *made_lines(stage, entry.outs)]), flush=True)
    last.wanted = True


def _check_folders(entry: StageEntry) -> None:
    """InputError where an output would be written through a link, at which DVC fails once the stage has done its work.

    Stage settings looks too, but runs only where a setting was edited.
    """
    if any(Path(out).parts[0] != out and Path(Path(out).parts[0]).is_symlink() for out in entry.outs):
        from src.ops.checkout import find_links

        found = find_links(Path())
        if found.verdict == "FAIL":
            raise InputError(f"{found.check}: {found.found}; {found.cure}")


class _LastLook:
    """Ends a process whose stage has done its work, the moment that it has seen that nothing was edited under it."""

    def __init__(self) -> None:
        self.wanted = False

    def __call__(self) -> None:
        if not self.wanted:
            return
        status = 0
        try:
            check_unchanged()
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # of what would still come, the memory is freed by the system in less time


def _profile_argument() -> str | None:
    """`--profile` of the command line, before the stage itself reads it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_profile_argument(parser)
    return parser.parse_known_args()[0].profile
