"""A real engine that fails at certain words in a prompt, to test what its neighbours do."""

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from src.core.errors import InputError
from src.engines.interface import Completion, Request
from src.engines.transformers_engine import TransformersEngine

KILL, REFUSE, BREAK, FORGET = "kill me", "refuse me", "break me", "forget me"


class FailingEngine:
    """Looks for the words in all requests of a call first, then answers the others."""

    def __init__(self, model_folder: Path, batch_size: int) -> None:
        self.engine = TransformersEngine(model_folder, batch_size)

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for request in requests:
            if KILL in request.prompt:
                os.kill(os.getpid(), signal.SIGKILL)
            if REFUSE in request.prompt:
                raise InputError(f"request {request.key} is refused; ask another")
            if BREAK in request.prompt:
                raise ZeroDivisionError(f"request {request.key} broke it")
        yield from self.engine.generate([request for request in requests if FORGET not in request.prompt])
