"""The fuzzer itself: a short run over the four targets finds nothing, and what is planted it finds."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.fuzz import TARGETS, fuzz

pytest.importorskip("atheris", reason="atheris is built for Linux on x86-64 only")


def planted(data: bytes, path: Path) -> None:
    """Three bytes: one try in 16 million by chance, one in a few hundred for each where coverage guides."""
    if data[:1] == b"a":
        if data[1:2] == b"b":
            if data[2:3] == b"c":
                raise ArithmeticError("found")


@pytest.mark.slow
def test_a_planted_fault_is_found_through_coverage_and_its_input_kept(tmp_path):
    outcome = fuzz("planted", "tests.faults.test_fuzz:planted", [b"0"], 60, tmp_path)
    assert outcome.failure == tmp_path / "planted-failure.txt"
    text = outcome.failure.read_text()
    assert "b'abc" in text and "ArithmeticError: found" in text
    assert outcome.executions > 0 and outcome.coverage[1] > outcome.coverage[0] and outcome.corpus[1] > outcome.corpus[0]


@pytest.mark.slow
def test_some_seconds_of_fuzzing_find_no_fault(tmp_path):
    command = [sys.executable, "-m", "tests.faults.fuzz", "--seconds", "3", "--folder", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    failures = "\n".join(path.read_text() for path in tmp_path.glob("*-failure.txt"))
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}\n{failures}"
    assert [line.split()[0] for line in ran.stdout.splitlines()] == list(TARGETS)
