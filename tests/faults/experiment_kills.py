"""Kills of `dvc exp run` and of the queue's workers over uncommitted work: the part of the campaign that is of experiments."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil
from tqdm import tqdm

from tests.faults.campaign import Campaign
from tests.faults.killed_experiments import commands, detached, follow, left_of_experiments

WAYS = ("step", "workspace", "temp", "queue")
LAST_STEP = 60  # of killed_dvc.py: an experiment in the workspace has some seventy
LONGEST = 6.0  # seconds until a kill
KILLED = Path(__file__).with_name("killed_dvc.py")


def edit(repository: Path) -> None:
    """Uncommitted work that no stage reads: a file that is changed, one that is staged and one that Git does not know."""
    (repository / "Makefile").write_text((repository / "Makefile").read_text() + "# words of the user\n")
    (repository / "staged.txt").write_text("new\n")
    (repository / "untracked.txt").write_text("new\n")


def work(repository: Path) -> list[str | None]:
    paths = [repository / name for name in ("Makefile", "staged.txt", "untracked.txt")]
    return [path.read_text() if path.exists() else None for path in paths]


def named(disturbed: Campaign) -> tuple[str, ...]:
    """The options of an experiment of a new name: --force, for an old one, would run every stage again."""
    return "--name", f"killed-{sum(disturbed.tried.values())}", "--set-param"


def begin(disturbed: Campaign, way: str) -> subprocess.Popen:
    """Start an experiment that changes a weight of the scores."""
    setting = f"scoring.weights.cf={disturbed.random.uniform(0.1, 0.9):.3f}"
    if way == "step":
        number = disturbed.random.randint(1, LAST_STEP)
        script = f'python -m src.ops.repair && exec python {KILLED} git {number} .dvc/steps.log exp run "$@"'
    elif way == "queue":
        script = 'python -m src.ops.repair && dvc exp run --queue "$@" && dvc queue start && sleep 60'
    else:
        script = f'python -m src.ops.repair && exec dvc exp run {"--temp " * (way == "temp")}"$@"'
    return disturbed.start_shell(script, *named(disturbed), setting)


def is_below(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except psutil.Error:
        return False


def strike(disturbed: Campaign, experiment: subprocess.Popen, way: str) -> list[psutil.Process]:
    """Kill the experiment at a random moment, or wait until it has killed itself; all that should be gone then."""
    try:
        experiment.wait(60 if way == "step" else disturbed.random.uniform(0.5, LONGEST))
    except subprocess.TimeoutExpired:
        pass
    family = [process for process in psutil.process_iter() if is_below(process, disturbed.repository)]
    if way == "queue":  # its workers are in sessions of their own
        for process in family:
            process.kill()
    elif experiment.poll() is None:
        experiment.kill()
    experiment.wait()
    return family


def see_what_is_left(disturbed: Campaign, kind: str, before: list[str | None]) -> None:
    """Repair, give the commands that it prints, and see that all is there."""
    repository, lost = disturbed.repository, disturbed.lost
    printed = ""
    for _ in range(3):  # one stash after the other
        done = disturbed.run(repository, "python", "-m", "src.ops.repair", check=False)
        printed = done.stdout + done.stderr
        lost += [f"after {kind}: {error}" for error in follow(repository, disturbed.run, printed)]
        if not commands(printed):
            break
    if work(repository) != before:
        lost.append(f"after {kind}: uncommitted work is gone; repair said {printed}")
    if done.returncode or detached(repository, disturbed.run) or left_of_experiments(repository, disturbed.run):
        lost.append(f"after {kind}: repair left {left_of_experiments(repository, disturbed.run)}, saying {printed}")


def kill_experiment(disturbed: Campaign, way: str) -> None:
    """Begin one over uncommitted work, kill it, and see that nothing is lost; then the repository is as it was before."""
    repository = disturbed.repository
    edit(repository)
    disturbed.run(repository, "git", "add", "staged.txt")
    texts, step, before = disturbed.texts(), disturbed.kept_step(), work(repository)
    kind = f"kill of an experiment: {way}"
    disturbed.expect_gone(kind, strike(disturbed, begin(disturbed, way), way))
    disturbed.tried[kind] += 1
    disturbed.check_kept(kind, texts, step, "")
    see_what_is_left(disturbed, kind, before)
    disturbed.run(repository, "git", "reset", "-q", "--hard")
    disturbed.run(repository, "git", "clean", "-qfd")
    disturbed.run(repository, "dvc", "checkout", "-q", "--force", check=False)


def kill_experiments(disturbed: Campaign, number: int, ways: Sequence[str] = WAYS) -> None:
    """Try so many kills, in these ways by turns, where a run has ended; at last an experiment must still be possible."""
    repository = disturbed.repository
    disturbed.run(repository, "git", "add", "-A")
    disturbed.run(repository, "git", "commit", "-q", "--allow-empty", "-m", "a run")
    for count in tqdm(range(number), desc="kills of experiments", unit="kill"):
        kill_experiment(disturbed, ways[count % len(ways)])
    done = disturbed.run(repository, "dvc", "exp", "run", *named(disturbed), "seed=0", check=False)
    if done.returncode:
        disturbed.lost.append(f"dvc exp run ended with {done.returncode} after all: {done.stderr[-2000:]}")
    elif wrong := disturbed.wrong_outputs():
        disturbed.lost.append(f"after kills of experiments: other outputs than of an undisturbed run: {', '.join(wrong)}")
