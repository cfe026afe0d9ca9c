"""What is known of the base: where it comes from, its size, its special tokens, and how it was trained if it was trained here."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from src.core.shapes import Count, FilledText, NonNegative, PositiveCount, Share
from src.regime_w.sft_steps import SftStep

LAST_STEPS = 10  # whose mean is the last loss: a step alone is of few texts


@dataclass(frozen=True)
class Token:
    """A special token: how the tokenizer writes it, and its row in the vocabulary."""

    token: str
    id: Count


@dataclass(frozen=True)
class SpecialTokens:
    """Special tokens of a checkpoint's tokenizer.

    bos         begins a text; None where the model has no such token
    eos         ends a text
    pad         fills a row of a batch; it may be another of the tokens
    bos_added   whether every prompt is read with `bos` before it
    vocab_size  tokens that the tokenizer knows, special ones included; the model may have more rows
    """

    bos: Token | None
    eos: Token
    pad: Token
    bos_added: bool
    vocab_size: PositiveCount


@dataclass(frozen=True)
class Description:
    """A checkpoint as it lies on disk: weights of the model, each counted once, and special tokens of the tokenizer."""

    parameters: PositiveCount
    tokens: SpecialTokens


@dataclass(frozen=True)
class Origin:
    """Where a pretrained model came from, beyond `base.source`; the fields are those of BaseMetrics."""

    commit: str | None
    adapter: str | None
    adapter_commit: str | None


@dataclass(frozen=True)
class SftPreflight:
    """What was looked at before the first step of fine-tuning.

    truncated_share       of the texts, those that are cut
    max_tokens            of the longest text, before it is cut
    trainable_parameters  weights that training moves
    first_gradient_norm   of the first texts
    loss_at_step_0        nats a token, of the first texts
    """

    truncated_share: Share
    max_tokens: PositiveCount
    trainable_parameters: PositiveCount
    first_gradient_norm: NonNegative
    loss_at_step_0: NonNegative


@dataclass(frozen=True)
class SftMetrics:
    """How a base was trained here, by supervised fine-tuning.

    examples    texts shown, over all epochs
    steps       updates of the weights
    first_loss  nats a token, of the first step
    last_loss   nats a token, the mean of the last ten steps
    preflight   of a pretrained model; None of one that was trained from nothing
    """

    examples: PositiveCount
    steps: PositiveCount
    first_loss: NonNegative
    last_loss: NonNegative
    preflight: SftPreflight | None = None


@dataclass(frozen=True)
class SftRun:
    """What training of a base gives beside its weights: its metrics and its steps, in order."""

    metrics: SftMetrics
    steps: tuple[SftStep, ...]


def sft_run(examples: int, steps: Sequence[SftStep], preflight: SftPreflight | None = None) -> SftRun:
    """Of at least one step."""
    last_loss = fmean(step.loss for step in steps[-LAST_STEPS:])
    return SftRun(SftMetrics(examples, len(steps), steps[0].loss, last_loss, preflight), tuple(steps))


@dataclass(frozen=True)
class BaseMetrics:
    """metrics/base.json.

    source          `base.source` of the profile
    parameters      weights of the model, each counted once
    commit          of a model from the hub, all 40 digits
    adapter         `base.adapter` of the profile, which is merged into the model
    adapter_commit  of an adapter from the hub
    training        of a model that was trained or fine-tuned here
    """

    source: FilledText
    parameters: PositiveCount
    tokens: SpecialTokens
    commit: FilledText | None = None
    adapter: FilledText | None = None
    adapter_commit: FilledText | None = None
    training: SftMetrics | None = None
