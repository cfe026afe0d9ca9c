"""What a text becomes as tokens, checked before a model is loaded: for pairs, and for examples of fine-tuning.

Every check stops the run with its cause and cure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoConfig, PreTrainedTokenizerBase

from src.core.errors import InputError
from src.models.checkpoints import own_checkpoint, told_as_one_error
from src.models.encoding import encode_prompt
from src.models.positions import read_positions


@dataclass(frozen=True)
class EncodedText:
    """The tokens of a prompt, a completion and the end token, and how many of them are the prompt's."""

    tokens: list[int]
    prompt_length: int


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


def check_max_length(base: Path, max_length: int, section: str = "train") -> None:
    """InputError if texts of so many tokens are longer than the base can read; needs its config alone.

    section  of the profile, which has the key `max_length`
    """
    positions = read_positions(own_checkpoint(base, "base"))
    if positions is not None and max_length > positions:
        raise InputError(
            f"{section}.max_length is {max_length:,}, but the model of {base} reads {positions:,} tokens "
            "(max_position_embeddings in its config.json), and what lies beyond teaches noise: lower it"
        )


def check_truncation(
    lengths: Sequence[int], max_length: int, max_truncated_share: float, section: str, what: str, other_cure: str
) -> float:
    """The share of texts that are longer than `max_length` tokens; InputError if it is above `max_truncated_share`.

    section, what, other_cure   for the message: of the profile, which has both keys; "pairs"; beside raising max_length
    """
    truncated = sum(length > max_length for length in lengths) / len(lengths)
    if truncated > max_truncated_share:
        raise InputError(
            f"{truncated:.1%} of the {len(lengths)} {what} are longer than {section}.max_length = {max_length} tokens and would "
            f"be cut (limit {section}.max_truncated_share = {max_truncated_share:.1%}; the longest has {max(lengths)}): "
            f"raise max_length, or {other_cure}"
        )
    return truncated


def encode_text(where: str, prompt: str, completion: str, what: str, tokenizer: PreTrainedTokenizerBase) -> EncodedText:
    """The tokens of a text that teaches; raises InputError where they are not those of sampling, or the end is not learned.

    where, what  for messages: the file and line; "chosen"
    """
    of_prompt = encode_prompt(tokenizer, prompt)
    _check_begin(where, of_prompt, tokenizer)
    tokens = encode_prompt(tokenizer, f"{prompt}{completion}{tokenizer.eos_token}")
    if tokens[: len(of_prompt)] != of_prompt:
        raise InputError(
            f"{where}: the tokens of the prompt are no prefix of those of prompt + {what}, so training would "
            "read another prompt than sampling did; end the template on a token boundary (engine.template)"
        )
    if tokens[-1] != tokenizer.eos_token_id:
        raise InputError(f"{where}: {what} does not end in the end token {tokenizer.eos_token!r} once it is encoded")
    return EncodedText(tokens, len(of_prompt))


def _check_begin(where: str, prompt: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.bos_token_id in (None, tokenizer.eos_token_id):  # where both are one token, none is written
        return
    if prompt[:1] != [tokenizer.bos_token_id]:
        raise InputError(
            f"{where}: the prompt does not begin with the begin token {tokenizer.bos_token!r}, which the model knows every text "
            "to begin with: let the tokenizer add it (add_bos_token in its tokenizer_config.json), or change engine.template"
        )
    if prompt[1:2] == [tokenizer.bos_token_id]:  # further on it may begin a turn, as SmolLM2's does
        raise InputError(
            f"{where}: the prompt begins with the begin token {tokenizer.bos_token!r} twice; "
            "the template writes it and the tokenizer adds it again: change engine.template in the profile"
        )
