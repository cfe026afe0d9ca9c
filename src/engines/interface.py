"""What every engine does: requests in, completions out, one by one and in any order.

An engine knows prompts and tokens; it does not know what a question or an arm is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from src.errors import InputError


@dataclass(frozen=True)
class Request:
    key: str  # names the request; unique within one call
    prompt: str  # the whole text that the model reads, template included
    temperature: float  # 0 is greedy
    seed: int  # 0 ... 2**63 - 1; with the prompt, temperature and weights it decides the text
    max_tokens: int  # the most tokens to write, the end-of-text token included


@dataclass(frozen=True)
class Completion:
    key: str
    text: str  # without prompt and special tokens
    n_tokens: int  # tokens written, the end-of-text token included
    finish_reason: Literal["stop", "length"]  # the model ended it, or max_tokens did


class Engine(Protocol):
    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer every request once, in any order. A text depends on its request and the weights alone."""
        ...


def refuse_doubled_keys(requests: Sequence[Request]) -> None:
    """InputError if two requests share a key: their completions could not be told apart."""
    keys = {request.key for request in requests}
    if len(keys) != len(requests):
        raise InputError(f"{len(requests)} requests share {len(keys)} keys; every request needs its own")
