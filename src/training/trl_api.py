"""What we use of TRL's DPOTrainer, and of the Trainer below it, beyond their documented API: all of it, and nothing else.

tests/contracts/test_trl.py holds each piece, and says what to look at where an upgrade has changed one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl import DPOTrainer

from src.core.progress import Progress, stage_name
from src.training.trainer_logs import LOGP_CHOSEN

PROMPT, PROMPT_IDS = "prompt", "prompt_ids"  # columns of the dataset that DPOTrainer makes of ours
COMPLETION_MASK = "completion_mask"  # of its batches: chosen rows, then as many rejected ones; 1 over the completion
LENGTH = "length"  # a column of ours, which it passes on


class LengthGroups(Sampler[int]):
    """Pairs of like length in one step, so that little of it is padding; the order depends on seed and epoch alone.

    The library's own sampler groups by the pairs of one process and draws from the generator of all things, so that
    its order changes with the number of processes, and a run that goes on after a kill cannot find its place.
    """

    def __init__(self, lengths: Sequence[int], step_size: int, seed: int) -> None:
        self.lengths, self.step_size, self.seed, self.epoch = list(lengths), step_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer when an epoch begins; 0 is the first."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(get_length_grouped_indices(self.lengths, self.step_size, generator=generator))


class PairTrainer(DPOTrainer):
    """DPO over pairs in the order of LengthGroups; the dataset has the column `length`, tokens of the longer text.

    The pass of the reference over all pairs, before the first step, is shown as the steps are.
    """

    _passed: Progress | None = None

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        with Progress(f"{stage_name('training')}, reference pass", len(dataset), "pairs") as self._passed:
            return super()._precompute_ref_logps(dataset, name, batch_size)

    def compute_ref_log_probs(
        self, model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        chosen, rejected = super().compute_ref_log_probs(model, inputs)
        if self._passed is not None:
            self._passed.update(len(chosen))
        return chosen, rejected

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthGroups:
        step_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return LengthGroups(self.train_dataset[LENGTH], step_size, self.args.data_seed)


@dataclass(frozen=True)
class FirstBatch:
    """What the model makes of the first pairs of the dataset.

    loss         mean over the pairs, with its graph
    chosen_nats  of a token of the chosen texts, by the policy
    """

    loss: torch.Tensor
    chosen_nats: float


def first_batch(trainer: DPOTrainer) -> FirstBatch:
    """Run the first pairs as a step of training would, without a step; the trainer's own records of it are emptied."""
    count = min(trainer.args.per_device_train_batch_size, len(trainer.train_dataset))
    batch = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[i] for i in range(count)]))
    with trainer.compute_loss_context_manager():
        loss = trainer.compute_loss(trainer.model, batch)
    chosen_logp = trainer._metrics["train"][LOGP_CHOSEN][-1]  # of a text, mean over the pairs
    trainer._metrics["train"].clear()
    chosen_tokens = batch[COMPLETION_MASK][:count].sum().item()
    return FirstBatch(loss, chosen_nats=-chosen_logp * count / chosen_tokens)


def encoded_prompts(trainer: DPOTrainer) -> Iterator[tuple[str, list[int]]]:
    """The prompt of every pair, and the tokens that the trainer made of it."""
    for row in trainer.train_dataset:
        yield row[PROMPT], row[PROMPT_IDS]
