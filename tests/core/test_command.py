"""How a command begins and ends: what the machine refuses is one message with its cure, and a stage ends with its DVC."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from src.core.command import command_line, run_command
from src.core.errors import InputError

ROOT = Path(__file__).parents[2]


def run(body: str, runner: str = "src.core.command import run_command as run") -> subprocess.CompletedProcess:
    """A process that runs the `main` of `body`."""
    code = f"from src.core.errors import InputError\nfrom {runner}\n{body}\nrun(main)\n"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


# --- its end ---


def test_a_command_ends_with_the_message_alone_and_a_bad_status():
    def main() -> None:
        raise InputError("params.yaml: seed is missing")

    with pytest.raises(SystemExit) as exit_:
        run_command(main)
    assert exit_.value.code == "error: params.yaml: seed is missing"  # a text: printed, with status 1
    done = run("def main():\n    raise InputError('params.yaml: seed is missing')")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: params.yaml: seed is missing\n")


def test_other_errors_keep_their_traceback():
    def main() -> None:
        raise ValueError("a fault of the code")

    with pytest.raises(ValueError, match="a fault of the code"):
        run_command(main)
    done = run("def main():\n    raise KeyError('of our own')")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_a_full_disk_is_one_message_with_the_file_and_the_cure():
    done = run("def main():\n    with open('/dev/full', 'w') as file:\n        file.write('x')")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "No space left on device; free some space" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_pipe_is_one_message_with_the_cure():
    body = "def main():\n    for number in range(100_000):\n        print(number)"
    code = f"from src.core.command import run_command as run\n{body}\nrun(main)\n"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    told = process.stderr.read()
    assert process.wait() == 1
    assert told.startswith("error: nobody reads the output any more") and told.count("\n") == 1, told


def test_what_the_system_refuses_names_the_file(tmp_path):
    (tmp_path / "file").touch()
    done = run(f"def main():\n    open({str(tmp_path / 'file' / 'below')!r})")
    place = tmp_path / "file" / "below"
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {place}: Not a directory; a file stands where a folder belongs: move it away, and run")


def test_an_error_of_the_system_that_has_no_cure_keeps_its_traceback():
    done = run("def main():\n    open('/no/such/file')")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_ctrl_c_ends_quietly():
    # a shell's background job ignores Ctrl-C, and so does all that it starts
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = run(f"import os\ndef main():\n    os.kill(os.getpid(), {signal.SIGINT.value})\n    import time\n    time.sleep(60)")
    signal.signal(signal.SIGINT, before)
    assert done.returncode == 130 and "stopped by Ctrl-C" in done.stderr and "Traceback" not in done.stderr


# --- its command line ---


def test_help_shows_the_docstring_as_it_stands(capsys):
    with pytest.raises(SystemExit) as exit_:
        command_line("python -m src.stages.x", "Stage `x`.\n\nReads   a file\nWrites  another").parse_args(["--help"])
    assert exit_.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: python -m src.stages.x") and "\nReads   a file\nWrites  another\n" in shown


@pytest.mark.parametrize("arguments", [["--unknown"], ["extra"], ["--hel=1"], ["--ch"]])
def test_an_argument_that_is_not_known_ends_with_status_2(arguments, capsys):
    parser = command_line("python -m src.ops.x", "Text.")
    parser.add_argument("--check", action="store_true")
    assert parser.parse_args(["--check"]).check
    with pytest.raises(SystemExit) as exit_:
        parser.parse_args(arguments)
    assert exit_.value.code == 2
    assert "usage: python -m src.ops.x" in capsys.readouterr().err


# --- the process of a stage ---

STAGE = """
import time
from src.stages import run_stage
def main():
    print("runs", flush=True)
    time.sleep(600)
run_stage(main)
"""
PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]])
"""


def start(*code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", *code], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_stage_ends_with_the_dvc_that_started_it(monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "rollouts")  # whose entry names no profile
    parent = start(PARENT, STAGE)
    assert parent.stdout.readline() == "runs\n"
    parent.kill()
    # The pipe ends when nobody holds it: the stage has gone too.
    assert parent.stdout.read() == ""
    parent.communicate()


def test_a_stage_that_is_started_by_hand_outlives_its_shell():
    parent = start(PARENT, STAGE.replace("600", "1").replace("\nrun_stage", '\n    print("ends", flush=True)\nrun_stage'))
    assert parent.stdout.readline() == "runs\n"
    parent.kill()
    assert parent.stdout.read() == "ends\n"
    parent.communicate()


ORPHAN = """
import os, subprocess, sys, time
if sys.argv[1:]:
    while os.getppid() == int(sys.argv[1]):
        time.sleep(0.01)
    print("child of", os.getppid(), flush=True)
    sys.stderr = sys.stdout
    from src.stages import run_stage
    run_stage(lambda: print("runs", flush=True))
else:
    subprocess.Popen([sys.executable, "-c", os.environ["CODE"], str(os.getpid())])
"""


def test_a_stage_whose_dvc_has_ended_before_it_began_does_not_run(monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "rollouts")  # whose entry names no profile
    monkeypatch.setenv("CODE", ORPHAN)
    told = start(ORPHAN).communicate()[0]
    if not told.startswith("child of 1\n"):
        pytest.skip("a subreaper takes over orphans here, and no process can tell it from a parent")
    assert told == "child of 1\nerror: the DVC that started this stage has ended; run `dvc repro` again\n"


def test_the_threads_of_a_stage_spin_a_little_unless_the_user_says_otherwise(monkeypatch):
    body = "import os\ndef main():\n    print(os.environ['GOMP_SPINCOUNT'])"
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert run(body, "src.stages import run_stage as run").stdout == "10000\n"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert run(body, "src.stages import run_stage as run").stdout == "7\n"
    assert "GOMP_SPINCOUNT" in os.environ


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_memory_that_a_stage_frees_is_its_own_for_the_next_tensor():
    """Ten times four pieces of 16 MiB are 160,000 pages to clear anew; of memory that is kept they are cleared once."""
    code = (
        "import resource, sys; from src.core.command import keep_memory\n"
        "if sys.argv[1] == 'kept': keep_memory()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(10): [bytearray(b'x') * (16 << 20) for _ in range(4)]\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    faults = [int(subprocess.check_output([sys.executable, "-c", code, word])) for word in ("kept", "given back")]
    assert 0 < 4 * faults[0] < faults[1]


def test_a_stage_ends_as_a_command_does():
    done = run("def main():\n    raise InputError('params.yaml: seed is missing')", "src.stages import run_stage as run")
    assert (done.returncode, done.stderr) == (1, "error: params.yaml: seed is missing\n")
