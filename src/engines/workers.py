"""Many engines side by side, each in a Ray actor of its own: on this machine, or on the cluster that RAY_ADDRESS names.

A worker gets a chunk of requests at a time and sends back each completion as it ends. What a dead worker had not
finished is done again by the others; since a text depends on its request and the weights alone, nobody can tell.
"""

import importlib.util
import logging
import os
import socket
import sys
import textwrap
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from src.core.errors import InputError
from src.engines.interface import Completion, Engine, Request, refuse_doubled_keys

REPOSITORY = Path(__file__).resolve().parents[2]

# A worker's process is up in seconds; one that is not by then waits for room that others have.
PLACING_SECONDS = 120

# Requests in the hands of this many dead workers are asked one at a time, so that the next death names one of them.
DEATHS_TO_ASK_ALONE = 2
DEATHS_TO_GIVE_UP = 3

OUT_OF_MEMORY_CURE = "the usual cause is too little memory: lower engine.batch_size, sample.max_tokens or answer.max_tokens"


class EngineActor:
    """One engine in a process of its own; Ray starts it from the repository's code."""

    def enter(self, folder: str) -> tuple[int, str]:
        """Work in `folder`, as the stage does, so that relative paths hold; returns process id and machine address."""
        try:
            os.chdir(folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(
                f"{folder}: not on machine {socket.gethostname()}; every machine of the cluster must see the repository there"
            ) from error
        import ray

        return os.getpid(), ray.util.get_node_ip_address()

    def load(self, make_engine: Callable[[], Engine]) -> None:
        """Build the engine in this process."""
        self.engine = make_engine()

    def answer(self, requests: list[Request]) -> Iterator[Completion]:
        """The engine's completions, each sent as it ends."""
        yield from self.engine.generate(requests)


@dataclass(eq=False)
class Worker:
    """One process with an engine.

    number   1, 2, …
    process  its id on its machine
    machine  its address
    actor    the Ray handle of its EngineActor
    """

    number: int
    process: int
    machine: str
    actor: Any

    def __str__(self) -> str:
        return f"worker {self.number} (process {self.process} on {self.machine})"


@dataclass(eq=False)
class Chunk:
    """Requests that one worker has or will have in hand together.

    waiting  those without a completion yet, by key
    deaths   workers that died with these requests in hand
    """

    waiting: dict[str, Request]
    deaths: int = 0

    def again(self) -> list["Chunk"]:
        """What to hand out after a death: nothing if all was answered, single requests if they are under suspicion."""
        if not self.waiting:
            return []
        if self.deaths < DEATHS_TO_ASK_ALONE:
            return [self]
        return [Chunk({key: request}, self.deaths) for key, request in self.waiting.items()]


class WorkersEngine:
    """`workers` engines that share the requests of one call.

    make_engine  builds one of them, in the worker's process; must be picklable: functools.partial of an importable class
    gpus_each    GPUs of one worker; 0 gives it one CPU
    rows_each    requests handed to a worker at a time; moves speed alone
    One such engine at a time in a process. Everything ends with the process; `close` ends it earlier.
    """

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        workers: int,
        gpus_each: float,
        rows_each: int,
    ) -> None:
        self.rows_each = rows_each
        join_ray()
        with ExitStack() as on_error:
            on_error.callback(self.close)
            refuse_lack_of_room(workers, gpus_each)
            self.workers = place_workers(workers, gpus_each)
            self._load(make_engine)
            on_error.pop_all()

    def _load(self, make_engine: Callable[[], Engine]) -> None:
        """Build all engines at once; a worker that dies of it is left out."""
        loads = [(worker, worker.actor.load.remote(make_engine)) for worker in self.workers]
        for worker, load in loads:
            try:
                fetch(load)
            except deaths() as error:
                self._lose(worker, Chunk({}), error)

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield a completion for each request as any worker ends it.

        Raises InputError for a doubled key, an InputError inside an engine, a request that seems to kill its workers,
        and when no worker is left. Any other error inside an engine comes with its traceback.
        """
        import ray

        refuse_doubled_keys(requests)
        starts = range(0, len(requests), self.rows_each)
        queue = deque(Chunk({r.key: r for r in requests[start : start + self.rows_each]}) for start in starts)
        busy: dict[Any, tuple[Worker, Chunk]] = {}  # by the stream of the completions to come
        while queue or busy:
            self._hand_out(queue, busy)
            [stream], _ = ray.wait(list(busy), num_returns=1)
            worker, chunk = busy[stream]
            try:
                completion = fetch(next(stream))
            except StopIteration:
                del busy[stream]
                if chunk.waiting:
                    raise RuntimeError(f"the engine of {worker} left these unanswered: {', '.join(chunk.waiting)}") from None
            except deaths() as error:
                del busy[stream]
                chunk.deaths += 1
                self._lose(worker, chunk, error)
                queue.extendleft(chunk.again())
            else:
                del chunk.waiting[completion.key]
                yield completion

    def _hand_out(self, queue: deque[Chunk], busy: dict[Any, tuple[Worker, Chunk]]) -> None:
        """Give every idle worker the next chunk, while there are any."""
        occupied = {worker for worker, _ in busy.values()}
        for worker in self.workers:
            if queue and worker not in occupied:
                chunk = queue.popleft()
                stream = worker.actor.answer.options(num_returns="streaming").remote(list(chunk.waiting.values()))
                busy[stream] = worker, chunk

    def _lose(self, worker: Worker, chunk: Chunk, error: Exception) -> None:
        """Go on without a dead worker; InputError if its requests are to blame or if it was the last."""
        import ray

        ray.kill(worker.actor)  # one that is only cut off must not work on
        self.workers.remove(worker)
        cause = cause_of_death(error)
        moved, left = len(chunk.waiting), len(self.workers)
        tqdm.write(f"warning: {worker} died; requests that go to others: {moved}; workers left: {left}; {cause}", file=sys.stderr)
        first = next(iter(chunk.waiting.values()), None)
        if first and chunk.deaths == DEATHS_TO_GIVE_UP:
            raise InputError(
                f"request {first.key} seems to kill its worker: {chunk.deaths} died with it in hand; its prompt begins "
                f"{first.prompt[:80]!r}; {OUT_OF_MEMORY_CURE}"
            )
        if not self.workers:
            held = f" with {moved} requests in hand (the first is {first.key})" if first else ""
            raise InputError(f"no worker is left; the last one died{held}: {cause}; {OUT_OF_MEMORY_CURE}")

    def close(self) -> None:
        """End the workers and leave Ray, which ends a Ray of our own; the process's end does the same."""
        import ray

        ray.shutdown()


def count_workers(workers: int | None, gpus_each: int) -> int:
    """How many engines to run side by side: `workers`, or for None as many as the GPUs give, and 1 without a GPU.

    gpus_each  GPUs that one engine needs, on one machine
    Raises InputError for less than one worker, and if no machine has the GPUs of one engine.
    """
    if workers is not None:
        if workers < 1:
            raise InputError(f"engine.workers is {workers}; it must be at least 1, or null for one for each GPU")
        return workers
    gpus = gpus_by_machine()
    if not gpus:
        return 1
    fitting = sum(count // gpus_each for count in gpus)
    if fitting == 0:
        raise InputError(
            f"an engine needs {gpus_each} GPUs of one machine, but there are {listed(gpus)} on a machine; "
            "lower engine.vllm.tensor_parallel_size"
        )
    return fitting


def gpus_by_machine() -> list[int]:
    """GPUs of each machine that has any: those of the cluster that RAY_ADDRESS names, or those that torch sees here."""
    if not os.environ.get("RAY_ADDRESS"):
        counts = [torch.cuda.device_count()]
    else:
        join_ray()
        counts = [int(count) for count in resource_by_machine("GPU")]
    return [count for count in counts if count]


def join_ray() -> None:
    """Be connected to the cluster that RAY_ADDRESS names, or to a Ray of our own; InputError if that cannot be."""
    if importlib.util.find_spec("ray") is None:
        raise InputError("several workers need Ray, but the module ray is missing: pip install -r requirements-gpu.txt")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    if ray.is_initialized():
        return
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        ray.init(address="local", include_dashboard=False, **quiet)
        return
    try:
        if address != "auto":
            # Ray itself would try for minutes and then end the process.
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, **quiet)
    except (OSError, ValueError) as error:
        raise InputError(
            f"RAY_ADDRESS is {address!r}, but no Ray cluster answers there ({error}); give the host:port that "
            "`ray start --head` shows, or unset it to use this machine alone"
        ) from error


def resource_by_machine(kind: str) -> list[float]:
    """How much of a resource (`GPU`, `CPU`) each living machine of the cluster has, used or not."""
    import ray

    return [node["Resources"].get(kind, 0) for node in ray.nodes() if node["Alive"]]


def refuse_lack_of_room(workers: int, gpus_each: float) -> None:
    """InputError if the machines of the cluster cannot hold that many workers, for which Ray would wait for ever."""
    kind, each = ("GPU", gpus_each) if gpus_each else ("CPU", 1)
    by_machine = resource_by_machine(kind)
    room = sum(int(count // each) for count in by_machine)
    if room < workers:
        raise InputError(
            f"engine.workers is {workers}, each on {each:g} {kind}, but there is room for {room}: the machines have "
            f"{listed(by_machine)} {kind}; lower engine.workers or add machines to the cluster"
        )


def place_workers(count: int, gpus_each: float) -> list[Worker]:
    """Start the processes, spread over the machines, without their engines; InputError if some cannot be.

    Each uses its share of all cores for its threads, or as many threads as OMP_NUM_THREADS says here.
    """
    import ray

    share_of_cores = max(1, int(sum(resource_by_machine("CPU")) // count))
    threads = os.environ.get("OMP_NUM_THREADS", str(share_of_cores))
    code = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    remote_class = ray.remote(EngineActor).options(
        num_cpus=0 if gpus_each else 1,
        num_gpus=gpus_each,
        max_restarts=0,
        scheduling_strategy="SPREAD",
        runtime_env={"env_vars": {"PYTHONPATH": code, "OMP_NUM_THREADS": threads}},
    )
    actors = [remote_class.remote() for _ in range(count)]
    entered = [actor.enter.remote(os.getcwd()) for actor in actors]
    _, late = ray.wait(entered, num_returns=count, timeout=PLACING_SECONDS)
    if late:
        raise InputError(
            f"{len(late)} of {count} workers found no room in {PLACING_SECONDS} s; others use the cluster (`ray status`): "
            "wait for them or lower engine.workers"
        )
    try:
        places = [fetch(place) for place in entered]
    except (*deaths(), ray.exceptions.RuntimeEnvSetupError) as error:
        raise InputError(
            f"a worker did not start: {cause_of_death(error)}; every machine of the cluster must see the repository as "
            f"{REPOSITORY} and run Ray from an environment with its requirements"
        ) from error
    numbered = enumerate(zip(places, actors, strict=True), start=1)
    return [Worker(number, process, machine, actor) for number, ((process, machine), actor) in numbered]


def fetch(reference: Any) -> Any:
    """The value of a Ray reference; an InputError of the worker is raised here as if it had happened here."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise InputError(str(error.cause)) from error
        raise


def deaths() -> tuple[type[Exception], ...]:
    """What Ray raises when the process or the machine of a worker is gone."""
    from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError, WorkerCrashedError

    return RayActorError, NodeDiedError, OutOfMemoryError, WorkerCrashedError


def cause_of_death(error: Exception) -> str:
    """Ray's account in one line, without the indented lines that repeat names."""
    lines = [line for line in str(error).splitlines() if not line.startswith("\t")]
    return textwrap.shorten(" ".join(lines), 300)


def listed(numbers: Sequence[float]) -> str:
    """Numbers as messages list them."""
    return ", ".join(f"{number:g}" for number in numbers) or "no"
