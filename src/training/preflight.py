"""Proof, before the first step, that a training run can learn anything.

Every check stops the run with its cause and cure. Those on tokens come first: they need a tokenizer only,
and take seconds (see token_checks.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from transformers import PreTrainedTokenizerBase
from trl import DPOTrainer

from src.core.errors import InputError
from src.core.shapes import Count, NonNegative, PositiveCount, Share
from src.models.encoding import encode_prompt
from src.training.pairs import PAIRS, TrainingPair
from src.training.token_checks import check_truncation, encode_text
from src.training.trainer_checks import count_trainable, gradient_norm, is_worse_than_guessing, try_pass
from src.training.trl_api import encoded_prompts, first_batch, longest_loss

# Policy and reference are the same weights at step 0, so that every reward is 0 but for rounding. It is beta times a difference
# of log-probabilities, which are summed over a text: 0.02 nats were seen for the sandbox in bfloat16, and longer texts in larger
# models have more of it.
MAX_NATS_FLOAT32, MAX_NATS_BFLOAT16 = 0.02, 1.0


@dataclass(frozen=True)
class PairLengths:
    """What the pairs are as tokens; fields as those of Preflight."""

    truncated_share: Share
    max_pair_tokens: Count


@dataclass(frozen=True)
class TrainerChecks:
    """What the trainer does before its first step; fields as those of Preflight."""

    trainable_parameters: PositiveCount
    first_gradient_norm: NonNegative | None = None
    loss_at_step_0: float | None = None
    chosen_nats: float | None = None


# --- pairs ---


def check_pairs(
    pairs: Sequence[TrainingPair], tokenizer: PreTrainedTokenizerBase, max_length: int, max_truncated_share: float
) -> PairLengths:
    """Check what the pairs become as tokens; raises InputError for the first pair that cannot teach, by its line.

    pairs   of data/training_pairs.jsonl, in its order; at least one
    """
    check = _PairCheck(tokenizer)
    lengths = [check(f"{PAIRS}:{line}", pair) for line, pair in enumerate(pairs, start=1)]
    truncated = check_truncation(lengths, max_length, max_truncated_share, "train", "pairs", "lower sample.max_tokens")
    return PairLengths(truncated, max(lengths))


class _PairCheck:
    """Checks pair after pair, and encodes a text that stands in several of them once."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._lengths: dict[tuple[str, str], int] = {}  # by prompt and text

    def __call__(self, where: str, pair: TrainingPair) -> int:
        """The length of a pair's longer text with its prompt and end, in tokens; `where` is its place, for messages."""
        if pair.chosen == pair.rejected:
            raise InputError(f"{where}: chosen and rejected are the same text, which teaches nothing; run `dvc repro prefs`")
        return max(
            self._length(where, pair.prompt, text, side) for side, text in (("chosen", pair.chosen), ("rejected", pair.rejected))
        )

    def _length(self, where: str, prompt: str, text: str, side: str) -> int:
        if (prompt, text) not in self._lengths:
            self._lengths[prompt, text] = len(encode_text(where, prompt, text, side, self._tokenizer).tokens)
        return self._lengths[prompt, text]


# --- the trainer ---


def check_prompts(trainer: DPOTrainer, pairs: Sequence[TrainingPair], tokenizer: PreTrainedTokenizerBase) -> None:
    """InputError unless the tokens that the trainer made of every prompt are those that sampling used."""
    if len(trainer.train_dataset) != len(pairs):
        raise InputError(f"the trainer kept {len(trainer.train_dataset)} of {len(pairs)} pairs: raise train.max_length")
    sampled = {prompt: encode_prompt(tokenizer, prompt) for prompt in {pair.prompt for pair in pairs}}
    for prompt, tokens in encoded_prompts(trainer):
        if tokens != sampled.get(prompt):
            raise InputError(
                f"the trainer reads the prompt {prompt[:60]!r} as other tokens than sampling did; "
                "the versions of trl and transformers do not fit (see requirements.txt)"
            )


def check_trainer(trainer: DPOTrainer) -> TrainerChecks:
    """Check that the built trainer can move; raises InputError with the cause.

    Trainable parameters exist, the first batch gives a gradient that is not 0, and policy equals
    reference (rewards of 0, by which DPO's own loss is ln 2). The longest pairs have room in memory: most
    often they need more of it than any other batch, which may come anywhere in training. Leaves weights
    and gradients as they were.
    """
    count = count_trainable(trainer.model, "the adapter is frozen or was not attached (dpo.lora)")
    if not trainer.args.learning_rate > 0:
        raise InputError(f"dpo.learning_rate is {trainer.args.learning_rate}: nothing would move; the method uses 5e-5")
    if trainer.is_fsdp_enabled:
        return TrainerChecks(count)  # no process holds a model that could run before it is sharded
    batch = first_batch(trainer)
    norm = gradient_norm(trainer.model, batch.loss)
    loss = batch.loss.item()
    if max(map(abs, batch.rewards)) > trainer.args.beta * (MAX_NATS_BFLOAT16 if trainer.args.bf16 else MAX_NATS_FLOAT32):
        chosen, rejected = batch.rewards
        raise InputError(
            f"before the first step the rewards are {chosen:.4f} and {rejected:.4f}, not 0: policy and reference differ, so "
            "the reference is not the base that was sampled; start from a fresh adapter on checkpoints/base"
        )
    if is_worse_than_guessing(batch.chosen_nats, trainer.processing_class):
        raise InputError(
            f"the base gives the chosen texts {batch.chosen_nats:.1f} nats a token, worse than guessing: these are not its own "
            "texts, or the tokenizer is that of another model; run `dvc repro base sample`"
        )
    try_pass(trainer, partial(longest_loss, trainer))
    return TrainerChecks(count, norm, loss, batch.chosen_nats)
