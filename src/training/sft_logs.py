"""The steps of supervised training, from what the trainer logged."""

from src.regime_w.sft_steps import SftStep
from src.training.trainer_logs import GRADIENT_NORM, LEARNING_RATE, LOSS, STEP, LogHistory, is_of_step


def sft_steps(history: LogHistory) -> tuple[SftStep, ...]:
    """The steps of a run in which every step was logged."""
    return tuple(
        SftStep(step=int(row[STEP]), loss=row[LOSS], gradient_norm=row[GRADIENT_NORM], learning_rate=row[LEARNING_RATE])
        for row in history
        if is_of_step(row)
    )
