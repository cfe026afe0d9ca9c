"""What is decided before vLLM is loaded, without it."""

import json
from dataclasses import replace
from importlib.util import find_spec

import pytest

from src.core.errors import InputError
from src.engines.settings import VllmSettings
from src.engines.vllm_engine import VllmEngine, rank_to_serve

SETTINGS = VllmSettings(tensor_parallel_size=1, gpu_memory_utilization=0.9, max_model_len=256, batch_invariant=True)


def config(folder, **keys):
    (folder / "adapter_config.json").write_text(json.dumps(keys))
    return folder


@pytest.mark.parametrize(("rank", "served"), [(1, 8), (8, 8), (9, 16), (16, 16), (100, 128), (256, 256)])
def test_an_adapter_is_served_by_the_smallest_rank_that_holds_it(tmp_path, rank, served):
    assert rank_to_serve(config(tmp_path, r=rank)) == served


def test_a_rank_that_vllm_cannot_serve_is_an_error(tmp_path):
    with pytest.raises(InputError, match="its rank 512 is above 256, which vLLM serves; lower dpo.lora.r"):
        rank_to_serve(config(tmp_path, r=512))
    with pytest.raises(InputError, match="adapter_config.json says r = None, which is no rank; run `dvc repro train`"):
        rank_to_serve(config(tmp_path, lora_alpha=8))


@pytest.mark.skipif(find_spec("vllm") is not None, reason="the error is of an environment without vLLM, and this one has it")
def test_a_missing_vllm_says_what_to_install(checkpoint):
    with pytest.raises(InputError, match="the module vllm is missing: pip install -r requirements-gpu.txt"):
        VllmEngine(checkpoint, 16, "float32", SETTINGS)


def test_more_tokens_than_the_model_reads_are_an_error_before_vllm_is_looked_for(checkpoint):
    with pytest.raises(InputError, match="engine.vllm.max_model_len is 2,048, but the model reads 512 tokens"):
        VllmEngine(checkpoint, 16, "float32", replace(SETTINGS, max_model_len=2048))
