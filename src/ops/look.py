"""Find a question of a run, and gather all that the run made of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from src.core.errors import InputError, shown
from src.ops.run_files import POLICIES, RunFiles
from src.regime_w.evaluation import Evaluation
from src.regime_w.preferences import Pair
from src.regime_w.questions import Question
from src.regime_w.scoring import Rollout

TRAIN, TEST = "data/train.jsonl", "data/test.jsonl"
ROLLOUTS, PAIRS = "data/regime_w_rollouts.jsonl", "data/coherence_preferences.jsonl"


@dataclass(frozen=True)
class Found:
    """A question that matches. `file` is TRAIN or TEST, `line` its line there, counted from 0."""

    file: str
    line: int
    question: Question


@dataclass(frozen=True)
class TrainingLook:
    """A training question: its eleven trajectories, None where it was not asked, and its pairs, None where no file has any.

    missing  why files of the run could not be read
    """

    found: Found
    rollout: Rollout | None
    pairs: tuple[Pair, ...] | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class TestLook:
    """A test question: the evaluation of each policy that has one, in the order of POLICIES. `missing` as above."""

    found: Found
    evaluations: tuple[tuple[str, Evaluation], ...]
    missing: tuple[str, ...]


def find(files: RunFiles, wanted: Sequence[str]) -> list[Found]:
    """The questions that match, training questions first, at least one.

    wanted  an id; or a number, which is a line of data/train.jsonl counted from 0 (`test 7`: of data/test.jsonl); or words,
            all of which the question holds, in letters of either size
    InputError where none matches.
    """
    by_line = _line_of(wanted)
    if by_line is not None:
        file, line = by_line
        found = [item for item in _questions(files, file) if item.line == line]
        cure = f"give a number below the number of lines of {file}"
    else:
        text = " ".join(wanted)
        every = [item for file in (TRAIN, TEST) for item in _questions(files, file)]
        found = [item for item in every if item.question.id == text] or [item for item in every if _holds(item.question, wanted)]
        cure = "give an id, a number, or words of the question"
    if not found:
        raise InputError(f"no question matches {shown(' '.join(wanted))}; {cure}")
    return found


def _line_of(wanted: Sequence[str]) -> tuple[str, int] | None:
    """File and line of `7`, `train 7`, `test 7`; None where it is no such thing."""
    names = {"train": TRAIN, "test": TEST}
    file = names[wanted[0]] if len(wanted) == 2 and wanted[0] in names else TRAIN if len(wanted) == 1 else None
    number = wanted[-1]
    return (file, int(number)) if file and number.isascii() and number.isdigit() and len(number) < 19 else None


def _questions(files: RunFiles, file: str) -> Iterator[Found]:
    for line, question in enumerate(files.stream(file, Question)):
        yield Found(file, line, question)


def _holds(question: Question, words: Sequence[str]) -> bool:
    text = f"{question.id} {question.question}".casefold()
    return all(word.casefold() in text for word in words)


def asked_ids(files: RunFiles) -> frozenset[str]:
    """The training questions that have trajectories; none where the rollouts are not there."""
    if files.lacks(ROLLOUTS):
        return frozenset()
    return frozenset(rollout.question_id for rollout in files.stream(ROLLOUTS, Rollout))


def look(files: RunFiles, found: Found) -> TrainingLook | TestLook:
    """All that the run made of the question. InputError for a file that is there and broken."""
    if found.file == TRAIN:
        return _look_at_training(files, found)
    names = {policy: f"outputs/{policy}_eval.jsonl" for policy in POLICIES}
    missing = tuple(why for name in names.values() if (why := files.lacks(name)))
    evaluations = tuple(
        (policy, evaluation)
        for policy, name in names.items()
        if not files.lacks(name)
        for evaluation in files.stream(name, Evaluation)
        if evaluation.id == found.question.id
    )
    return TestLook(found, evaluations, missing)


def _look_at_training(files: RunFiles, found: Found) -> TrainingLook:
    missing = tuple(why for name in (ROLLOUTS, PAIRS) if (why := files.lacks(name)))
    key = found.question.id
    rollouts = iter(()) if files.lacks(ROLLOUTS) else files.stream(ROLLOUTS, Rollout)
    rollout = next((item for item in rollouts if item.question_id == key), None)
    pairs = None if files.lacks(PAIRS) else tuple(pair for pair in files.stream(PAIRS, Pair) if pair.question_id == key)
    return TrainingLook(found, rollout, pairs, missing)
