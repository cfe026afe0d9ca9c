"""How the libraries of models are loaded: that changes no result."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Hold Python's garbage collector while the block imports libraries, and keep it off what they made for good.

    torch, transformers and their like make a million objects that all stay. The collector goes through them again and again and
    finds nothing, which is a fifth of the seconds that the import takes; later it would do so in the midst of training.
    The hub is told nothing of the work: TRL's trainers would report each training to it.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read when huggingface_hub is imported
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
