"""The benchmarks: what counts as a goal that is reached, the table, and that each name has its module."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import growth, pipeline
from bench.__main__ import NAMES, NEEDED
from bench.comparison import Comparison, figure, table
from src.core.errors import InputError

ROOT = Path(__file__).parents[1]


def comparison(ours: float, **goal: float) -> Comparison:
    return Comparison("steps", "s", ours, "another", 2.0, **goal)


@pytest.mark.parametrize(
    ("ours", "goal", "reached", "words"),
    [
        (3.0, {"at_most": 1.5}, True, "≤ 1.5"),
        (3.1, {"at_most": 1.5}, False, "≤ 1.5 **missed**"),
        (4.0, {"at_least": 2}, True, "≥ 2"),
        (3.9, {"at_least": 2}, False, "≥ 2 **missed**"),
        (2.0, {"at_least": 0.9, "at_most": 1.1}, True, "≥ 0.9 and ≤ 1.1"),
        (9.0, {}, True, ""),
    ],
)
def test_a_goal_is_reached_at_its_bound_and_told_when_missed(ours, goal, reached, words):
    found = comparison(ours, **goal)
    assert (found.reached, found.goal) == (reached, words)


def test_the_table_has_a_row_a_comparison_of_as_many_cells_as_its_head():
    head, line, *rows = table([comparison(3.0, at_most=1.0), comparison(1234.5)]).splitlines()
    assert rows == [
        "| steps | 3 s | 2 s | another | 1.50 | ≤ 1 **missed** |",
        "| steps | 1,234 s | 2 s | another | 617.25 |  |",
    ]
    assert {row.count("|") for row in (head, line, *rows)} == {7}


@pytest.mark.parametrize(("value", "text"), [(0.012345, "0.0123"), (99.94, "99.9"), (100.4, "100"), (12345.6, "12,346")])
def test_a_figure_has_three_digits_that_count(value, text):
    assert figure(value) == text


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_a_module_that_compares(name):
    assert callable(importlib.import_module(f"bench.{name}").compare)


def test_without_a_finished_run_it_says_so_and_measures_nothing(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "bench"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(
        "error: no finished run: checkpoints/base and data/trajectories.jsonl not there; run `make repro`"
    )


@pytest.mark.slow
def test_a_benchmark_that_is_named_is_measured_alone(tmp_path):
    for needed in NEEDED:
        (tmp_path / needed).mkdir(parents=True)  # that of scoring makes its own
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bench", "scoring"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr.startswith("1 of 1: scoring …\nscoring: ")
    _machine, _blank, _head, _line, *rows = done.stdout.splitlines()
    assert len(rows) == 8 and all(row.startswith(("| scoring", "| pairs", "| rollouts", "| prefs")) for row in rows)
    missed = sum("**missed**" in row for row in rows)  # as the machine is
    assert done.returncode == (missed > 0) and (not missed or f"{missed} of 8 goals missed" in done.stderr)


# --- bench.pipeline ---


@pytest.mark.parametrize("stage", pipeline.LOADED_BY)
def test_what_a_stage_is_said_to_import_is_what_its_functions_import(stage):
    files = [f"src/stages/{stage}.py", *(["src/training/launch.py"] if stage == "train" else [])]
    functions = [
        node for file in files for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)
    ]
    if stage == "base":
        functions = [function for function in functions if function.name == "train_base"]
    found = {node.module for function in functions for node in ast.walk(function) if isinstance(node, ast.ImportFrom)}
    # `accelerate` comes with the rest, in a process that a stage starts.
    assert {name for name in found if name != "accelerate"} == set(pipeline.LOADED_BY[stage]) - {"peft"}


def test_a_run_without_its_outputs_is_refused(tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").write_text("stages:\n  one:\n    cmd: 'true'\n    outs: [there]\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="^no finished run: there is not there; run `make repro`"):
        pipeline.copy_run(tmp_path / "copy", "any")


# --- bench.growth ---


def cost(questions: int, seconds: float) -> growth.Cost:
    return growth.Cost(questions, seconds, memory=1e6 * questions, disk=0)


def test_the_line_is_drawn_to_a_million():
    costs = [cost(count, 1 + count / 100) for count in (100, 1000, 10_000)]
    assert growth.at_a_million(costs, lambda one: one.seconds) == pytest.approx(10_001)
    assert growth.bend(costs) == pytest.approx(1)
    assert growth.bend([*costs[:2], cost(10_000, 11 + 2 * 90)]) == pytest.approx(2)
    assert (
        growth.row("data", costs, memory_grows=True) == "| data | 10,000 | 101.0 | 10,000 | 0.0 | 1.00 | 2.78 | 1,000.0 | 0.0 |"
    )
    assert growth.row("sample", [cost(1, 3), cost(2, 3), cost(3, 4)], memory_grows=False).count("|  |") == 2


@pytest.mark.slow
def test_every_stage_without_a_model_runs_on_what_is_made_up(monkeypatch, tmp_path, checkpoint):
    shutil.copytree(checkpoint, tmp_path / growth.BASE)
    monkeypatch.chdir(tmp_path)
    found = growth.measure_data(20)
    assert found.keys() == {job.name for job in growth.DATA_JOBS}
    assert all(cost.seconds > 0 and cost.memory > 1e6 for cost in found.values())


# --- the Makefile ---


def test_every_target_without_a_file_is_phony_and_told_by_make_help():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.M))
    told = set(re.findall(r"^([a-z-]+):.*##", makefile, flags=re.M))
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.M)
    assert targets == told == set(phony.split())
    assert "bench" in targets
