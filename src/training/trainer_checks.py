"""Whether a built trainer can learn anything, looked at before its first step; for both trainings.

Every check stops the run with its cause.
"""

import math
from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedTokenizerBase, Trainer

from src.core.errors import InputError

# A token that is guessed costs the logarithm of the vocabulary; what costs more was written in other tokens than were learned.
MAX_NATS_OF_GUESS = 1.2


def count_trainable(model: torch.nn.Module, cause: str) -> int:
    """How many weights training moves; InputError, with the likely `cause`, where there is none."""
    count = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    if count == 0:
        raise InputError(f"no parameter is trainable: {cause}")
    return count


def gradient_norm(model: torch.nn.Module, loss: torch.Tensor) -> float:
    """The norm of the loss's gradient; InputError if it is 0 or not finite. Leaves weights and gradients as they were."""
    loss.backward()
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in model.parameters() if weight.grad is not None]).item()
    model.zero_grad(set_to_none=True)
    if not (math.isfinite(norm) and norm > 0):
        raise InputError(f"the gradient norm of the first batch is {norm}: the loss does not reach the weights that are trained")
    return norm


def rows_a_pass(trainer: Trainer) -> int:
    """How many rows of the dataset go through the model together."""
    return min(trainer.args.per_device_train_batch_size, len(trainer.train_dataset))


def longest_rows(trainer: Trainer, lengths: Sequence[int]) -> Sequence[int]:
    """The places of the longest rows of the dataset, as many as go through the model together; `lengths` are those of all."""
    return sorted(range(len(lengths)), key=lambda place: lengths[place])[-rows_a_pass(trainer) :]


def try_pass(trainer: Trainer, loss_of: Callable[[], torch.Tensor]) -> None:
    """Find a loss and its gradient as a step would, for nothing but the memory that it takes. Leaves weights and gradients
    as they were, and the model as training has it.
    """
    trainer.model.train()
    if trainer.args.gradient_checkpointing:  # else turned on when training begins
        trainer.model.gradient_checkpointing_enable(trainer.args.gradient_checkpointing_kwargs)
    loss_of().backward()
    trainer.model.zero_grad(set_to_none=True)


def is_worse_than_guessing(nats: float, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a token that costs so many nats was written in other tokens than the model has learned."""
    return nats > MAX_NATS_OF_GUESS * math.log(len(tokenizer))
