"""A disk or a memory that is used up is told by one message with its cure; what is our own fault keeps its traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.limits import told_when_exhausted

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("save", ["torch.save(weights, name)", "safetensors.torch.save_file(weights, name)"])
def test_a_checkpoint_that_does_not_fit_is_one_message(tmp_path, save):
    code = f"""
import resource, signal, torch, safetensors.torch
from pathlib import Path
from src.core.command import run_command
from src.core.limits import told_when_exhausted
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
weights, name = {{"a": torch.zeros(10**6)}}, {str(tmp_path / "weights")!r}
def main():
    with told_when_exhausted(Path({str(tmp_path)!r}), "none"):
        {save}
run_command(main)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"error: {tmp_path}: a file could not be written" in done.stderr and "free some space" in done.stderr


def test_too_little_memory_names_what_to_lower(tmp_path):
    import torch

    with pytest.raises(InputError, match="not enough memory .*: lower engine.batch_size, and run it again"):
        with told_when_exhausted(tmp_path, "lower engine.batch_size"):
            torch.empty(10**15)
    with pytest.raises(InputError, match="not enough memory"), told_when_exhausted(tmp_path, "none"):
        raise MemoryError


def test_an_error_of_our_own_keeps_its_traceback(tmp_path):
    with pytest.raises(RuntimeError, match="of our own"), told_when_exhausted(tmp_path, "none"):
        raise RuntimeError("of our own")
