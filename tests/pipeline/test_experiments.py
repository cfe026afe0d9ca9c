"""Comparing, experimenting and sweeping as a user types it, in a copy of the repository that has run."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

SAMPLING = {"data", "base", "sample", "answer@baseline"}


def stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


@pytest.fixture(autouse=True)
def clean(reproduced, run):
    """Each test begins and ends at the committed run."""
    yield
    run(reproduced, "git", "checkout", "-q", "--force", "HEAD", "--", ".")
    run(reproduced, "git", "clean", "-qfd")
    run(reproduced, "dvc", "checkout", "-q", "--force")


def changes_by_metric(table: str) -> dict[str, list[str]]:
    """The rows of `dvc metrics diff` for metrics/eval.json: old, new, change."""
    lines = table.splitlines()
    head = next(place for place, line in enumerate(lines) if line.startswith("Path "))  # before it stages tell what they made
    rows = [line.split() for line in lines[head:]]
    return {row[1]: row[2:] for row in rows if row and row[0] == "metrics/eval.json"}


# --- baseline and coherence ---


def test_comparing_the_policies_evaluates_nothing_and_shows_the_change_of_each_figure(reproduced, run):
    done = run(reproduced, "scripts/compare.sh")
    assert stages_run(done.stdout) <= {"settings", "report"}
    changes = changes_by_metric(done.stdout)
    before, after = (json.loads((reproduced / f"metrics/{policy}.json").read_text()) for policy in ("baseline", "coherence"))
    differing = {metric for metric in ("accuracy", "correct", "mean_tokens") if before[metric] != after[metric]}
    assert differing and set(changes) == differing | {"policy"}  # DVC leaves out what is the same
    for metric in differing:
        old, new, change = (float(value) for value in changes[metric])
        assert (old, new) == pytest.approx((before[metric], after[metric]), abs=1e-4)
        assert change == pytest.approx(new - old, abs=1e-4)
    assert run(reproduced, "git", "status", "--short").stdout == ""


def test_comparing_again_and_from_a_later_commit_needs_no_force(reproduced, run):
    changes = changes_by_metric(run(reproduced, "scripts/compare.sh").stdout)
    assert "mean_tokens" in changes
    run(reproduced, "git", "commit", "-q", "--allow-empty", "-m", "later")
    assert changes_by_metric(run(reproduced, "scripts/compare.sh").stdout) == changes
    run(reproduced, "git", "commit", "-q", "--allow-empty", "-m", "later still")
    assert changes_by_metric(run(reproduced, "dvc", "metrics", "diff", "baseline", "coherence").stdout) == changes


def test_tags_compare_in_a_clone_that_has_pulled_nothing(reproduced, run, tmp_path):
    here = changes_by_metric(run(reproduced, "scripts/compare.sh", "--tag").stdout)
    run(tmp_path, "git", "clone", "-q", str(reproduced), "clone")
    there = run(tmp_path / "clone", "dvc", "metrics", "diff", "baseline", "coherence").stdout
    assert changes_by_metric(there) == here
    assert [path.name for path in (tmp_path / "clone/data").iterdir()] == [".gitignore"]


# --- experiments ---


def test_a_weight_and_a_learning_rate_in_one_experiment_sample_nothing(reproduced, run):
    changed = ["-S", "scoring.weights.cf=0.4", "-S", "profiles/tiny.yaml:train.dpo.learning_rate=1e-5"]
    done = run(reproduced, "dvc", "exp", "run", "-n", "both", *changed)
    assert stages_run(done.stdout) & SAMPLING == set()
    assert {"rollouts", "train", "answer@coherence"} <= stages_run(done.stdout)
    changed = run(reproduced, "git", "diff", "HEAD", "--unified=0", "--", "params.yaml").stdout
    added = [line for line in changed.splitlines() if re.match(r"[+-] ", line)]
    assert len(added) == 2, "an experiment changes its own lines of params.yaml, and no comment"


def test_a_grid_of_six_with_two_workers(reproduced, run):
    run(reproduced, "scripts/compare.sh")  # the table has columns that differ, as accuracy does between the policies
    grid = ["-S", "profiles/tiny.yaml:train.dpo.learning_rate=choice(1e-3,1e-2)", "-S", "scoring.weights.cf=choice(0.2,0.4,0.6)"]
    run(reproduced, "dvc", "exp", "run", "--queue", "-n", "grid", *grid)
    run(reproduced, "dvc", "queue", "start", "-j", "2")
    names = [f"grid-{number}" for number in range(1, 7)]
    wait_for_queue(reproduced, run, *names)
    status = run(reproduced, "dvc", "queue", "status").stdout
    assert re.findall(r"(grid-\d)\s.*\sSuccess", status) == names
    for name in names:
        assert stages_run(run(reproduced, "dvc", "queue", "logs", name).stdout) & SAMPLING == set()
    shown = run(reproduced, "make", "--silent", "-o", ".venv/.installed", "experiments").stdout
    header, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines() if line]
    assert header[0] == "Experiment" and len(header) <= 12
    assert {"accuracy", "train.dpo.learning_rate", "scoring.weights.cf"} <= set(header)
    column = {name: index for index, name in enumerate(header)}
    named = [row for row in rows if "[grid-" in row[0]]
    seen = [(float(row[column["train.dpo.learning_rate"]]), float(row[column["scoring.weights.cf"]])) for row in named]
    assert sorted(seen) == [(rate, weight) for rate in (1e-3, 1e-2) for weight in (0.2, 0.4, 0.6)]


def wait_for_queue(repository: Path, run, *names: str) -> None:
    """Wait until each of these experiments has ended: on its way from the queue to a worker DVC shows none of it."""
    for _ in range(600):
        status = run(repository, "dvc", "queue", "status", check=False)
        # DVC's tasks write the file of their state in place, and for a moment it is empty.
        asked_while_written = "Expecting value: line 1 column 1" in status.stderr
        assert not status.returncode or asked_while_written, status.stderr
        ended = re.findall(r"^\S+\s+(\S+)\s.*\s(?:Success|Failed)\s*$", status.stdout, re.MULTILINE)
        if set(names) <= set(ended):
            return
        time.sleep(1)
    raise AssertionError("the queue did not end in ten minutes")


def test_an_experiment_in_a_folder_of_its_own_runs_the_code_it_was_queued_with(reproduced, run):
    stage = reproduced / "src/stages/report.py"
    code = stage.read_text()
    stage.write_text(code.replace("if __name__ ==", 'print("the code of the experiment")\n\n\nif __name__ =='))
    run(reproduced, "dvc", "exp", "run", "--queue", "-n", "code")
    stage.write_text(code)
    run(reproduced, "dvc", "queue", "start")
    wait_for_queue(reproduced, run, "code")
    log = run(reproduced, "dvc", "queue", "logs", "code").stdout
    assert stages_run(log) == {"report"} and "the code of the experiment" in log


def test_diff_apply_and_branch(reproduced, run):
    run(reproduced, "dvc", "exp", "run", "--temp", "-n", "fast", "-S", "profiles/tiny.yaml:train.dpo.learning_rate=2e-3")
    assert run(reproduced, "git", "status", "--short").stdout == ""
    diff = run(reproduced, "dvc", "exp", "diff", "HEAD", "fast").stdout
    assert re.search(r"profiles/tiny.yaml\s+train.dpo.learning_rate\s+0.005\s+0.002\s+-0.003", diff)
    run(reproduced, "dvc", "exp", "apply", "fast")
    assert "learning_rate: 0.002" in (reproduced / "profiles/tiny.yaml").read_text()
    assert stages_run(run(reproduced, "dvc", "repro").stdout) == set()
    run(reproduced, "dvc", "exp", "branch", "fast", "fast-branch")
    assert "learning_rate: 0.002" in run(reproduced, "git", "show", "fast-branch:profiles/tiny.yaml").stdout


def test_a_sweep_ends_in_a_table_and_a_picture(reproduced, run):
    (reproduced / "sweeps/two.yaml").write_text(
        "title: Two rates\npoints:\n"
        '  - {name: "1e-3", set: ["profile:train.dpo.learning_rate=1e-3"]}\n'
        '  - {name: as-it-is, set: []}\n'
    )  # fmt: skip
    done = run(reproduced, "make", "--silent", "-o", ".venv/.installed", "sweep-two")
    assert stages_run(done.stdout) & SAMPLING == set()
    page = (reproduced / "sweeps/two.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith(("| 1e-3", "| as-it-is"))]
    verdict = json.loads((reproduced / "metrics/verdict.json").read_text())
    assert [row[0] for row in rows] == ["| 1e-3", "| as-it-is"]
    assert rows[1][4:6] == [f"{verdict['fixed']} / {verdict['broken']}", f"{verdict['p_value']:.2g}"]
    assert "(two.svg)" in page and (reproduced / "sweeps/two.svg").read_text().rstrip().endswith("</svg>")
    assert run(reproduced, "git", "status", "--short", "--untracked-files=no").stdout == ""
    again = run(reproduced, "make", "--silent", "-o", ".venv/.installed", "sweep-two")
    assert stages_run(again.stdout) == set(), "a sweep that is given again takes what is there"


def test_a_sweep_says_which_of_its_points_is_wrong(reproduced, run):
    (reproduced / "sweeps/wrong.yaml").write_text('title: Wrong\npoints:\n  - {name: a b, set: ["scoring.weights.cf 0.4"]}\n')
    done = run(reproduced, "python", "-m", "src.ops.sweep", "wrong", check=False)
    assert done.returncode == 1 and "sweeps/wrong.yaml: points[0] is refused: name 'a b'" in done.stderr
    assert "Traceback" not in done.stderr


# --- profiles ---


def test_profiles_there_and_back_run_nothing_and_know_nothing_of_each_other(reproduced, run):
    profile = (reproduced / "profiles/tiny.yaml").read_text()
    other = reproduced / "profiles/other.yaml"
    other.write_text(profile.replace("max_tokens: 40", "max_tokens: 30"))
    params = reproduced / "params.yaml"
    tiny = params.read_text()
    params.write_text(tiny.replace("profile: tiny", "profile: other"))
    assert {"answer@baseline", "answer@coherence"} <= stages_run(run(reproduced, "dvc", "repro").stdout)
    params.write_text(tiny)
    # Who looks at every profile, since there is one more of them.
    assert stages_run(run(reproduced, "dvc", "repro").stdout) == {"settings"}
    assert stages_run(run(reproduced, "dvc", "repro").stdout) == set()
    other.write_text(profile.replace("max_tokens: 40", "max_tokens: 20"))
    assert set(json.loads(run(reproduced, "dvc", "status", "--json").stdout)) == {"settings"}


# --- stages ---


def test_running_all_stages_again_gives_the_same_lock(reproduced, run):
    before = (reproduced / "dvc.lock").read_bytes()
    (reproduced / ".work").rename(reproduced / ".work-kept")  # or finished texts and trainings would be taken from there
    assert len(stages_run(run(reproduced, "dvc", "repro", "--force").stdout)) == 14
    shutil.rmtree(reproduced / ".work-kept")
    assert (reproduced / "dvc.lock").read_bytes() == before


def test_both_evaluations_run_side_by_side(reproduced, run):
    profile = reproduced / "profiles/tiny.yaml"
    profile.write_text(profile.read_text().replace("max_tokens: 40", "max_tokens: 8"))
    done = run(reproduced, "scripts/evaluate_both.sh")
    assert stages_run(done.stdout) == {"settings", "answer@baseline", "answer@coherence"}
    beginnings = [done.stdout.index(f"Running stage 'answer@{policy}'") for policy in ("baseline", "coherence")]
    assert max(beginnings) < done.stdout.index("Updating lock file", min(beginnings)), (
        "the second begins before the first has ended"
    )
    assert stages_run(run(reproduced, "dvc", "repro").stdout) == {"eval@baseline", "eval@coherence", "compare", "report"}
    assert "up to date" in run(reproduced, "dvc", "status").stdout


def test_each_evaluation_has_its_half_of_the_gpus(reproduced, run, environment):
    profile = reproduced / "profiles/tiny.yaml"
    profile.write_text(profile.read_text().replace("max_tokens: 40", "max_tokens: 9"))
    gpus = {"CUDA_VISIBLE_DEVICES": "3,5,6,7"}  # only a name here: nothing of CUDA runs
    script = subprocess.Popen(["scripts/evaluate_both.sh"], cwd=reproduced, env=environment | gpus, stdout=subprocess.DEVNULL)
    seen = {}
    while script.poll() is None:
        for process in psutil.Process(script.pid).children(recursive=True):
            try:
                command, variables = process.cmdline(), process.environ()
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            if "src.stages.answer" in command:
                seen[command[command.index("src.stages.answer") + 1]] = variables["CUDA_VISIBLE_DEVICES"]
        time.sleep(0.05)
    assert script.returncode == 0
    assert seen == {"baseline": "3,5", "coherence": "6,7"}
