"""Text generation with vLLM: continuous batching, prefix caching, a seed for each request, an adapter served unmerged.

On a GPU of compute capability 9 the kernels can be batch invariant, so that a text does not depend on what shares
its batch. vLLM's CPU build runs the same code, slowly; the tests use it.
"""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from src.core.errors import InputError, shown
from src.core.files import read_json
from src.engines.interface import Completion, Request, refuse_doubled_keys
from src.engines.lengths import check_lengths, token_limit
from src.engines.settings import VllmSettings, served_rank
from src.models.checkpoints import check_adapter_files, own_checkpoint, read_tokenizer
from src.models.encoding import encode_prompt

if TYPE_CHECKING:  # in an environment of its own
    from vllm import LLM, RequestOutput


class VllmEngine:
    """A model folder (and optionally a LoRA adapter folder served on top of it) that answers requests.

    batch_size   rows decoded together at most; moves speed and memory
    dtype        of weights and passes, as torch calls it: bfloat16 or float32
    """

    def __init__(
        self, model_folder: Path, batch_size: int, dtype: str, settings: VllmSettings, adapter_folder: Path | None = None
    ) -> None:
        base = own_checkpoint(model_folder, "base")
        self.tokenizer = read_tokenizer(base)
        self.limit = token_limit(base, settings)
        if adapter_folder is not None:
            check_adapter_files(own_checkpoint(adapter_folder, "train"))
        if importlib.util.find_spec("vllm") is None:
            raise InputError("engine.name is 'vllm', but the module vllm is missing: pip install -r requirements-gpu.txt")
        set_environment(settings)
        from vllm.lora.request import LoRARequest

        self.adapter = None if adapter_folder is None else LoRARequest("adapter", 1, str(adapter_folder.resolve()))
        # Its own `generate` keeps every text back until the last is written.
        self.engine = load_llm(model_folder, batch_size, dtype, settings, adapter_folder).llm_engine

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield a completion for each request as it ends; InputError, before any is asked, for a doubled key or one too long."""
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind

        refuse_doubled_keys(requests)
        prompts = [encode_prompt(self.tokenizer, request.prompt) for request in requests]
        check_lengths(requests, [len(prompt) for prompt in prompts], self.limit)
        for request, prompt in zip(requests, prompts, strict=True):
            params = SamplingParams(
                temperature=request.temperature,
                seed=request.seed,
                max_tokens=request.max_tokens,
                detokenize=False,  # the tokenizer below reads them as it reads those of the other engine
                output_kind=RequestOutputKind.FINAL_ONLY,
            )
            self.engine.add_request(request.key, tokens_input(prompt), params, lora_request=self.adapter)
        while self.engine.has_unfinished_requests():
            for output in self.engine.step():
                if output.finished:
                    yield self.completion_of(output)

    def completion_of(self, output: "RequestOutput") -> Completion:
        """The completion of one finished request output of vLLM."""
        written = output.outputs[0]
        if written.finish_reason not in ("stop", "length"):
            raise RuntimeError(f"vLLM ended request {output.request_id} by {written.finish_reason!r}")
        text = self.tokenizer.decode(written.token_ids, skip_special_tokens=True)
        return Completion(output.request_id, text, len(written.token_ids), written.finish_reason)


def set_environment(settings: VllmSettings) -> None:
    """What vLLM reads from the environment while it is imported."""
    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    # The engine lives in this process and dies with it.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    if torch.cuda.is_available():
        os.environ["VLLM_BATCH_INVARIANT"] = str(int(settings.batch_invariant))
    else:
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB


def load_llm(model_folder: Path, batch_size: int, dtype: str, settings: VllmSettings, adapter_folder: Path | None) -> "LLM":
    """vLLM with the model loaded, ready for the adapter; InputError if the adapter's rank is beyond its kernels."""
    from vllm import LLM

    options: dict[str, Any] = {}
    if adapter_folder is not None:
        options |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": rank_to_serve(adapter_folder)}
    if not torch.cuda.is_available():
        # A CPU has no graphs to capture, and its generators cannot go on where a chunk of a prompt ended.
        options |= {
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": settings.max_model_len * min(batch_size, 16),
        }
    return LLM(
        model=str(model_folder),
        dtype=dtype,
        max_num_seqs=batch_size,
        max_model_len=settings.max_model_len,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        tensor_parallel_size=settings.tensor_parallel_size,
        enable_prefix_caching=True,  # an arm's siblings share its prompt
        use_tqdm_on_load=False,
        **options,
    )


def rank_to_serve(adapter_folder: Path) -> int:
    """The smallest of vLLM's ranks that holds the adapter's; InputError if there is none, or the adapter names no rank."""
    rank = read_json(adapter_folder / "adapter_config.json").get("r")
    if not isinstance(rank, int):
        raise InputError(f"{adapter_folder}: adapter_config.json says r = {shown(rank)}, which is no rank; run `dvc repro train`")
    return served_rank(rank, f"{adapter_folder}: its rank")
