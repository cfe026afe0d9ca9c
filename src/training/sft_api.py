"""What we use of TRL's SFTTrainer beyond its documented API: all of it, and nothing else.

tests/contracts/test_trl.py holds it.
"""

from collections.abc import Iterable

import torch
from trl import SFTTrainer

from src.training.trainer_checks import longest_rows, rows_a_pass


def first_loss(trainer: SFTTrainer) -> torch.Tensor:
    """The loss over the first texts of the dataset, in nats a token, with its graph; the trainer's records of it are emptied."""
    return _loss(trainer, range(rows_a_pass(trainer)))


def longest_loss(trainer: SFTTrainer) -> torch.Tensor:
    """`first_loss` over the longest texts, as many as go through the model together."""
    return _loss(trainer, longest_rows(trainer, list(map(len, trainer.train_dataset["input_ids"]))))


def _loss(trainer: SFTTrainer, places: Iterable[int]) -> torch.Tensor:
    batch = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[place] for place in places]))
    with trainer.compute_loss_context_manager():
        loss: torch.Tensor = trainer.compute_loss(trainer.model, batch)
    trainer._metrics["train"].clear()
    trainer._total_train_tokens = 0
    return loss
