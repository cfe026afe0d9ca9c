"""The tokenizer of the sandbox's model, and its examples as tokens."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from src.models.encoding import PLAIN_ENDING
from src.regime_w.arms import ANSWER_REQUEST, INSTRUCTIONS
from src.training.examples import Example

BEGIN, END, PAD = "<s>", "</s>", "<pad>"
IGNORED = -100  # the label of a token that no loss is taken of; torch's own


@dataclass(frozen=True)
class EncodedExample:
    """An example as the trainer reads it.

    input_ids  tokens of prompt, completion and end
    labels     of the same length; IGNORED over the prompt
    length     tokens by which examples are batched
    """

    input_ids: list[int]
    labels: list[int]
    length: int


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE in which small whole numbers are single tokens, so that sums are a table to learn.

    The method's fixed instructions are one token each: a model trained in minutes cannot afford to read them.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(INSTRUCTIONS) - 1,
        special_tokens=[PAD, BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fixed = [*(f"{text}\n\n" for text in INSTRUCTIONS.values()), f"\n\n{ANSWER_REQUEST}{PLAIN_ENDING}"]
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in dict.fromkeys(fixed)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, pad_token=PAD, padding_side="left")


def encode_examples(tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example]) -> list[EncodedExample]:
    """The tokens of each example, and the length by which it is batched.

    Epochs ask and answer much the same, so each different text is read once, and all at once: one by one and again in each
    epoch they took five times as long.

    A batch's loss is the mean over its tokens, so a token of a batch of short texts weighs more. The length is therefore that
    of the completion with its steps: examples of both styles share batches, and neither is favoured.
    """

    def token_ids(texts: Iterable[str], begins: bool) -> Mapping[str, list[int]]:
        different = list(dict.fromkeys(texts))
        return dict(zip(different, tokenizer(different, add_special_tokens=begins)["input_ids"], strict=True))

    prompts = token_ids((example.prompt for example in examples), begins=True)
    completions = token_ids((text for example in examples for text in (example.completion, example.with_steps)), begins=False)

    def encoded(example: Example) -> EncodedExample:
        prompt, completion = prompts[example.prompt], [*completions[example.completion], tokenizer.eos_token_id]
        return EncodedExample(
            input_ids=[*prompt, *completion],
            labels=[*[IGNORED] * len(prompt), *completion],
            length=len(prompt) + len(completions[example.with_steps]),
        )

    return [encoded(example) for example in examples]
