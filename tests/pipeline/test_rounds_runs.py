"""`make rounds` for real on the profile of the tests: killed in between, gone on with, and nothing is run twice."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.core.records import read_metrics
from src.regime_w.rounds import Rounds
from tests.pipeline.workers import in_worker, wait_for
from tests.profiles import profile_text

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "src.ops.rounds", "--rounds", "2", "--held-out", "30"]


@pytest.fixture(scope="module")
def planned(reproduced: Path, run) -> Path:
    """A repository in which one round fits, so that the questions of the second are made for it."""
    (reproduced / "profiles/tiny.yaml").write_text(profile_text({"base.sandbox.first_question": 54}))
    run(reproduced, "git", "commit", "-qam", "questions for a round")
    return reproduced


def rounds_of(repository: Path, recipe: str = "guide") -> Rounds:
    return read_metrics(repository / f"rounds/tiny-{recipe}.json", Rounds)


def call(repository: Path, environment, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], cwd=repository, env=environment, capture_output=True, text=True)


def test_a_killed_command_goes_on_and_gives_the_table_of_one_that_ran_through(planned, environment):
    command, page, figures = [*COMMAND, "--to-the-end"], planned / "rounds/tiny-guide.md", planned / "rounds/tiny-guide.json"
    killed = subprocess.Popen(command, cwd=planned, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: figures.exists() or killed.poll() is not None, 400)
    assert killed.poll() is None, killed.communicate()
    wait_for(lambda: in_worker(planned / ".work/rounds"), 30)
    killed.kill()
    killed.communicate()
    wait_for(lambda: not in_worker(planned / ".work/rounds"), 30)  # nothing goes on without it
    (first,) = rounds_of(planned).rounds

    went_on = call(planned, environment, "--to-the-end")
    assert went_on.returncode == 0, went_on.stderr
    assert "rounds: 2 of 2 rounds (100 %)" in went_on.stdout
    both = rounds_of(planned)
    assert both.rounds[0] == first
    one, two = both.rounds
    assert (one.first_question, two.first_question, both.held_out, both.questions) == (0, 700, 24, 30)
    assert one.base != two.base and one.result != two.result and two.pairs > 0 and two.trained
    assert one.changed_by_merge is None and two.changed_by_merge == 0  # the merged base is base and adapter of round 1
    assert two.correct_before == one.correct

    # Once more from nothing: every round comes from DVC's run cache, and says the same.
    text = page.read_text()
    shutil.rmtree(planned / "rounds")
    shutil.rmtree(planned / ".work/rounds/models")
    again = call(planned, environment, "--to-the-end")
    assert again.returncode == 0, again.stderr
    assert page.read_text() == text and rounds_of(planned) == both
    log = (planned / ".work/rounds/worker.log").read_text()
    assert "is cached - skipping run" in log and "Running stage 'train'" not in log

    # And once more: nothing is run.
    written = page.stat().st_mtime_ns
    done = call(planned, environment, "--to-the-end")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("rounds/tiny-guide.md: All 2 rounds are done")
    assert page.stat().st_mtime_ns > written and page.read_text() == text and not in_worker(planned / ".work/rounds")


def test_rounds_without_labels_stop_where_the_gain_is_gone(planned, environment):
    done = call(planned, environment, "--recipe", "label-free")
    assert done.returncode == 0, done.stderr
    found = rounds_of(planned, "label-free")
    assert found.rounds[0].consensus_pairs > 0 == found.rounds[0].correctness_pairs
    improved = [each.improved for each in found.rounds]
    assert all(improved[:-1]) and (len(improved) == 2 or not improved[-1])
    assert found.rounds[0].base == rounds_of(planned).rounds[0].base
    if not improved[-1]:
        assert "The gain is gone" in done.stdout


def test_the_checkout_stays_as_it_was(planned, run):
    assert run(planned, "git", "status", "--short").stdout == "?? rounds/\n"


def test_rounds_of_which_none_fits_are_refused_before_anything_runs(planned, environment):
    done = call(planned, environment, "--held-out", "31")
    assert done.returncode == 1
    assert "1 rounds of 24 questions" in done.stderr and "0 rounds fit" in done.stderr
    assert "raise base.sandbox.first_question in the profile to 55" in done.stderr
