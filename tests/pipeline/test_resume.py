"""A short campaign of kills and faults over the whole pipeline (`make faults` is the long one), and work that is shared out."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from src.core.journal import read_pieces
from tests.faults.campaign import campaign

pytestmark = pytest.mark.slow


def test_a_short_campaign_loses_nothing(tmp_path, finished):
    chosen = ("truncated journal", "flipped byte in a checkpoint", "cut files of DVC", "two runs at once", "file too large")
    disturbed = campaign(6, 0, tmp_path, chosen, finished[0])
    assert sum(disturbed.tried.values()) == 6 + len(chosen)
    assert disturbed.lost == []


def kept_texts(repository: Path) -> int:
    return sum(len(read_pieces(path).pieces) for path in (repository / ".work/sample").glob("*/texts.jsonl"))


def set_profile(repository: Path, old: str, new: str) -> None:
    profile = repository / "profiles/tiny.yaml"
    assert old in profile.read_text()
    profile.write_text(profile.read_text().replace(old, new))


def test_more_questions_ask_only_the_new_ones(reproduced, run):
    """24 questions of eleven arms are there; ten more are 110 texts more, and none of the old ones is asked again."""
    [journal] = (reproduced / ".work/sample").glob("*/texts.jsonl")
    before = journal.read_bytes()
    assert kept_texts(reproduced) == 24 * 11
    set_profile(reproduced, "questions: 24", "questions: 34")
    run(reproduced, "dvc", "repro", "sample")
    assert kept_texts(reproduced) == 34 * 11
    assert journal.read_bytes().startswith(before) and journal.read_bytes().count(b"\n") == before.count(b"\n") + 110
    set_profile(reproduced, "questions: 34", "questions: 24")
    run(reproduced, "dvc", "repro", "sample")


def test_another_temperature_takes_nothing_from_the_old_work(reproduced, run):
    params = reproduced / "params.yaml"
    text = params.read_text()
    params.write_text(text.replace("  - 0.5\n", "  - 0.6\n"))
    old = (reproduced / "data/trajectories.jsonl").read_text().splitlines()
    run(reproduced, "dvc", "repro", "sample")
    new = (reproduced / "data/trajectories.jsonl").read_text().splitlines()
    changed = [json.loads(line)["arm_name"] for line, was in zip(new, old, strict=True) if line != was]
    assert set(changed) == {"wolfram_3", "maudlin_3"} and len(changed) == 2 * 24
    params.write_text(text)
    run(reproduced, "dvc", "repro", "sample")


def test_one_of_two_workers_that_is_killed_costs_no_text(reproduced, run, environment):
    """The real stage on two Ray workers; one is killed as soon as texts come in, and the outputs are those of one engine."""
    right = (reproduced / "data/trajectories.jsonl").read_bytes()
    set_profile(reproduced, "workers: 1", "workers: 2")
    set_profile(reproduced, "batch_size: 64", "batch_size: 8")  # so that there is a middle
    for journal in (reproduced / ".work/sample").glob("*/texts.jsonl"):
        journal.unlink()
    stage = subprocess.Popen(
        ["dvc", "repro", "--single-item", "--force", "sample"],
        cwd=reproduced,
        env=environment | {"OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    while kept_texts(reproduced) < 20:
        assert stage.poll() is None
        time.sleep(0.05)
    children = psutil.Process(stage.pid).children(recursive=True)
    workers = [child for child in children if re.match(r"ray::.*answer", " ".join(child.cmdline()))]
    os.kill(workers[0].pid, signal.SIGKILL)
    told, _ = stage.communicate()
    assert stage.returncode == 0, told
    assert (reproduced / "data/trajectories.jsonl").read_bytes() == right
    set_profile(reproduced, "workers: 2", "workers: 1")
    set_profile(reproduced, "batch_size: 8", "batch_size: 64")
