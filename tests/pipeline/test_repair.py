"""What a kill of DVC leaves half-written is put right by `python -m src.ops.repair`, and then nothing runs again."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.slow

TWO_STAGES = """
stages:
  folder:
    cmd: mkdir -p folder && cp number folder/number && cp number figure.json
    deps: [number]
    outs: [folder]
    metrics:
      - figure.json:
          cache: false
  file:
    cmd: cp folder/number file
    deps: [folder]
    outs: [file]
"""


@pytest.fixture(scope="module")
def two_stages(tmp_path_factory: pytest.TempPathFactory, run) -> Path:
    """A repository with a finished run of two stages of no time, and an input that has changed since."""
    folder = tmp_path_factory.mktemp("two_stages") / "repository"
    folder.mkdir()
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    run(folder, "dvc", "config", "core.autostage", "true")
    (folder / "dvc.yaml").write_text(TWO_STAGES)
    for number in ("1", "2"):
        (folder / "number").write_text(number)
        if number == "1":
            run(folder, "dvc", "repro")
        run(folder, "git", "add", "-A")
        run(folder, "git", "commit", "-qm", number)
    return folder


@pytest.fixture(scope="module")
def repair(environment, warm) -> Callable[..., list[str]]:
    """Run `python -m src.ops.repair` in a folder; the lines that it prints."""

    def repair_in(folder: Path, status: int = 0) -> list[str]:
        there = environment | {"PYTHONPATH": str(ROOT)}
        done = warm.run(folder, "python", "-m", "src.ops.repair", environment=there)
        assert done.returncode == status, done.stdout + done.stderr
        return (done.stdout + done.stderr).splitlines()

    return repair_in


def kind(change: str) -> str:
    """The change without the parts of its path that are digests or random."""
    return re.sub(r"[\w-]{22}\.tmp|(?<=/)([0-9a-f]{2}|[0-9a-f]{30,})(?=[/.\n]|$)", "*", change)


def test_a_kill_at_any_change_of_a_file_can_be_gone_on_from(two_stages, tmp_path, environment, warm, run, repair):
    """DVC is killed before each kind of change that it makes, and within each file that it writes in place."""

    def killed_at(number: int) -> tuple[Path, Path]:
        repository, log = tmp_path / f"killed_at_{number}", tmp_path / f"changes_until_{number}"
        shutil.copytree(two_stages, repository)
        command = ["python", str(ROOT / "tests/faults/killed_dvc.py"), "files", str(number), str(log), "repro"]
        assert warm.run(repository, *command, environment=environment).returncode == (-9 if number else 0)
        return repository, log

    changes = [kind(line) for line in killed_at(0)[1].read_text().splitlines()]
    first = {change: number for number, change in reversed(list(enumerate(changes, 1)))}
    assert len(first) > 30
    repaired = set()
    for change, number in first.items():
        repository, _ = killed_at(number)
        if repair(repository):
            repaired.add(change)
        done = run(repository, "dvc", "repro", check=False)
        files = [repository / name for name in ("folder/number", "figure.json", "file")]
        assert [path.read_text() for path in files] == ["2"] * 3, f"{change}: {done.stderr}"
        assert run(repository, "dvc", "status").stdout.startswith("Data and pipelines are up to date"), change
        assert not list(repository.glob(".*.tmp")), change
        shutil.rmtree(repository)
    assert {"open .dvc/tmp/rwlock", "open dvc.lock"} < repaired
    assert any(change.startswith("os.chmod .dvc/cache/runs/") for change in repaired)


# Where it is cut: as the last thing that is left of it, and whether DVC can still read that.
CUTS = {"": False, "\n  rollouts:\n": False, "\n  rollouts:\n    cm": False, "stages.rollouts\n": True, "- path: data/tra": True}


@pytest.mark.parametrize("end", CUTS)
def test_of_a_cut_lock_nothing_is_lost(reproduced, run, repair, end):
    """The run is in Git, or it is not: its stages come back from the run cache, and none runs."""
    lock = reproduced / "dvc.lock"
    whole = lock.read_text()
    cut = whole[: whole.index(end) + len(end)]
    for is_in_git in (True, False):
        if not is_in_git:
            run(reproduced, "git", "rm", "-q", "--cached", "dvc.lock")
        lock.write_text(cut)
        repaired = repair(reproduced)
        if CUTS[end]:
            assert repaired == []
        else:
            assert len(repaired) == 1 and (reproduced / ".dvc/tmp/dvc.lock.truncated").read_text() == cut
            assert lock.exists() == is_in_git
        assert "Running stage" not in run(reproduced, "dvc", "repro").stdout
        assert lock.read_text() == whole
        run(reproduced, "git", "add", "dvc.lock")


def test_a_sound_checkout_and_a_merge_are_left_alone(reproduced, run, repair):
    assert repair(reproduced) == []
    lock = reproduced / "dvc.lock"
    whole = lock.read_text()
    run(reproduced, "git", "switch", "-qc", "other")
    lock.write_text(whole.replace("python -m src.stages.data", "theirs"))
    run(reproduced, "git", "commit", "-qam", "theirs")
    run(reproduced, "git", "switch", "-q", "-")
    lock.write_text(whole.replace("python -m src.stages.data", "ours"))
    run(reproduced, "git", "commit", "-qam", "ours")
    assert run(reproduced, "git", "merge", "other", check=False).returncode == 1
    conflict = lock.read_text()
    assert "<<<<<<<" in conflict
    assert repair(reproduced) == []
    assert lock.read_text() == conflict
    run(reproduced, "git", "merge", "--abort")
    run(reproduced, "git", "reset", "-q", "--hard", "HEAD~1")


def test_outside_of_a_repository_it_is_one_error(tmp_path, repair):
    [error] = repair(tmp_path, status=1)
    assert error.startswith(f"error: {tmp_path}: you are not inside of a DVC repository")


def test_a_stage_that_fails_takes_no_line_of_an_ignore_list_back(reproduced, run):
    """DVC takes back what it added to .gitignore for stages that succeeded before (its issue 11091).

    Here it has nothing to add: all that it keeps is in lists that are committed. The outputs are made anew, but the last.
    """
    stages = yaml.safe_load((reproduced / "dvc.lock").read_text())["stages"]
    outs = [out["path"] for stage in stages.values() for out in stage["outs"]]
    kept_by_git = run(reproduced, "git", "ls-files").stdout.split()
    for name in ("data", "checkpoints", "outputs"):
        for path in (reproduced / name).glob("[!.]*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (reproduced / "dvc.lock").unlink()
    stage = reproduced / "src/stages/report.py"
    code = stage.read_text()
    stage.write_text(code.replace("if __name__ ==", "raise SystemExit(7)\n\nif __name__ =="))
    failed = run(reproduced, "dvc", "repro", check=False)
    assert failed.returncode != 0 and "failed to reproduce 'report'" in failed.stderr
    changed = {line[3:] for line in run(reproduced, "git", "status", "--porcelain").stdout.splitlines()}
    assert "src/stages/report.py" in changed and [path for path in changed if path.endswith(".gitignore")] == []
    made = sorted({path for path in outs if (reproduced / path).exists()} - set(kept_by_git))
    assert {"data/train.jsonl", "checkpoints/base", "outputs/settings.txt", "outputs/doctor.txt", "metrics/plan.json"} < set(made)
    assert run(reproduced, "git", "check-ignore", *made).stdout.split() == made
    stage.write_text(code)
    run(reproduced, "git", "checkout", "-q", "dvc.lock")
    run(reproduced, "dvc", "repro")
    assert run(reproduced, "git", "status", "--porcelain").stdout == ""
