"""A model of one's own, looked at before a profile names it: where its files are here, what a run would refuse is told now."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from src.core.errors import InputError
from src.models.loading import loading
from src.models.sources import Located, check_model_source, parse_source
from src.models.templates import Template, wrap_prompt
from src.ops.own_questions import full_path
from src.regime_w.arms import build_all_arms, build_prompt, canonical_prompt
from src.regime_w.questions import Question
from src.training.pairs import PAIRS, TrainingPair

if TYPE_CHECKING:  # seconds to import, and `--help` needs none of it
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from src.models.checkpoints import Checkpoint

GB = 10**9  # bytes
MAX_TOKENS, MAX_LENGTH = 512, 1024  # of a completion, and with its prompt, where nothing of the model says less
MEASURED = 20  # questions, the longest by characters, of which prompts are counted in tokens
HUB_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+?)(?:@([0-9a-f]{7,40})|@.*)?")


@dataclass(frozen=True)
class OwnModel:
    """What a profile says of a model.

    source      as `base.source` has it
    dtype       of the weights as they are kept
    parameters  each weight counted once; None where the files are not here
    max_tokens  of a completion
    max_length  tokens of prompt and completion in training
    """

    source: str
    template: Template
    dtype: Literal["bfloat16", "float32"]
    max_tokens: int
    max_length: int
    parameters: int | None = None

    @property
    def memory(self) -> float:
        """GB, an estimate: the libraries, and the weights in float32 with as much again to convert and to train them."""
        return round(4 + 8 * (self.parameters or 0) / GB, 1)

    @property
    def disk(self) -> float:
        """GB, an estimate: texts and adapter, the checkpoint, and its copy in DVC's cache."""
        bytes_each = {"bfloat16": 2, "float32": 4}[self.dtype]
        return round(1 + 2 * bytes_each * (self.parameters or 0) / GB, 1)


def find_model(given: str) -> str:
    """`--model` as `base.source` has it.

    Raises InputError for a model of the hub without a commit, for a folder that is not there or has not a model's files, and
    for the sandbox's model, which is trained and not named. The hub is not asked.
    """
    if given == "sandbox":
        raise InputError("--model is 'sandbox', which is trained here and has a profile of its own: profiles/sandbox.yaml")
    on_hub = HUB_NAME.fullmatch(given)
    if on_hub is not None and not os.path.exists(given):
        name, commit = on_hub.groups(default="<commit>")
        raise InputError(
            f"--model is {given!r}: no such folder, and a model of the hub is named with its commit, as its branches may move: "
            f"give hub:{name}@{commit}. The commit stands on the model's page, under Files and versions, History "
            f"(https://huggingface.co/{name}/commits/main)"
        )
    check_model_source(given, "--model")
    found = parse_source(given, "--model")
    is_folder = isinstance(found, Located) and found.gguf_file is None
    return full_path(given, "--model") if is_folder else given


def describe_model(source: str, template: Template | None, questions: Sequence[Question]) -> OwnModel:
    """What a profile says of the model; it is looked at where its files are in a folder here, but no weight is read.

    template   None: as the tokenizer has one or none; chat where the files are not here
    questions  those that will be asked
    Raises InputError for a tokenizer or a config that is broken or does not fit the other, for a template that cannot be
    trained, and for questions that leave no room for an answer.
    """
    found = parse_source(source, "--model")
    if not isinstance(found, Located) or found.gguf_file is not None:
        return OwnModel(source, template or "chat", "bfloat16", MAX_TOKENS, MAX_LENGTH)
    with loading():
        import torch

        from src.models.checkpoints import Checkpoint, read_tokenizer
        from src.models.positions import positions_of

    checkpoint = Checkpoint(found.folder, f"--model {source!r}", "correct that file or fetch it again")
    tokenizer = read_tokenizer(checkpoint)
    if template is None:
        template = "plain" if tokenizer.chat_template is None else "chat"
    config, parameters = _count_parameters(checkpoint, tokenizer)
    _check_template(source, template, tokenizer, questions[0])
    positions = positions_of(config)
    longest = _longest_prompt(template, tokenizer, questions)
    room = MAX_TOKENS if positions is None else positions - longest
    if room < 1:
        raise InputError(
            f"a question becomes a prompt of {longest:,} tokens, and {source} reads {positions:,}: no room is left for an "
            "answer; leave the longest questions out, or name a model that reads more"
        )
    max_tokens = min(MAX_TOKENS, room)
    max_length = longest + max_tokens + 1  # the end token
    return OwnModel(
        source,
        template,
        "bfloat16" if config.dtype == torch.bfloat16 else "float32",
        max_tokens,
        max_length if positions is None else min(max_length, positions),
        parameters,
    )


def _count_parameters(checkpoint: "Checkpoint", tokenizer: "PreTrainedTokenizerBase") -> tuple["PreTrainedConfig", int]:
    """The config, and the weights that it makes; InputError if it makes none, or does not fit the tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    from src.models.checkpoints import check_tokens, told_as_one_error

    with told_as_one_error(checkpoint, "its config"):
        config = AutoConfig.from_pretrained(checkpoint.folder)
        with torch.device("meta"):  # shapes without memory
            model = AutoModelForCausalLM.from_config(config)
        if (checkpoint.folder / "generation_config.json").is_file():  # which may name more end tokens
            model.generation_config = GenerationConfig.from_pretrained(checkpoint.folder)
    check_tokens(model, tokenizer, checkpoint)
    return config, sum(weight.numel() for weight in model.parameters())


def _check_template(source: str, template: Template, tokenizer: "PreTrainedTokenizerBase", question: Question) -> None:
    """InputError if stage train would refuse every pair, by its own check: hours of sampling come before it in a run."""
    with loading():
        from src.training.preflight import check_pairs

    pair = TrainingPair(wrap_prompt(canonical_prompt(question.question), template, tokenizer), "Answer: 1", "Answer: 2")
    try:
        check_pairs([pair], tokenizer, max_length=1, max_truncated_share=1.0)
    except InputError as error:
        cause = str(error).removeprefix(f"{PAIRS}:1: ")
        raise InputError(
            f"--model {source!r} cannot be trained by the template {template!r}: {cause} (docs/your-own.md has more cures)"
        ) from error


def _longest_prompt(template: Template, tokenizer: "PreTrainedTokenizerBase", questions: Iterable[Question]) -> int:
    """Tokens of the longest prompt that any arm makes of the longest questions."""
    from src.models.encoding import encode_prompt

    longest = sorted(questions, key=lambda question: len(question.question), reverse=True)[:MEASURED]
    prompts = {build_prompt(arm, question.question) for arm in build_all_arms() for question in longest}
    return max(len(encode_prompt(tokenizer, wrap_prompt(prompt, template, tokenizer))) for prompt in prompts)
