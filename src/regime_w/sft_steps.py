"""What supervised training of a base records of each step."""

from dataclasses import dataclass

from src.core.shapes import NonNegative, PositiveCount


@dataclass(frozen=True)
class SftStep:
    """A row of plots/base.csv; `loss` in nats a token, mean over the tokens of the step's completions."""

    step: PositiveCount
    loss: NonNegative
    gradient_norm: NonNegative
    learning_rate: NonNegative
