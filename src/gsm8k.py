"""What was published of GSM8K (Cobbe et al. 2021) and GSM8K-Platinum (Vendrow et al. 2025), and how to read it.

GSM8K-Platinum is GSM8K's test set less 110 questions, with 10 answers mended: 1,209 questions (the guide counts 1,210).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from httpx2 import HTTPError

from src.errors import InputError

Row = dict  # `question`, `answer`, and in Platinum `cleaning_status`


@dataclass(frozen=True)
class PublishedSet:
    """A split as it was published; `digest` is that of its content (see content_digest)."""

    title: str
    name: str  # on the hub
    split: str
    commit: str
    rows: int
    digest: str


TRAIN = PublishedSet(
    "GSM8K train",
    "openai/gsm8k",
    "train",
    "740312add88f781978c0658806c59bc2815b9866",
    7473,
    "937e90ecc5698135a95d098621de3388f3b63bec4dbd8fc1b349adf8612890aa",
)
TEST = PublishedSet(
    "GSM8K test",
    "openai/gsm8k",
    "test",
    "740312add88f781978c0658806c59bc2815b9866",
    1319,
    "5b736e25f3d1e6cdeef6b3d89e3dc71a7e3c20288f93f1bda635f6fbeb4f41b5",
)
PLATINUM = PublishedSet(
    "GSM8K-Platinum",
    "madrylab/gsm8k-platinum",
    "test",
    "e762492455a1cf7967de89f05b6bef72fc713b66",
    1209,
    "388a64acb4a24b015e239023b4482f128ab3f25f0b33bc58a3793219cbce8be8",
)

# The names under which a split may lie in a folder: JSON Lines or Parquet, and the layout of the hub's repositories.
PATTERNS = {
    TRAIN: ("train.jsonl", "gsm8k_train.jsonl", "train.parquet", "main/train-*.parquet", "gsm8k/main/train-*.parquet"),
    TEST: ("test.jsonl", "gsm8k_test.jsonl", "test.parquet", "main/test-*.parquet", "gsm8k/main/test-*.parquet"),
    PLATINUM: (
        "platinum_test.jsonl",
        "gsm8k_platinum_test.jsonl",
        "platinum_test.parquet",
        "gsm8k-platinum/main/test-*.parquet",
    ),
}


def content_digest(rows: Sequence[Row]) -> str:
    """SHA-256 over question and answer of every row in order, each pair as a line of ASCII-escaped JSON."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row["question"], row["answer"]]).encode() + b"\n")
    return digest.hexdigest()


def is_published(rows: Sequence[Row], published: PublishedSet) -> bool:
    return len(rows) == published.rows and content_digest(rows) == published.digest


def read_hub(published: PublishedSet) -> list[Row]:
    """The rows of a published split by the datasets library; InputError if it cannot be had or is not what was published."""
    import datasets

    try:
        loaded = datasets.load_dataset(published.name, "main", split=published.split, revision=published.commit)
    # of the network, of a file cut short, of rows that do not decode
    except (HTTPError, OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"data.source is 'hub', but {published.name} at {published.commit[:7]} cannot be fetched ({type(error).__name__}); "
            f"set data.source in the profile to a folder that holds {' or '.join(PATTERNS[published][:2])} and the other splits"
        ) from error
    rows = list(loaded)
    if not is_published(rows, published):
        raise InputError(
            f"{published.name} {published.split} at {published.commit[:7]} has {len(rows)} rows of content "
            f"{content_digest(rows)[:12]}, but {published.rows} of {published.digest[:12]} were published: the download is "
            "broken or was tampered with; empty the cache of the hub (HF_HOME) and fetch it again"
        )
    return rows


def find_split(folder: Path, published: PublishedSet) -> Path:
    """The one file of a split in a folder; InputError with the names looked for, or with those found beside each other."""
    found = [path for pattern in PATTERNS[published] for path in sorted(folder.glob(pattern))]
    if not found:
        raise InputError(
            f"data.source is the folder {folder}, which has no {published.split} split of {published.title.split()[0]}: none of "
            f"{', '.join(PATTERNS[published])}"
        )
    if len(found) > 1:
        raise InputError(f"data.source is the folder {folder}, with both {found[0].name} and {found[1].name}; leave one there")
    return found[0]
