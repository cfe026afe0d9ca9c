"""What we use of TRL's DPOTrainer, and of the Trainer below it, beyond their documented API: all of it, and nothing else.

What the Trainer's order of texts is made of stands in src/training/samplers.py. tests/contracts/test_trl.py holds each piece,
and says what to look at where an upgrade has changed one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from trl import DPOTrainer

from src.core.journal import Dependencies
from src.training.dpo_settings import GroupBy
from src.training.reference import ScoredText, reference_log_probs, rows_of
from src.training.samplers import LengthGroups, PromptGroups
from src.training.shared_texts import share_texts
from src.training.trainer_checks import longest_rows, rows_a_pass
from src.training.trainer_logs import LOGP_CHOSEN, REWARD_CHOSEN, REWARD_REJECTED

PROMPT, PROMPT_IDS = "prompt", "prompt_ids"  # columns of the dataset that DPOTrainer makes of ours
COMPLETION_MASK = "completion_mask"  # of its batches: chosen rows, then as many rejected ones; 1 over the completion
# Of its dataset: the tokens of a completion, and the column of the log-probability of it by the reference.
SIDES = {"chosen_ids": "ref_chosen_logps", "rejected_ids": "ref_rejected_logps"}
LENGTH = "length"  # a column of ours, which it passes on


class PairTrainer(DPOTrainer):
    """DPO over pairs in the order that `group_by` names; the dataset has the column `length`, tokens of the longer text.

    reference  what decides the log-probabilities by the reference, which are kept; None to have TRL ask for them at each step
    group_by   what pairs of one step have in common
    The model reads what pairs share once (see src/training/shared_texts.py).
    """

    train_dataset: Dataset

    def __init__(self, reference: Dependencies | None, group_by: GroupBy, **arguments: Any) -> None:
        self.group_by = group_by
        super().__init__(**arguments)
        if reference is not None:
            self.train_dataset = self._with_reference(self.train_dataset, reference)
            self.precompute_ref_logps = True  # DPOTrainer's: whether batches have these columns
        share_texts(self.model.get_base_model())

    def _with_reference(self, dataset: Dataset, depends_on: Dependencies) -> Dataset:
        sides = [dataset.select_columns([PROMPT_IDS, side]) for side in SIDES]
        texts = [
            ScoredText(tuple(row[PROMPT_IDS]), tuple(row[side][: self.args.max_length - len(row[PROMPT_IDS])]))
            for side, rows in zip(SIDES, sides, strict=True)
            for row in rows
        ]
        with torch.no_grad(), self.model.disable_adapter(), self.accelerator.autocast():
            values = reference_log_probs(texts, self._log_probs, depends_on)
        for number, column in enumerate(SIDES.values()):
            dataset = dataset.add_column(column, values[number * len(dataset) :][: len(dataset)])
        return dataset

    def _log_probs(self, texts: Sequence[ScoredText]) -> list[float]:
        """Those of texts of one width, in tensors whose shapes depend on that width alone: every place is scored."""
        width = texts[0].width
        ids = torch.zeros(rows_of(width), width, dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : len(text.prompt) + len(text.completion)] = torch.tensor(text.prompt + text.completion)
        # Without a mask: what fills a row stands behind its text, where no token of the text reads it.
        ids = ids.to(self.accelerator.device)
        scored = self.model(input_ids=ids, labels=ids, fused_lm_head=True).log_probs.cpu()  # place 0 is of token 1
        ends = [(len(text.prompt), len(text.prompt) + len(text.completion)) for text in texts]
        return [scored[row, begin - 1 : end - 1].sum().item() for row, (begin, end) in enumerate(ends)]

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthGroups | PromptGroups:
        step_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        if self.group_by == "prompt":
            return PromptGroups(self.train_dataset[PROMPT], step_size, self.args.data_seed)
        return LengthGroups(self.train_dataset[LENGTH], step_size, self.args.data_seed)


@dataclass(frozen=True)
class FirstBatch:
    """What the model makes of the first pairs of the dataset.

    loss         mean over the pairs, with its graph
    chosen_nats  of a token of the chosen texts, by the policy
    rewards      of the chosen and of the rejected texts, means over the pairs: 0 where policy and reference are the same
    """

    loss: torch.Tensor
    chosen_nats: float
    rewards: tuple[float, float]


def first_batch(trainer: DPOTrainer) -> FirstBatch:
    """Run the first pairs as a step of training would, without a step; the trainer's own records of it are emptied."""
    count = rows_a_pass(trainer)
    loss, batch = _pass(trainer, range(count))
    logged = trainer._metrics["train"]
    chosen_logp = logged[LOGP_CHOSEN][-1]  # of a text, mean over the pairs
    rewards = (logged[REWARD_CHOSEN][-1], logged[REWARD_REJECTED][-1])
    logged.clear()
    chosen_tokens = batch[COMPLETION_MASK][:count].sum().item()
    return FirstBatch(loss, -chosen_logp * count / chosen_tokens, rewards)


def longest_loss(trainer: DPOTrainer) -> torch.Tensor:
    """The loss of the longest pairs, as many as go through the model together, with its graph; no record of it is left."""
    loss, _ = _pass(trainer, longest_rows(trainer, list(trainer.train_dataset[LENGTH])))
    trainer._metrics["train"].clear()
    return loss


def _pass(trainer: DPOTrainer, places: Iterable[int]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of the pairs at these places of the dataset, with its graph, and the batch that they are."""
    batch = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[place] for place in places]))
    with trainer.compute_loss_context_manager():
        return trainer.compute_loss(trainer.model, batch), batch


def encoded_prompts(trainer: DPOTrainer) -> Iterator[tuple[str, list[int]]]:
    """The prompt of every pair, and the tokens that the trainer made of it."""
    for row in trainer.train_dataset:
        yield row[PROMPT], row[PROMPT_IDS]
