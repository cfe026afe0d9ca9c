"""How a prompt of the method is wrapped for a model: the text that the model then reads, and nothing else."""

from typing import TYPE_CHECKING, Literal

from src.core.errors import InputError, shown
from src.models.encoding import PLAIN_ENDING

if TYPE_CHECKING:  # seconds to import, and `--help` needs none of it
    from transformers import PreTrainedTokenizerBase

Template = Literal["plain", "chat", "abel"]  # see wrap_prompt

# The one template that Abel was tuned on (GAIR-NLP/abel), line breaks exact; a completion is read without it, so that
# its own "Answer:" is never taken for an answer.
ABEL = "Question:\n{prompt}\nAnswer:\nLet's think step by step.\n"


def wrap_prompt(prompt: str, template: Template, tokenizer: "PreTrainedTokenizerBase") -> str:
    """The prompt as the model is to read it.

    plain  the prompt and a blank line, for a model without a template
    chat   the tokenizer's own chat template, one user turn; InputError if the tokenizer has none
    abel   that of Abel-7B-002

    InputError for a prompt that holds a special token: the model would read the begin or the end of a text there.
    """
    for token in tokenizer.all_special_tokens:
        place = prompt.find(token)
        if place >= 0:
            around = prompt[max(0, place - 30) : place + len(token)]
            raise InputError(
                f"the end of {shown(around)} in a prompt is the special token {token!r} of the tokenizer, which the model reads "
                "as no text; leave it out of the question, or the question out"
            )
    if template == "plain":
        return prompt + PLAIN_ENDING
    if template == "abel":
        return ABEL.format(prompt=prompt)
    if tokenizer.chat_template is None:
        raise InputError(
            f"engine.template is 'chat', but the tokenizer of {tokenizer.name_or_path} has no chat template; "
            "set engine.template to 'plain' in the profile"
        )
    turn = [{"role": "user", "content": prompt}]
    return str(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))
