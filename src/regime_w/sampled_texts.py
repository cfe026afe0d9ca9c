"""Sampled texts of a policy for a test question: what is kept of each, and the seed that it is asked with."""

from dataclasses import dataclass
from typing import ClassVar

from src.core.shapes import Count, FilledText, Positive, Text
from src.regime_w.arms import request_seed
from src.regime_w.texts import FinishReason

# Where an arm's request has the arm's seed. Those are never below 0, so no draw of training serves an evaluation.
EVALUATION_SEED = -1


@dataclass(frozen=True)
class SampledText:
    """A record of outputs/<policy>_samples.jsonl: one of the sampled texts of one policy for one test question.

    id           the question's; its texts stand together
    sample       its number among them, from 0 on
    temperature  of sampling
    text         without prompt and special tokens
    n_tokens     tokens written, the end-of-text token included
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("id", "sample")
    MAY_BE_EMPTY: ClassVar[bool] = True  # a profile may ask for none

    id: FilledText
    sample: Count
    temperature: Positive
    text: Text
    n_tokens: Count
    finish_reason: FinishReason


def sample_seed(question_id: str, sample: int) -> int:
    """Seed of a sample's request, 0 … 2**63 - 1, from these two and nothing else.

    sample  0 or more
    Not from the run's `seed`, policy, batch or number of samples: more samples leave the earlier ones as they are, and both
    policies draw by the same seeds.
    """
    return request_seed(EVALUATION_SEED, question_id, sample)
