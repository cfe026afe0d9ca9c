"""Every stage's door: bad input ends a real stage with one error that names place, cause and cure, and no traceback."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.records import write_records
from src.regime_w.arms import build_all_arms, build_prompt
from src.sandbox.problems import make_split

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A working folder with params, profiles, two questions and their 22 trajectories."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    questions = make_split("train", 2)
    write_records(tmp_path / "data/train.jsonl", "question", questions)
    write_records(
        tmp_path / "data/trajectories.jsonl",
        "trajectory",
        [
            {
                "question_id": q["id"],
                "arm_name": arm.name,
                "seed": arm.seed,
                "temperature": arm.temperature,
                "prompt": build_prompt(arm, q["question"]),
                "text": f"Answer: {q['gold']}",
                "n_tokens": 4,
                "finish_reason": "stop",
            }
            for q in questions
            for arm in build_all_arms()
        ],
    )
    return tmp_path


def run_stage(folder: Path, stage: str, *arguments: str) -> subprocess.CompletedProcess:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; sys.argv = [{stage!r}, *{list(arguments)!r}]; "
    code += f"runpy.run_module('src.stages.{stage}', run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


def assert_one_error(done: subprocess.CompletedProcess, *told: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1
    for words in told:
        assert words in done.stderr, done.stderr


def edit_lines(path: Path, change) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)) + "\n")


def edit_record(number: int, **changes):
    def change(lines: list[str]) -> list[str]:
        record = json.loads(lines[number])
        record |= {key: value for key, value in changes.items() if value is not None}
        for key in [key for key, value in changes.items() if value is None]:
            del record[key]
        return [*lines[:number], json.dumps(record), *lines[number + 1 :]]

    return change


def test_a_good_folder_passes(folder):
    done = run_stage(folder, "rollouts")
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "metrics/rollouts.json").read_text())["trajectories"] == 22


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("data/train.jsonl", lambda lines: [lines[0], lines[1][:40]], ["data/train.jsonl:2", "cut short"]),
        ("data/train.jsonl", edit_record(1, id=None), ["data/train.jsonl:2", "key 'id' is missing"]),
        ("data/train.jsonl", edit_record(1, gold="many"), ["data/train.jsonl:2", "key 'gold'", "no number"]),
        ("data/train.jsonl", lambda lines: [lines[0], lines[0]], ["data/train.jsonl:2", "stands on line 1 already"]),
        ("data/train.jsonl", lambda lines: lines[:1], ["is not in data/train.jsonl", "dvc repro sample"]),
        ("data/trajectories.jsonl", lambda lines: lines[:-1], ["has 10 trajectories", "maudlin_cf1", "dvc repro sample"]),
        ("data/trajectories.jsonl", edit_record(3, n_tokens="4"), ["data/trajectories.jsonl:4", "'n_tokens'"]),
        ("params.yaml", lambda lines: [line.replace("cf: 0.2,", "fc: 0.2,") for line in lines], ["params.yaml", "fc"]),
        ("params.yaml", lambda lines: [line.replace("cf: 0.2,", "cf: much,") for line in lines], ["scoring.weights.cf", "much"]),
        ("params.yaml", lambda lines: [line.replace("cf: 0.2,", "cf: -1,") for line in lines], ["params.yaml", "-1"]),
    ],
)
def test_bad_input_of_the_scoring_stage(folder, file, change, told):
    edit_lines(folder / file, change)
    assert_one_error(run_stage(folder, "rollouts"), *told)
    assert not (folder / "data/regime_w_rollouts.jsonl").exists()


@pytest.mark.slow
def test_a_missing_checkpoint(folder):
    shutil.copy(folder / "data/train.jsonl", folder / "data/test.jsonl")
    edit_lines(folder / "profiles/sandbox.yaml", lambda lines: [x.replace("questions: 500", "questions: 2") for x in lines])
    assert_one_error(run_stage(folder, "sample"), "checkpoints/base: no such checkpoint", "dvc repro")
    assert_one_error(run_stage(folder, "eval", "baseline"), "checkpoints/base: no such checkpoint")
    (folder / "data/coherence_preferences.jsonl").write_text("")
    assert_one_error(run_stage(folder, "train"), "checkpoints/base: no such checkpoint")


@pytest.mark.slow
def test_no_pairs_at_all(folder, checkpoint):
    shutil.copytree(checkpoint, folder / "checkpoints/base")
    (folder / "data/coherence_preferences.jsonl").write_text("")
    assert_one_error(run_stage(folder, "train"), "0 preference pairs, fewer than train.min_pairs", "sample.questions")
    assert not (folder / "checkpoints/dpo_coherence_lora").exists()


def test_a_learning_rate_written_1e_5_arrives_as_a_number(folder, monkeypatch):
    from src.params import load_profile_section
    from src.training.dpo import TrainSettings

    edit_lines(
        folder / "profiles/sandbox.yaml",
        lambda lines: [line.replace("learning_rate: 5.0e-5", "learning_rate: 1e-5") for line in lines],
    )
    monkeypatch.chdir(folder)
    assert load_profile_section("train", TrainSettings).learning_rate == 1e-5
