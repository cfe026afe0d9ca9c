"""What a trainer logs. The names of the keys belong to no documented API, so they stand here alone.

`Trainer` of transformers logs a row every so many steps and one at the end; TRL's DPOTrainer adds its own keys to the rows of
steps. tests/contracts/test_trl.py holds the names.
"""

from collections.abc import Mapping, Sequence

LogHistory = Sequence[Mapping[str, float]]  # Trainer's `state.log_history`, oldest row first

# Of Trainer.
STEP, LOSS, GRADIENT_NORM, LEARNING_RATE = "step", "loss", "grad_norm", "learning_rate"
# Of DPOTrainer.
REWARD_ACCURACY, REWARD_MARGIN = "rewards/accuracies", "rewards/margins"
REWARD_CHOSEN, REWARD_REJECTED = "rewards/chosen", "rewards/rejected"
LOGP_CHOSEN, LOGP_REJECTED = "logps/chosen", "logps/rejected"


def is_of_step(row: Mapping[str, float]) -> bool:
    """Whether a row is of steps; the last of a run sums it up."""
    return LOSS in row


def logged_chosen_logps(history: LogHistory) -> list[float]:
    """The mean log-probability of the chosen texts, in nats, of each row of steps; empty where nothing is preferred."""
    return [row[LOGP_CHOSEN] for row in history if LOGP_CHOSEN in row]
