"""Put a list of requests to an engine, with progress shown from the start; shared by sampling and evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from src.engines.interface import Completion, Engine, Request
from src.engines.templates import Template


@dataclass(frozen=True)
class EngineSettings:
    name: Literal["transformers"]
    template: Template  # how a prompt is wrapped for the model
    batch_size: int  # rows decoded together; moves speed and memory, never a text


def start_engine(settings: EngineSettings, model_folder: Path, adapter_folder: Path | None = None) -> Engine:
    """Load the model (and adapter) into the engine that the profile names."""
    from src.engines.transformers_engine import TransformersEngine

    return TransformersEngine(model_folder, settings.batch_size, adapter_folder)


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
