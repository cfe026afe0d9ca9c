"""Stage `data`: the questions to train on and to test on, in one form whatever their source.

Reads   the source that the profile names
Writes  data/train.jsonl, data/test.jsonl   a question a line: id, question, answer, gold
Params  profile: data
"""

import os
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.params import add_profile_argument, load_profile_section, profile_path
from src.core.records import write_records
from src.core.shapes import Count, PositiveCount
from src.regime_w.questions import Question
from src.sources.files import Splits, check_single_file, read_single_file
from src.sources.gsm8k import HUB, TRAIN, TestSet, find_split, read_split, read_test, test_splits
from src.sources.sandbox.problems import make_split
from src.stages import run_stage

SANDBOX = "sandbox"  # as a source
# Zero-width space, non-joiner and joiner, marks of direction, word joiner, byte order mark, soft hyphen.
NO_WIDTH = str.maketrans(dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))


@dataclass(frozen=True)
class DataSettings:
    """The section `data` of a profile.

    source                   `sandbox`, `hub`, or the path of a file, or of a folder with the splits of GSM8K (see
                             src/sources/gsm8k.py)
    train_questions          the first so many; None takes all
    test_questions           likewise; with `held_out` a number
    held_out                 index of the first training question that is held out: `test_questions` from there on stand in the
                             place of the source's test, which is not read, and not among those to train on; None: none is
    test_set                 of GSM8K; None is the source's own test
    max_question_characters  of a question, and of its worked solution; a source with a longer text is refused
    """

    source: str
    train_questions: PositiveCount | None
    test_questions: PositiveCount | None
    held_out: Count | None
    test_set: TestSet | None
    max_question_characters: PositiveCount

    def __post_init__(self) -> None:
        if self.held_out is not None and self.test_questions is None:
            raise InputError(
                f"held_out is {self.held_out}, but test_questions is null, which does not say how many are held out; "
                "give it a number"
            )

    def held_out_indices(self) -> range:
        """Of the training questions that are held out; empty where none is."""
        if self.held_out is None or self.test_questions is None:
            return range(0)
        return range(self.held_out, self.held_out + self.test_questions)


def check_source(settings: DataSettings) -> None:
    """InputError unless the source is there and the other settings fit it. No question is read, and the hub is not asked."""
    source, is_folder = settings.source, os.path.isdir(settings.source)
    if settings.test_set is not None and source != HUB and not is_folder:
        raise InputError(f"data.test_set is {settings.test_set!r}, but {source!r} has a test of its own; give null")
    if source == SANDBOX:
        problem_counts(settings)
    elif is_folder and source != HUB:
        test = () if settings.held_out is not None else test_splits(settings.test_set or "gsm8k")
        for published in (TRAIN, *test):
            find_split(Path(source), published)
    elif source != HUB:
        check_single_file(Path(source), settings.test_questions)


def load_splits(settings: DataSettings) -> Splits:
    """The questions from the source; InputError if it cannot be read or is too small."""
    check_source(settings)
    source, is_folder, max_characters = settings.source, os.path.isdir(settings.source), settings.max_question_characters
    if source == SANDBOX:
        found = make_problems(settings)
    elif source == HUB or is_folder:
        train_split = read_split(source, TRAIN, "train", max_characters)
        with_test = settings.held_out is None
        found = Splits(train_split, read_test(source, settings.test_set or "gsm8k", max_characters) if with_test else [])
    else:
        found = read_single_file(Path(source), settings.test_questions, max_characters)
    train = first(found.train, settings.train_questions, "train_questions", source)
    if settings.held_out is not None:
        check_held_out(settings, len(train), f"{source} has")
        return hold_out(train, settings.held_out_indices())
    test = first(found.test, settings.test_questions, "test_questions", source)
    if test and not any(question.decides for question in test):
        raise InputError(f"data.test_questions is {len(test)}, but none of these is in GSM8K-Platinum, which decides; raise it")
    return Splits(train, test)


def check_held_out(settings: DataSettings, there: int, place: str) -> None:
    """InputError unless the questions to hold out are there, and another one is; `place` is for the message: "hub has"."""
    held_out = settings.held_out_indices()
    if held_out.stop > there:
        raise InputError(
            f"data.held_out is {held_out.start} and data.test_questions is {len(held_out)}, which hold out questions "
            f"{held_out.start} to {held_out.stop - 1}, but {place} {there} to train on; lower one of them, or raise "
            "data.train_questions"
        )
    if len(held_out) == there:
        raise InputError(f"data.held_out is 0 and data.test_questions is {there}: no question is left to train on; lower it")


def hold_out(train: list[Question], held_out: range) -> Splits:
    """The training questions without those of these indices, each with its index, and those as the test."""
    kept = [replace(question, index=index) for index, question in enumerate(train) if index not in held_out]
    return Splits(kept, train[held_out.start : held_out.stop])


def make_problems(settings: DataSettings) -> Splits:
    """As many of the embedded word problems as the settings say."""
    train_problems, test_problems = problem_counts(settings)
    return Splits(make_split("train", train_problems), make_split("test", test_problems))


def problem_counts(settings: DataSettings) -> tuple[int, int]:
    """How many of the embedded word problems to train on, and to test on; InputError unless the settings say both."""
    if settings.train_questions is None or settings.test_questions is None:
        raise InputError("data.source is 'sandbox', which makes as many problems as asked: give both counts a number")
    return settings.train_questions, settings.test_questions


def first(questions: list[Question], count: int | None, key: str, source: str) -> list[Question]:
    """The first `count` questions, all for None; `key` of the settings and `source` are for the message."""
    if count is not None and count > len(questions):
        raise InputError(f"data.{key} is {count}, but {source} has {len(questions)}; lower it or give null for all")
    return questions[:count]


def check_disjoint(splits: Splits) -> None:
    """InputError for a question that is in both splits, whatever its case and its white space.

    A question that was copied through a page, a PDF or a spreadsheet comes back with other spaces, line ends or capitals, and
    is the same question to a model. Of GSM8K as it was published, no test question is in the training set by this measure.
    """
    of_train = {normalized(question.question): question for question in splits.train}
    shared = [(of_train[text], question) for question in splits.test if (text := normalized(question.question)) in of_train]
    if shared:
        learned, tested = shared[0]
        raise InputError(
            f"{len(shared)} questions are in both splits (case and white space aside), the first {tested.id!r} of the test, "
            f"{tested.question[:60]!r}, which is {learned.id!r} of the training set; the test would be no test: see to "
            "data.source, and leave each in one split"
        )


def normalized(text: str) -> str:
    """A text as it is compared with others: without case, and with one space for white space of any width and length.

    NFKC makes signs of one meaning the same (a no-break space and a space, a ligature and its letters); folding case may part
    them again, hence twice. Signs of no width would part words that look whole, so they go.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.translate(NO_WIDTH).split())


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
