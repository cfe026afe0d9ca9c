"""A question: one word problem with a gold answer."""

from dataclasses import dataclass
from typing import ClassVar

from src.core.shapes import FilledText, NumberText, Text


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
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("id",)
    TOGETHER: ClassVar[tuple[str, ...]] = ("gsm8k_gold", "in_platinum")

    id: FilledText
    question: FilledText
    answer: Text
    gold: NumberText
    restated: Text | None = None
    altered: Text | None = None
    altered_answer: Text | None = None
    kind: FilledText | None = None
    cleaning_status: Text | None = None
    gsm8k_gold: NumberText | None = None
    in_platinum: bool | None = None

    @property
    def decides(self) -> bool:
        """Whether the headline accuracy counts the question: all do, but those that Platinum has dropped."""
        return self.in_platinum is not False
