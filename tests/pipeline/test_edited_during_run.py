"""Params, profile, code and inputs that are edited while DVC runs: no result is filed under what it was not made with."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

from tests.profiles import profile_text

pytestmark = pytest.mark.slow
SECONDS = 60  # in which what is waited for comes, or never
ADAPTER = Path("checkpoints/dpo_coherence_lora/adapter_model.safetensors")
TINY = "profiles/tiny.yaml"


@pytest.fixture
def repository(finished: tuple[Path, str], tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    shutil.copytree(finished[0], folder, symlinks=True)
    return folder


@dataclass(frozen=True)
class Ended:
    status: int
    output: str


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """The file with another text in the block, and as it was afterwards."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    yield
    path.write_text(text)


def start(folder: Path, environment: dict[str, str], *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Until something is there; the process must not end before."""
    for _ in range(SECONDS * 50):
        if there():
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    raise AssertionError("it did not come")


def end(process: subprocess.Popen[str]) -> Ended:
    output, _ = process.communicate(timeout=SECONDS)
    return Ended(process.returncode, output)


def lock_entry(folder: Path, stage: str) -> dict:
    return yaml.safe_load((folder / "dvc.lock").read_text())["stages"][stage]


def train_again(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Stage train alone, begun anew, when its first checkpoint has just been written."""
    shutil.rmtree(folder / ".work/train", ignore_errors=True)
    process = start(folder, environment, "dvc", "repro", "--force", "--single-item", "train")
    wait_for(lambda: any((folder / ".work/train").glob("*/checkpoint-*")), process)
    return process


def check_refused(folder: Path, ended: Ended, words: str, entry: dict) -> None:
    """The stage has ended with one error, and dvc.lock says of it what it said before."""
    assert ended.status != 0
    assert "error: stage train began at " in ended.output and words in ended.output, ended.output
    assert "Traceback" not in ended.output and "train: " not in ended.output.partition("error: ")[2]
    assert lock_entry(folder, "train") == entry


def check_nothing_written(folder: Path) -> None:
    assert not any((folder / out["path"]).exists() for out in lock_entry(folder, "train")["outs"])


def check_goes_on(folder: Path, environment: dict[str, str], undisturbed: Path) -> None:
    """The same stage, now with the edit set back, goes on with the work that was kept, to the same bytes."""
    ended = end(start(folder, environment, "dvc", "repro", "--force", "--single-item", "train"))
    assert ended.status == 0 and "training goes on from step" in ended.output, ended.output
    assert (folder / ADAPTER).read_bytes() == (undisturbed / ADAPTER).read_bytes()


def test_a_value_edited_while_it_trains_is_told_and_the_work_is_kept(repository, environment, finished):
    entry = lock_entry(repository, "train")
    process = train_again(repository, environment)
    with edited(repository / TINY, "learning_rate: 0.005\n    num_train", "learning_rate: 0.001\n    num_train"):
        ended = end(process)
    check_refused(repository, ended, "profiles/tiny.yaml: train.dpo.learning_rate was 0.005, and is 0.001 (written at ", entry)
    check_nothing_written(repository)
    check_goes_on(repository, environment, finished[0])
    assert lock_entry(repository, "train") == entry


def test_code_edited_while_it_trains_is_told_and_the_work_is_kept(repository, environment, finished):
    entry = lock_entry(repository, "train")
    process = train_again(repository, environment)
    with edited(repository / "src/training/dpo.py", '"""', '"""Edited. '):
        ended = end(process)
    check_refused(repository, ended, "src/training/dpo.py: it has another content (written at ", entry)
    check_nothing_written(repository)
    check_goes_on(repository, environment, finished[0])


def test_an_input_edited_while_it_trains_is_told(repository, environment):
    entry = lock_entry(repository, "train")
    process = train_again(repository, environment)
    pairs = repository / "data/training_pairs.jsonl"
    pairs.write_text("".join(pairs.read_text().splitlines(keepends=True)[1:]))
    check_refused(repository, end(process), "data/training_pairs.jsonl: it has another content (written at ", entry)
    check_nothing_written(repository)


def test_an_experiment_that_was_refused_beside_a_run_has_edited_params_and_the_run_says_so(repository, environment):
    entry = lock_entry(repository, "train")
    process = train_again(repository, environment)
    stage = psutil.Process(process.pid).children()
    for child in stage:
        child.suspend()  # the experiment takes longer to be refused than so small a training to end
    experiment = end(start(repository, environment, "dvc", "exp", "run", "-S", "seed=7"))
    for child in stage:
        child.resume()
    assert experiment.status != 0 and "busy" in experiment.output, experiment.output
    assert "seed: 7" in (repository / "params.yaml").read_text()  # by DVC, before it was refused
    check_refused(repository, end(process), "params.yaml: seed was 0, and is 7 (written at ", entry)


def test_a_profile_chosen_during_a_run_is_not_the_profile_of_its_later_stages(repository, environment, finished):
    (repository / "profiles/other.yaml").write_text(profile_text({"answer.max_tokens": 3}))
    shutil.rmtree(repository / ".work/sample")
    process = start(repository, environment, "dvc", "repro", "--force", "--single-item", "sample", "answer@baseline")
    wait_for(lambda: any((repository / ".work").glob("sample/*")), process)
    with edited(repository / "params.yaml", "profile: tiny", "profile: other"):
        ended = end(process)
        assert ended.status == 0, ended.output
        status = subprocess.run(
            ["dvc", "status", "--json"], cwd=repository, env=environment, capture_output=True, text=True, check=True
        )
        assert "changed command" in json.loads(status.stdout)["sample"]  # and is for the next run
    for stage in ("sample", "answer@baseline"):
        assert lock_entry(repository, stage)["cmd"].endswith("--profile tiny")
        assert list(lock_entry(repository, stage)["params"]).count(TINY) == 1
    answers = "outputs/baseline_answers.jsonl"
    assert (repository / answers).read_bytes() == (finished[0] / answers).read_bytes()


def test_a_run_ends_under_the_settings_with_which_it_began_or_says_that_it_does_not(repository, environment):
    shutil.rmtree(repository / ".work/sample")
    entry = lock_entry(repository, "eval@baseline")
    process = start(repository, environment, "dvc", "repro", "--force", "--single-item", "sample", "eval@baseline")
    wait_for(lambda: any((repository / ".work").glob("sample/*")), process)
    with edited(repository / "params.yaml", "confidence: 0.95", "confidence: 0.9"):
        ended = end(process)
        assert ended.status != 0
        assert "error: this run of DVC began at " in ended.output
        assert "what stage eval@baseline reads has been changed since" in ended.output
        assert "params.yaml: compare.confidence was 0.95, and is 0.9 (written at " in ended.output
        assert lock_entry(repository, "eval@baseline") == entry
        again = end(start(repository, environment, "dvc", "repro", "--single-item", "eval@baseline"))
        assert again.status == 0, again.output  # the next run begins with it
        assert lock_entry(repository, "eval@baseline")["params"]["params.yaml"]["compare"]["confidence"] == 0.9
