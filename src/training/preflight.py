"""Proof, before the first step, that a training run can learn anything.

Every check stops the run with its cause and cure. Those on tokens come first: they need a tokenizer only,
and take seconds.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoConfig, PreTrainedTokenizerBase
from trl import DPOTrainer

from src.checkpoints import own_checkpoint, told_as_one_error
from src.engines.templates import encode_prompt
from src.errors import InputError

# Policy and reference are the same weights at step 0, so the loss is ln 2 but for rounding of log-probabilities that
# are summed over a text: 1e-3 was seen for the sandbox in bfloat16, and longer texts in larger models have more of it.
LN2_TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}
# A token that is guessed costs the logarithm of the vocabulary; what costs more is told by other tokens than were learned.
STRANGE = 1.2


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


def check_pairs(
    pairs: Sequence[dict], tokenizer: PreTrainedTokenizerBase, max_length: int, max_truncated_share: float
) -> dict[str, float]:
    """Check what the pairs become as tokens; raises InputError for the first pair that cannot teach.

    pairs     preference records (prompt, chosen, rejected, question_id)
    returns   share of pairs cut at max_length tokens, and the longest pair in tokens
    """
    lengths = [_check_pair(number, pair, tokenizer) for number, pair in enumerate(pairs, start=1)]
    truncated = sum(length > max_length for length in lengths) / len(lengths)
    if truncated > max_truncated_share:
        raise InputError(
            f"{truncated:.1%} of the {len(pairs)} pairs are longer than train.max_length = {max_length} tokens and would "
            f"be cut (limit train.max_truncated_share = {max_truncated_share:.1%}; the longest has {max(lengths)}): "
            "raise max_length, or lower sample.max_tokens"
        )
    return {"truncated_share": truncated, "longest_pair_tokens": max(lengths)}


def _check_pair(number: int, pair: dict, tokenizer: PreTrainedTokenizerBase) -> int:
    where = f"data/coherence_preferences.jsonl:{number}: pair {number} (question {pair['question_id']})"
    if pair["chosen"] == pair["rejected"]:
        raise InputError(f"{where}: chosen and rejected are the same text, which teaches nothing; run `dvc repro prefs`")
    prompt = encode_prompt(tokenizer, pair["prompt"])
    begins = tokenizer.bos_token_id not in (None, tokenizer.eos_token_id)  # where both are one token, none is written
    if begins and prompt[:1] != [tokenizer.bos_token_id]:
        raise InputError(
            f"{where}: the prompt does not begin with the begin token {tokenizer.bos_token!r}, which the model knows every text "
            "to begin with: let the tokenizer add it (add_bos_token in its tokenizer_config.json), or change engine.template"
        )
    if begins and prompt.count(tokenizer.bos_token_id) > 1:
        raise InputError(
            f"{where}: the prompt holds the begin token {tokenizer.bos_token!r} {prompt.count(tokenizer.bos_token_id)} times; "
            "the template writes it and the tokenizer adds it again: change engine.template in the profile"
        )
    longest = 0
    for side in ("chosen", "rejected"):
        whole = encode_prompt(tokenizer, pair["prompt"] + pair[side] + tokenizer.eos_token)
        if whole[: len(prompt)] != prompt:
            raise InputError(
                f"{where}: the tokens of the prompt are no prefix of those of prompt + {side}, so training would "
                "read another prompt than sampling did; end the template on a token boundary (engine.template)"
            )
        if whole[-1] != tokenizer.eos_token_id:
            raise InputError(f"{where}: {side} does not end in the end token {tokenizer.eos_token!r} once it is encoded")
        longest = max(longest, len(whole))
    return longest


def check_trainer(trainer: DPOTrainer) -> dict[str, float]:
    """Check that the built trainer can move: returns what it saw; raises InputError with the cause.

    Trainable parameters exist, the first batch gives a gradient that is not 0, and policy equals
    reference (loss = ln 2). Leaves weights and gradients as they were.
    """
    trainable = [p for p in trainer.model.parameters() if p.requires_grad]
    count = sum(p.numel() for p in trainable)
    if count == 0:
        raise InputError("no parameter is trainable: the adapter is frozen or was not attached (train.lora in the profile)")
    if not trainer.args.learning_rate > 0:
        raise InputError(f"train.learning_rate is {trainer.args.learning_rate}: nothing would move; the method uses 5e-5")
    if trainer.is_fsdp_enabled:
        return {"trainable_parameters": count}  # no process holds a model that could run before it is sharded
    batch = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[i] for i in range(_batch(trainer))]))
    with trainer.compute_loss_context_manager():
        loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    chosen = batch["completion_mask"][: len(batch["completion_mask"]) // 2]  # the other half is rejected
    nats = -trainer._metrics["train"]["logps/chosen"][-1] * len(chosen) / chosen.sum().item()
    norm = torch.nn.utils.get_total_norm([p.grad for p in trainable if p.grad is not None]).item()
    trainer.model.zero_grad(set_to_none=True)
    trainer._metrics["train"].clear()
    if not (math.isfinite(norm) and norm > 0):
        raise InputError(f"the gradient norm of the first batch is {norm}: the loss does not reach the adapter's weights")
    if abs(loss.item() - math.log(2)) > LN2_TOLERANCE["bfloat16" if trainer.args.bf16 else "float32"]:
        raise InputError(
            f"the loss before the first step is {loss.item():.4f}, not ln 2 = 0.6931: policy and reference differ, so "
            "the reference is not the base that was sampled; start from a fresh adapter on checkpoints/base"
        )
    if nats > STRANGE * math.log(len(trainer.processing_class)):
        raise InputError(
            f"the base gives the chosen texts {nats:.1f} nats a token, worse than guessing: these are not its own texts, or the "
            "tokenizer is that of another model; run `dvc repro base sample`"
        )
    return {"trainable_parameters": count, "first_gradient_norm": norm, "loss_at_step_0": loss.item(), "chosen_nats": nats}


def _batch(trainer: DPOTrainer) -> int:
    return min(trainer.args.per_device_train_batch_size, len(trainer.train_dataset))
