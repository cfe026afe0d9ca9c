import json
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import psutil
import pytest
import ray
import torch
from ray.cluster_utils import Cluster

from src.core.errors import InputError
from src.engines import workers
from src.engines.interface import Engine, Request
from src.engines.transformers_engine import TransformersEngine
from src.engines.workers import EngineActor, WorkersEngine, count_workers
from src.regime_w.arms import build_all_arms, build_prompt, request_seed
from tests.engines.failing_engine import BREAK, FORGET, KILL, REFUSE, FailingEngine

ROWS = 6  # requests of a chunk


def texts(engine: Engine, requests: list[Request]) -> dict[str, tuple]:
    """Everything of the completions by key; fails if a request is answered twice."""
    answered: dict[str, tuple] = {}
    for completion in engine.generate(requests):
        assert completion.key not in answered
        answered[completion.key] = (completion.text, completion.n_tokens, completion.finish_reason)
    return answered


def processes_below(process: int) -> set[int]:
    """Children of a process, their children and so on."""
    return {child.pid for child in psutil.Process(process).children(recursive=True)}


def runs(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def still_alive(processes: set[int]) -> set[int]:
    """Those of the processes that run after they had some seconds to end."""
    deadline = time.monotonic() + 15
    while (alive := {process for process in processes if runs(process)}) and time.monotonic() < deadline:
        time.sleep(0.2)
    return alive


@pytest.fixture(scope="module")
def requests(questions) -> list[Request]:
    """Sampled and greedy, of 6 to 60 tokens, so that the completions of a chunk come one after the other."""
    arms = build_all_arms()
    return [
        Request(
            f"{q.id}/{arm.name}",
            build_prompt(arm, q.question) + "\n\n",
            0.0 if place == 0 else 2 * arm.temperature,
            request_seed(arm.seed, q.id),
            6 + 9 * (place % 7),
        )
        for q in questions[:8]
        for place, arm in enumerate(arms)
    ]


@pytest.fixture(scope="module")
def expected(checkpoint, requests) -> dict[str, tuple]:
    return texts(TransformersEngine(checkpoint, batch_size=44), requests)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of this machine whose head holds two workers on CPUs or two on GPUs (which are only a number)."""
    others = processes_below(os.getpid())  # of other tests in this process
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 2, "include_dashboard": False})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster
        ours = processes_below(os.getpid()) - others
        cluster.shutdown()
    assert ours and not still_alive(ours)


@pytest.fixture(autouse=True)
def leave_ray() -> Iterator[None]:
    """The next test joins the Ray that it means."""
    yield
    ray.shutdown()


@pytest.fixture
def second_node(cluster) -> Iterator:
    """Another node of the cluster, for one worker."""
    node = cluster.add_node(num_cpus=1)
    yield node
    if node in cluster.list_all_nodes():
        cluster.remove_node(node)


@pytest.fixture
def start(checkpoint) -> Iterator[Callable[..., WorkersEngine]]:
    """Start an engine of some workers; at the end none of their processes is left."""
    started: list[WorkersEngine] = []
    processes: set[int] = set()

    def start(count: int, kind: type = TransformersEngine) -> WorkersEngine:
        engine = WorkersEngine(partial(kind, checkpoint, ROWS), count, 0, ROWS)
        started.append(engine)
        processes.update(worker.process for worker in engine.workers)
        return engine

    yield start
    for engine in started:
        engine.close()
    assert processes and not still_alive(processes)


@pytest.mark.slow
def test_two_workers_give_the_texts_of_one_engine_even_if_one_is_killed(cluster, start, requests, expected, capsys):
    engine = start(2)
    assert texts(engine, requests) == expected
    with pytest.raises(InputError, match="89 requests share 88 keys"):
        list(engine.generate([*requests, requests[0]]))
    first, second = engine.workers
    stream = engine.generate(requests)
    answered = [next(stream)]
    os.kill(first.process, signal.SIGKILL)
    answered += stream
    assert sorted(c.key for c in answered) == sorted(expected)
    assert {c.key: (c.text, c.n_tokens, c.finish_reason) for c in answered} == expected
    [warning] = capsys.readouterr().err.splitlines()
    who = rf"worker 1 \(process {first.process} on [\d.]+\)"
    assert re.match(rf"warning: {who} died; requests that go to others: [1-6]; workers left: 1; .*", warning)
    os.kill(second.process, signal.SIGKILL)
    with pytest.raises(InputError, match=r"no worker is left; the last one died with 6 requests in hand .*lower engine"):
        list(engine.generate(requests))


@pytest.mark.slow
def test_order_or_a_lost_node_change_no_text_of_three_workers(cluster, second_node, start, requests, expected, capsys):
    engine = start(3)
    assert texts(engine, random.Random(2).sample(requests, len(requests))) == expected
    stream = engine.generate(requests)
    answered = [next(stream)]
    cluster.remove_node(second_node, allow_graceful=False)
    answered += stream
    assert sorted(c.key for c in answered) == sorted(expected)
    assert {c.key: (c.text, c.n_tokens, c.finish_reason) for c in answered} == expected
    [warning] = capsys.readouterr().err.splitlines()
    assert re.match(r"warning: worker \d \(.*\) died; requests that go to others: \d; workers left: 2; ", warning)


@pytest.mark.slow
def test_what_an_engine_raises_comes_through_and_a_deadly_request_is_named(cluster, second_node, start, requests, capsys):
    engine = start(3, FailingEngine)

    def with_harm(word: str) -> list[Request]:
        return [*requests[:8], replace(requests[8], key="harm", prompt=f"{word}, please\n\n"), *requests[9:24]]

    with pytest.raises(InputError, match="^request harm is refused; ask another$"):
        list(engine.generate(with_harm(REFUSE)))
    with pytest.raises(ZeroDivisionError, match=r"(?s)failing_engine\.py.*request harm broke it"):
        list(engine.generate(with_harm(BREAK)))
    with pytest.raises(RuntimeError, match="the engine of worker .* left these unanswered: harm$"):
        list(engine.generate(with_harm(FORGET)))
    with pytest.raises(InputError, match=r"request harm seems to kill its worker: 3 died .* 'kill me, please.*lower engine"):
        list(engine.generate(with_harm(KILL)))
    assert re.findall(r"go to others: (\d+)", capsys.readouterr().err) == ["6", "6", "1"]


@pytest.mark.slow
def test_a_checkpoint_that_is_missing_is_told_before_the_first_request(cluster, tmp_path):
    with pytest.raises(InputError, match=r"base: no such checkpoint; run the stage that writes it \(`dvc repro base`\)$"):
        WorkersEngine(partial(TransformersEngine, tmp_path / "base", ROWS), 1, 0, ROWS)
    assert not ray.is_initialized()


@pytest.mark.slow
def test_workers_that_die_while_they_load_are_an_error(cluster):
    with pytest.raises(InputError, match=r"no worker is left; the last one died: .*lower engine\.batch_size"):
        WorkersEngine(partial(os._exit, 1), 1, 0, ROWS)


@pytest.mark.slow
def test_too_few_resources_are_an_error_at_once(cluster, checkpoint):
    make = partial(TransformersEngine, checkpoint, ROWS)
    with pytest.raises(InputError, match="engine.workers is 3, each on 1 CPU, but there is room for 2: the machines have 2 CPU"):
        WorkersEngine(make, 3, 0, ROWS)
    with pytest.raises(InputError, match="engine.workers is 2, each on 2 GPU, but there is room for 1: the machines have 2 GPU"):
        WorkersEngine(make, 2, 2, ROWS)


@pytest.mark.slow
def test_a_worker_gets_its_gpus_and_its_share_of_the_cores(cluster, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    workers.join_ray()
    [worker] = workers.place_workers(1, gpus_each=2)
    environment = worker.actor.__ray_call__.remote(
        lambda actor: [os.environ[n] for n in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")]
    )
    assert ray.get(environment) == ["0,1", "2"]


@pytest.mark.slow
def test_a_cluster_that_others_fill_is_an_error_after_a_while(cluster, checkpoint, monkeypatch):
    monkeypatch.setattr(workers, "PLACING_SECONDS", 1)
    workers.join_ray()
    other = ray.remote(EngineActor).options(num_cpus=2).remote()
    ray.get(other.enter.remote(os.getcwd()))
    with pytest.raises(InputError, match="2 of 2 workers found no room in 1 s; others use the cluster"):
        WorkersEngine(partial(TransformersEngine, checkpoint, ROWS), 2, 0, ROWS)


@pytest.mark.slow
def test_workers_are_counted_by_the_gpus_of_the_cluster(cluster):
    assert [count_workers(None, gpus_each) for gpus_each in (1, 2)] == [2, 1]
    with pytest.raises(InputError, match="needs 3 GPUs of one machine, but there are 2 on a machine"):
        count_workers(None, 3)


def test_workers_are_counted_by_the_gpus_of_this_machine(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    counts = {}
    for gpus in (0, 1, 8):
        monkeypatch.setattr(torch.cuda, "device_count", lambda gpus=gpus: gpus)
        counts[gpus] = count_workers(None, 1)
    assert counts == {0: 1, 1: 1, 8: 8}
    assert count_workers(None, 2) == 4
    assert count_workers(3, 2) == 3
    with pytest.raises(InputError, match="engine.workers is 0; it must be at least 1"):
        count_workers(0, 1)


def test_a_machine_without_the_repository_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent: not on machine .*must see the repository there"):
        EngineActor().enter(str(tmp_path / "absent"))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:10001"])
def test_an_address_where_no_cluster_is_says_so_at_once(address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError, match=f"RAY_ADDRESS is '{address}', but no Ray cluster answers there"):
        count_workers(None, 1)


def test_a_missing_ray_says_what_to_install(monkeypatch, checkpoint):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="the module ray is missing: pip install -r requirements-gpu.txt"):
        WorkersEngine(partial(TransformersEngine, checkpoint, ROWS), 2, 0, ROWS)


LIKE_A_STAGE = """
import json, os, pickle, sys
from functools import partial
from src.engines.transformers_engine import TransformersEngine
from src.engines.workers import WorkersEngine
from tests.engines.test_workers import processes_below, texts

checkpoint, requests, rows = pickle.loads(sys.stdin.buffer.read())
engine = WorkersEngine(partial(TransformersEngine, checkpoint, rows), 1, 0, rows)
print(json.dumps([texts(engine, requests), sorted(processes_below(os.getpid()))]))
"""


@pytest.mark.slow
def test_a_process_with_a_ray_of_its_own_is_quiet_and_leaves_nothing_behind(checkpoint, requests, expected):
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    given = pickle.dumps((checkpoint, requests, ROWS))
    command = [sys.executable, "-c", LIKE_A_STAGE]
    run = subprocess.run(command, cwd=workers.REPOSITORY, env=environment, input=given, capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stderr == b""
    answered, processes = json.loads(run.stdout)
    assert {key: tuple(value) for key, value in answered.items()} == expected
    assert processes and not still_alive(set(processes))
