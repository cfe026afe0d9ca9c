"""Settings of the engines: the section `engine` of a profile."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from src.core.errors import InputError
from src.core.shapes import PositiveCount
from src.models.templates import Template

# Ranks of adapters that vLLM's kernels are built for.
ADAPTER_RANKS = (8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class VllmSettings:
    """Options of vLLM's engine.

    tensor_parallel_size    GPUs that share one copy of the weights
    gpu_memory_utilization  share of a GPU's memory for weights and cache
    max_model_len           tokens of prompt and completion together
    batch_invariant         the same text whatever shares the batch; GPUs of compute capability 9 only
    """

    tensor_parallel_size: PositiveCount
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)]
    max_model_len: PositiveCount
    batch_invariant: bool


@dataclass(frozen=True)
class EngineSettings:
    """Which engine answers requests, and how.

    dtype       of weights and passes
    batch_size  rows decoded together by one worker; moves speed and memory, and no text
    workers     engines side by side; None is one for each GPU (or group of them), one without a GPU
    vllm        for name `vllm`
    """

    name: Literal["transformers", "vllm"]
    template: Template
    dtype: Literal["float32", "bfloat16"]
    batch_size: PositiveCount
    workers: PositiveCount | None
    vllm: VllmSettings | None

    def __post_init__(self) -> None:
        if self.name == "vllm" and self.vllm is None:
            raise InputError("engine.name is 'vllm', but the profile's engine section has no `vllm` settings; give it some")


def served_rank(rank: int, what: str) -> int:
    """The smallest of vLLM's ranks that holds an adapter's; InputError, which begins with `what`, if there is none."""
    fitting = [known for known in ADAPTER_RANKS if known >= rank]
    if not fitting:
        raise InputError(f"{what} {rank} is above {ADAPTER_RANKS[-1]}, which vLLM serves; lower dpo.lora.r")
    return fitting[0]
