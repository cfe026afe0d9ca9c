"""Questions of one's own, read once in full before a profile names them: what is wrong with a row is told now."""

import os
from dataclasses import dataclass
from pathlib import Path

from src.core.errors import InputError, shown
from src.regime_w.questions import Question
from src.sources.files import questions_of, read_rows
from src.sources.gsm8k import TEST, TRAIN, PublishedSet, find_split

SAMPLED = 500  # questions, of the guide
LARGEST_TEST = 1209  # questions, of GSM8K-Platinum: a larger test costs time and finds little more


@dataclass(frozen=True)
class OwnQuestions:
    """The questions of a file or folder, each split in its order.

    source          the full path
    is_file         whether one file holds both, the test behind
    max_characters  of a question, and of any other text of its row
    """

    source: str
    is_file: bool
    train: tuple[Question, ...]
    test: tuple[Question, ...]
    max_characters: int

    @property
    def sampled(self) -> int:
        """How many of those to train on are asked in eleven ways."""
        return min(SAMPLED, len(self.train))


def read_own_questions(given: str, max_characters: int) -> OwnQuestions:
    """The questions of `--data`.

    Raises InputError for a path that is not there, for a file or a row that cannot be read (by its line), for a question that
    comes twice in a split, and for a file too short to have a test.
    """
    if os.path.isdir(given):  # which, unlike Path's, takes no text amiss, however long
        splits = ((TRAIN, "train"), (TEST, "test"))
        train, test = (_read_split(Path(given), published, name, max_characters) for published, name in splits)
        return OwnQuestions(full_path(given, "--data"), False, tuple(train), tuple(test), max_characters)
    if not os.path.isfile(given):
        raise InputError(
            f"--data is {shown(given, 200)}: no such file or folder (looked from {Path.cwd()}); give the path of a JSON Lines or "
            "Parquet file of `question` and `answer`, or of a folder with train.jsonl and test.jsonl"
        )
    questions = questions_of(read_rows(Path(given)), Path(given).stem, given, max_characters)
    if len(questions) < 2:
        raise InputError(f"{given} has {len(questions)} question, and half of them are to be the test; give 2 or more")
    first_of_test = len(questions) - min(LARGEST_TEST, len(questions) // 2)
    train, test = questions[:first_of_test], questions[first_of_test:]
    return OwnQuestions(full_path(given, "--data"), True, tuple(train), tuple(test), max_characters)


def _read_split(folder: Path, published: PublishedSet, name: str, max_characters: int) -> list[Question]:
    files = find_split(folder, published)
    return questions_of((row for file in files for row in read_rows(file)), name, str(files[0]), max_characters)


def full_path(given: str, option: str) -> str:
    """The path from the root on; InputError for one that no setting can hold."""
    path = os.path.abspath(given)
    if not path.isprintable():  # line ends, and bytes that are no UTF-8
        raise InputError(f"{option} is {shown(path, 200)}, with characters that no setting can hold; rename it")
    return path
