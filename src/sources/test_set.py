"""The test set as stage `data` keeps it."""

from pathlib import Path

from src.core.errors import InputError
from src.core.records import read_records
from src.regime_w.questions import Question

TEST_SET = Path("data/test.jsonl")


def read_test_set() -> list[Question]:
    """The test questions in file order; InputError if the file is not readable or no question of it decides."""
    questions = read_records(TEST_SET, Question)
    if not any(question.decides for question in questions):
        raise InputError(f"{TEST_SET}: no question is in GSM8K-Platinum, which decides; run `dvc repro data`")
    return questions
