"""Whether a model can read what it is asked: the prompt of each request, and what it may write behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from src.core.errors import InputError
from src.engines.interface import Request
from src.engines.settings import VllmSettings
from src.models.checkpoints import Checkpoint
from src.models.encoding import encode_prompt
from src.models.positions import read_positions

SHOWN = 3  # keys of requests in a message


@dataclass(frozen=True)
class TokenLimit:
    """How many tokens prompt and completion may have together.

    name   what sets the limit, for messages
    cure   what can be done about it, beside asking for less; empty if nothing can
    """

    tokens: int
    name: str
    cure: str = ""


def token_limit(base: Checkpoint, vllm: VllmSettings | None) -> TokenLimit | None:
    """The limit of the base, or of vLLM where its settings are given; None for a model that counts no positions.

    Needs config.json alone. InputError if vLLM is to read more than the model can.
    """
    positions = read_positions(base)
    source = f"max_position_embeddings in {base.folder / 'config.json'}"
    if vllm is None:
        return None if positions is None else TokenLimit(positions, f"the model's positions ({source})")
    if positions is not None and vllm.max_model_len > positions:
        raise InputError(
            f"engine.vllm.max_model_len is {vllm.max_model_len:,}, but the model reads {positions:,} tokens ({source}): lower it"
        )
    reach = "any length" if positions is None else f"{positions:,} tokens"
    return TokenLimit(vllm.max_model_len, "engine.vllm.max_model_len", f"raise it in the profile (the model reads {reach}), ")


def refuse_long_requests(requests: Sequence[Request], tokenizer: PreTrainedTokenizerBase, limit: TokenLimit | None) -> None:
    """InputError if any request is beyond the limit; each prompt is encoded once, though several requests share it."""
    if limit is not None:
        tokens_of = {prompt: len(encode_prompt(tokenizer, prompt)) for prompt in {request.prompt for request in requests}}
        check_lengths(requests, [tokens_of[request.prompt] for request in requests], limit)


def check_lengths(requests: Sequence[Request], prompt_tokens: Sequence[int], limit: TokenLimit | None) -> None:
    """InputError, by the longest of them, if any request is beyond the limit; `prompt_tokens` has the length of each prompt."""
    if limit is None:
        return
    lengths = [(count + request.max_tokens, count, request) for request, count in zip(requests, prompt_tokens, strict=True)]
    too_long = sorted((item for item in lengths if item[0] > limit.tokens), key=lambda item: (-item[0], item[2].key))
    if not too_long:
        return
    _, count, longest = too_long[0]
    room = limit.tokens - count
    less = f"lower sample.max_tokens or answer.max_tokens to {room:,} at most, or leave" if room > 0 else "leave"
    others = [request.key for _, _, request in too_long[1:]]
    listed = ", ".join(others[:SHOWN]) + (f" and {len(others) - SHOWN:,} more" if len(others) > SHOWN else "")
    raise InputError(
        f"request {longest.key}: {count:,} tokens of prompt and {longest.max_tokens:,} of completion are more than "
        f"{limit.name} = {limit.tokens:,}; {limit.cure}{less} the question out; too long are {len(too_long):,} of "
        f"{len(requests):,} requests" + (f", next {listed}" if others else "")
    )
