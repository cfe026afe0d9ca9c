"""DVC that is killed when it comes to its n-th change of a file of the repository at hand.

    python killed_dvc.py N LOG repro        0 for N kills nothing; LOG gets a line for each change: its event and path

The kill comes before the change. A file that is opened to be written anew is emptied first: that is the state between
the opening and the first write.
"""

import os
import signal
import sys
from pathlib import Path

from dvc.cli import main

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink"}


def changes(event: str, arguments: tuple) -> bool:
    if event == "open":
        return isinstance(arguments[0], str) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in CHANGES


def watch(last: int, log: Path) -> None:
    """Note every change below the working folder, and end at the one of number `last`."""
    noted = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    root = f"{Path.cwd()}{os.sep}"
    done = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal done
        if not changes(event, arguments):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if not path.startswith(root):
            return
        done += 1
        os.write(noted, f"{event} {path.removeprefix(root)}\n".encode())
        if done == last:
            if event == "open" and arguments[2] & os.O_TRUNC and os.path.exists(path):
                os.truncate(path, 0)
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
