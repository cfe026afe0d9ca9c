"""What the workers rely on that Ray does not promise. One that fails after an upgrade says where to look."""

import os
from collections.abc import Iterator

import pytest
import ray
import ray.exceptions

from src.core.errors import InputError
from src.engines.workers import REPOSITORY, deaths, resource_by_machine

WORKERS = "look at WorkersEngine.generate in src/engines/workers.py"
ERRORS = "look at fetch and deaths in src/engines/workers.py"


@pytest.fixture(scope="module")
def actor() -> Iterator:
    class Actor:
        """Defined here, so that it is sent to the worker whole."""

        def count(self) -> Iterator[int]:
            yield 0
            yield 1

        def refuse(self) -> None:
            raise InputError("refused; ask another")

        def end(self) -> None:
            os._exit(1)

    code = {"env_vars": {"PYTHONPATH": str(REPOSITORY)}}
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, runtime_env=code)
    yield ray.remote(Actor).remote()
    ray.shutdown()


@pytest.mark.slow
def test_a_stream_gives_references_one_by_one_and_ends(actor):
    stream = actor.count.options(num_returns="streaming").remote()
    ready, _ = ray.wait([stream], num_returns=1)
    assert ready == [stream], f"a stream cannot be waited for: {WORKERS}"
    values = [ray.get(reference) for reference in stream]
    assert values == [0, 1], f"a stream gives other values or does not end: {WORKERS}"


@pytest.mark.slow
def test_an_error_of_the_worker_is_the_cause_of_rays(actor):
    with pytest.raises(ray.exceptions.RayTaskError) as caught:
        ray.get(actor.refuse.remote())
    cause = caught.value.cause
    assert isinstance(cause, InputError), f"RayTaskError.cause is {type(cause).__name__}: {ERRORS}"


@pytest.mark.slow
def test_resources_of_machines_have_their_names(actor):
    assert resource_by_machine("CPU") == [1], "ray.nodes() has other keys: look at resource_by_machine in src/engines/workers.py"


@pytest.mark.slow
def test_a_worker_that_is_gone_raises_one_of_deaths(actor):
    """Last: the actor is gone then."""
    with pytest.raises(ray.exceptions.RayError) as caught:
        ray.get(actor.end.remote())
    assert isinstance(caught.value, deaths()), f"a dead worker raises {type(caught.value).__name__}: {ERRORS}"
