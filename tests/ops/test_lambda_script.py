"""scripts/lambda.sh, as far as it goes without installing anything; bench/bare_root.sh runs all of it in a bare system."""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = {"REGIME_W_BUCKET": "results", "AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "testing-secret"}


@pytest.fixture
def clone(tmp_path) -> Path:
    """What the script looks for in a clone; nothing in it could run a pipeline."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/lambda.sh", tmp_path / "scripts")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    (tmp_path / ".git").mkdir()
    return tmp_path


def script(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if key not in (*SETTINGS, "PROFILE", "REGIME_W_ENDPOINT")}
    command = [folder / "scripts/lambda.sh", *arguments]
    return subprocess.run(command, cwd="/", env=environment | variables, capture_output=True, text=True, timeout=120)


def test_it_is_sound_bash_and_may_be_run():
    path = ROOT / "scripts/lambda.sh"
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    assert os.access(path, os.X_OK)


@pytest.mark.skipif(
    not shutil.which("shellcheck"), reason="shellcheck is a program of the system, not of pip; `bash -n` above runs everywhere"
)
@pytest.mark.parametrize(
    "name", ["scripts/lambda.sh", "scripts/cluster/node.sh", "scripts/cluster/slurm.sh", "bench/bare_root.sh"]
)
def test_shellcheck_finds_nothing(name):
    done = subprocess.run(["shellcheck", ROOT / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_help_names_every_setting_that_it_reads(clone):
    done = script(clone, "--help")
    assert done.returncode == 0 and not (clone / ".work").exists()
    for name in (*SETTINGS, "REGIME_W_ENDPOINT", "HF_TOKEN", "PROFILE"):
        assert name in done.stdout


@pytest.mark.parametrize(
    ("arguments", "missing", "changes", "words"),
    [
        ([], "REGIME_W_BUCKET", {}, "REGIME_W_BUCKET is not set"),
        ([], "AWS_ACCESS_KEY_ID", {}, "AWS_ACCESS_KEY_ID is not set"),
        (["--foreground"], "AWS_SECRET_ACCESS_KEY", {}, "AWS_SECRET_ACCESS_KEY is not set"),
        ([], None, {"PROFILE": "abell"}, "PROFILE is 'abell', and profiles/ has no abell.yaml (there are: abel.yaml"),
        ([], None, {"PROFILE": "../params"}, "PROFILE is '../params'"),
    ],
)
def test_bad_settings_end_it_before_it_starts(clone, arguments, missing, changes, words):
    given = {key: value for key, value in SETTINGS.items() if key != missing} | changes
    done = script(clone, *arguments, **given)
    assert done.returncode == 1
    assert f"error: {words}" in done.stderr
    assert not (clone / ".venv").exists() and "profile: sandbox" in (clone / "params.yaml").read_text()


@pytest.mark.parametrize("arguments", [["--fast"], ["--foreground", "now"]])
def test_unknown_arguments_end_it_before_it_looks_at_anything(clone, arguments):
    done = script(clone, *arguments, **SETTINGS)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ") and f"error: unknown arguments: {' '.join(arguments)}" in done.stderr
    assert not (clone / ".work").exists() and not (clone / ".venv").exists()
    assert "profile: sandbox" in (clone / "params.yaml").read_text()


@pytest.mark.parametrize("name", [".git", "params.yaml", "dvc.yaml"])
def test_it_runs_in_a_clone_only(clone, name):
    (clone / name).rename(clone / "elsewhere")
    done = script(clone, **SETTINGS)
    assert done.returncode == 1 and "is no clone of the repository" in done.stderr
    assert not (clone / ".work").exists()


# A run that is at work, as the script sees it: a process that holds the lock, writes the log and leaves its status.
AT_WORK = """
exec 9>.work/lambda.lock; flock 9; echo $$ >.work/lambda.pid; echo first line >.work/lambda.log; touch ready
sleep 2; echo last line >>.work/lambda.log; echo 7 >.work/lambda.status
"""


@pytest.fixture
def at_work(clone):
    (clone / ".work").mkdir()
    run = subprocess.Popen(["bash", "-c", AT_WORK], cwd=clone)
    threading.Thread(target=run.wait).start()  # else it would seem to live on after its end, for it is our child
    while not (clone / "ready").exists():
        time.sleep(0.05)
    yield run
    run.wait()


def test_a_second_call_watches_the_run_that_is_at_work_and_ends_with_its_status(clone, at_work):
    done = script(clone)  # without settings: it starts nothing
    assert "already at work" in done.stdout
    assert "first line\nlast line" in done.stdout
    assert done.returncode == 7
    assert not (clone / ".venv").exists()


def test_a_run_that_was_killed_is_reported_as_such(clone, at_work):
    watching = subprocess.Popen([clone / "scripts/lambda.sh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    at_work.kill()
    at_work.wait()
    _, errors = watching.communicate(timeout=30)
    assert watching.returncode == 1 and "ended without a status" in errors


def test_two_runs_in_the_foreground_do_not_start(clone, at_work):
    done = script(clone, "--foreground", **SETTINGS)
    assert done.returncode == 1 and "a run is at work in this clone already" in done.stderr
    assert (clone / ".work/lambda.pid").read_text() == f"{at_work.pid}\n"


@pytest.mark.slow
@pytest.mark.skipif(
    not (all(map(shutil.which, ["git", "make", "g++"]))),
    reason="where one is missing the script would install it on this machine, as root",
)
def test_a_run_that_fails_says_where_and_the_next_call_begins_anew(clone):
    for name in ("requirements.txt", "constraints.txt"):
        (clone / name).write_text("this is no package\n")
    for _ in range(2):
        done = script(clone, **SETTINGS)
        assert "started as process" in done.stdout and "== " in done.stdout
        assert "packages of requirements.txt" in done.stdout and "no package" in done.stdout
        assert done.returncode == int((clone / ".work/lambda.status").read_text()) != 0
    assert (clone / ".work/lambda.log").read_text().count("packages of requirements.txt") == 2
    assert "testing-secret" not in (clone / ".work/lambda.log").read_text()
