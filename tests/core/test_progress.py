"""A log gets lines that say how far a stage has come, a terminal gets a bar, and no library draws one of its own."""

import os
import pty
import re
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import pytest

from src.core import progress
from src.core.progress import LINE_SECONDS, Measured, Progress, duration, say, stage_name

ROOT = Path(__file__).parents[2]
STAGES = sorted(path.stem for path in (ROOT / "src/stages").glob("[!_]*.py"))

SAMPLE = Measured("sample", "texts", total=5500, initial=0, done=2100, elapsed=6.8, rate=310.4, note="7,900 tokens/s")
TRAIN = Measured("train", "steps", total=411, initial=0, done=120, elapsed=24, rate=5.08, note="loss 0.612")


# --- what a line says ---


def test_a_line_has_stage_share_rate_time_left_and_note():
    assert SAMPLE.line() == "sample: 2,100 of 5,500 texts (38 %), 310 texts/s, 11 s left, 7,900 tokens/s"
    assert TRAIN.line() == "train: 120 of 411 steps (29 %), 5.1 steps/s, 57 s left, loss 0.612"


def test_the_last_line_has_the_time_it_took_and_the_rate_of_all_of_it():
    ended = Measured("sample", "texts", total=5500, initial=500, done=5500, elapsed=20, rate=1.0, note="")
    assert ended.last_line() == "sample: 5,500 of 5,500 texts (100 %) in 20 s, 250 texts/s"


@pytest.mark.parametrize(
    ("rate", "text"), [(1234.5, "1,234"), (99.6, "100"), (9.96, "10"), (9.94, "9.9"), (0.5, "0.5"), (0.0123, "0.012")]
)
def test_a_rate_has_two_digits_or_is_whole(rate, text):
    measured = Measured("train", "steps", total=10, initial=0, done=1, elapsed=1, rate=rate, note="")
    assert f", {text} steps/s, " in measured.line()


def test_nothing_is_said_of_a_rate_that_is_not_known():
    assert Measured("a", "steps", 10, 0, 1, 1.0, None, "").line() == "a: 1 of 10 steps (10 %)"


def test_the_share_is_100_percent_at_the_end_alone():
    assert "(99 %)" in Measured("a", "steps", 1000, 0, 999, 1.0, 1.0, "").line()
    assert "(100 %)" in Measured("a", "steps", 0, 0, 0, 1.0, None, "").last_line()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.004, "0.00 s"),
        (0.99, "0.99 s"),
        (0.999, "1.0 s"),
        (9.94, "9.9 s"),
        (9.99, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (151, "2 min 31 s"),
        (3599.6, "1 h 00 min"),
        (11100, "3 h 05 min"),
        (172800, "48 h 00 min"),
    ],
)
def test_a_duration_is_read_at_a_glance(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("of_dvc", "name"),
    [(None, "work"), ("train", "train"), ("answer@coherence", "answer@coherence"), ("../dvc.yaml:eval", "eval")],
)
def test_the_stage_is_called_as_dvc_calls_it(monkeypatch, of_dvc, name):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    if of_dvc is not None:
        monkeypatch.setenv("DVC_STAGE", of_dvc)
    assert stage_name("work") == name


# --- a log ---


def test_short_work_is_one_line_at_its_end(capfd):
    with Progress("sample", 30, "texts") as shown:
        for _ in range(30):
            shown.update()
            assert capfd.readouterr() == ("", "")
    output, errors = capfd.readouterr()
    assert re.fullmatch(r"sample: 30 of 30 texts \(100 %\) in [\d.]+ s, [\d,]+ texts/s\n", output)
    assert errors == ""


def test_long_work_is_a_line_each_time_that_the_seconds_have_passed(capfd, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.2)
    began = time.monotonic()
    with Progress("train", 50, "steps", done=10) as shown:
        for step in range(40):
            time.sleep(0.02)
            shown.note(f"loss {step}")
            shown.update()
    took = time.monotonic() - began
    output, errors = capfd.readouterr()
    *lines, last = output.splitlines()
    assert 2 <= len(lines) <= took / 0.2
    for line in lines:
        assert re.fullmatch(r"train: \d\d of 50 steps \(\d\d %\), [\d.]+ steps/s, [\d.]+ s left, loss \d+", line)
    assert re.fullmatch(r"train: 50 of 50 steps \(100 %\) in [\d.]+ s, [\d.]+ steps/s, loss 39", last)
    assert "\r" not in output and errors == ""


def test_what_was_there_before_counts_for_the_share_and_not_for_the_rate(capfd):
    with Progress("sample", 1_000_000, "texts", done=999_999) as shown:
        time.sleep(0.2)
        shown.update()
    assert re.search(r"1,000,000 of 1,000,000 texts \(100 %\) in [\d.]+ s, [0-5](\.\d+)? texts/s", capfd.readouterr().out)


def test_an_error_ends_it_with_what_was_done(capfd):
    with pytest.raises(KeyboardInterrupt), Progress("sample", 30, "texts") as shown:
        shown.update(7)
        raise KeyboardInterrupt
    assert capfd.readouterr().out.startswith("sample: 7 of 30 texts (23 %) in ")


def test_a_line_of_ten_seconds():
    assert LINE_SECONDS == 10


def test_what_is_said_in_between_is_a_line_of_the_log(capfd):
    with Progress("train", 2, "steps") as shown:
        shown.update()
        say("warning: look here")
        shown.update()
    first, second = capfd.readouterr().out.splitlines()
    assert first == "warning: look here" and second.startswith("train: 2 of 2 steps")


# --- a terminal ---

WORK = """
import time
from src.core.progress import Progress, say
with Progress("train", 4, "steps", done=1) as shown:
    for step in range(3):
        time.sleep(0.15)
        shown.note(f"loss 0.{step}")
        shown.update()
        if step == 1:
            say("warning: look here")
"""


def on_a_terminal(code: str, *streams: str, columns: int = 100) -> tuple[str, str]:
    """What a Python program writes to a terminal that holds these of its streams, and what to pipes that hold the others."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, columns))
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "DVC_STAGE"},
        stdin=subprocess.DEVNULL,
        **{name: its if name in streams else subprocess.PIPE for name in ("stdout", "stderr")},
    )
    os.close(its)
    written = b""
    with suppress(OSError):  # which ends the reading once the program has closed its side
        while block := os.read(ours, 65536):
            written += block
    os.close(ours)
    piped = b"".join(part for part in program.communicate() if part is not None)
    assert program.returncode == 0, (written, piped)
    return written.decode(), piped.decode()


@pytest.mark.parametrize("columns", [100, 0])  # some do not tell their width
def test_a_terminal_gets_a_bar_with_the_stage_and_the_note(columns):
    terminal, _ = on_a_terminal(WORK, "stdout", "stderr", columns=columns)
    states = re.split(r"[\r\n]+", terminal)
    assert any(re.match(r"train:  50%\|.*\| 2/4 \[.* steps/s, loss 0\.0\]", state) for state in states), states
    assert re.match(r"train: 100%\|█+\| 4/4 \[.* steps/s, loss 0\.2\]", [state for state in states if state.strip()][-1])
    assert "of 4 steps" not in terminal


def test_what_is_said_in_between_stands_on_a_line_of_its_own_above_the_bar():
    terminal, _ = on_a_terminal(WORK, "stdout", "stderr")
    assert re.search(r"\r *\rwarning: look here\r?\n", terminal), repr(terminal)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_with_one_stream_in_a_file_there_are_lines_and_no_bar(stream):
    terminal, piped = on_a_terminal(WORK, stream)
    lines, nothing = (terminal.replace("\r\n", "\n"), piped) if stream == "stdout" else (piped, terminal)
    assert re.fullmatch(r"warning: look here\ntrain: 4 of 4 steps \(100 %\) in 0\.\d+ s, [\d.]+ steps/s, loss 0\.2\n", lines)
    assert nothing == ""


# --- the bars of libraries ---

BARS = """
from src.core.progress import Progress, silence_library_bars
if SILENT:
    silence_library_bars()
import subprocess, sys
from datasets import Dataset
from transformers.utils import logging
from tqdm.auto import tqdm
Dataset.from_list([{"a": 1}]).map(lambda row: row, desc="datasets")
for bar in (logging.tqdm, tqdm):
    list(bar([1], desc="a library's"))
subprocess.run([sys.executable, "-c", "from tqdm import tqdm; list(tqdm([1], desc='of a child'))"], check=True)
with Progress("train", 1, "steps") as shown:
    shown.update()
"""


@pytest.mark.slow
@pytest.mark.parametrize("streams", [("stdout", "stderr"), ()])
def test_libraries_draw_no_bar_here_or_in_a_child_and_ours_is_there(streams):
    noisy = "".join(on_a_terminal(f"SILENT = False{BARS}", *streams))
    assert noisy.count("a library's: 100%") == 2 and "datasets: 100%" in noisy and "of a child: 100%" in noisy
    silent = "".join(on_a_terminal(f"SILENT = True{BARS}", *streams))
    assert "library" not in silent and "datasets" not in silent and "child" not in silent
    assert re.search(r"train: 100%\|" if streams else r"^train: 1 of 1 steps \(100 %\)", silent)


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_loads_tqdm_before_it_runs(stage):
    """It would not read the switch any more."""
    code = f"import sys, src.stages.{stage}; sys.exit('tqdm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
