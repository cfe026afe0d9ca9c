"""A folder in which runs are done beside the checkout: a clone of the commit at hand that shares DVC's cache and kept work."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from src.core.errors import InputError
from src.core.files import WORK, atomic_folder, write_text
from src.core.params import PARAMS, read_yaml
from src.ops.evidence_plan import SettingsFiles
from src.ops.git import git, resolve

# A run shows the commit's own: what differs from it would be missing in a worker's clone.
MUST_BE_COMMITTED = (
    "src", "params.yaml", "profiles", "dvc.yaml", "versions.yaml", "requirements-smollm2.txt", "sweeps/recipes.yaml",
)  # fmt: skip
LAST_LINES = 30  # of the log of a run that failed
LOCK_SECONDS = 30  # a killed command's DVC ends within them
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Worker:
    """A folder for runs, the file of what they print, and the threads that each may use. Paths are absolute."""

    folder: Path
    log: Path
    threads: int


@dataclass(frozen=True)
class Job:
    """A run: its name in messages, its profile, and the settings that it is done by."""

    name: str
    profile: str
    files: SettingsFiles


# --- folders ---


def check_committed(root: Path) -> str:
    """The commit at hand; InputError if what decides a run is not as it has it."""
    commit = resolve(root, "HEAD")
    if commit is None:
        raise InputError("there is no commit yet, and runs are done in clones of one; git commit first")
    changed = git(root, "diff", "--name-only", "HEAD", "--", *MUST_BE_COMMITTED).splitlines()
    changed += git(root, "ls-files", "--others", "--exclude-standard", "--", *MUST_BE_COMMITTED).splitlines()
    if changed:
        raise InputError(
            f"{', '.join(changed[:5])}{' …' if len(changed) > 5 else ''}: not as the commit at hand has it, and runs are done in "
            "clones of that commit; commit the change, or set it back"
        )
    return commit


@contextmanager
def alone(folder: Path, command: str) -> Iterator[int]:
    """Hold the folder of workers against another of the same command; yields what a child must inherit to hold it too, until it
    ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        begun = time.monotonic()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() - begun > LOCK_SECONDS:
                    raise InputError(f"{folder}: another `{command}` works here; wait for it, or end it") from error
                time.sleep(POLL_SECONDS)
        yield lock.fileno()


def cache_folder(root: Path) -> Path:
    """Where DVC keeps what stages write."""
    done = subprocess.run(["dvc", "cache", "dir"], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"`dvc cache dir` ended with {done.returncode}: {done.stderr.strip()}; run `make repair`")
    return (root / done.stdout.strip()).resolve()


def prepare(worker: Worker, root: Path, commit: str, cache: Path) -> None:
    """Bring a worker's folder to that commit, and repair what a killed DVC has left there.

    A folder that had another cache is made anew: what stands there may be what that one's runs have made.
    """
    config, wanted = worker.folder / ".dvc/config.local", f"[cache]\n    dir = {cache}\n"
    if worker.folder.exists() and not (config.exists() and config.read_text(encoding="utf-8") == wanted):
        shutil.rmtree(worker.folder)
    if not worker.folder.exists():
        with atomic_folder(worker.folder) as new:
            git(root, "clone", "--quiet", "--shared", "--no-checkout", str(root), str(new))
    (worker.folder / ".git/index.lock").unlink(missing_ok=True)  # of a killed command: nobody else works here
    git(worker.folder, "checkout", "--quiet", "--force", "--detach", commit)
    write_text(config, wanted)
    link = worker.folder / WORK
    if not link.is_symlink():
        link.symlink_to(root / WORK)
    with worker.log.open("w") as log:
        repaired = subprocess.run([sys.executable, "-m", "src.ops.repair"], cwd=worker.folder, stdout=log, stderr=log)
    if repaired.returncode:
        raise InputError(f"{worker.folder} cannot be repaired: {_last_lines(worker.log)}; remove it: finished work is kept")


# --- a run ---


def run(worker: Worker, job: Job, held: int, halt: Event) -> None:
    """Run the pipeline up to the verdict.

    held   of `alone`
    halt   ends the run when it is set
    InputError, with the last lines that it printed, if it fails.
    """
    write_text(worker.folder / PARAMS, job.files.params)
    write_text(worker.folder / f"profiles/{job.profile}.yaml", job.files.profile)
    # Tied to this process: one that SIGKILL ends would leave a DVC that goes on.
    command = [sys.executable, "-m", "src.ops.with_parent", "dvc", "repro", "compare"]
    with worker.log.open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=worker.folder,
            env=os.environ | {"OMP_NUM_THREADS": str(worker.threads)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[held],
        )
        try:
            while process.poll() is None and not halt.wait(POLL_SECONDS):
                pass
        finally:  # which a signal interrupts
            process.terminate()  # nothing, if it has ended
            process.wait()
    if process.returncode:
        raise InputError(
            f"{job.name} ended with status {process.returncode}:\n{_last_lines(worker.log)}\n"
            f"All of it: {worker.log}. Remove the cause and give the same command again: finished ones are kept"
        )


def output_digest(folder: Path, stage: str, path: str) -> str:
    """DVC's digest of an output as the dvc.lock of a folder has it; InputError if that has none."""
    lock = folder / "dvc.lock"
    for out in read_yaml(lock)["stages"][stage]["outs"]:
        if out["path"] == path:
            return str(out["md5"])
    raise InputError(f"{lock}: stage {stage} has no output {path}; remove the folder, and give the same command again")


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:])
