"""What a model cannot read is refused by its request's key, before an engine is loaded and before any text is written."""

from dataclasses import replace

import pytest
from transformers import AutoTokenizer

from src.core.errors import InputError
from src.engines.interface import Request
from src.engines.lengths import TokenLimit, check_lengths, refuse_long_requests, token_limit
from src.engines.settings import VllmSettings
from src.models.checkpoints import own_checkpoint

VLLM = VllmSettings(tensor_parallel_size=1, gpu_memory_utilization=0.9, max_model_len=256, batch_invariant=True)
POSITIONS = 512  # of the checkpoint of the tests
LIMIT = TokenLimit(100, "the limit")


def asked(key: str, max_tokens: int, prompt: str = "How many?") -> Request:
    return Request(key, prompt, temperature=0.0, seed=0, max_tokens=max_tokens)


@pytest.fixture
def base(checkpoint):
    return own_checkpoint(checkpoint, "base")


def test_what_fits_to_the_last_token_is_asked():
    check_lengths([asked("a", 60), asked("b", 1)], [40, 99], LIMIT)
    with pytest.raises(InputError, match="request b: 99 tokens of prompt and 2 of completion are more than the limit = 100;"):
        check_lengths([asked("a", 60), asked("b", 2)], [40, 99], LIMIT)


def test_the_longest_is_named_and_the_others_are_counted():
    requests = [asked(f"test-{n:05d}", max_tokens=50) for n in range(2000)]
    lengths = [60 if n % 400 == 7 else 50 for n in range(2000)]
    lengths[999] = 70
    with pytest.raises(InputError) as caught:
        check_lengths(requests, lengths, LIMIT)
    assert str(caught.value) == (
        "request test-00999: 70 tokens of prompt and 50 of completion are more than the limit = 100; lower sample.max_tokens or "
        "answer.max_tokens to 30 at most, or leave the question out; too long are 6 of 2,000 requests, next test-00007, "
        "test-00407, test-00807 and 2 more"
    )


@pytest.mark.parametrize("length", [100, 101, 10_000])
def test_no_less_helps_a_prompt_that_fills_the_limit(length):
    with pytest.raises(InputError) as caught:
        check_lengths([asked("a", 1)], [length], LIMIT)
    assert str(caught.value).endswith("more than the limit = 100; leave the question out; too long are 1 of 1 requests")


def test_without_positions_no_request_is_too_long(checkpoint):
    check_lengths([asked("a", 10**6)], [10**6], limit=None)
    refuse_long_requests([asked("a", 10**6)], AutoTokenizer.from_pretrained(checkpoint), limit=None)


def test_a_request_is_measured_by_the_tokens_that_the_engine_reads(base, checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    prompt = "How many pens has Zoë?\n\n" * 9
    room = POSITIONS - len(tokenizer(prompt)["input_ids"])
    fitting = [asked("a", room, prompt), asked("b", room, prompt), asked("c", 500)]
    refuse_long_requests(fitting, tokenizer, token_limit(base, vllm=None))
    with pytest.raises(InputError) as caught:
        refuse_long_requests([*fitting, asked("q/wolfram_1", room + 1, prompt)], tokenizer, token_limit(base, vllm=None))
    message = str(caught.value)
    place = f"(max_position_embeddings in {checkpoint}/config.json) = 512"
    assert message.startswith(f"request q/wolfram_1: {POSITIONS - room} tokens of prompt and {room + 1} of completion are more")
    assert f"the model's positions {place}; lower sample.max_tokens or answer.max_tokens to {room} at most" in message


def test_vllm_has_a_limit_of_its_own_within_the_positions(base):
    limit = token_limit(base, VLLM)
    assert limit is not None
    with pytest.raises(InputError, match="= 256; raise it in the profile .the model reads 512 tokens., lower sample.max_tokens"):
        check_lengths([asked("a", 200)], [57], limit)
    with pytest.raises(InputError, match="max_model_len is 513, but the model reads 512 tokens .max_position_emb.*: lower it"):
        token_limit(base, replace(VLLM, max_model_len=513))
    whole = token_limit(base, replace(VLLM, max_model_len=512))
    assert whole is not None and whole.tokens == 512
