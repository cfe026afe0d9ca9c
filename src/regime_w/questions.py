"""A question: one word problem with a gold answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from src.core.shapes import Count, FilledText, NumberText


@dataclass(frozen=True)
class Question:
    """A record of data/train.jsonl and data/test.jsonl.

    answer           the worked solution, which ends in `#### <number>`
    gold             the right answer, an exact number in canonical form
    restated         an embedded problem: the same problem in another wording
    altered          an embedded problem: the same numbers and wording with other names and things
    altered_answer   the worked solution of `altered`
    kind             an embedded problem's structure
    cleaning_status  of GSM8K-Platinum
    gsm8k_gold       by GSM8K's own test, where a question is scored on both sets; `gold` is Platinum's then
    in_platinum      whether Platinum has the question, where it is scored on both sets
    index            among the training questions of its source, where some are held out; else its line tells, counted from 0
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("id",)
    TOGETHER: ClassVar[tuple[str, ...]] = ("gsm8k_gold", "in_platinum")

    id: FilledText
    question: FilledText
    answer: str
    gold: NumberText
    restated: str | None = None
    altered: str | None = None
    altered_answer: str | None = None
    kind: FilledText | None = None
    cleaning_status: str | None = None
    gsm8k_gold: NumberText | None = None
    in_platinum: bool | None = None
    index: Count | None = None

    @property
    def decides(self) -> bool:
        """Whether the headline accuracy counts the question: all do, but those that Platinum has dropped."""
        return self.in_platinum is not False


def between(questions: Sequence[Question], first: int, end: int | None = None) -> list[Question]:
    """Those of the indices first … end - 1 (None: to the last), which count what is held out too.

    questions  all of data/train.jsonl, in file order
    """
    indices = (line if question.index is None else question.index for line, question in enumerate(questions))
    return [
        question for index, question in zip(indices, questions, strict=True) if index >= first and (end is None or index < end)
    ]


def end_of(questions: Sequence[Question]) -> int:
    """The index behind the last question of data/train.jsonl: how many there are, with those held out before it."""
    if not questions:
        return 0
    last = questions[-1].index
    return len(questions) if last is None else last + 1
