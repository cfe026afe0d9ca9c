"""Uncommitted work of a user, an experiment that is killed over it, and what `make repair` says then."""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]
REPAIR = ("python", "-m", "src.ops.repair")


def edit(repository: Path, run: Run) -> None:
    """Work of each kind on files that `repository` has: notes.txt, deleted.txt, number, params.yaml (a key `theirs`)."""
    (repository / "notes.txt").write_text("words of the user\n")
    (repository / "deleted.txt").unlink()
    params = repository / "params.yaml"
    params.write_text(params.read_text().replace("theirs: 1", "theirs: 2"))
    (repository / "staged.txt").write_text("new and staged\n")
    (repository / "number").write_text("3")
    run(repository, "git", "add", "staged.txt", "number")
    (repository / "number").write_text("4")
    (repository / "untracked.txt").write_text("new and not staged\n")


def work(repository: Path) -> dict[str, str | None]:
    """What is there of that work, by file; of params.yaml the user's own key alone, since an experiment sets the other."""
    files = ("notes.txt", "deleted.txt", "staged.txt", "number", "untracked.txt")
    found = {name: (repository / name).read_text() if (repository / name).exists() else None for name in files}
    return found | {"params.yaml": "".join(re.findall("theirs: .*", (repository / "params.yaml").read_text()))}


def hide(repository: Path, run: Run, name: str) -> None:
    """Give a file the time that Git's index knows of it, in seconds, and the index a later one: to Git it is unchanged then.

    A second that ends between DVC's writing of the two does the same, but for inode and ctime, which Git is told to ignore here.
    """
    run(repository, "git", "config", "core.checkStat", "minimal")
    run(repository, "git", "config", "core.trustctime", "false")
    entry = run(repository, "git", "ls-files", "--debug", "--", name).stdout
    second = int(re.search(r"mtime: (\d+):", entry)[1])
    os.utime(repository / name, (second, second))
    time.sleep(max(0.0, second + 1 - time.time()))  # a Git that writes the index within that second would doubt the entry
    os.utime(repository / ".git/index", (second + 1, second + 1))
    assert run(repository, "git", "diff", "--name-only", "--", name).stdout == ""


def commands(printed: str) -> list[str]:
    """The commands that a repair prints, each on an indented line of its own."""
    return [line.strip() for line in printed.splitlines() if line.startswith("    ")]


def follow(repository: Path, run: Run, printed: str) -> list[str]:
    """Give the commands that a repair printed, literally; what the failing ones say."""
    done = [run(repository, "bash", "-c", command, check=False) for command in commands(printed)]
    return [f"{shlex.join(one.args)}: {one.stderr}" for one in done if one.returncode]


def detached(repository: Path, run: Run) -> bool:
    return run(repository, "git", "symbolic-ref", "HEAD", check=False).returncode != 0


def left_of_experiments(repository: Path, run: Run) -> set[str]:
    """Refs and folders that are neither an experiment that has run, nor the queue, nor DVC's note of its last HEAD."""
    refs = run(repository, "git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    kept = re.compile(r"refs/exps/([0-9a-f]{2}/[0-9a-f]{38}/.+|celery/.*|exec/EXEC_HEAD|exec/EXEC_APPLY)")
    folders = [*repository.glob(".dvc/tmp/exps/tmp*"), *repository.glob(".dvc/tmp/exps/standalone/tmp*")]
    staged = run(repository, "git", "ls-files", ".dvc/tmp").stdout.split()
    return {ref for ref in refs if not kept.fullmatch(ref)} | {str(folder) for folder in folders} | set(staged)
