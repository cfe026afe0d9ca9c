"""A whole run with sampled answers beside the greedy ones, which stay as they were; and one that is killed among the samples."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.core.journal import read_pieces
from src.core.records import read_metrics, read_records
from src.regime_w.evaluation import Evaluation
from src.regime_w.texts import PolicyText
from src.regime_w.verdict import RunVerdict

pytestmark = pytest.mark.slow

QUESTIONS, SAMPLES = 30, 3
POLICIES = ("baseline", "coherence")


@pytest.fixture(scope="module")
def sampled(reproduced: Path, run) -> Path:
    """The finished run with three samples a question."""
    set_profile(reproduced, "samples: 0", f"samples: {SAMPLES}")
    run(reproduced, "dvc", "repro")
    return reproduced


def set_profile(repository: Path, old: str, new: str) -> None:
    profile = repository / "profiles/tiny.yaml"
    assert old in profile.read_text()
    profile.write_text(profile.read_text().replace(old, new))


def content(repository: Path, *names: str) -> list[bytes]:
    return [(repository / name).read_bytes() for name in names]


def kept_texts(repository: Path) -> int:
    return sum(len(read_pieces(path).pieces) for path in (repository / ".work/answer-baseline").glob("*/texts.jsonl"))


def test_what_is_of_the_greedy_texts_is_that_of_a_run_without_samples(sampled, finished):
    for name in (f"outputs/{policy}_{kind}.jsonl" for policy in POLICIES for kind in ("answers", "eval")):
        before, after = ([json.loads(line) for line in (folder / name).open()] for folder in (finished[0], sampled))
        assert all(one.pop("sampled") for one in after) and after == before
    names = ["outputs/changed_questions.jsonl", "plots/accuracy.csv", "metrics/criteria.json"]
    assert content(sampled, *names) == content(finished[0], *names)
    for name in (*POLICIES, "verdict"):
        before, after = (json.loads((folder / f"metrics/{name}.json").read_text()) for folder in (finished[0], sampled))
        assert after.pop("sampled")["samples"] == SAMPLES and after == before


def test_the_samples_reach_the_verdict_and_the_report(sampled):
    for policy in POLICIES:
        texts = read_records(sampled / f"outputs/{policy}_answers.jsonl", PolicyText)
        evaluations = read_records(sampled / f"outputs/{policy}_eval.jsonl", Evaluation)
        assert [len(one.sampled or ()) for one in texts] == [SAMPLES] * QUESTIONS
        graded = [one.sampled for one in evaluations if one.sampled is not None]
        assert [one.samples for one in graded] == [SAMPLES] * QUESTIONS
    found = read_metrics(sampled / "metrics/verdict.json", RunVerdict).sampled
    assert found is not None and (found.samples, found.temperature, found.majority.questions) == (SAMPLES, 0.35, QUESTIONS)
    accuracy = sum(one.right for one in graded) / (QUESTIONS * SAMPLES)
    assert found.mean.coherence_accuracy == accuracy
    assert f"| mean | {100 * found.mean.baseline_accuracy:.2f} (" in (sampled / "report.md").read_text()
    assert '<h3 id="sampled">' in (sampled / "report.html").read_text()


def test_a_stage_that_is_killed_among_the_samples_gives_the_same_bytes(sampled, environment):
    answers = sampled / "outputs/baseline_answers.jsonl"
    right = answers.read_bytes()
    set_profile(sampled, "batch_size: 64\n  workers", "batch_size: 4\n  workers")  # so that there is a middle
    shutil.rmtree(sampled / ".work/answer-baseline")
    answers.unlink()
    command = [sys.executable, "-m", "src.stages.answer", "baseline"]
    stage = subprocess.Popen(command, cwd=sampled, env=environment, stdout=subprocess.DEVNULL)
    while kept_texts(sampled) < QUESTIONS + 10:
        assert stage.poll() is None
        time.sleep(0.005)
    stage.kill()
    stage.wait()
    kept = kept_texts(sampled)
    assert QUESTIONS < kept < QUESTIONS * (1 + SAMPLES) and not answers.exists()
    [journal] = (sampled / ".work/answer-baseline").glob("*/texts.jsonl")
    before = journal.read_bytes()
    subprocess.run(command, cwd=sampled, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert answers.read_bytes() == right
    assert journal.read_bytes().startswith(before) and kept_texts(sampled) == QUESTIONS * (1 + SAMPLES)
    set_profile(sampled, "batch_size: 4\n  workers", "batch_size: 64\n  workers")


def test_fewer_samples_ask_nothing_and_none_are_as_before(sampled, finished, run):
    journals = sorted((sampled / ".work").glob("answer-*/*/texts.jsonl"))
    before = [journal.read_bytes() for journal in journals]
    set_profile(sampled, f"samples: {SAMPLES}", "samples: 1")
    run(sampled, "dvc", "repro")
    texts = read_records(sampled / "outputs/coherence_answers.jsonl", PolicyText)
    assert [len(one.sampled or ()) for one in texts] == [1] * QUESTIONS
    set_profile(sampled, "samples: 1", "samples: 0")
    run(sampled, "dvc", "repro")
    assert [journal.read_bytes() for journal in journals] == before
    names = ("report.md", "metrics/verdict.json", "metrics/baseline.json")
    names += tuple(f"outputs/{policy}_{kind}.jsonl" for policy in POLICIES for kind in ("answers", "eval"))
    assert content(sampled, *names) == content(finished[0], *names)
