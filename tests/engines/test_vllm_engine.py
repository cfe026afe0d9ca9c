"""The real vLLM, in its build for CPUs: run by `make test-vllm`, in an environment of its own."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from src.core.errors import InputError
from src.engines.interface import Request
from src.engines.settings import VllmSettings
from src.engines.transformers_engine import TransformersEngine
from src.engines.vllm_engine import VllmEngine
from src.regime_w.arms import build_all_arms, build_prompt, request_seed

pytestmark = pytest.mark.vllm
SETTINGS = VllmSettings(tensor_parallel_size=1, gpu_memory_utilization=0.9, max_model_len=256, batch_invariant=True)


@pytest.fixture(scope="module")
def requests(questions) -> list[Request]:
    """All arms of eight questions; every second one greedy, the others at high temperatures, so that noise shows."""
    arms = build_all_arms()
    return [
        Request(
            f"{q.id}/{arm.name}",
            build_prompt(arm, q.question) + "\n\n",
            0.0 if place % 2 == 0 else 3 * arm.temperature,
            request_seed(arm.seed, q.id),
            32,
        )
        for q in questions[:8]
        for place, arm in enumerate(arms)
    ]


def texts(engine, requests: list[Request]) -> dict[str, tuple]:
    return {c.key: (c.text, c.n_tokens, c.finish_reason) for c in engine.generate(requests)}


@pytest.fixture(scope="module")
def engine(checkpoint) -> VllmEngine:
    return VllmEngine(checkpoint, 16, "float32", SETTINGS)


@pytest.fixture(scope="module")
def expected(engine, requests) -> dict[str, tuple]:
    return texts(engine, requests)


@pytest.fixture(scope="module")
def adapter(checkpoint, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, config).save_pretrained(folder)
    return folder


def test_every_request_is_answered_once(expected, requests):
    assert expected.keys() == {request.key for request in requests}
    for text, n_tokens, finish_reason in expected.values():
        assert n_tokens == 32 if finish_reason == "length" else n_tokens <= 32
        assert "</s>" not in text


def test_both_engines_write_the_same_greedy_texts(checkpoint, requests, expected):
    greedy = [request for request in requests if request.temperature == 0]
    other = texts(TransformersEngine(checkpoint, batch_size=16), greedy)
    assert other == {request.key: expected[request.key] for request in greedy}


def test_order_and_company_change_no_text(engine, requests, expected):
    shuffled = random.Random(1).sample(requests, len(requests))
    assert texts(engine, shuffled) == expected
    for request in shuffled[:6]:
        assert texts(engine, [request]) == {request.key: expected[request.key]}


def test_another_seed_gives_another_text_and_greedy_knows_no_seed(engine, requests, expected):
    other = texts(engine, [replace(request, seed=request.seed + 1) for request in requests])
    sampled = [r.key for r in requests if r.temperature > 0]
    assert all(other[r.key] == expected[r.key] for r in requests if r.temperature == 0)
    assert sum(other[key] != expected[key] for key in sampled) > 0.9 * len(sampled)


def test_a_request_that_does_not_fit_leaves_the_others_unasked(engine, requests, expected):
    """Before the engine with an adapter: when that one ends, it takes from vLLM what all engines of a process share."""
    long = replace(requests[1], key="test-00003/wolfram_0", max_tokens=256)
    with pytest.raises(InputError, match="^request test-00003/wolfram_0: .*; too long are 1 of 3 requests$"):
        next(engine.generate([requests[0], long, requests[2]]))
    assert not engine.engine.has_unfinished_requests()
    assert texts(engine, requests[:1]) == {requests[0].key: expected[requests[0].key]}


def test_the_adapter_is_served_unmerged_and_gives_the_texts_of_the_merged_model(checkpoint, adapter, requests, expected):
    greedy = [request for request in requests if request.temperature == 0]
    served = texts(VllmEngine(checkpoint, 16, "float32", SETTINGS, adapter), greedy)
    assert served == texts(TransformersEngine(checkpoint, 16, adapter_folder=adapter), greedy)
    assert sum(served[r.key] != expected[r.key] for r in greedy) > 0.9 * len(greedy)


def test_a_request_that_does_not_fit_is_an_error(engine, requests):
    with pytest.raises(InputError, match="256 of completion are more than engine.vllm.max_model_len = 256; raise it"):
        list(engine.generate([replace(requests[0], max_tokens=256)]))


def test_a_rank_beyond_the_kernels_is_an_error(checkpoint, tmp_path):
    (tmp_path / "adapter_config.json").write_text('{"r": 512}')
    save_file({"weight": torch.zeros(1)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(InputError, match="its rank 512 is above 256"):
        VllmEngine(checkpoint, 16, "float32", SETTINGS, tmp_path)
