"""DVC that is killed when it comes to its n-th change of a file of the repository at hand, or of its Git state.

    python killed_dvc.py files N LOG repro          0 for N kills nothing; LOG gets a line for each change
    python killed_dvc.py git N LOG exp run …

A kill of `files` comes before the change. A file that is opened to be written anew is emptied first: that is the state
between the opening and the first write. A kill of `git` comes before and after each call that changes refs, index or tree.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from dvc.cli import main

BACKENDS = ("dulwich", "pygit2", "gitpython")  # of scmrepo, which asks one after the other
GIT_CHANGES = ("set_ref", "remove_ref", "checkout", "reset", "add", "commit", "_stash_push", "_stash_apply", "_stash_drop")
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


def watch_git(last: int, log: Path) -> None:
    """Note every call that changes something of Git, before it and after it, and end at the line of number `last`."""
    noted = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    done = 0

    def note(line: str) -> None:
        nonlocal done
        done += 1
        os.write(noted, f"{line}\n".encode())
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def noting(name: str, change: Callable) -> Callable:
        @wraps(change)
        def changed(self, *args, **kwargs):
            words = " ".join(str(arg) for arg in args)
            note(f"before {name} {words}")
            result = change(self, *args, **kwargs)
            note(f"after {name} {words}")
            return result

        return changed

    for backend in BACKENDS:
        module = importlib.import_module(f"scmrepo.git.backend.{backend}")
        for kind in [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__]:
            for change in [change for change in GIT_CHANGES if change in vars(kind)]:
                setattr(kind, change, noting(f"{backend}.{change}", vars(kind)[change]))


if __name__ == "__main__":
    watching = {"files": watch, "git": watch_git}[sys.argv[1]]
    watching(int(sys.argv[2]), Path(sys.argv[3]))
    sys.exit(main(sys.argv[4:]))
