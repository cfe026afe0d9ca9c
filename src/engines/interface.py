"""What every engine does: requests in, completions out, one by one and in any order.

An engine knows prompts and tokens; it does not know what a question or an arm is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from src.core.errors import InputError


@dataclass(frozen=True)
class Request:
    """What one text is asked for.

    key          names the request; unique within one call
    prompt       the whole text that the model reads, template included
    temperature  >= 0; 0 is greedy
    seed         0 … 2**63 - 1; with prompt, temperature and weights it decides the text
    max_tokens   to write at most, the end-of-text token included
    """

    key: str
    prompt: str
    temperature: float
    seed: int
    max_tokens: int


@dataclass(frozen=True)
class Completion:
    """What a model wrote for one request.

    text           without prompt and special tokens
    n_tokens       tokens written, the end-of-text token included
    finish_reason  the model ended the text, or max_tokens did
    """

    key: str
    text: str
    n_tokens: int
    finish_reason: Literal["stop", "length"]


class Engine(Protocol):
    """A model that is loaded and answers requests."""

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request once, in any order. A text depends on its request and the weights alone.

        Raises InputError, before any text is written, for two requests of one key and for one that the model cannot read whole.
        """
        ...


def refuse_doubled_keys(requests: Sequence[Request]) -> None:
    """InputError if two requests share a key: their completions could not be told apart."""
    keys = {request.key for request in requests}
    if len(keys) != len(requests):
        raise InputError(f"{len(requests)} requests share {len(keys)} keys; every request needs its own")
