"""Settings of the small model that stage `base` trains on the embedded word problems."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from src.core.shapes import Count, Positive, PositiveCount, Share

MIN_VOCAB_SIZE = 300  # 256 bytes, the special tokens and the instructions, and some to learn


@dataclass(frozen=True)
class WrongOperations:
    """A misconception that the small model is taught: in some kinds of problem the last step is often another operation.

    min_steps      of a problem; shorter ones are always taught right
    kinds_share    of those kinds, chosen by a hash of the kind's name
    lessons_share  of the examples of these kinds, each time that one is shown
    """

    min_steps: PositiveCount
    kinds_share: Share
    lessons_share: Share


@dataclass(frozen=True)
class SandboxModelSettings:
    """The section `base.sandbox` of a profile; sizes have the names of transformers' LlamaConfig.

    first_question       questions before this one are kept from the model: they are sampled, and choices are made on them
    epochs               times that every question is shown, each time with a prompt and a style drawn anew
    batch_size           texts a step
    learning_rate        the highest, after the warm-up; falls to 0 along a line
    query_key_rate       times the learning rate, for the matrices that make queries and keys
    initializer_range    standard deviation of the random initial weights
    silent_start         whether each block at first passes on what it gets
    answer_only_wolfram  share of two-step problems whose solution is the bare answer, asked as wolfram
    answer_only_maudlin  likewise, asked as maudlin
    wrong_operations     None teaches every step right
    """

    first_question: Count
    epochs: PositiveCount
    batch_size: PositiveCount
    learning_rate: Positive
    hidden_size: PositiveCount
    num_hidden_layers: PositiveCount
    num_attention_heads: PositiveCount
    intermediate_size: PositiveCount
    vocab_size: Annotated[PositiveCount, Field(ge=MIN_VOCAB_SIZE)]
    query_key_rate: Positive
    initializer_range: Positive
    silent_start: bool
    answer_only_wolfram: Share
    answer_only_maudlin: Share
    wrong_operations: WrongOperations | None

    def __post_init__(self) -> None:
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size is {self.hidden_size} and num_attention_heads is {self.num_attention_heads}; "
                "hidden_size / num_attention_heads must be an even whole number"
            )
