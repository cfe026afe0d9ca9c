"""What we use of TRL's SFTTrainer beyond its documented API: all of it, and nothing else.

tests/contracts/test_trl.py holds it.
"""

import torch
from trl import SFTTrainer


def first_loss(trainer: SFTTrainer) -> torch.Tensor:
    """The loss over the first texts of the dataset, in nats a token, with its graph; the trainer's records of it are emptied."""
    count = min(trainer.args.per_device_train_batch_size, len(trainer.train_dataset))
    batch = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[place] for place in range(count)]))
    with trainer.compute_loss_context_manager():
        loss: torch.Tensor = trainer.compute_loss(trainer.model, batch)
    trainer._metrics["train"].clear()
    trainer._total_train_tokens = 0
    return loss
