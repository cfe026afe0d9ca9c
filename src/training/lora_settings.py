"""Settings of a LoRA adapter, for both trainings that make one."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from src.core.shapes import PositiveCount


@dataclass(frozen=True)
class LoraSettings:
    """Options of peft's LoraConfig: the rank, the scale (the update is scaled by lora_alpha / r), the dropout of its inputs."""

    r: PositiveCount
    lora_alpha: PositiveCount
    lora_dropout: Annotated[float, Field(ge=0, lt=1)]
