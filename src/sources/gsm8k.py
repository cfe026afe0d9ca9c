"""What was published of GSM8K (Cobbe et al. 2021) and GSM8K-Platinum (Vendrow et al. 2025), and how to get at it.

GSM8K-Platinum is GSM8K's test set less 110 questions, with 10 answers corrected: 1,209 questions (the guide counts 1,210).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from src.core.errors import InputError
from src.regime_w.questions import Question
from src.sources.files import Row, questions_of, read_rows

HUB = "hub"  # as a source
# GSM8K-Platinum, GSM8K's own test, or all of GSM8K's, each question scored on either.
TestSet = Literal["platinum", "gsm8k", "both"]


@dataclass(frozen=True)
class PublishedSet:
    """A split as it was published on the hub; `digest` is that of its content (see content_digest)."""

    title: str
    name: str
    config: str
    split: str
    commit: str
    rows: int
    digest: str


GSM8K_COMMIT = "740312add88f781978c0658806c59bc2815b9866"
TRAIN = PublishedSet(
    "GSM8K train set",
    "openai/gsm8k",
    "main",
    "train",
    GSM8K_COMMIT,
    7473,
    "d1e8a5a4ae21a7c76db259d2915e4e910530876fa605d380af7b56a44e884079",
)
TEST = PublishedSet(
    "GSM8K test set",
    "openai/gsm8k",
    "main",
    "test",
    GSM8K_COMMIT,
    1319,
    "4558614006a05b676b45f3df0f3267f8c59e77365bbfb424e1f38c7b4add3f5b",
)
PLATINUM = PublishedSet(
    "GSM8K-Platinum test set",
    "madrylab/gsm8k-platinum",
    "main",
    "test",
    "e762492455a1cf7967de89f05b6bef72fc713b66",
    1209,
    "74cd95c59d0c05ad00fcb17db4b4298e618904184b6f2dd1631520cecc90d50a",
)

# The names that a split may have in a folder, and where in it they are looked for: beside each other, in a copy of the
# hub's repository, or in copies of both repositories.
GSM8K_PLACES = (".", "main", "gsm8k/main")
NAMES = {
    TRAIN: ("train.jsonl", "gsm8k_train.jsonl", "train.parquet", "train-*-of-*.parquet"),
    TEST: ("test.jsonl", "gsm8k_test.jsonl", "test.parquet", "test-*-of-*.parquet"),
    PLATINUM: (
        "platinum_test.jsonl",
        "gsm8k_platinum_test.jsonl",
        "platinum_test.parquet",
        "gsm8k_platinum_test.parquet",
        "gsm8k-platinum/main/test.parquet",
        "gsm8k-platinum/main/test-*-of-*.parquet",
    ),
}
PLACES = {TRAIN: GSM8K_PLACES, TEST: GSM8K_PLACES, PLATINUM: (".",)}
SHARD = re.compile(r".*-of-(\d+)\.parquet")


def content_digest(rows: Sequence[Row]) -> str:
    """SHA-256 over question and answer of every row in order: what `jq -ca '[.question, .answer]'` prints for JSON Lines."""
    digest = hashlib.sha256()
    for row in rows:
        texts = [row.columns.get("question"), row.columns.get("answer")]
        digest.update(json.dumps(texts, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


def is_published(rows: Sequence[Row], published: PublishedSet) -> bool:
    return len(rows) == published.rows and content_digest(rows) == published.digest


def content_line(place: str, rows: Sequence[Row], published: PublishedSet) -> str:
    """One line that says whether the rows are the published ones, and where the guide counts otherwise."""
    if not is_published(rows, published):
        return f"data: {place}: {len(rows):,} questions; content: not the published {published.title} of {published.rows:,}"
    guide = "; the guide counts 1,210, but 1,209 were published" if published == PLATINUM else ""
    return f"data: {place}: {len(rows):,} questions; content: the published {published.title}{guide}"


def read_hub(published: PublishedSet) -> list[Row]:
    """The rows of a published split by the datasets library; InputError if it cannot be had or is not what was published."""
    import datasets  # takes a second, which only this source needs
    from httpx2 import HTTPError

    try:
        found = datasets.load_dataset(published.name, published.config, split=published.split, revision=published.commit)
        place = f"{published.name} {published.split}"
        rows = [Row(f"{place} row {number}", columns) for number, columns in enumerate(found, start=1)]
    # OSError and HTTPError: no network, or the hub refuses. ValueError: a file cut short, or offline with only another
    # config in the cache. DatasetsError: rows that do not decode, or another number of them than the hub's card says.
    except (OSError, HTTPError, ValueError, datasets.exceptions.DatasetsError) as error:
        cause = str(error).strip().partition("\n")[0]
        raise InputError(
            f"data.source is 'hub', but {published.name} {published.split} at {published.commit[:7]} cannot be fetched "
            f"({type(error).__name__}: {cause}); repair the network, or set data.source in the profile to a folder that holds "
            "gsm8k_train.jsonl, gsm8k_test.jsonl and, where data.test_set is platinum or both, gsm8k_platinum_test.jsonl"
        ) from error
    if not is_published(rows, published):
        raise InputError(
            f"{published.name} {published.split} at {published.commit[:7]} has {len(rows)} rows of content "
            f"{content_digest(rows)[:12]}, but {published.rows} of {published.digest[:12]} were published: the download is "
            "broken or was tampered with; empty the cache of the hub (HF_HOME) and fetch it again"
        )
    return rows


def find_split(folder: Path, published: PublishedSet) -> list[Path]:
    """The one file of a split in a folder, or all its Parquet shards in order.

    Raises InputError with the names looked for if there is none, with the names found if there are several files that
    could be it, and if a shard is missing.
    """
    places = [(folder / place, name) for place in PLACES[published] for name in NAMES[published]]
    found = [files for place, name in places if (files := sorted(place.glob(name)))]
    if not found:
        raise InputError(
            f"data.source is the folder {folder}, which holds no {published.title}: none of {', '.join(NAMES[published])} is in "
            f"{' or '.join(PLACES[published])} there"
        )
    if len(found) > 1:
        names = " and ".join(str(files[0].relative_to(folder)) for files in found)
        raise InputError(f"data.source is the folder {folder}, with both {names}, each a {published.title}; leave one there")
    files = found[0]
    shard = SHARD.fullmatch(files[0].name)
    if shard and int(shard[1]) != len(files):
        raise InputError(f"{files[0]}: {len(files)} of {int(shard[1])} files are there; fetch the others too")
    return files


# --- questions ---


def read_split(source: str, published: PublishedSet, name: str, max_characters: int) -> list[Question]:
    """The questions of one split from the hub or from the folder `source`; says whether they are the published ones.

    name            begins the ids
    max_characters  of a question, and of any other text of its row

    InputError names the row or the file that cannot be had or read.
    """
    if source == HUB:
        place, rows = f"{published.name} {published.split}", read_hub(published)
    else:
        files = find_split(Path(source), published)
        place, rows = str(files[0]), [row for file in files for row in read_rows(file)]
    questions = questions_of(rows, name, place, max_characters)
    print(content_line(place, rows, published))
    return questions


def test_splits(test_set: TestSet) -> tuple[PublishedSet, ...]:
    """The published splits that a test set is made of."""
    return {"gsm8k": (TEST,), "platinum": (PLATINUM,), "both": (PLATINUM, TEST)}[test_set]


def read_test(source: str, test_set: TestSet, max_characters: int) -> list[Question]:
    """The test questions from the hub or from the folder `source`; `max_characters` as in `read_split`.

    Of `both`, each has its gold by GSM8K and whether Platinum has it, and if so Platinum's gold. Raises InputError as
    `read_split` does, and for a question of Platinum that is not in GSM8K's test.
    """
    if test_set == "gsm8k":
        return read_split(source, TEST, "test", max_characters)
    platinum = read_split(source, PLATINUM, "platinum", max_characters)
    if test_set == "platinum":
        return platinum
    corrected = {question.question: question for question in platinum}
    every = read_split(source, TEST, "test", max_characters)
    if strange := corrected.keys() - {question.question for question in every}:
        raise InputError(
            f"{len(strange)} questions of GSM8K-Platinum are not in GSM8K's test, the first {min(strange)[:60]!r}; data.test_set "
            "'both' needs the test set that Platinum was made from"
        )
    return [_on_both_sets(question, corrected.get(question.question)) for question in every]


def _on_both_sets(question: Question, platinum: Question | None) -> Question:
    """A question of GSM8K's test with both golds; `platinum` is the same question there, None if it was dropped."""
    if platinum is None:
        return replace(question, gsm8k_gold=question.gold, in_platinum=False)
    return replace(
        question,
        gold=platinum.gold,
        cleaning_status=platinum.cleaning_status or question.cleaning_status,
        gsm8k_gold=question.gold,
        in_platinum=True,
    )
