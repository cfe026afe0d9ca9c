"""Settings of stage `train`: the method's in params.yaml, the machine's and the model's in the profile."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from src.core.errors import InputError
from src.core.params import load_overridden_section, load_profile_section
from src.core.shapes import NonNegative, Positive, PositiveCount, Share
from src.training.lora_settings import LoraSettings

# Of TRL's DPOTrainer; tests/contracts/test_trl.py holds that it has each.
Loss = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
]

# What pairs of one step have in common.
GroupBy = Literal["length", "prompt"]

# By the names that the trainer has for them; each is a package of the same name.
Tracker = Literal["tensorboard", "wandb", "mlflow", "trackio"]
SMOOTHED: tuple[Loss, ...] = ("robust", "exo_pair", "aot", "aot_unpaired")  # those that know of `label_smoothing`


def _listed(value: object) -> object:
    """One loss may stand without brackets, in which alone DVC leaves it where it writes an experiment's params.yaml."""
    return [value] if isinstance(value, str) else value


@dataclass(frozen=True)
class DpoSettings:
    """The section `dpo` of params.yaml; options of TRL's DPOConfig, but the global batch size and `lora`.

    learning_rate      at the first step; falls to 0 along a line
    beta               strength of the pull to the reference; of loss `ipo` its regularisation, there called tau
    loss_type          losses that are summed
    loss_weights       one for each of them; None is 1 each
    label_smoothing    probability that a pair is the wrong way round, for the losses that know of one
    ld_alpha           weight of the tokens beyond the length of the shorter text; None is 1, as of all others
    global_batch_size  pairs a step, over all passes and processes

    ValueError for weights that are not as many as losses, and for a smoothing that no loss takes or one lacks.
    """

    learning_rate: Positive
    num_train_epochs: PositiveCount
    beta: Positive
    loss_type: Annotated[tuple[Loss, ...], Field(min_length=1, strict=False), BeforeValidator(_listed)]
    loss_weights: tuple[NonNegative, ...] | None
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)]
    ld_alpha: Share | None
    global_batch_size: PositiveCount
    lora: LoraSettings

    def __post_init__(self) -> None:
        if self.loss_weights is not None and len(self.loss_weights) != len(self.loss_type):
            raise ValueError(
                f"loss_weights has {len(self.loss_weights)} weights for the {len(self.loss_type)} losses of loss_type; give one "
                "for each, or null"
            )
        if self.label_smoothing > 0 and not set(self.loss_type) & set(SMOOTHED):
            raise ValueError(
                f"label_smoothing is {self.label_smoothing}, which changes no loss of {list(self.loss_type)}; give 0, or one of "
                f"{', '.join(SMOOTHED)}"
            )
        if "exo_pair" in self.loss_type and self.label_smoothing == 0:
            raise ValueError("label_smoothing is 0, by which loss 'exo_pair' is infinite; its paper has 1e-3")


@dataclass(frozen=True)
class TrainSettings:
    """The section `train` of a profile; options of TRL's DPOConfig where it has them.

    per_device_train_batch_size  pairs in one pass of one process
    max_length                   tokens of prompt and completion; longer pairs are cut
    max_truncated_share          of pairs, above which the stage stops
    bf16                         the forward and backward pass are in bfloat16; the adapter stays float32. None is yes where the
                                 machine has instructions for it, without which a processor takes twelve times as long
    group_by                     what pairs of one step have in common: a like length, or the prompt, so that a step is of few
                                 questions and the model reads far fewer tokens
    base_dtype                   of the frozen base in memory
    gradient_checkpointing       activations are computed twice instead of kept
    processes                    that train together on this machine; None is one for each GPU, one without a GPU
    sharding                     whether each process holds the whole base, or they share it
    min_pairs                    below this there is nothing to learn from
    too_few_pairs                stop with an error, or leave the adapter untrained and say so
    report_to                    trackers that get what the trainer logs of every step
    """

    per_device_train_batch_size: PositiveCount
    max_length: Annotated[PositiveCount, Field(ge=2)]
    max_truncated_share: Share
    group_by: GroupBy
    bf16: bool | None
    base_dtype: Literal["float32", "bfloat16"]
    attn_implementation: Literal["eager", "sdpa"]
    gradient_checkpointing: bool
    processes: PositiveCount | None
    sharding: Literal["none", "fsdp"]
    min_pairs: PositiveCount
    too_few_pairs: Literal["stop", "report"]
    report_to: tuple[Tracker, ...]


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
