"""`make evidence` for real on the profile of the tests: killed in between, gone on with, and nothing is run twice."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.core.processes import available_cores
from src.core.records import read_metrics
from src.regime_w.cells import Cell, Signals
from tests.pipeline.workers import in_worker, wait_for

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "src.ops.evidence", "--seeds", "1"]
RECIPES = """\
title: Recipes
worlds: [tiny]
core: [guide]
points:
- {name: guide, set: []}
- {name: correctness, set: ["prefs.max_coherence_pairs=0"]}
- {name: broken, set: ["dpo.beta=-1"]}
"""


@pytest.fixture(scope="module")
def planned(reproduced: Path, run) -> Path:
    """A finished repository with a plan of three recipes, of which the last cannot be run."""
    (reproduced / "sweeps/recipes.yaml").write_text(RECIPES)
    run(reproduced, "git", "commit", "-qam", "recipes")
    return reproduced


def written(repository: Path) -> dict[str, int]:
    """When each cell was written, by recipe, in nanoseconds."""
    return {
        path.stem: path.stat().st_mtime_ns
        for path in (repository / "evidence/cells/tiny/0").glob("*.json")
        if path.stem != "signals"
    }


def test_a_killed_command_goes_on_and_runs_no_cell_again(planned, environment):
    command = [*COMMAND, "--recipes", "guide,correctness"]
    killed = subprocess.Popen(command, cwd=planned, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: "guide" in written(planned) or killed.poll() is not None, 300)
    assert killed.poll() is None, killed.communicate()
    wait_for(lambda: in_worker(planned / ".work/evidence"), 30)
    killed.kill()
    killed.communicate()
    wait_for(lambda: not in_worker(planned / ".work/evidence"), 30)  # nothing goes on without it
    first = written(planned)
    assert first.keys() == {"guide"}
    assert "at hand 1 of them are there" in (planned / "evidence/README.md").read_text()

    went_on = subprocess.run(command, cwd=planned, env=environment, capture_output=True, text=True)
    assert went_on.returncode == 0, went_on.stderr
    assert "evidence: 2 of 2 cells (100 %)" in went_on.stdout
    second = written(planned)
    assert second.keys() == {"guide", "correctness"} and second["guide"] == first["guide"]

    again = subprocess.run(command, cwd=planned, env=environment, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == "evidence/README.md: 2 of 3 cells, 0 of older code or settings\n"
    assert written(planned) == second

    cells = [read_metrics(planned / f"evidence/cells/tiny/0/{recipe}.json", Cell) for recipe in ("guide", "correctness")]
    assert cells[0].base == cells[1].base and cells[0].baseline_accuracy == cells[1].baseline_accuracy
    signals = read_metrics(planned / "evidence/cells/tiny/0/signals.json", Signals)
    assert signals.digest == cells[0].digest and {item.name for item in signals.signals} >= {"s_end", "end", "quality"}
    assert cells[0].coherence_pairs > 0 == cells[1].coherence_pairs
    assert all(cell.machine.endswith("thread") or cell.machine.endswith("threads") for cell in cells)


def test_the_checkout_stays_as_it_was(planned, run):
    changed = [line.split() for line in run(planned, "git", "status", "--short").stdout.splitlines()]
    assert changed == [
        ["M", "evidence/evidence.json"],
        *(["??", f"evidence/{name}"] for name in ("README.md", "cells/", "evidence.svg")),
    ]


def test_a_run_that_fails_ends_the_command_with_what_it_printed(planned, environment):
    before = written(planned)
    done = subprocess.run([*COMMAND, "--recipes", "broken"], cwd=planned, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "error: tiny/0/broken ended with status" in done.stderr and "dpo.beta is -1" in done.stderr
    assert ".work/evidence/worker-0.log" in done.stderr
    assert written(planned) == before


def test_edits_that_are_not_committed_are_refused(planned, environment):
    params = planned / "params.yaml"
    text = params.read_text()
    params.write_text(text.replace("  beta: 0.1", "  beta: 0.3"))
    done = subprocess.run(COMMAND, cwd=planned, env=environment, capture_output=True, text=True)
    params.write_text(text)
    assert done.returncode == 1
    assert "error: params.yaml: not as the commit at hand has it" in done.stderr


@pytest.mark.skipif(available_cores() == 1, reason="one worker and several have as many cores")
def test_workers_with_fewer_cores_take_no_base_that_all_cores_have_made(planned, environment):
    for workers, trained in ((1, False), (available_cores(), True), (1, False)):
        shutil.rmtree(planned / "evidence/cells", ignore_errors=True)  # of the tests before
        for log in (planned / ".work/evidence").glob("worker-*.log"):
            log.unlink()
        command = [*COMMAND, "--recipes", "guide", "--workers", str(workers)]
        done = subprocess.run(command, cwd=planned, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        logs = [log.read_text() for log in (planned / ".work/evidence").glob("worker-*.log")]
        assert any("Running stage 'base'" in log for log in logs) == trained, logs
