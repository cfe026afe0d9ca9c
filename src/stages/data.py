"""Stage `data`: the questions to train on and to test on, in one form whatever their source.

Reads   the source that the profile names
Writes  data/train.jsonl, data/test.jsonl   a question a line: id, question, answer, gold
Params  profile: data
"""

import os
from dataclasses import dataclass
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.params import add_profile_argument, load_profile_section, profile_path
from src.core.records import write_records
from src.core.shapes import PositiveCount, Text
from src.regime_w.questions import Question
from src.sources.files import Splits, read_single_file
from src.sources.gsm8k import HUB, TRAIN, TestSet, read_split, read_test
from src.sources.sandbox.problems import make_split
from src.stages import run_stage

SANDBOX = "sandbox"  # as a source


@dataclass(frozen=True)
class DataSettings:
    """The section `data` of a profile.

    source           `sandbox`, `hub`, or the path of a file, or of a folder with the splits of GSM8K (see src/sources/gsm8k.py)
    train_questions  the first so many; None takes all
    test_questions   likewise
    test_set         of GSM8K; None is the source's own test
    """

    source: Text
    train_questions: PositiveCount | None
    test_questions: PositiveCount | None
    test_set: TestSet | None


def load_splits(settings: DataSettings) -> Splits:
    """The questions from the source; InputError if it cannot be read or is too small."""
    source, is_folder = settings.source, os.path.isdir(settings.source)
    if settings.test_set is not None and source != HUB and not is_folder:
        raise InputError(f"data.test_set is {settings.test_set!r}, but {source!r} has a test of its own; give null")
    if source == SANDBOX:
        found = make_problems(settings)
    elif source == HUB or is_folder:
        found = Splits(read_split(source, TRAIN, "train"), read_test(source, settings.test_set or "gsm8k"))
    else:
        found = read_single_file(Path(source), settings.test_questions)
    train = first(found.train, settings.train_questions, "train_questions", source)
    test = first(found.test, settings.test_questions, "test_questions", source)
    if test and not any(question.decides for question in test):
        raise InputError(f"data.test_questions is {len(test)}, but none of these is in GSM8K-Platinum, which decides; raise it")
    return Splits(train, test)


def make_problems(settings: DataSettings) -> Splits:
    """As many of the embedded word problems as the settings say."""
    if settings.train_questions is None or settings.test_questions is None:
        raise InputError("data.source is 'sandbox', which makes as many problems as asked: give both counts a number")
    return Splits(make_split("train", settings.train_questions), make_split("test", settings.test_questions))


def first(questions: list[Question], count: int | None, key: str, source: str) -> list[Question]:
    """The first `count` questions, all for None; `key` of the settings and `source` are for the message."""
    if count is not None and count > len(questions):
        raise InputError(f"data.{key} is {count}, but {source} has {len(questions)}; lower it or give null for all")
    return questions[:count]


def check_disjoint(splits: Splits) -> None:
    """InputError for a question that is in both splits."""
    if shared := {question.question for question in splits.train} & {question.question for question in splits.test}:
        raise InputError(
            f"{len(shared)} questions are in both splits, the first {min(shared)[:60]!r}; the test would be no test: "
            "see to data.source"
        )


def main() -> None:
    parser = command_line("python -m src.stages.data", __doc__)
    add_profile_argument(parser)
    splits = load_splits(load_profile_section("data", DataSettings, profile_path(parser.parse_args().profile)))
    check_disjoint(splits)
    write_records(Path("data/train.jsonl"), Question, splits.train)
    write_records(Path("data/test.jsonl"), Question, splits.test)
    print(f"data: {len(splits.train):,} questions to train on, {len(splits.test):,} to test on")


if __name__ == "__main__":
    run_stage(main)
