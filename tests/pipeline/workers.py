"""What runs in the folders of workers, for tests that kill the command that started it."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil


def in_worker(folder: Path) -> list[psutil.Process]:
    """What runs in a worker's folder below this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
        except psutil.Error:  # it has ended meanwhile, or is another user's
            continue
    return found


def wait_for(met: Callable[[], object], seconds: float) -> None:
    begun = time.monotonic()
    while not met():
        assert time.monotonic() - begun < seconds
        time.sleep(0.05)
