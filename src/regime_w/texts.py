"""What a model wrote: the text of one arm for a training question, and of one policy for a test question."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from src.core.shapes import Count, FilledText, Integer, NonNegative, Positive
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
    prompt: str
    text: str
    n_tokens: Count
    finish_reason: FinishReason


@dataclass(frozen=True)
class SampledText:
    """One of the texts of a test question that a policy wrote at a temperature.

    sample       its number among them, from 0 on
    temperature  of sampling, the same for all of a question
    text         without prompt and special tokens
    n_tokens     tokens written, the end-of-text token included
    """

    sample: Count
    temperature: Positive
    text: str
    n_tokens: Count
    finish_reason: FinishReason


@dataclass(frozen=True)
class PolicyText:
    """A record of outputs/<policy>_answers.jsonl: what one policy wrote for one test question, greedily.

    id        the question's
    text      without prompt and special tokens
    n_tokens  tokens written, the end-of-text token included
    sampled   the texts beside the greedy one, in the order of their numbers, where the profile asks for some
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("id",)

    id: FilledText
    text: str
    n_tokens: Count
    finish_reason: FinishReason
    sampled: Annotated[tuple[SampledText, ...], Field(min_length=1)] | None = None

    def __post_init__(self) -> None:
        sampled = self.sampled or ()
        for place, one in enumerate(sampled):
            if one.sample != place:
                raise ValueError(f"sampled text {place} has the number {one.sample}; they must be numbered from 0 on")
            if one.temperature != sampled[0].temperature:
                first = sampled[0].temperature
                raise ValueError(f"sampled text {place} is of temperature {one.temperature}, and the first of {first}")
