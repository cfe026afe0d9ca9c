"""Put a list of requests to an engine, with progress shown and every text kept; shared by sampling and evaluation."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from src.checkpoints import own_checkpoint, read_tokenizer
from src.engines.interface import Completion, Engine, Request
from src.engines.templates import Template
from src.engines.transformers_engine import TransformersEngine
from src.engines.vllm_engine import VllmEngine, VllmSettings
from src.engines.workers import WorkersEngine, count_workers, gpus_by_machine
from src.errors import InputError, exhausted
from src.journal import Journal, folder_digest, work_folder
from src.params import AT_LEAST_1, require

# Engine settings that change speed and memory, and no text (see src/engines/interface.py).
FREE_OF_TEXT = ("batch_size", "workers")


@dataclass(frozen=True)
class EngineSettings:
    name: Literal["transformers", "vllm"]
    template: Template  # how a prompt is wrapped for the model
    dtype: Literal["float32", "bfloat16"]  # of weights and passes
    batch_size: int  # rows decoded together by one worker
    workers: int | None  # engines side by side; null is one for each GPU (or group of them), one without a GPU
    vllm: VllmSettings | None = None  # for name `vllm`

    def __post_init__(self) -> None:
        require(self, AT_LEAST_1, "batch_size", "workers")


def start_engine(settings: EngineSettings, model_folder: Path, adapter_folder: Path | None = None) -> Engine:
    """Load the model (and adapter) into the engine that the profile names, as often as it has workers."""
    if settings.name == "vllm":
        if settings.vllm is None:
            raise InputError("engine.name is 'vllm', but the profile's engine section has no `vllm` settings; give it some")
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
    return WorkersEngine(make, workers, gpus_each if gpus_by_machine() else 0, settings.batch_size)


def load_tokenizer(model: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of the base; InputError if there is none or it is broken."""
    return read_tokenizer(own_checkpoint(model, "base"))


def ask(
    stage: str, settings: EngineSettings, requests: Sequence[Request], model: Path, adapter: Path | None = None
) -> dict[str, Completion]:
    """Completions by request key; the bar counts requests and shows tokens a second.

    Every text is kept as it comes, and what was asked before of the same weights is not asked again: neither after a
    kill, nor when there are more questions than last time.
    """
    engine = {key: value for key, value in asdict(settings).items() if key not in FREE_OF_TEXT}
    depends_on = {"engine": engine, "model": folder_digest(model), "adapter": adapter and folder_digest(adapter)}
    with work_folder(stage, depends_on) as folder, Journal(folder / "texts.jsonl") as journal:
        if journal.spoiled:
            print(f"{stage}: {journal.spoiled} kept texts were spoiled, and are asked again ({journal.path})", flush=True)
        digests = {request.key: request_digest(request) for request in requests}
        waiting = [request for request in requests if digests[request.key] not in journal.pieces]
        if waiting:
            with exhausted(folder, "lower engine.batch_size in the profile (finished texts are kept)"):
                for completion in show_progress(stage, start_engine(settings, model, adapter), waiting, len(requests)):
                    journal.add(digests[completion.key], [completion.text, completion.n_tokens, completion.finish_reason])
        return {key: Completion(key, *journal.pieces[digest]) for key, digest in digests.items()}


def show_progress(label: str, engine: Engine, waiting: Sequence[Request], total: int) -> Iterator[Completion]:
    """The completions of the waiting requests, of `total` in all, under a bar that shows tokens a second."""
    tokens = 0
    with tqdm(total=total, initial=total - len(waiting), desc=label, unit="text", smoothing=0.05) as bar:
        for completion in engine.generate(waiting):
            yield completion
            tokens += completion.n_tokens
            bar.update()
            bar.set_postfix_str(f"{tokens / max(bar.format_dict['elapsed'], 1e-9):,.0f} tokens/s", refresh=False)


def request_digest(request: Request) -> str:
    """Names what is asked, whatever it is asked for: all of a request but its key."""
    asked = [request.prompt, request.temperature, request.seed, request.max_tokens]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]
