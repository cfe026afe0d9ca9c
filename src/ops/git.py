"""Git's own state as repairs and sweeps need it: refs, reflogs and what a command prints."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from src.core.errors import InputError


@dataclass(frozen=True)
class Entry:
    """A line of a reflog, the newest being of number 0."""

    commit: str
    time: int
    message: str


def git(root: Path, *arguments: str, read: str | None = None, **variables: str) -> str:
    """What a command of Git prints, `read` being its input."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=root, input=read, capture_output=True, text=True, env=os.environ | variables)
    if done.returncode:
        raise InputError(f"{shlex.join(command)} ended with {done.returncode}: {done.stderr.strip()}; nothing was removed by it")
    return done.stdout


def resolve(root: Path, name: str) -> str | None:
    """The commit of a ref or expression; None if there is none."""
    command = ["git", "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True).stdout.strip() or None


def last_change(root: Path, folder: str) -> str | None:
    """The commit that changed a folder last; None where there is none, or the folder is not as it has it."""
    if git(root, "status", "--porcelain", "--", folder).strip():
        return None
    return git(root, "log", "-1", "--format=%H", "--", folder).strip() or None


def reflog(root: Path, ref: str) -> list[Entry]:
    """The reflog of a ref, newest first; empty for a ref without one."""
    path = Path(git(root, "rev-parse", "--path-format=absolute", "--git-path", f"logs/{ref}").rstrip("\n"))
    if not path.exists():
        return []
    entries = []
    for line in reversed(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        who, _, message = line.partition("\t")
        commit, seconds = who.split()[1], who.split()[-2]
        entries.append(Entry(commit, int(seconds), message))
    return entries
