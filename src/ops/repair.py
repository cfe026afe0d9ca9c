"""Put right what DVC leaves half-written when it is killed. The make targets that run DVC do this first.

    python -m src.ops.repair [--check]        (make repair [CHECK=yes])

--check also reads all of DVC's cache (see src/ops/repair_cache.py). What a killed `dvc exp run` leaves, uncommitted work
that is in a stash alone before all, is the matter of src/ops/repair_experiments.py. While another DVC works here, nothing
is done.

DVC writes a few files in place. A kill in the milliseconds of that makes every later command fail (each state of the file
system that a kill can leave was tried, see tests/pipeline/test_repair.py):
- `dvc.lock` is truncated: it becomes Git's again; what had finished since comes back from the run cache, and nothing runs again.
- `rwlock`, DVC's list of who reads and writes which file, is empty: it is removed; of a killed process it says nothing.
- An entry of the run cache is a folder without content: it is removed.
Its temporary copies beside outputs, which harm nothing but take space, are removed too.

What is used here of DVC's private API is held by tests/contracts/test_dvc.py.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.files import naming
from src.ops.git import git
from src.ops.repair_cache import check_cache
from src.ops.repair_experiments import repair_experiments

if TYPE_CHECKING:
    from dvc.repo import Repo

LOCK_SECONDS = 2.0  # Git and editors hold a lock for milliseconds
TEMPORARY = re.compile(r"\.[\w-]{22}\.tmp")  # what dvc_objects calls a copy until it is complete


def is_readable(repo: Repo, lock_file: Path) -> bool:
    """Whether DVC can read a dvc.lock."""
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException

    try:
        Lockfile(repo, str(lock_file)).load()
    except DvcException:
        return False
    return True


def repair_lock_file(repo: Repo, root: Path) -> Iterator[str]:
    """Put Git's dvc.lock, or none, in the place of one that DVC cannot read; that one is kept under .dvc/tmp."""
    from dvc.dvcfile import LOCK_FILE

    path = root / LOCK_FILE
    if not path.exists() or is_readable(repo, path):
        return
    # One line for a file that Git keeps, more for one that is being merged: that is its user's to resolve.
    versions = git(root, "ls-files", "--stage", LOCK_FILE).splitlines()
    if len(versions) > 1:
        return
    truncated = root / f".dvc/tmp/{LOCK_FILE}.truncated"
    path.replace(truncated)
    if versions:
        git(root, "restore", LOCK_FILE)
    now = "as Git has it" if versions else "begun anew"
    yield f"{LOCK_FILE} was truncated: it is {now} (the truncated one: {truncated.relative_to(root)})"


def remove_unreadable_rwlocks(repo: Repo, root: Path) -> Iterator[str]:
    """Remove an rwlock that is no JSON, of the repository and of its experiments, while no other DVC writes it."""
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    for folder in (root / ".dvc/tmp", root / ".dvc/tmp/exps"):
        path = folder / RWLOCK_FILE
        if not path.exists():
            continue
        with make_lock(str(folder / RWLOCK_LOCK), str(folder), hardlink_lock=repo.config["core"].get("hardlink_lock", False)):
            try:
                json.loads(path.read_bytes())
            except ValueError:
                path.unlink()
                yield f"{path.relative_to(root)} was truncated: removed"


def remove_empty_run_cache_entries(repo: Repo, root: Path) -> Iterator[str]:
    """Remove the folders of the run cache that hold nothing."""
    for entry in Path(repo.stage_cache.cache_dir).glob("*/*"):
        if not any(entry.iterdir()):
            entry.rmdir()
            yield f"{os.path.relpath(entry, root)} was an entry without content: removed"


def remove_copies(root: Path) -> Iterator[str]:
    """Remove the temporary copies beside outputs."""
    for path in (*root.glob(".*.tmp"), *root.glob("*/.*.tmp")):
        if TEMPORARY.fullmatch(path.name):
            path.unlink()
            yield f"{path.relative_to(root)} was a copy that DVC did not complete: removed"


def running_dvc(root: Path) -> str | None:
    """The command of a DVC that runs in this checkout, in the folder of an experiment or as a worker of its queue; or None.

    It need not hold DVC's lock: between the steps of an experiment it holds none, and in a folder of its own neither.
    """
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error):  # one that has ended meanwhile, or is another user's
            words = process.cmdline()
            names = [Path(word).name for word in words[:3]]
            if "dvc" in names and process.pid != os.getpid() and Path(process.cwd()).is_relative_to(root):
                return f"{' '.join(words)} (process {process.pid})"
    return None


def remove_git_locks(root: Path) -> Iterator[str]:
    """Remove the locks of Git that nobody holds any more: with one of them every command of Git fails."""
    import psutil

    folder = Path(git(root, "rev-parse", "--absolute-git-dir").strip())
    found = [*folder.glob("*.lock"), *folder.glob("refs/**/*.lock")]
    for path in found:
        # A Git that works elsewhere may hold it: only one that stays for so long is nobody's.
        if any(process.info["name"] == "git" for process in psutil.process_iter(["name"])):
            continue
        time.sleep(max(0.0, path.stat().st_mtime + LOCK_SECONDS - time.time()))
        path.unlink(missing_ok=True)
        yield f"{os.path.relpath(path, root)} was a lock that nobody holds: removed"


def open_repository(folder: Path) -> Repo:
    """The repository that holds a folder; InputError if none does, or DVC cannot write its notes."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        return Repo(folder)
    except DvcException as error:
        raise InputError(f"{folder.resolve()}: {error}") from error
    except sqlite3.Error as error:
        raise InputError(
            f"{folder.resolve()}: DVC cannot write its own notes ({error}): free space in .dvc/tmp and /var/tmp/dvc, or lift "
            "the limit of file sizes (ulimit -f), and run it again: finished work is kept"
        ) from error


def repair(folder: Path = Path(), check: bool = False) -> Iterator[str]:
    """Repair the checkout that holds `folder`; a line for each thing that was done. Where another DVC is at work, nothing is.

    check   also read all of the cache; InputError then if another DVC is at work

    InputError if uncommitted work is in a stash of DVC alone: what runs next would run without it.
    """
    from dvc.lock import LockError

    repo = open_repository(folder)
    root = Path(repo.root_dir)
    if other := running_dvc(root):
        if check:
            raise InputError(
                f"the cache is not checked while another DVC is at work here: {other}; run it again when that has ended"
            )
        return
    try:
        with naming(root / ".dvc/tmp"), repo.lock:
            yield from remove_git_locks(root)
            yield from repair_lock_file(repo, root)
            yield from remove_unreadable_rwlocks(repo, root)
            yield from remove_empty_run_cache_entries(repo, root)
            yield from remove_copies(root)
            if check:
                yield from check_cache(repo, root)
            yield from repair_experiments(root)
    except LockError as error:
        if check:
            raise InputError(f"the cache is not checked while another DVC is at work here: {error}") from error


def main() -> None:
    parser = command_line("python -m src.ops.repair", __doc__)
    parser.add_argument("--check", action="store_true", help="also read all of DVC's cache, and replace what is corrupt")
    check = parser.parse_args().check
    for line in repair(check=check):
        print(f"repaired: {line}", flush=True)
    if check:
        print("all of the cache is read: what is in it has the content that its name says")


if __name__ == "__main__":
    run_command(main)
