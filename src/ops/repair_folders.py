"""The folders in which experiments run (`dvc exp run --temp`, the queue), after a kill. Part of src/ops/repair.py."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from src.ops.git import git, resolve


def keep_finished(root: Path, folder: Path) -> Iterator[str]:
    """Fetch the experiments that were finished in a folder of their own and not yet collected."""
    listed = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)", "refs/exps"], cwd=folder, capture_output=True, text=True
    )
    own = [ref for ref in listed.stdout.split() if re.fullmatch(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/.+", ref)]
    for ref in own:
        if resolve(root, ref) is None:
            git(root, "fetch", "--quiet", str(folder), f"{ref}:{ref}")
            yield f"experiment {ref.rpartition('/')[2]} had finished in {folder.relative_to(root)}: kept"


def end_tasks(root: Path) -> None:
    """Let DVC's queue know of tasks whose worker was killed: it takes them for running, and looks for their folder."""
    names = []
    for path in root.glob(".dvc/tmp/exps/run/*/*.run"):
        with suppress(ValueError):
            note = json.loads(path.read_bytes())
            if note.get("location") == "dvc-task" and Path(note["root_dir"]).is_dir():
                names.append(path.stem)
    for name in names:  # one by one, since DVC ends none where one of them is no task that runs
        subprocess.run([sys.executable, "-m", "dvc", "queue", "kill", name], cwd=root, capture_output=True)


def remove_folders(root: Path) -> Iterator[str]:
    """Remove the folders in which experiments ran, and the refs by which they were filled."""
    exps = root / ".dvc/tmp/exps"
    folders = sorted(path for path in (*exps.glob("tmp*"), *exps.glob("standalone/tmp*")) if path.is_dir())
    if any(folder.parent == exps for folder in folders):
        end_tasks(root)
    for folder in folders:
        yield from keep_finished(root, folder)
        shutil.rmtree(folder)
        yield f"{folder.relative_to(root)} was the folder of an experiment that did not end: removed"
    for ref in git(root, "for-each-ref", "--format=%(refname)", "refs/exps/temp").split():
        git(root, "update-ref", "-d", ref)
