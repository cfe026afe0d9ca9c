"""The test questions as the page lists them: what both policies wrote, and where their texts part."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from src.core.errors import InputError
from src.regime_w.differences import Step, differences
from src.regime_w.evaluation import Evaluation
from src.regime_w.verdict import Verdict
from src.report.plain_text import cut, visible

# `dropped`: the headline does not count it, as Platinum has dropped it.
Outcome = Literal["fixed", "broken", "wrong", "right", "dropped"]
OUTCOMES: tuple[Outcome, ...] = ("fixed", "broken", "wrong", "right", "dropped")


@dataclass(frozen=True)
class Side:
    """What one policy wrote for a question.

    steps          the text; see src/regime_w/differences.py
    cut_off        whether the limit of tokens ended it
    gsm8k_correct  by GSM8K's own answer, where the questions are scored on two sets
    """

    answer: str | None
    correct: bool
    n_tokens: int
    cut_off: bool
    steps: tuple[Step, ...]
    gsm8k_correct: bool | None = None


@dataclass(frozen=True)
class Flip:
    """A test question; `first_step` is the first that differs, counted from 0, None where the texts say the same."""

    id: str
    question: str
    gold: str
    outcome: Outcome
    first_step: int | None
    baseline: Side
    coherence: Side
    kind: str | None = None


@dataclass(frozen=True)
class Answered:
    """A test question with what both policies wrote; both evaluations are of one id."""

    baseline: Evaluation
    coherence: Evaluation

    @property
    def outcome(self) -> Outcome:
        if not self.baseline.decides:
            return "dropped"
        if self.baseline.correct:
            return "right" if self.coherence.correct else "broken"
        return "fixed" if self.coherence.correct else "wrong"


@dataclass(frozen=True)
class Outcomes:
    """How many questions have each outcome."""

    fixed: int
    broken: int
    wrong: int
    right: int
    dropped: int

    @property
    def counted(self) -> int:
        return self.fixed + self.broken + self.wrong + self.right


def answered(baseline: Sequence[Evaluation], coherence: Sequence[Evaluation], verdict: Verdict) -> tuple[Answered, ...]:
    """Both evaluations by question: those fixed first, then those broken, wrong in both, right in both, and those not counted.

    InputError unless both are of the same questions, and `verdict` of them.
    """
    of_id = {evaluation.id: evaluation for evaluation in coherence}
    if len(of_id) != len(baseline) or any(evaluation.id not in of_id for evaluation in baseline):
        raise InputError(
            f"outputs/baseline_eval.jsonl and outputs/coherence_eval.jsonl are of other questions ({len(baseline)} and "
            f"{len(of_id)}); run `dvc repro` for both"
        )
    questions = [Answered(evaluation, of_id[evaluation.id]) for evaluation in baseline]
    found = outcomes(questions)
    if (found.fixed, found.broken, found.counted) != (verdict.fixed, verdict.broken, verdict.questions):
        raise InputError(
            f"outputs/baseline_eval.jsonl and outputs/coherence_eval.jsonl have {found.fixed} questions fixed and {found.broken} "
            f"broken of {found.counted}, metrics/verdict.json has {verdict.fixed} and {verdict.broken} of {verdict.questions}; "
            "run `dvc repro compare`"
        )
    return tuple(sorted(questions, key=lambda question: OUTCOMES.index(question.outcome)))


def outcomes(questions: Sequence[Answered]) -> Outcomes:
    found = [question.outcome for question in questions]
    return Outcomes(*(found.count(outcome) for outcome in OUTCOMES))


def flips(questions: Sequence[Answered], limit: int) -> Iterator[Flip]:
    """The questions as the page shows them, each text cut at `limit` characters."""
    for question in questions:
        baseline, coherence = question.baseline, question.coherence
        found = differences(visible(cut(baseline.text, limit)), visible(cut(coherence.text, limit)))
        yield Flip(
            id=visible(baseline.id),
            question=visible(cut(baseline.question, limit)),
            gold=baseline.gold,
            outcome=question.outcome,
            first_step=found.first_step,
            baseline=_side(baseline, found.one),
            coherence=_side(coherence, found.other),
            kind=None if baseline.kind is None else visible(baseline.kind),
        )


def _side(evaluation: Evaluation, steps: tuple[Step, ...]) -> Side:
    return Side(
        answer=evaluation.answer,
        correct=evaluation.correct,
        n_tokens=evaluation.n_tokens,
        cut_off=evaluation.finish_reason == "length",
        steps=steps,
        gsm8k_correct=evaluation.gsm8k_correct,
    )
