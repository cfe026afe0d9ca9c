"""How a prompt of the method is wrapped for a model: the text that the model then reads, and nothing else."""

from typing import Literal

from transformers import PreTrainedTokenizerBase

from src.errors import InputError

Template = Literal["plain", "chat"]

PLAIN_ENDING = "\n\n"  # the completion starts on a line of its own


def wrap_prompt(prompt: str, template: Template, tokenizer: PreTrainedTokenizerBase) -> str:
    """The prompt as the model is to read it.

    plain  the prompt and a blank line, for a model without a template
    chat   the tokenizer's own chat template, one user turn; InputError if the tokenizer has none
    """
    if template == "plain":
        return prompt + PLAIN_ENDING
    if tokenizer.chat_template is None:
        raise InputError(
            f"engine.template is 'chat', but the tokenizer of {tokenizer.name_or_path} has no chat template; "
            "set engine.template to 'plain' in the profile"
        )
    turn = [{"role": "user", "content": prompt}]
    return tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """The tokens of a wrapped prompt, special tokens as the tokenizer adds them: sampling and training both use this."""
    return tokenizer(prompt)["input_ids"]
