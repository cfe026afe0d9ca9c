"""While libraries are loaded Python's garbage collector rests, and afterwards it works as ever."""

import gc
import weakref

import pytest

from src.models.loading import loading


class Knot:
    """An object that only the garbage collector can free."""

    def __init__(self) -> None:
        self.self = self


def test_the_collector_rests_within_and_works_afterwards():
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()
    later = weakref.ref(Knot())
    gc.collect()
    assert later() is None


def test_what_was_loaded_is_not_looked_at_again():
    with loading():
        loaded = [[] for _ in range(1000)]
    assert gc.get_freeze_count() >= len(loaded)


def test_it_works_again_after_an_import_that_fails():
    with pytest.raises(ImportError), loading():
        import no_such_module  # noqa: F401
    assert gc.isenabled()
