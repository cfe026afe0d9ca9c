"""What training reads of a preference pair, and nothing else: a reward that changes and no text must not train again."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from src.core.shapes import FilledText

PAIRS = Path("data/training_pairs.jsonl")


@dataclass(frozen=True)
class TrainingPair:
    """A record of data/training_pairs.jsonl; the prompt is the whole text that the model reads, template included.

    Two arms may have written the same texts, so a pair may stand there twice.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ()
    MAY_BE_EMPTY: ClassVar[bool] = True  # a base that is right about all or nothing gives no pair

    prompt: FilledText
    chosen: str
    rejected: str
