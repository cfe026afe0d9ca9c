"""Settings of the supervised fine-tuning of a pretrained model, in stage `base`."""

from dataclasses import dataclass
from typing import Literal

from src.core.shapes import Count, Positive, PositiveCount, Share
from src.models.templates import Template
from src.training.lora_settings import LoraSettings


@dataclass(frozen=True)
class SftSettings:
    """The section `base.sft` of a profile; options of TRL's SFTConfig where it has them.

    first_question               training questions before this one are kept from the model: they are sampled or held out
    questions                    from that one on; None is all that are left
    num_train_epochs             times that every question is shown, each time with a prompt drawn anew
    template                     how a prompt is wrapped; that of the engine
    learning_rate                the highest, after the warm-up; falls to 0 along a line
    batch_size                   texts a step
    per_device_train_batch_size  texts in one pass
    max_length                   tokens of prompt and completion; longer texts are cut
    max_truncated_share          of texts, above which the stage stops
    lora                         None trains all weights
    bf16                         as TrainSettings.bf16
    base_dtype                   of the base in memory; float32 where all weights are trained
    attn_implementation          as TrainSettings.attn_implementation
    gradient_checkpointing       as TrainSettings.gradient_checkpointing
    """

    first_question: Count
    questions: PositiveCount | None
    num_train_epochs: PositiveCount
    template: Template
    learning_rate: Positive
    batch_size: PositiveCount
    per_device_train_batch_size: PositiveCount
    max_length: PositiveCount
    max_truncated_share: Share
    lora: LoraSettings | None
    bf16: bool | None
    base_dtype: Literal["float32", "bfloat16"]
    attn_implementation: Literal["eager", "sdpa"]
    gradient_checkpointing: bool

    def __post_init__(self) -> None:
        if self.batch_size % self.per_device_train_batch_size:
            raise ValueError(
                f"batch_size is {self.batch_size}, which is no multiple of per_device_train_batch_size = "
                f"{self.per_device_train_batch_size}"
            )
        if self.lora is None and self.base_dtype != "float32":
            raise ValueError(
                f"base_dtype is {self.base_dtype!r} and lora is null, but updates of all weights are lost in it; give "
                "'float32', or lora"
            )

    def learned_end(self, there: int) -> int:
        """The index behind the last question that is learned, of so many that are there."""
        return there if self.questions is None else self.first_question + self.questions
