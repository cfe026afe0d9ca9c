"""What a machine refuses is told by one message with its cure; what is our own fault keeps its traceback."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from src.errors import InputError, exhausted

ROOT = Path(__file__).parents[1]


def run(body: str) -> subprocess.CompletedProcess:
    code = f"from src.errors import InputError, exhausted, run_stage\nfrom pathlib import Path\n{body}\nrun_stage(main)\n"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def test_a_full_disk_is_one_message_with_the_file_and_the_cure():
    done = run("def main():\n    with open('/dev/full', 'w') as file:\n        file.write('x')")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "No space left on device; free some space" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("save", ["torch.save(weights, name)", "safetensors.torch.save_file(weights, name)"])
def test_a_checkpoint_that_does_not_fit_is_one_message(tmp_path, save):
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    done = run(
        "import resource, signal, torch, safetensors.torch\n"
        f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n{limit}\n"
        f"weights, name = {{'a': torch.zeros(10**6)}}, {str(tmp_path / 'weights')!r}\n"
        f"def main():\n    with exhausted(Path({str(tmp_path)!r}), 'none'):\n        {save}"
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"error: {tmp_path}: a file could not be written" in done.stderr and "free some space" in done.stderr


def test_too_little_memory_names_what_to_lower(tmp_path):
    with pytest.raises(InputError, match="not enough memory .*: lower engine.batch_size, and run it again"):
        with exhausted(tmp_path, "lower engine.batch_size"):
            torch.empty(10**15)


def test_an_error_of_our_own_keeps_its_traceback(tmp_path):
    with pytest.raises(RuntimeError, match="of our own"), exhausted(tmp_path, "none"):
        raise RuntimeError("of our own")
    done = run("def main():\n    raise KeyError('of our own')")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_ctrl_c_ends_quietly():
    # a shell's background job ignores Ctrl-C, and so does all that it starts
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = run(f"import os\ndef main():\n    os.kill(os.getpid(), {signal.SIGINT.value})\n    import time\n    time.sleep(60)")
    signal.signal(signal.SIGINT, before)
    assert done.returncode == 130 and "stopped by Ctrl-C" in done.stderr and "Traceback" not in done.stderr
