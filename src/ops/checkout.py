"""What of this checkout stops or misleads a run of DVC, and what DVC itself says too late or not at all.

Each `find_` function looks at one thing and returns Findings; none changes anything.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from src.ops.findings import Finding, judged

# The folders that stages write to; what lies in them may be links into DVC's cache.
FOLDERS = ("data", "checkpoints", "outputs", "metrics", "plots")


def find_links(root: Path) -> Finding:
    """Whether the folders of the outputs lie in the checkout.

    Where one is a link out of it, DVC runs a stage that writes there to its end, and then fails ("is outside of git
    repository"): the work of hours is not kept.
    """
    home = root.resolve()
    out = [name for name in FOLDERS if (root / name).is_symlink() and not (root / name).resolve().is_relative_to(home)]
    found = ", ".join(f"{name} is a link to {os.readlink(root / name)}" for name in out)
    cure = (
        f"DVC keeps nothing that a stage writes there. Remove the link (rm {' '.join(out)}), and have DVC keep its files on the "
        "other disk instead: dvc cache dir --local <folder on it>, and dvc config --local cache.type symlink"
    )
    return judged("folders", "in the checkout", found or f"{len(FOLDERS)} so", not out, cure)


# --- Git ---


def _git(*arguments: str) -> str | None:
    """What Git prints; None where it fails or is not installed."""
    if shutil.which("git") is None:
        return None
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def find_identity(needed: bool, variables: Mapping[str, str]) -> Finding:
    """Whether Git knows who commits, which DVC asks for as soon as an experiment begins in a tree that was changed.

    needed     a FAIL if there is none, else a warning
    variables  of the environment
    """
    named = all(variables.get(f"GIT_COMMITTER_{part}") for part in ("NAME", "EMAIL"))
    good = named or all(_git("config", f"user.{part}") for part in ("name", "email"))
    if good:
        return Finding("Git identity", "one", "one", "ok")
    cure = (
        "experiments are commits, and the next one in a changed tree, or `dvc exp apply`, fails: "
        'git config user.name "Your Name"; git config user.email you@example.org'
    )
    return Finding("Git identity", "one", "none", "FAIL" if needed else "warning", cure)


# --- an experiment ---


def find_unused_profiles(in_use: Path, baseline: str | None) -> Iterator[Finding]:
    """A warning for each profile that is not in use, but is not as the commit that the experiment began from has it.

    in_use    the file of the profile in use
    baseline  DVC_EXP_BASELINE_REV; None where no experiment runs
    """
    changed = _git("diff", "--name-only", "--relative", "-z", baseline, "--", str(in_use.parent)) if baseline else None
    for file in (changed or "").split("\0"):
        if Path(file) == in_use or Path(file).suffix != ".yaml":
            continue
        found = f"changed, but profile {in_use.stem} is in use"
        cure = f"nothing of this run depends on it; `-S profile={Path(file).stem}` chooses it"
        yield Finding(file, "in use", found, "warning", cure)


def find_checkout(profile: Path, variables: Mapping[str, str]) -> tuple[Finding, ...]:
    """All findings on the checkout; who commits matters to experiments alone, and to those who are about to make one.

    profile    the file of the profile in use
    variables  of the environment
    """
    in_experiment = is_in_workspace(variables)
    asked_for = in_experiment or "DVC_STAGE" not in variables
    identity = [find_identity(in_experiment, variables)] if asked_for else []
    return (find_links(Path(".")), *identity, *find_unused_profiles(profile, variables.get("DVC_EXP_BASELINE_REV")))


def is_in_workspace(variables: Mapping[str, str]) -> bool:
    """Whether this is a stage of an experiment in the user's own checkout; those of `--temp` and `--queue` have their own."""
    root = variables.get("DVC_ROOT")
    return "DVC_EXP_NAME" in variables and root is not None and Path(root).resolve() == Path.cwd()
