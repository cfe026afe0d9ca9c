"""Errors before the first expensive minute: what a real DVC does of a typo, a link and an experiment, and what is left.

The tests share one finished repository, and each leaves it as it was.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pipeline.test_edits import edit, stages_run

pytestmark = pytest.mark.slow

# In which DVC has ended with the message; stage settings itself takes half of one.
SECONDS = 15
# What the first stage writes, which DVC removes before it runs it.
OF_THE_FIRST = {"outputs/settings.txt"}
FOLDERS = ("data", "checkpoints", "outputs", "metrics", "plots")
# By section: a line with a typo. A message names the file and the key.
TYPOS = [
    ("params.yaml", "seed: 0", "sed: 0", "params.yaml: sed is unknown; did you mean 'seed'?"),
    ("params.yaml", "policy: coherence", "policy: coherense", "params.yaml: policy is 'coherense'"),
    ("params.yaml", "cf: 0.2,", "cff: 0.2,", "params.yaml: scoring.weights.cff is unknown; did you mean 'cf'?"),
    ("params.yaml", "prompt: canonical", "prompt: canonicle", "params.yaml: prefs.prompt is 'canonicle'"),
    ("params.yaml", "  beta: 0.1", "  betta: 0.1", "params.yaml: dpo.betta is unknown; did you mean 'beta'?"),
    ("params.yaml", "confidence: 0.95", "confidence: 95", "params.yaml: compare.confidence is 95"),
    ("params.yaml", "min_pairs: 3000", "min_pairs: 6000", "min_pairs is 6000, more than max_pairs, 5000; lower it"),
    ("params.yaml", "arms:\n", "harms:\n", "params.yaml: harms is unknown; did you mean 'arms'?"),
    ("profiles/tiny.yaml", "test_set: null", "test_sett: null", "profiles/tiny.yaml: data.test_sett is unknown"),
    ("profiles/tiny.yaml", "hidden_size: 64", "hidden_size: 63", "profiles/tiny.yaml: base.sandbox is refused"),
    ("profiles/tiny.yaml", "template: plain", "template: plane", "profiles/tiny.yaml: engine.template is 'plane'"),
    ("profiles/tiny.yaml", "  questions: 24", "  questions: 2400", "profiles/tiny.yaml: sample.questions is 2400"),
    ("profiles/tiny.yaml", "  max_length: 256", "  max_lenght: 256", "profiles/tiny.yaml: train.max_lenght is unknown"),
    ("profiles/tiny.yaml", "    lora_alpha: 8", "    lora_alfa: 8", "profiles/tiny.yaml: train.dpo.lora.lora_alfa is unknown"),
    ("profiles/tiny.yaml", "max_tokens: 40", "max_tokens: 4o", "profiles/tiny.yaml: answer.max_tokens is '4o'"),
    ("profiles/tiny.yaml", "  disk: 0.1", "  disc: 0.1", "profiles/tiny.yaml: machine.disc is unknown; did you mean 'disk'?"),
    (
        "params.yaml",
        "seed: 0",
        "seed: 0\ntrain: {processes: 2}",
        "params.yaml: train belongs in profiles/tiny.yaml: move it there",
    ),
    ("profiles/tiny.yaml", "answer:\n", "seed: 7\nanswer:\n", "profiles/tiny.yaml: seed belongs in params.yaml: move it there"),
]


@pytest.fixture(scope="module")
def outputs(reproduced: Path) -> dict[str, bytes]:
    """Every file that a stage has written, by its path."""
    return contents(reproduced)


def contents(repository: Path) -> dict[str, bytes]:
    files = (path for folder in FOLDERS for path in (repository / folder).rglob("*"))
    return {path.relative_to(repository).as_posix(): path.read_bytes() for path in files if path.is_file()}


@pytest.fixture(autouse=True)
def clean(reproduced: Path, run, outputs: dict[str, bytes]) -> Iterator[None]:
    """Each test begins and ends at the committed run."""
    yield
    run(reproduced, "git", "checkout", "-q", "--force", "HEAD", "--", ".")
    run(reproduced, "dvc", "checkout", "-q", "--force")
    assert contents(reproduced) == outputs


# --- a typo ---


@pytest.mark.parametrize(("file", "old", "new", "message"), TYPOS, ids=[f"{typo[0]}: {typo[2]!r}" for typo in TYPOS])
def test_a_typo_in_any_section_is_told_in_seconds_and_costs_no_output(reproduced, run, outputs, file, old, new, message):
    edit(reproduced, file, old, new)
    began = time.monotonic()
    done = run(reproduced, "dvc", "repro", check=False)
    assert time.monotonic() - began < SECONDS
    assert done.returncode != 0 and message in done.stdout + done.stderr
    assert stages_run(done.stdout) <= {"settings"}
    now = contents(reproduced)
    assert now == {name: content for name, content in outputs.items() if name in now}
    assert outputs.keys() - now.keys() <= OF_THE_FIRST


def test_all_typos_are_told_at_once_and_when_they_are_set_right_nothing_runs(reproduced, run):
    edit(reproduced, "params.yaml", "  beta: 0.1", "  betta: 0.1")
    edit(reproduced, "profiles/tiny.yaml", "template: plain", "template: plane")
    edit(reproduced, "profiles/abel.yaml", "sharding: none", "sharding: nome")
    done = run(reproduced, "dvc", "repro", check=False)
    told = done.stdout + done.stderr
    for words in ("dpo.betta is unknown", "dpo.beta is missing", "engine.template is 'plane'", "train.sharding is 'nome'"):
        assert words in told
    for file in ("params.yaml", "profiles/tiny.yaml", "profiles/abel.yaml"):
        run(reproduced, "git", "checkout", "-q", "HEAD", "--", file)
    back = run(reproduced, "dvc", "repro")
    assert stages_run(back.stdout) == set()
    assert "up to date" in run(reproduced, "dvc", "status").stdout


def test_what_dvc_removed_before_a_stage_that_was_run_alone_comes_back(reproduced, run, outputs):
    edit(reproduced, "params.yaml", "  beta: 0.1", "  betta: 0.1")
    done = run(reproduced, "dvc", "repro", "--single-item", "train", check=False)
    assert done.returncode != 0 and "dpo.betta is unknown" in done.stdout + done.stderr
    lost = outputs.keys() - contents(reproduced).keys()
    assert any(name.startswith("checkpoints/dpo_coherence_lora/") for name in lost), "or there is nothing to bring back"
    # By hand, as docs/experiments.md says: DVC has what it keeps, and Git the rest.
    run(reproduced, "dvc", "checkout")
    run(reproduced, "git", "restore", "metrics", "plots")
    assert contents(reproduced) == outputs
    # Or by a run: once the typo is set right, the run cache has it.
    run(reproduced, "dvc", "repro", "--single-item", "train", check=False)
    edit(reproduced, "params.yaml", "  betta: 0.1", "  beta: 0.1")
    assert stages_run(run(reproduced, "dvc", "repro").stdout) == set()
    assert contents(reproduced) == outputs


def test_an_edit_of_a_profile_that_is_not_in_use_runs_stage_settings_alone(reproduced, run):
    edit(reproduced, "profiles/abel.yaml", "  questions: 500", "  questions: 400")
    assert stages_run(run(reproduced, "dvc", "repro").stdout) == {"settings"}
    edit(reproduced, "profiles/abel.yaml", "  questions: 400", "  questions: 500")
    assert stages_run(run(reproduced, "dvc", "repro").stdout) == set()
    assert run(reproduced, "git", "status", "--short").stdout == ""


# --- links ---


def test_a_folder_that_is_a_link_out_of_the_repository_is_refused_with_the_cure(reproduced, run, tmp_path):
    folder = "checkpoints"
    elsewhere = tmp_path / folder
    (reproduced / folder).rename(elsewhere)
    (reproduced / folder).symlink_to(elsewhere)
    try:
        edit(reproduced, "profiles/tiny.yaml", "epochs: 5", "epochs: 6")
        done = run(reproduced, "dvc", "repro", check=False)
        first = run(reproduced, "python", "-m", "src.stages.settings", "--check", check=False)
    finally:
        (reproduced / folder).unlink()
        elsewhere.rename(reproduced / folder)
    assert stages_run(done.stdout) == {"settings"} and done.returncode != 0
    assert first.returncode == 1 and first.stdout == ""
    for told in (done.stdout + done.stderr, first.stderr):
        assert f"folders: wanted in the checkout, found {folder} is a link to {elsewhere}" in told
        assert "dvc cache dir --local <folder on it>" in told


def test_a_link_inside_the_repository_harms_nothing(reproduced, run):
    (reproduced / "data").rename(reproduced / "big")
    (reproduced / "data").symlink_to("big")
    try:
        assert run(reproduced, "python", "-m", "src.stages.settings", "--check").stdout == ""
    finally:
        (reproduced / "data").unlink()
        (reproduced / "big").rename(reproduced / "data")


# --- experiments ---


def test_a_profile_that_is_not_in_use_is_told_where_an_experiment_changes_it(reproduced, run):
    done = run(reproduced, "dvc", "exp", "run", "--temp", "-n", "other", "-S", "profiles/abel.yaml:sample.questions=400")
    assert stages_run(done.stdout) == {"settings"}
    warnings = [line for line in done.stdout.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        "warning: profiles/abel.yaml: changed, but profile tiny is in use; nothing of this run depends on it; "
        "`-S profile=abel` chooses it"
    ]
    own = run(reproduced, "dvc", "exp", "run", "--temp", "-n", "own", "-S", "profiles/tiny.yaml:machine.disk=0.2")
    assert "warning: profiles/" not in own.stdout


@pytest.fixture
def nameless(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command in a folder as one of whom Git knows nothing."""
    variables = {name: value for name, value in environment.items() if not name.startswith("GIT_") and name != "EMAIL"}
    variables |= {"HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def run_in(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", *command], cwd=folder, env=variables, capture_output=True, text=True)

    return run_in


CURE = 'git config user.name "Your Name"; git config user.email you@example.org'


# Values of another length than the file has: by time and size alone Git takes an edit within a second of its checkout for none.
def test_an_experiment_of_somebody_without_a_name_is_refused_at_once(reproduced, nameless):
    done = nameless(reproduced, "dvc", "exp", "run", "-n", "nameless", "-S", "criteria.min_gain=0.045")
    assert done.returncode != 0 and stages_run(done.stdout) == {"settings"}
    assert "- Git identity: wanted one, found none; experiments are commits" in done.stdout + done.stderr
    assert CURE in done.stdout + done.stderr


def test_what_needs_no_name_asks_for_none_and_make_doctor_warns(reproduced, nameless):
    apart = nameless(reproduced, "dvc", "exp", "run", "--temp", "-n", "apart", "-S", "criteria.min_gain=0.055")
    assert apart.returncode == 0 and stages_run(apart.stdout) == {"settings", "report"}, apart.stderr
    assert "Git identity" not in apart.stdout
    edit(reproduced, "params.yaml", "min_gain: 0.02", "min_gain: 0.065")
    repro = nameless(reproduced, "dvc", "repro")
    assert repro.returncode == 0 and "Git identity" not in repro.stdout
    asked = nameless(reproduced, "src.stages.doctor")
    assert asked.returncode == 0 and "warning: Git identity: none; experiments are commits" in asked.stdout
    assert CURE in asked.stdout
