"""What decides pairs, on the rollouts of a real run: each weight of the reward, and gold answers only where they may."""

import json
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

PAIRS = Path("data/coherence_preferences.jsonl")
WEIGHTS = ("end", "path", "cf", "quality")


@pytest.fixture
def pairs_by(reproduced: Path, run):
    """The texts of the pairs in the finished run with other values of params.yaml, each by its dotted key."""
    params = reproduced / "params.yaml"
    before = params.read_text()

    def pairs(values: dict[str, object]) -> list[tuple[str, str, str]]:
        content = yaml.safe_load(before)
        for key, value in values.items():
            *sections, last = key.split(".")
            section = content
            for name in sections:
                section = section[name]
            section[last] = value
        params.write_text(yaml.safe_dump(content))
        for stage in ("rollouts", "prefs"):
            run(reproduced, "python", "-m", f"src.stages.{stage}")
        records = [json.loads(line) for line in (reproduced / PAIRS).open()]
        assert records, "the tiny run has pairs, or this shows nothing"
        return [(record["question_id"], record["chosen_arm"], record["rejected_arm"]) for record in records]

    yield pairs
    run(reproduced, "git", "checkout", "-q", "--force", "HEAD", "--", ".")
    run(reproduced, "dvc", "checkout", "-q", "--force")


def test_without_labels_every_weight_changes_pairs(pairs_by):
    every = pairs_by({"prefs.labels": "none"})
    for weight in WEIGHTS:
        assert pairs_by({"prefs.labels": "none", f"scoring.weights.{weight}": 0.0}) != every, weight


def test_with_gold_labels_path_and_quality_change_pairs(pairs_by):
    """So does `end`, which is a little less for an arm that votes than for a probe; `cf` is one for all with the same answer."""
    every = pairs_by({})
    for weight in WEIGHTS:
        assert (pairs_by({f"scoring.weights.{weight}": 0.0}) != every) == (weight != "cf"), weight


def test_kept_by_margin_every_weight_can_change_correctness_pairs(pairs_by):
    """Of up to six pairs a question: among one to four, `cf` decides nothing in the texts of this small run."""
    by_margin = {"prefs.correctness_by": "margin", "prefs.max_correctness_pairs": 6}
    every = pairs_by(by_margin)
    for weight in WEIGHTS:
        assert pairs_by(by_margin | {f"scoring.weights.{weight}": 0.0}) != every, weight


def test_scores_of_the_question_in_the_place_of_credits_change_no_pair(pairs_by):
    every = pairs_by({"scoring.credit": "question"})
    for weight in ("end", "path", "cf"):
        assert pairs_by({"scoring.credit": "question", f"scoring.weights.{weight}": 0.0}) == every, weight


@pytest.mark.parametrize("labels", ["none", "random", "steps"])
def test_other_golds_leave_the_pairs_of_a_run_without_gold_labels_as_they_were(pairs_by, reproduced, labels):
    before = (pairs_by({"prefs.labels": labels}), (reproduced / PAIRS).read_bytes())
    training = (reproduced / "data/training_pairs.jsonl").read_bytes()
    questions = reproduced / "data/train.jsonl"
    lines = [json.loads(line) for line in questions.open()]
    changed = [{**line, "gold": "999983", "answer": "none is right\n#### 999983"} for line in lines]
    questions.unlink()  # it may be a link into DVC's cache
    questions.write_text("".join(json.dumps(line) + "\n" for line in changed))
    assert (pairs_by({"prefs.labels": labels}), (reproduced / PAIRS).read_bytes()) == before
    assert (reproduced / "data/training_pairs.jsonl").read_bytes() == training
    assert json.loads((reproduced / "metrics/prefs.json").read_text())["chosen_correct_share"] == 0
