"""Settings of the engines: the section `engine` of a profile."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from src.core.shapes import PositiveCount

# How a prompt is wrapped for the model, see src/models/templates.py.
Template = Literal["plain", "chat", "abel"]


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
