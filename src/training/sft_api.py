"""What we use of TRL's SFTTrainer beyond its documented API: all of it, and nothing else.

tests/contracts/test_trl.py holds it.
"""

from collections.abc import Iterable

import torch
from trl import SFTTrainer


def first_loss(trainer: SFTTrainer) -> torch.Tensor:
    """The loss over the first texts of the dataset, in nats a token, with its graph; the trainer's records of it are emptied."""
    return _loss(trainer, range(_texts_a_pass(trainer)))


def longest_loss(trainer: SFTTrainer) -> torch.Tensor:
    """`first_loss` over the longest texts, as many as go through the model together."""
    lengths = list(map(len, trainer.train_dataset["input_ids"]))
    return _loss(trainer, sorted(range(len(lengths)), key=lambda place: lengths[place])[-_texts_a_pass(trainer) :])


def _texts_a_pass(trainer: SFTTrainer) -> int:
    return min(trainer.args.per_device_train_batch_size, len(trainer.train_dataset))


def _loss(trainer: SFTTrainer, places: Iterable[int]) -> torch.Tensor:
    batch = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[place] for place in places]))
    with trainer.compute_loss_context_manager():
        loss: torch.Tensor = trainer.compute_loss(trainer.model, batch)
    trainer._metrics["train"].clear()
    trainer._total_train_tokens = 0
    return loss
