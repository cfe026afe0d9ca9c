"""How the libraries of models are loaded: that changes no result."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Hold Python's garbage collector while the block imports libraries, and keep it off what they made for good.

    torch, transformers and their like make a million objects that all stay. The collector goes through them again and again and
    finds nothing, which is a fifth of the seconds that the import takes; later it would do so in the midst of training.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
