"""Work that several processes share: the same results in the same order, whatever their number."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from src.core.command import end_with_parent
from src.core.errors import InputError

WAITING = 2  # items a process that are under way or wait to be given, so that none idles and memory does not grow

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin() -> None:
    """Of a process that shares the work: Ctrl-C reaches all of them, and the first ends the others."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def map_in_order(function: Callable[[Item], Result], items: Iterable[Item], processes: int, key: str) -> Iterator[Result]:
    """The result of each item, in the order of the items, by so many processes; one works in this process.

    function  of a module, with arguments and results that can be pickled; what it raises is raised here
    items     are asked for as they are needed
    key       of the params that sets `processes`
    InputError where the system ends one of them.
    """
    if processes == 1:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(processes, initializer=_begin) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= WAITING * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise InputError(
                f"one of {processes} processes was ended from outside, as the system does where memory is used up; "
                f"lower {key}, and run it again"
            ) from error
