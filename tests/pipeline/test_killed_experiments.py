"""A real `dvc exp run` is killed while it moves uncommitted work about; `make repair` says where that is, and it comes back."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pygit2
import pytest

from tests.faults.campaign import Campaign
from tests.faults.experiment_kills import kill_experiments
from tests.faults.killed_experiments import detached, edit, follow, hide, left_of_experiments, work
from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.slow

PIPELINE = """
stages:
  copy:
    cmd: cp number figure
    deps: [number]
    params: [ours]
    outs: [figure]
"""
# How the line of killed_dvc.py begins at whose first occurrence the kill comes, and with which option of `dvc exp run`.
WORKSPACE = (
    "after pygit2._stash_push refs/stash",
    "after pygit2.checkout HEAD",
    "after pygit2._stash_apply",
    "after dulwich.add",
    "after dulwich._stash_push refs/exps/stash",
    "after pygit2.set_ref HEAD",
    "after pygit2._stash_drop refs/stash",
    "before pygit2.set_ref refs/stash",
    "after pygit2.set_ref refs/stash",
    "after dulwich.commit",
    "after dulwich.remove_ref refs/exps/exec/EXEC_MERGE",
)
TEMPORARY = ("after pygit2._stash_push refs/stash", "after dulwich.set_ref refs/exps/temp/merge", "after dulwich.commit")
QUEUE = ("after dulwich._stash_push refs/exps/celery/stash",)
CASES = [(mode, step) for mode, steps in (("", WORKSPACE), ("--temp", TEMPORARY), ("--queue", QUEUE)) for step in steps]


STEPS: dict[tuple[str, str], int] = {}  # the number of each step, once a mode has run undisturbed


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory, run) -> Path:
    """A repository in which a stage has run, and a stash of the user's."""
    folder = tmp_path_factory.mktemp("experiments") / "repository"
    folder.mkdir()
    run(folder, "git", "init", "-q", "-b", "main")
    run(folder, "dvc", "init", "-q")
    run(folder, "dvc", "config", "core.autostage", "true")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "params.yaml").write_text("ours: 1\ntheirs: 1\n")
    (folder / ".gitignore").write_text("/figure\n")
    for name in ("number", "notes.txt", "deleted.txt"):
        (folder / name).write_text("1")
    run(folder, "dvc", "repro")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "a run")
    (folder / "notes.txt").write_text("of the user's own stash")
    run(folder, "git", "stash")
    return folder


@pytest.fixture
def repository(committed, tmp_path, run) -> Path:
    """A copy with uncommitted work of each kind."""
    shutil.copytree(committed, tmp_path / "repository")
    edit(tmp_path / "repository", run)
    return tmp_path / "repository"


@pytest.fixture(scope="module")
def repair(environment, warm) -> Callable[..., tuple[int, str]]:
    """Run `python -m src.ops.repair` in a folder; its status and what it prints."""

    def repair_in(folder: Path, *options: str) -> tuple[int, str]:
        done = warm.run(folder, "python", "-m", "src.ops.repair", *options, environment=environment | {"PYTHONPATH": str(ROOT)})
        return done.returncode, done.stdout + done.stderr

    return repair_in


@pytest.fixture
def kill_at(repository, tmp_path, environment, warm) -> Callable[..., None]:
    """Kill `dvc exp run`, under an option or "", at the first line of killed_dvc.py that begins so."""

    def experiment(number: int, mode: str, folder: Path, log: Path) -> int:
        command = ["python", str(ROOT / "tests/faults/killed_dvc.py"), "git", str(number), str(log), "exp", "run"]
        command += [*([mode] if mode else []), "--name", "killed", "-S", "ours=5"]
        return warm.run(folder, *command, environment=environment).returncode

    def kill(mode: str, step: str) -> None:
        if (mode, step) not in STEPS:
            shutil.copytree(repository, tmp_path / "undisturbed")
            assert experiment(0, mode, tmp_path / "undisturbed", tmp_path / "log") == 0
            lines = (tmp_path / "log").read_text().splitlines()
            for known in {step} | {one for of, one in CASES if of == mode}:
                STEPS[mode, known] = next(number for number, line in enumerate(lines, 1) if line.startswith(known))
        assert experiment(STEPS[mode, step], mode, repository, tmp_path / "log_of_kill") == -9

    return kill


@pytest.mark.parametrize(("mode", "step"), CASES)
def test_every_edit_comes_back_by_the_printed_command(repository, run, repair, kill_at, mode, step):
    before, own = work(repository), run(repository, "git", "rev-parse", "stash").stdout
    kill_at(mode, step)
    status, printed = repair(repository)
    assert (status == 0) == (work(repository) == before and "git stash pop" not in printed), printed
    assert follow(repository, run, printed) == [], printed
    assert work(repository) == before, printed
    assert repair(repository) == (0, "")
    assert not detached(repository, run) and left_of_experiments(repository, run) == set()
    assert own.strip() in run(repository, "git", "stash", "list", "--format=%H").stdout.split(), "a stash of the user's is gone"
    assert own.strip()[:10] not in printed
    run(repository, "dvc", "exp", "run", "--force", "--name", "killed", "-S", "ours=5")
    assert work(repository) == before


# DVC has the work in the tree and in a stash, with an index that it has written since; and at last in the tree alone.
@pytest.mark.parametrize("step", ["after pygit2._stash_apply", "after dulwich.add", "before dulwich.add ['/"])
def test_an_edit_of_the_same_length_in_the_same_second_comes_back_and_git_shows_it(repository, run, repair, kill_at, step):
    before = work(repository)
    kill_at("", step)
    hide(repository, run, "number")
    _, printed = repair(repository)
    assert follow(repository, run, printed) == [], printed
    assert work(repository) == before, printed
    assert run(repository, "git", "diff", "HEAD", "--name-only", "--", "number").stdout == "number\n"


def test_a_stash_of_the_users_is_never_taken_for_one_of_dvc(repository, run, repair, kill_at):
    """It is made by the library that DVC uses, an hour ago; then DVC is killed just before it makes its own."""
    untouched = work(repository)
    who = pygit2.Signature("test", "test@example.org", int(time.time()) - 3600, 0)
    pygit2.Repository(str(repository)).stash(who)
    for name in ("notes.txt", "number"):
        (repository / name).write_text("edited later")
    stashes = run(repository, "git", "stash", "list", "--format=%H").stdout
    kill_at("", "before dulwich._stash_push refs/stash")
    assert repair(repository) == (0, "")
    assert run(repository, "git", "stash", "list", "--format=%H").stdout == stashes
    assert (repository / "notes.txt").read_text() == "edited later"
    run(repository, "git", "checkout", "-q", ".")
    run(repository, "git", "stash", "pop", "--index")
    assert work(repository) == untouched


def test_a_head_that_the_user_has_detached_stays_where_it_is(repository, run, repair):
    run(repository, "git", "checkout", "-q", "--detach")
    run(repository, "git", "commit", "-qm", "on no branch")
    assert repair(repository) == (0, "")
    assert detached(repository, run)


# --- processes ---

SWEEP = "title: Two\npoints: [{name: one, set: [ours=5]}, {name: two, set: [ours=6]}]\n"
PATIENCE = 5.0


@pytest.fixture
def lasting(committed, tmp_path, run) -> Path:
    """A repository with a sweep and the comparison, whose stage takes a minute."""
    folder = tmp_path / "lasting"
    shutil.copytree(committed, folder)
    (folder / "sweeps").mkdir()
    (folder / "sweeps/two.yaml").write_text(SWEEP)
    (folder / "profiles").mkdir()
    (folder / "profiles/tiny.yaml").write_text("{}\n")
    (folder / "params.yaml").write_text("ours: 1\ntheirs: 1\nseed: 0\nprofile: tiny\npolicy: none\n")
    (folder / "dvc.yaml").write_text(
        PIPELINE.replace("cp number figure", "exec python -m src.ops.with_parent sleep 60").replace("[ours]", "[ours, policy]")
    )
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/compare.sh", folder / "scripts/compare.sh")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "a sweep")
    (folder / "notes.txt").write_text("words of the user")
    return folder


def is_below(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except psutil.Error:
        return False


def is_stage(process: psutil.Process) -> bool:
    try:
        return process.name() == "sleep"
    except psutil.Error:
        return False


def family(process: subprocess.Popen) -> list[psutil.Process]:
    """The process and all below it, once the stage is among them."""
    while True:
        assert process.poll() is None, "it has ended by itself"
        found = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        if any(is_stage(one) for one in found):
            return found
        time.sleep(0.05)


@pytest.mark.parametrize("command", [("python", "-m", "src.ops.sweep", "two"), ("scripts/compare.sh",)])
def test_a_sweep_that_is_killed_leaves_no_process_and_repair_removes_the_rest(lasting, environment, run, repair, command):
    there = environment | {"PYTHONPATH": str(ROOT)}
    with (lasting.parent / "log").open("wb") as log:
        running = subprocess.Popen(command, cwd=lasting, env=there, stdout=log, stderr=log, start_new_session=True)
    processes = family(running)
    assert len(processes) > 2
    before = left_of_experiments(lasting, run)
    assert before and repair(lasting) == (0, ""), "while a DVC works, nothing is done"
    status, error = repair(lasting, "--check")
    assert status == 1 and "is not checked while another DVC is at work here: " in error
    assert left_of_experiments(lasting, run) == before
    running.send_signal(signal.SIGKILL)
    running.wait()
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    assert [process.cmdline() for process in alive] == []
    status, printed = repair(lasting)
    assert status == 0 and "removed" in printed, printed
    assert left_of_experiments(lasting, run) == set() and not detached(lasting, run)
    assert (lasting / "notes.txt").read_text() == "words of the user"
    assert repair(lasting) == (0, "")


def test_a_killed_worker_of_the_queue_leaves_a_queue_that_can_be_read(lasting, environment, run, repair):
    there = environment | {"PYTHONPATH": str(ROOT)}
    run(lasting, "dvc", "exp", "run", "--queue", "--name", "queued", "-S", "ours=5")
    subprocess.run(["dvc", "queue", "start"], cwd=lasting, env=there, check=True, stdout=subprocess.DEVNULL)
    processes: list[psutil.Process] = []
    while not any(is_stage(process) for process in processes):
        time.sleep(0.05)
        processes = [process for process in psutil.process_iter() if is_below(process, lasting)]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=PATIENCE)
    status, printed = repair(lasting)
    assert status == 0 and "was the folder of an experiment that did not end: removed" in printed, printed
    assert "Failed" in run(lasting, "dvc", "queue", "status").stdout
    run(lasting, "dvc", "exp", "show")
    assert (lasting / "notes.txt").read_text() == "words of the user"


def test_a_short_campaign_over_the_pipeline_itself_loses_nothing(tmp_path, finished):
    """`make faults` tries more of them, the queue and random steps of Git among them."""
    disturbed = Campaign(tmp_path, 0, finished[0])
    kill_experiments(disturbed, 2, ("workspace", "temp"))
    assert sum(disturbed.tried.values()) == 2
    assert disturbed.lost == []
