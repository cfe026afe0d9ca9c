"""What a killed `dvc exp run` leaves in Git, and how the user's uncommitted work comes back. Part of src/ops/repair.py.

DVC moves uncommitted work about, in this order; a kill between any two of these steps leaves the state that is named:
- It stashes the work as `git stash` does, and detaches HEAD: the work is in refs/stash alone.
- It applies that to the tree, writes the new parameters, keeps the result in refs/exps/stash and resets the tree: as above.
- It puts HEAD back on its branch, applies the stash and drops it: the work is in the tree, or in both.
- (`--temp` and the queue go on in a folder of their own.) In the workspace it sets EXEC_MERGE to the commit that was in
  refs/exps/stash, detaches HEAD and resets the tree: the work is in EXEC_MERGE alone.
- It applies EXEC_MERGE by way of refs/stash and runs the stages: the work is in the tree, and HEAD is detached.
- It commits the experiment on the detached HEAD, and puts HEAD back on its branch.

So work that is nowhere but in a commit is made a stash, if it is none yet, and named with the command that brings it back.
HEAD goes back to its branch, and what DVC set aside for a run that will not come is removed.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from src.core.errors import InputError
from src.core.files import write_text
from src.ops.git import Entry, git, reflog, resolve
from src.ops.repair_folders import remove_folders

ARGUMENTS = ".dvc/tmp/repro.dat"  # the arguments of the experiment, which DVC adds to Git's index for a moment
KNOWN = ".dvc/tmp/stashes_of_killed_experiments"
STASH, WAITING, EXECUTED = "refs/stash", "refs/exps/stash", "refs/exps/exec"
EXPERIMENT = "dvc-exp:"  # how the message of a commit begins in which DVC keeps an experiment that has not run yet
COMMITTED = "dvc: commit experiment "
# libgit2, by which DVC stashes, ends the message with a line end; the git command does not.
STASHED_BY_LIBGIT2 = re.compile(r"WIP on [^\n]*: [0-9a-f]{7,} [^\n]*\n")
DETACHED = re.compile(r"checkout: moving from (\S+) to ([0-9a-f]{40})")  # DVC checks out a commit's whole name
PERIOD = 60  # seconds between DVC's note that it begins, the stash and the checkout; a tenth in practice
SHOWN_FILES = 8


@dataclass(frozen=True)
class Stash:
    """A commit in which uncommitted work is kept. `base` is the commit that the work is of, `time` in seconds since 1970."""

    commit: str
    message: str
    time: int
    base: str


@dataclass(frozen=True)
class Comparison:
    """Files of a stash that the tree has not as the stash has them: `gone` as of before the work, `other` as neither."""

    files: tuple[str, ...]
    gone: tuple[str, ...]
    other: tuple[str, ...]


def read_stash(root: Path, commit: str) -> Stash:
    """A stash by its commit."""
    head, _, message = git(root, "cat-file", "commit", commit).partition("\n\n")
    fields = [line.split(" ") for line in head.splitlines()]
    base = next(field[1] for field in fields if field[0] == "parent")
    time = next(int(field[-2]) for field in fields if field[0] == "committer")
    return Stash(commit, message, time, base)


# --- whose is it ---


def dead_claim(root: Path) -> int | None:
    """When a DVC that runs no longer began to move work about, in seconds since 1970; None if none says so.

    DVC notes it in the list of who writes what (rwlock) of its experiments, and takes it back at the end.
    """
    path = root / ".dvc/tmp/exps/rwlock"
    if not path.exists():
        return None
    try:
        writers = json.loads(path.read_bytes()).get("write", {})
    except ValueError:
        return None
    claims = {"workspace", WAITING, EXECUTED, "refs/exps/celery/stash"} & writers.keys()
    return int(path.stat().st_mtime) if claims else None


def is_of_dvc(root: Path, stash: Stash, head: Sequence[Entry]) -> bool:
    """Whether DVC made the stash for an experiment. A stash of the user's is never taken for one.

    Its form is that of libgit2, which other programs use too; so DVC must also have said that it begins just before, or
    have checked out that very commit just after. What was found once is noted, since the next DVC removes what says so.
    """
    if stash.message.startswith(EXPERIMENT):
        return True
    known = root / KNOWN
    if known.exists() and stash.commit in known.read_text(encoding="utf-8").split():
        return True
    if not STASHED_BY_LIBGIT2.fullmatch(stash.message):
        return False
    began = dead_claim(root)
    claimed = began is not None and 0 <= stash.time - began <= PERIOD
    detached = any(
        (found := DETACHED.fullmatch(entry.message)) and found[2] == stash.base and 0 <= entry.time - stash.time <= PERIOD
        for entry in head
    )
    return claimed or detached


def stashes_of_dvc(root: Path) -> list[Stash]:
    """The entries of refs/stash that are of killed experiments, newest first, and noted as such."""
    head = reflog(root, "HEAD")
    entries = [read_stash(root, entry.commit) for entry in reflog(root, STASH)]
    found = [stash for stash in entries if is_of_dvc(root, stash, head)]
    if found:
        write_text(root / KNOWN, "".join(f"{stash.commit}\n" for stash in found))
    else:
        (root / KNOWN).unlink(missing_ok=True)
    return found


# --- what the tree has of it ---


def blobs(root: Path, commit: str, files: Sequence[str]) -> dict[str, str]:
    """The content's name of each file in a commit; files that it has not are left out."""
    listed = git(root, "ls-tree", "-r", "-z", "--full-tree", commit)
    kept = {path: words.split()[2] for words, _, path in (line.partition("\t") for line in listed.split("\0") if line)}
    return {path: kept[path] for path in files if path in kept}


def compare(root: Path, stash: Stash) -> Comparison:
    """What the tree has of a stash."""
    changed = git(root, "diff-tree", "-r", "--name-only", "--no-renames", "-z", stash.base, stash.commit).split("\0")
    files = [path for path in changed if path and path != ARGUMENTS]
    there = [path for path in files if (root / path).is_file()]
    hashed = git(root, "hash-object", "--stdin-paths", read="".join(f"{path}\n" for path in there)).split()
    now = dict(zip(there, hashed, strict=True))
    before, after = blobs(root, stash.base, files), blobs(root, stash.commit, files)
    lacking = [path for path in files if now.get(path) != after.get(path)]
    gone = tuple(path for path in lacking if now.get(path) == before.get(path))
    return Comparison(tuple(files), gone, tuple(path for path in lacking if path not in gone))


def index_is_of(root: Path, stash: Stash) -> bool:
    """Whether what is staged is what was staged when the stash was made."""
    done = subprocess.run(["git", "diff-index", "--cached", "--quiet", f"{stash.commit}^2"], cwd=root)
    return done.returncode == 0


def some(files: Sequence[str]) -> str:
    """File names for a message."""
    more = len(files) - SHOWN_FILES
    return ", ".join(files[:SHOWN_FILES]) + (f" and {more} more" if more > 0 else "")


# --- repairs ---


def read_anew(root: Path) -> None:
    """Make Git tell changes of the files that DVC moved by content, in the place of size and time.

    DVC writes such a file twice within one second and Git's index after it: to Git a change of like size is none then, and
    `git stash push` would leave it where it is, in the way of the work that comes back.
    """
    moved = stashes_of_dvc(root)
    if merged := resolve(root, f"{EXECUTED}/EXEC_MERGE"):
        moved.append(read_stash(root, merged))
    if files := {path for stash in moved for path in compare(root, stash).files}:
        entries = git(root, "--literal-pathspecs", "ls-files", "--stage", "-z", "--", *sorted(files))
        git(root, "update-index", "-z", "--index-info", read=entries)  # an entry that is given so has no time


def remove_arguments(root: Path) -> Iterator[str]:
    """Take the file of arguments out of Git's index and away: it would be committed with the user's next commit."""
    staged = git(root, "ls-files", "--", ARGUMENTS)
    if staged:
        git(root, "rm", "--quiet", "--cached", "--force", "--", ARGUMENTS)
    if staged or (root / ARGUMENTS).exists():
        (root / ARGUMENTS).unlink(missing_ok=True)
        yield f"{ARGUMENTS} was left of an experiment: removed"


def drop(root: Path, commit: str) -> None:
    """Take one commit from the list of stashes."""
    for number, entry in enumerate(reflog(root, STASH)):
        if entry.commit == commit:
            git(root, "stash", "drop", "--quiet", f"stash@{{{number}}}")
            return


def keep_as_stash(root: Path, stash: Stash) -> str:
    """A stash of the work in a commit in which DVC keeps an experiment, without DVC's own file; its name."""
    index = str(root / ".dvc/tmp/repair.index")

    def without_arguments(commit: str, *parents: str) -> str:
        git(root, "read-tree", commit, GIT_INDEX_FILE=index)
        git(root, "rm", "--quiet", "--cached", "--force", "--ignore-unmatch", "--", ARGUMENTS, GIT_INDEX_FILE=index)
        tree = git(root, "write-tree", GIT_INDEX_FILE=index).strip()
        options = [part for parent in parents for part in ("-p", parent)]
        return git(root, "commit-tree", tree, *options, read=stash.message).strip()

    try:
        staged = without_arguments(f"{stash.commit}^2", stash.base)
        commit = without_arguments(stash.commit, stash.base, staged)
    finally:
        Path(index).unlink(missing_ok=True)
    git(root, "stash", "store", "--message", stash.message.strip(), commit)
    return commit


def rescue_moved_work(root: Path) -> Iterator[str]:
    """Make a stash of work that is in a commit of an experiment alone, and remove the refs of the run that was killed."""
    merged = resolve(root, f"{EXECUTED}/EXEC_MERGE")
    raw = [entry.commit for entry in reflog(root, STASH)]
    raw = [commit for commit in raw if git(root, "ls-tree", "--name-only", commit, "--", ARGUMENTS)]
    for commit in dict.fromkeys([*([merged] if merged else []), *raw]):
        stash = read_stash(root, commit)
        if not stash.message.startswith(EXPERIMENT):
            continue
        found = compare(root, stash)
        # While the stages run they change files of their own: of EXEC_MERGE only what is as before the work tells of a loss.
        if found.gone or (commit in raw and found.other):
            yield f"uncommitted work was in {commit[:7]} alone: it is in stash {keep_as_stash(root, stash)[:7]}"
        if commit in raw:
            drop(root, commit)
    refs = [f"{EXECUTED}/{name}" for name in ("EXEC_MERGE", "EXEC_BASELINE", "EXEC_BRANCH")]
    if there := git(root, "for-each-ref", "--format=%(refname)", *refs).split():
        for ref in there:
            git(root, "update-ref", "--no-deref", "-d", ref)
        yield "an experiment in the workspace did not end: its refs are removed; give its command again"


def forget_waiting(root: Path) -> Iterator[str]:
    """Remove experiments that a killed command had set aside for itself: the next `dvc exp run` would run them as well."""
    if commit := resolve(root, WAITING):
        name = read_stash(root, commit).message.strip().rpartition(":")[2]
        git(root, "update-ref", "-d", WAITING)
        yield f"experiment {name} ({commit[:7]}) had not begun: removed; give its command again"


def reattach_head(root: Path) -> Iterator[str]:
    """Put HEAD back on the branch from which DVC took it, where that changes no file and loses no commit."""
    is_attached = subprocess.run(["git", "symbolic-ref", "--quiet", "HEAD"], cwd=root, capture_output=True).returncode == 0
    folder = Path(git(root, "rev-parse", "--absolute-git-dir").strip())
    if is_attached or any((folder / name).exists() for name in ("rebase-merge", "rebase-apply", "BISECT_LOG", "MERGE_HEAD")):
        return
    entries = reflog(root, "HEAD")
    taken = next((entry for entry in entries if not entry.message.startswith(f"commit: {COMMITTED}")), None)
    found = DETACHED.fullmatch(taken.message) if taken else None
    head, committed = resolve(root, "HEAD"), taken is not entries[0]
    if not found or resolve(root, f"refs/heads/{found[1]}") != found[2]:
        return
    if head != found[2] and not (committed and resolve(root, "HEAD^") == found[2]):
        return
    git(root, "symbolic-ref", "-m", f"repair: back on {found[1]}", "HEAD", f"refs/heads/{found[1]}")
    if committed:
        git(root, "reset", "--quiet")  # as DVC does: the tree stays as it is
    yield f"HEAD was detached: it is on branch {found[1]} again" + (f"; the experiment is in {head}" if committed else "")


# --- what the user must do ---


def bring_back(root: Path, stash: Stash, number: int) -> str:
    """The command that puts a stash into the tree. What is changed there goes to a stash of its own before."""
    added = set(blobs(root, stash.commit, compare(root, stash).files)) - set(git(root, "ls-files", "-z").split("\0"))
    in_the_way = any((root / path).exists() for path in added)
    if not (in_the_way or git(root, "status", "--porcelain", "--untracked-files=no")):
        return f"git stash pop --index 'stash@{{{number}}}'"
    untracked = " --include-untracked" if in_the_way else ""
    return f"git stash push{untracked} && git stash pop --index 'stash@{{{number + 1}}}'"


def tell(root: Path, stash: Stash) -> Iterator[str]:
    """A line where the tree has what a stash of DVC has; InputError with what to do where it lacks some of it."""
    number = next(i for i, entry in enumerate(reflog(root, STASH)) if entry.commit == stash.commit)
    when = datetime.fromtimestamp(stash.time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    name, removal = f"stash@{{{number}}} ({stash.commit[:10]}, of {when})", f"git stash drop 'stash@{{{number}}}'"
    found = compare(root, stash)
    is_experiment = stash.message.startswith(EXPERIMENT)
    if not (found.gone or found.other) and (is_experiment or index_is_of(root, stash)):
        yield f"{name} has what the tree has as well, of {some(found.files)}; to remove it:\n    {removal}"
        return
    what = "uncommitted work with what -S had set," if is_experiment else "uncommitted work"
    raise InputError(
        f"{what} of {some(found.files)} is in {name}: dvc exp run had put it there when it was killed. To bring it back:\n"
        f"    {bring_back(root, stash, number)}\nor, if nobody needs it: {removal}"
    )


def repair_experiments(root: Path) -> Iterator[str]:
    """Repair what killed experiments left; a line for each thing that was done. Nothing of DVC may run here meanwhile.

    InputError with the command that brings it back if uncommitted work is in a stash of DVC alone.
    """
    if resolve(root, "HEAD") is None:
        return
    yield from remove_arguments(root)
    read_anew(root)  # which notes what is of DVC, before what tells of it is removed
    yield from rescue_moved_work(root)
    yield from forget_waiting(root)
    yield from reattach_head(root)
    yield from remove_folders(root)
    for stash in stashes_of_dvc(root):
        yield from tell(root, stash)
