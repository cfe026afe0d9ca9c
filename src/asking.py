"""Put a list of requests to an engine, with progress shown from the start; shared by sampling and evaluation."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from tqdm import tqdm
from transformers import AutoTokenizer

from src.engines.interface import Completion, Engine, Request
from src.engines.templates import Template
from src.engines.transformers_engine import TransformersEngine
from src.engines.vllm_engine import VllmEngine, VllmSettings
from src.engines.workers import WorkersEngine, count_workers, gpus_by_machine
from src.errors import InputError


@dataclass(frozen=True)
class EngineSettings:
    name: Literal["transformers", "vllm"]
    template: Template  # how a prompt is wrapped for the model
    dtype: Literal["float32", "bfloat16"]  # of weights and passes
    batch_size: int  # rows decoded together by one worker
    workers: int | None  # engines side by side; null is one for each GPU (or group of them), one without a GPU
    vllm: VllmSettings | None = None  # for name `vllm`


def start_engine(settings: EngineSettings, model_folder: Path, adapter_folder: Path | None = None) -> Engine:
    """Load the model (and adapter) into the engine that the profile names, as often as it has workers."""
    if settings.name == "vllm":
        if settings.vllm is None:
            raise InputError("engine.name is 'vllm', but the profile's engine section has no `vllm` settings")
        make = partial(VllmEngine, model_folder, settings.batch_size, settings.dtype, settings.vllm, adapter_folder)
        gpus_each = settings.vllm.tensor_parallel
    else:
        dtype = getattr(torch, settings.dtype)
        make = partial(TransformersEngine, model_folder, settings.batch_size, dtype, adapter_folder)
        gpus_each = 1
    workers = count_workers(settings.workers, gpus_each)
    # One engine on a cluster is a worker too: this machine may be the one without a GPU.
    if workers == 1 and not os.environ.get("RAY_ADDRESS"):
        return make()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    return WorkersEngine(make, tokenizer, workers, gpus_each if gpus_by_machine() else 0, settings.batch_size)


def ask(engine: Engine, requests: Sequence[Request], label: str) -> dict[str, Completion]:
    """Completions by request key; the bar counts requests and shows tokens a second."""
    completions: dict[str, Completion] = {}
    tokens = 0
    with tqdm(total=len(requests), desc=label, unit="text", smoothing=0.05) as bar:
        for completion in engine.generate(requests):
            completions[completion.key] = completion
            tokens += completion.n_tokens
            bar.update()
            bar.set_postfix_str(f"{tokens / max(bar.format_dict['elapsed'], 1e-9):,.0f} tokens/s", refresh=False)
    return completions
