"""What the engine relies on that vLLM does not promise; in an environment of its own, by `make test-vllm`.

One that fails after an upgrade says where to look.
"""

from dataclasses import fields
from inspect import signature
from typing import get_args

import pytest

pytestmark = pytest.mark.vllm
ENGINE = "look at VllmEngine in src/engines/vllm_engine.py"
LOADING = "look at load_llm in src/engines/vllm_engine.py"


def test_the_engine_below_llm_takes_requests_and_steps():
    from vllm import LLM
    from vllm.v1.engine.llm_engine import LLMEngine

    assert "llm_engine" in LLM.__init__.__code__.co_names, f"LLM keeps its engine under another name: {ENGINE}"
    wanted = {"add_request", "has_unfinished_requests", "step"}
    assert wanted <= set(dir(LLMEngine)), f"LLMEngine lacks {wanted - set(dir(LLMEngine))}: {ENGINE}.generate"
    names = list(signature(LLMEngine.add_request).parameters)
    assert names[1:4] == ["request_id", "prompt", "params"], f"add_request takes {names}: {ENGINE}.generate"
    assert "lora_request" in names, f"add_request takes no lora_request: {ENGINE}.generate"


def test_a_prompt_may_be_tokens():
    from vllm.inputs import tokens_input

    assert tokens_input([1, 2])["prompt_token_ids"] == [1, 2], f"tokens_input makes another prompt: {ENGINE}.generate"


def test_a_request_has_its_own_seed_and_comes_back_once():
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    params = SamplingParams(
        temperature=0.2, seed=2**63 - 1, max_tokens=5, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY
    )
    assert params.seed == 2**63 - 1, f"a seed of 63 bits is changed: {ENGINE}.generate"


def test_an_output_names_tokens_and_why_it_ended():
    from vllm import CompletionOutput, RequestOutput

    names = {item.name for item in fields(CompletionOutput)}
    assert {"token_ids", "finish_reason"} <= names, f"CompletionOutput has {names}: {ENGINE}.completion_of"
    names = set(signature(RequestOutput.__init__).parameters)
    assert {"request_id", "outputs", "finished"} <= names, f"RequestOutput has {names}: {ENGINE}.completion_of"


def test_an_adapter_is_named_by_name_number_and_path():
    from vllm.lora.request import LoRARequest

    request = LoRARequest("adapter", 1, "/a/path")
    assert request.lora_path == "/a/path", f"LoRARequest takes its arguments in another order: {ENGINE}"


def test_the_ranks_are_those_that_the_kernels_are_built_for():
    from vllm.config.lora import MaxLoRARanks

    from src.engines.settings import ADAPTER_RANKS

    unknown = set(ADAPTER_RANKS) - set(get_args(MaxLoRARanks))
    assert not unknown, f"vLLM serves no ranks {unknown} any more: look at ADAPTER_RANKS in src/engines/settings.py"


def test_the_options_of_loading_are_known():
    from vllm.engine.arg_utils import EngineArgs

    wanted = {
        "model",
        "dtype",
        "max_num_seqs",
        "max_model_len",
        "gpu_memory_utilization",
        "tensor_parallel_size",
        "enable_prefix_caching",
        "enforce_eager",
        "enable_chunked_prefill",
        "max_num_batched_tokens",
        "enable_lora",
        "use_tqdm_on_load",
        "max_loras",
        "max_lora_rank",
    }
    names = {item.name for item in fields(EngineArgs)}
    assert wanted <= names, f"vLLM lacks the options {wanted - names}: {LOADING}"


def test_the_environment_variables_are_known():
    from vllm import envs

    wanted = {
        "VLLM_NO_USAGE_STATS",
        "VLLM_LOGGING_LEVEL",
        "VLLM_ENABLE_V1_MULTIPROCESSING",
        "VLLM_BATCH_INVARIANT",
        "VLLM_CPU_KVCACHE_SPACE",
    }
    unknown = wanted - set(envs.environment_variables)
    assert not unknown, f"vLLM reads {unknown} no more: look at set_environment in src/engines/vllm_engine.py"
