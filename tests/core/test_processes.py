"""Work that several processes share."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.processes import WAITING, available_cores, map_in_order

ROOT = Path(__file__).parents[2]


def doubled(number: int) -> int:
    return 2 * number


def refused(number: int) -> int:
    raise InputError(f"item {number} is refused")


def end_itself(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def own_process(_: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_results_come_in_the_order_of_the_items(processes, count):
    assert list(map_in_order(doubled, range(count), processes, "key")) == [2 * number for number in range(count)]


def test_one_process_is_this_one_and_more_are_others():
    assert set(map_in_order(own_process, range(4), 1, "key")) == {os.getpid()}
    others = set(map_in_order(own_process, range(40), 2, "key"))
    assert others and os.getpid() not in others


@pytest.mark.parametrize("processes", [1, 2])
def test_items_are_asked_for_as_they_are_needed(processes):
    asked = []

    def items():
        for number in range(100):
            asked.append(number)
            yield number

    results = map_in_order(doubled, items(), processes, "key")
    for number in range(50):
        assert next(results) == 2 * number
        assert len(asked) <= number + WAITING * processes
    results.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_is_raised_here(processes):
    with pytest.raises(InputError, match="item 0 is refused"):
        list(map_in_order(refused, range(9), processes, "key"))


def test_a_process_that_is_ended_from_outside_is_told():
    with pytest.raises(InputError, match="one of 2 processes was ended from outside.*lower key, and run it again"):
        list(map_in_order(end_itself, range(9), 2, "key"))


STOPPED_HALF_WAY = """
import signal
import time
from src.core.command import run_command
from src.core.processes import map_in_order

def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what started the tests may ignore it
    for number in map_in_order(abs, range(100), 2, "key"):
        time.sleep(0.5)  # the others have done what they were given, and wait
        print(number, flush=True)

if __name__ == "__main__":
    run_command(main)
"""


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_whatever_ends_the_first_process_ends_the_others(tmp_path, sent, status):
    """Ctrl-C reaches the whole group, a kill the first alone."""
    script = tmp_path / "work.py"
    script.write_text(STOPPED_HALF_WAY)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "0\n"
    if sent == signal.SIGINT:
        os.killpg(process.pid, sent)
    else:
        process.send_signal(sent)
    _, told = process.communicate(timeout=60)  # ends once all have ended that could still write
    assert process.returncode == status
    assert told == ("\nstopped by Ctrl-C; run it again: finished work is kept\n" if sent == signal.SIGINT else "")


def test_the_cores_are_those_that_this_process_may_use():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
