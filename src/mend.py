"""Put right what DVC leaves half-written when it is killed. The make targets that run DVC do this first.

    python -m src.mend        (make mend)

DVC writes a few files in place. A kill in the milliseconds of that makes every later command fail (each state of the file
system that a kill can leave was tried, see tests/pipeline/test_mend.py):
- `dvc.lock` is cut: it becomes Git's again; what had finished since comes back from the run cache, and nothing runs again.
- `rwlock`, DVC's list of who reads and writes which file, is empty: it is removed; of a killed process it says nothing.
- An entry of the run cache is a folder without content: it is removed.
Its temporary copies beside outputs, which harm nothing but take space, are removed too.
"""

import argparse
import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dvc.dvcfile import LOCK_FILE, Lockfile
from dvc.exceptions import DvcException
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

from src.errors import InputError, run_stage

TEMPORARY = re.compile(r"\.[\w-]{22}\.tmp")  # what dvc_objects calls a copy until it is whole


def is_sound(lock: Lockfile) -> bool:
    try:
        lock.load()
    except DvcException:
        return False
    return True


def mend_lock(repo: Repo, root: Path) -> Iterator[str]:
    path = root / LOCK_FILE
    if not path.exists() or is_sound(Lockfile(repo, str(path))):
        return
    # One line for a file that Git keeps, more for one that is being merged: that is its user's to mend.
    kept = subprocess.run(["git", "ls-files", "--stage", LOCK_FILE], cwd=root, capture_output=True, text=True, check=True)
    versions = kept.stdout.splitlines()
    if len(versions) > 1:
        return
    cut = root / f".dvc/tmp/{LOCK_FILE}.cut"
    path.replace(cut)
    if versions:
        subprocess.run(["git", "restore", LOCK_FILE], cwd=root, check=True)
    yield f"{LOCK_FILE} was cut: it is {'as Git has it' if versions else 'begun anew'} (the cut one: {cut.relative_to(root)})"


def mend_rwlocks(repo: Repo, root: Path) -> Iterator[str]:
    for folder in (root / ".dvc/tmp", root / ".dvc/tmp/exps"):
        path = folder / RWLOCK_FILE
        if not path.exists():
            continue
        with make_lock(str(folder / RWLOCK_LOCK), str(folder), hardlink_lock=repo.config["core"].get("hardlink_lock", False)):
            try:
                json.loads(path.read_bytes())
            except ValueError:
                path.unlink()
                yield f"{path.relative_to(root)} was cut: removed"


def mend_run_cache(repo: Repo, root: Path) -> Iterator[str]:
    for entry in Path(repo.stage_cache.cache_dir).glob("*/*"):
        if not any(entry.iterdir()):
            entry.rmdir()
            yield f"{os.path.relpath(entry, root)} was an entry without content: removed"


def remove_copies(root: Path) -> Iterator[str]:
    for path in (*root.glob(".*.tmp"), *root.glob("*/.*.tmp")):
        if TEMPORARY.fullmatch(path.name):
            path.unlink()
            yield f"{path.relative_to(root)} was a copy that DVC did not end: removed"


def mend(folder: Path = Path()) -> Iterator[str]:
    """Mend the checkout that holds `folder`; a line for each thing that was done. Where another DVC is writing, nothing is."""
    try:
        repo = Repo(folder)
    except DvcException as error:
        raise InputError(f"{folder.resolve()}: {error}") from error
    except sqlite3.Error as error:
        raise InputError(
            f"{folder.resolve()}: DVC cannot write its own notes ({error}): free space in .dvc/tmp and /var/tmp/dvc, or lift "
            "the limit of file sizes (ulimit -f), and run it again: finished work is kept"
        ) from error
    root = Path(repo.root_dir)
    try:
        with repo.lock:
            for mended in (mend_lock(repo, root), mend_rwlocks(repo, root), mend_run_cache(repo, root), remove_copies(root)):
                yield from mended
    except LockError:
        return


def main() -> None:
    argparse.ArgumentParser(prog="python -m src.mend", description=__doc__.split("\n")[0]).parse_args()
    for line in mend():
        print(f"mended after a kill of DVC: {line}")


if __name__ == "__main__":
    run_stage(main)
