"""An edit costs what it changes: the edit is made in a finished copy, and DVC says or shows what runs again."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MODEL_STAGES = {"base", "sample", "train", "answer@baseline", "answer@coherence"}


@pytest.fixture(autouse=True)
def clean(reproduced: Path, run) -> Iterator[None]:
    """Each test begins and ends at the committed run."""
    yield
    run(reproduced, "git", "checkout", "-q", "--force", "HEAD", "--", ".")
    run(reproduced, "dvc", "checkout", "-q", "--force")


def edit(repository: Path, name: str, old: str, new: str) -> None:
    path = repository / name
    text = path.read_text()
    assert text.count(old) == 1, f"{name}: {old!r} stands there {text.count(old)} times"
    path.write_text(text.replace(old, new))


def changed_stages(repository: Path, run) -> set[str]:
    """The stages whose own dependencies have changed, as `dvc status` says."""
    return set(json.loads(run(repository, "dvc", "status", "--json").stdout))


def stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


def kept_texts(repository: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (repository / ".work").glob("*/*/texts.jsonl")}


def test_a_fix_in_the_answer_parser_grades_again_and_asks_no_model(reproduced, run):
    edit(reproduced, "src/regime_w/answers.py", "MAX_SEGMENT = 1000", "MAX_SEGMENT = 1001")
    changed = changed_stages(reproduced, run)
    assert {"rollouts", "prefs", "eval@baseline", "eval@coherence"} <= changed
    # data reads golds by the same parser; its outputs stay, and with them all that reads them.
    assert changed <= {"data", "rollouts", "prefs", "eval@baseline", "eval@coherence", "compare", "report"}
    texts = kept_texts(reproduced)
    assert stages_run(run(reproduced, "dvc", "repro").stdout) & MODEL_STAGES == set()
    assert kept_texts(reproduced) == texts


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("src/regime_w/criteria.py", '"no pairs"', '"none"'),
        ("src/regime_w/criteria.py", "score_variance: bool", "scores_vary: bool"),
        ("src/report/templates/report.md.j2", "## Verdict", "## The verdict"),
    ],
)
def test_a_word_of_the_report_reruns_the_report_alone(reproduced, run, name, old, new):
    edit(reproduced, name, old, new)
    assert changed_stages(reproduced, run) == {"report"}


def test_a_criterion_reruns_the_report_and_stage_settings_which_looks_at_every_edit(reproduced, run):
    edit(reproduced, "params.yaml", "min_gain: 0.02", "min_gain: 0.03")
    assert changed_stages(reproduced, run) == {"settings", "report"}


def test_a_weight_that_changes_no_pair_trains_nothing(reproduced, run):
    pairs = (reproduced / "data/training_pairs.jsonl").read_bytes()
    edit(reproduced, "params.yaml", "cf: 0.2", "cf: 0.25")
    assert stages_run(run(reproduced, "dvc", "repro").stdout) <= {"settings", "rollouts", "prefs", "report"}
    assert (reproduced / "data/training_pairs.jsonl").read_bytes() == pairs
    rewards = [json.loads(line)["chosen_reward"] for line in (reproduced / "data/coherence_preferences.jsonl").open()]
    assert rewards, "the tiny run has pairs, or this shows nothing"


def test_a_new_version_of_a_package_reruns_the_stages_that_compute_by_it(reproduced, run):
    edit(reproduced, "versions.yaml", "jinja2: ", "jinja2: 9.")
    assert changed_stages(reproduced, run) == {"report"}
    edit(reproduced, "versions.yaml", "trl: ", "trl: 9.")
    assert changed_stages(reproduced, run) == {"report", "base", "train"}  # which fine-tunes a base where a profile asks for it


@pytest.mark.parametrize(
    "name",
    ["src/engines/runner.py", "src/models/checkpoints.py", "src/stages/sample.py"],
)
def test_kept_texts_are_used_after_a_fix_in_code_that_no_text_depends_on(reproduced, run, name):
    """As after a crash: the stage has to run again, and every text of it is there."""
    texts = kept_texts(reproduced)
    path = reproduced / name
    path.write_text(path.read_text() + "\n# a fix\n")
    assert "sample" in changed_stages(reproduced, run)
    before = (reproduced / "data/trajectories.jsonl").read_bytes()
    done = run(reproduced, "dvc", "repro", "--single-item", "sample")
    assert "sample" in stages_run(done.stdout)
    assert kept_texts(reproduced) == texts
    assert (reproduced / "data/trajectories.jsonl").read_bytes() == before


def test_a_fix_in_code_that_every_stage_reads_by_trains_and_asks_nothing_again(reproduced, run):
    texts = kept_texts(reproduced)
    path = reproduced / "src/core/records.py"
    path.write_text(path.read_text() + "\n# a fix\n")
    done = run(reproduced, "dvc", "repro")
    assert {"base", "train"} <= stages_run(done.stdout)
    assert "base: taken from" in done.stdout and "train: taken from" in done.stdout
    assert kept_texts(reproduced) == texts
    assert run(reproduced, "git", "diff", "--name-only", "HEAD").stdout.split() == ["dvc.lock", "src/core/records.py"]


def test_the_words_of_an_error_rerun_nothing(reproduced, run):
    edit(reproduced, "src/core/errors.py", "free some of your quota", "free some of your quota, or ask for more")
    assert changed_stages(reproduced, run) == set()
