"""Proof, before the first step, that a training run can learn anything.

Every check stops the run with its cause and cure. Those on tokens come first: they need a tokenizer only,
and take seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, PreTrainedTokenizerBase
from trl import DPOTrainer

from src.core.errors import InputError
from src.core.shapes import Count, NonNegative, PositiveCount, Share
from src.models.checkpoints import own_checkpoint, told_as_one_error
from src.models.encoding import encode_prompt
from src.models.positions import read_positions
from src.training.pairs import PAIRS, TrainingPair
from src.training.trl_api import encoded_prompts, first_batch

# Policy and reference are the same weights at step 0, so the loss is ln 2 but for rounding of log-probabilities that
# are summed over a text: 1e-3 was seen for the sandbox in bfloat16, and longer texts in larger models have more of it.
LN2_TOLERANCE_FLOAT32, LN2_TOLERANCE_BFLOAT16 = 1e-3, 5e-2
# A token that is guessed costs the logarithm of the vocabulary; what costs more was written in other tokens than were learned.
MAX_NATS_OF_GUESS = 1.2


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


# --- tokens ---


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, base: Path) -> None:
    """Check that the tokenizer is the base's own, without loading the base; raises InputError with the cause."""
    if tokenizer.eos_token_id is None or tokenizer.pad_token_id is None:
        raise InputError(
            f"the tokenizer of {base} lacks an end or a pad token (eos {tokenizer.eos_token!r}, pad {tokenizer.pad_token!r}); "
            "set both in its tokenizer_config.json"
        )
    with told_as_one_error(own_checkpoint(base, "base"), "its config"):
        config = AutoConfig.from_pretrained(base)
    cure = "it is that of another model; run `dvc repro base`"
    if len(tokenizer) > config.vocab_size:
        raise InputError(f"the tokenizer of {base} has {len(tokenizer)} tokens, but the model only {config.vocab_size}: {cure}")
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    if ends != [None] and tokenizer.eos_token_id not in ends:
        raise InputError(f"the tokenizer of {base} ends texts by token {tokenizer.eos_token_id}, but the model by {ends}: {cure}")


def check_max_length(base: Path, max_length: int) -> None:
    """InputError if the pairs may be longer than the base can read; needs its config alone."""
    positions = read_positions(own_checkpoint(base, "base"))
    if positions is not None and max_length > positions:
        raise InputError(
            f"train.max_length is {max_length:,}, but the model of {base} reads {positions:,} tokens (max_position_embeddings in "
            "its config.json), and what lies beyond teaches noise: lower it"
        )


def check_pairs(
    pairs: Sequence[TrainingPair], tokenizer: PreTrainedTokenizerBase, max_length: int, max_truncated_share: float
) -> PairLengths:
    """Check what the pairs become as tokens; raises InputError for the first pair that cannot teach, by its line.

    pairs   of data/training_pairs.jsonl, in its order; at least one
    """
    lengths = [_check_pair(f"{PAIRS}:{line}", pair, tokenizer) for line, pair in enumerate(pairs, start=1)]
    truncated = sum(length > max_length for length in lengths) / len(lengths)
    if truncated > max_truncated_share:
        raise InputError(
            f"{truncated:.1%} of the {len(pairs)} pairs are longer than train.max_length = {max_length} tokens and would "
            f"be cut (limit train.max_truncated_share = {max_truncated_share:.1%}; the longest has {max(lengths)}): "
            "raise max_length, or lower sample.max_tokens"
        )
    return PairLengths(truncated, max(lengths))


def _check_pair(where: str, pair: TrainingPair, tokenizer: PreTrainedTokenizerBase) -> int:
    """The length of a pair's longer text with its prompt and end, in tokens."""
    if pair.chosen == pair.rejected:
        raise InputError(f"{where}: chosen and rejected are the same text, which teaches nothing; run `dvc repro prefs`")
    prompt = encode_prompt(tokenizer, pair.prompt)
    _check_begin(where, prompt, tokenizer)
    length = 0
    for side, text in (("chosen", pair.chosen), ("rejected", pair.rejected)):
        tokens = encode_prompt(tokenizer, f"{pair.prompt}{text}{tokenizer.eos_token}")
        if tokens[: len(prompt)] != prompt:
            raise InputError(
                f"{where}: the tokens of the prompt are no prefix of those of prompt + {side}, so training would "
                "read another prompt than sampling did; end the template on a token boundary (engine.template)"
            )
        if tokens[-1] != tokenizer.eos_token_id:
            raise InputError(f"{where}: {side} does not end in the end token {tokenizer.eos_token!r} once it is encoded")
        length = max(length, len(tokens))
    return length


def _check_begin(where: str, prompt: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.bos_token_id in (None, tokenizer.eos_token_id):  # where both are one token, none is written
        return
    if prompt[:1] != [tokenizer.bos_token_id]:
        raise InputError(
            f"{where}: the prompt does not begin with the begin token {tokenizer.bos_token!r}, which the model knows every text "
            "to begin with: let the tokenizer add it (add_bos_token in its tokenizer_config.json), or change engine.template"
        )
    if (count := prompt.count(tokenizer.bos_token_id)) > 1:
        raise InputError(
            f"{where}: the prompt holds the begin token {tokenizer.bos_token!r} {count} times; "
            "the template writes it and the tokenizer adds it again: change engine.template in the profile"
        )


# --- the trainer ---


def check_prompts(trainer: DPOTrainer, pairs: Sequence[TrainingPair], tokenizer: PreTrainedTokenizerBase) -> None:
    """InputError unless the tokens that the trainer made of every prompt are those that sampling used."""
    if len(trainer.train_dataset) != len(pairs):
        raise InputError(f"the trainer kept {len(trainer.train_dataset)} of {len(pairs)} pairs: raise train.max_length")
    for prompt, tokens in encoded_prompts(trainer):
        if tokens != encode_prompt(tokenizer, prompt):
            raise InputError(
                f"the trainer reads the prompt {prompt[:60]!r} as other tokens than sampling did; "
                "the versions of trl and transformers do not fit (see requirements.txt)"
            )


def check_trainer(trainer: DPOTrainer) -> TrainerChecks:
    """Check that the built trainer can move; raises InputError with the cause.

    Trainable parameters exist, the first batch gives a gradient that is not 0, and policy equals
    reference (loss = ln 2). Leaves weights and gradients as they were.
    """
    trainable = [p for p in trainer.model.parameters() if p.requires_grad]
    count = sum(p.numel() for p in trainable)
    if count == 0:
        raise InputError("no parameter is trainable: the adapter is frozen or was not attached (dpo.lora)")
    if not trainer.args.learning_rate > 0:
        raise InputError(f"dpo.learning_rate is {trainer.args.learning_rate}: nothing would move; the method uses 5e-5")
    if trainer.is_fsdp_enabled:
        return TrainerChecks(count)  # no process holds a model that could run before it is sharded
    batch = first_batch(trainer)
    batch.loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in trainable if p.grad is not None]).item()
    trainer.model.zero_grad(set_to_none=True)
    loss = batch.loss.item()
    if not (math.isfinite(norm) and norm > 0):
        raise InputError(f"the gradient norm of the first batch is {norm}: the loss does not reach the adapter's weights")
    if abs(loss - math.log(2)) > (LN2_TOLERANCE_BFLOAT16 if trainer.args.bf16 else LN2_TOLERANCE_FLOAT32):
        raise InputError(
            f"the loss before the first step is {loss:.4f}, not ln 2 = 0.6931: policy and reference differ, so "
            "the reference is not the base that was sampled; start from a fresh adapter on checkpoints/base"
        )
    if batch.chosen_nats > MAX_NATS_OF_GUESS * math.log(len(trainer.processing_class)):
        raise InputError(
            f"the base gives the chosen texts {batch.chosen_nats:.1f} nats a token, worse than guessing: these are not its own "
            "texts, or the tokenizer is that of another model; run `dvc repro base sample`"
        )
    return TrainerChecks(count, norm, loss, batch.chosen_nats)
