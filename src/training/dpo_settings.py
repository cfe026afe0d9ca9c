"""Settings of stage `train`: the method's in params.yaml, the machine's and the model's in the profile."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from src.core.errors import InputError
from src.core.params import load_overridden_section, load_profile_section
from src.core.shapes import Positive, PositiveCount, Share
from src.training.lora_settings import LoraSettings


@dataclass(frozen=True)
class DpoSettings:
    """The section `dpo` of params.yaml; options of TRL's DPOConfig, but the global batch size and `lora`.

    learning_rate      at the first step; falls to 0 along a line
    beta               strength of the pull to the reference
    global_batch_size  pairs a step, over all passes and processes
    """

    learning_rate: Positive
    num_train_epochs: PositiveCount
    beta: Positive
    global_batch_size: PositiveCount
    lora: LoraSettings


@dataclass(frozen=True)
class TrainSettings:
    """The section `train` of a profile; options of TRL's DPOConfig where it has them.

    per_device_train_batch_size  pairs in one pass of one process
    max_length                   tokens of prompt and completion; longer pairs are cut
    max_truncated_share          of pairs, above which the stage stops
    bf16                         the forward and backward pass are in bfloat16; the adapter stays float32. None is yes where the
                                 machine has instructions for it, without which a processor takes twelve times as long
    base_dtype                   of the frozen base in memory
    gradient_checkpointing       activations are computed twice instead of kept
    processes                    that train together on this machine; None is one for each GPU, one without a GPU
    sharding                     whether each process holds the whole base, or they share it
    min_pairs                    below this there is nothing to learn from
    too_few_pairs                stop with an error, or leave the adapter untrained and say so
    """

    per_device_train_batch_size: PositiveCount
    max_length: Annotated[PositiveCount, Field(ge=2)]
    max_truncated_share: Share
    bf16: bool | None
    base_dtype: Literal["float32", "bfloat16"]
    attn_implementation: Literal["eager", "sdpa"]
    gradient_checkpointing: bool
    processes: PositiveCount | None
    sharding: Literal["none", "fsdp"]
    min_pairs: PositiveCount
    too_few_pairs: Literal["stop", "report"]


@dataclass(frozen=True)
class TrainingSettings:
    """All that decides a training run, beside its inputs."""

    dpo: DpoSettings
    train: TrainSettings
    seed: int


def load_training_settings(seed: int, profile: Path) -> TrainingSettings:
    """Settings of a profile's file; its key `train.dpo` may override values of the section `dpo` of params.yaml."""
    return TrainingSettings(
        dpo=load_overridden_section("dpo", DpoSettings, profile, holder="train"),
        train=load_profile_section("train", TrainSettings, profile, overrides="dpo"),
        seed=seed,
    )


def gradient_accumulation_steps(settings: TrainingSettings, processes: int) -> int:
    """Passes that every process makes before each step; InputError if they cannot make up the global batch."""
    pairs, of_pass = settings.dpo.global_batch_size, settings.train.per_device_train_batch_size
    passes, rest = divmod(pairs, of_pass * processes)
    if rest or not passes:
        raise InputError(
            f"dpo.global_batch_size is {pairs}, which is no multiple of train.per_device_train_batch_size x processes = "
            f"{of_pass} x {processes}; change train.per_device_train_batch_size or train.processes in the profile"
        )
    return passes
