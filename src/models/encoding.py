"""How a model reads a prompt: its tokens. Apart from the templates, so that a new one of those trains nothing again."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # seconds to import, and `--help` needs none of it
    from transformers import PreTrainedTokenizerBase

# Ends the prompt of template `plain`, which the model that is trained here knows: a completion starts on a line of its own.
PLAIN_ENDING = "\n\n"


def encode_prompt(tokenizer: "PreTrainedTokenizerBase", prompt: str) -> list[int]:
    """The tokens of a wrapped prompt, special tokens as the tokenizer adds them: sampling and training both use this."""
    tokens: list[int] = tokenizer(prompt)["input_ids"]
    return tokens
