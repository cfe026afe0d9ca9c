"""All benchmarks, one after the other, and one table of what they find; status 1 where a goal is missed.

    python -m bench [NAME ...]        (make bench)

Each runs in a process of its own, on the checkpoint and the data of a finished run of profile `sandbox`.
"""

import multiprocessing
import platform
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.comparison import Comparison, comparisons_of, table
from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.processes import available_cores
from src.core.processor import processor_name

# Modules here that have `compare() -> Sequence[Comparison]`.
NAMES = ("pipeline", "scoring", "sampling", "training")
NEEDED = (Path("checkpoints/base"), Path("data/trajectories.jsonl"))


def check_run() -> None:
    """InputError unless the files of a finished run are there."""
    if missing := [str(path) for path in NEEDED if not path.exists()]:
        raise InputError(f"no finished run: {' and '.join(missing)} not there; run `make repro` with `profile: sandbox` first")


def machine() -> str:
    """The processor's name and the cores that this process may use."""
    return f"{processor_name()}, {available_cores()} cores, Python {platform.python_version()}"


def run_all(names: Sequence[str]) -> list[Comparison]:
    """What the benchmarks find, in the order of their names; how far they are goes to standard error."""
    found: list[Comparison] = []
    for place, name in enumerate(names, start=1):
        print(f"{place} of {len(names)}: {name} …", file=sys.stderr, flush=True)
        began = time.perf_counter()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            found += pool.submit(comparisons_of, name).result()
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = command_line("python -m bench", __doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all of them if none is named")
    names = parser.parse_args().names or NAMES
    for name in names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name}, but {', '.join(NAMES)}")
    check_run()
    began = time.perf_counter()
    found = run_all(names)
    print(f"{machine()}; {time.perf_counter() - began:.0f} s in all\n\n{table(found)}")
    if missed := sum(not one.reached for one in found):
        sys.exit(f"{missed} of {len(found)} goals missed")


if __name__ == "__main__":
    run_command(main)
