"""The table of what a study could find."""

import subprocess
import sys
from pathlib import Path

import pytest

from src.regime_w.power import difference_over_seeds
from src.regime_w.statistics import difference_at_power

ROOT = Path(__file__).parents[2]


def call(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "src.ops.power", *options], cwd=ROOT, capture_output=True, text=True)


def test_the_table_has_one_run_by_mcnemar_and_several_seeds_by_students_test():
    printed = call("--questions", "500", "--discordant", "0.2").stdout
    alone, three = difference_at_power(100, 500), difference_over_seeds(500, 3, 0.2, 0.005)
    assert f"| 1 | {100 * alone:.1f} |" in printed
    assert f" | {100 * three:.1f} | " in next(line for line in printed.splitlines() if line.startswith("| 3 |"))


def test_where_one_run_can_find_nothing_it_says_so():
    assert "| 1 | none |" in call("--questions", "10", "--discordant", "0.1").stdout


@pytest.mark.parametrize(("option", "value"), [("--questions", "0"), ("--discordant", "0"), ("--discordant", "1.5")])
def test_an_impossible_number_is_named(option, value):
    done = call(option, value)
    assert done.returncode == 1 and done.stderr.startswith(f"error: {option} is "), done.stderr
