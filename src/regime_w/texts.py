"""What a model wrote: the text of one arm for a training question, and of one policy for a test question."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from src.core.shapes import Count, FilledText, Integer, NonNegative, Text
from src.regime_w.arms import ArmName

# The model ended its text, or the limit of tokens did.
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Trajectory:
    """A record of data/trajectories.jsonl: what one arm wrote for one question.

    seed      the arm's, which serves every question
    prompt    the whole text that the model read, template included
    text      without prompt and special tokens
    n_tokens  tokens written, the end-of-text token included
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("question_id", "arm_name")

    question_id: FilledText
    arm_name: ArmName
    seed: Integer
    temperature: NonNegative
    prompt: Text
    text: Text
    n_tokens: Count
    finish_reason: FinishReason


@dataclass(frozen=True)
class PolicyText:
    """A record of outputs/<policy>_answers.jsonl: what one policy wrote for one test question, greedily.

    id        the question's
    text      without prompt and special tokens
    n_tokens  tokens written, the end-of-text token included
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("id",)

    id: FilledText
    text: Text
    n_tokens: Count
    finish_reason: FinishReason
