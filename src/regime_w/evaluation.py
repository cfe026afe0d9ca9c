"""Grading: whether a policy's greedy text answers its test question, and how often it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from src.core.shapes import Count, FilledText, NonNegative, NumberText, Positive, PositiveCount, Share, Text
from src.regime_w.answers import canonical, extract_answer
from src.regime_w.questions import Question
from src.regime_w.statistics import wilson_interval
from src.regime_w.texts import FinishReason, PolicyText


@dataclass(frozen=True)
class Evaluation:
    """A record of outputs/<policy>_eval.jsonl: a test question, what the policy wrote, and whether it is right.

    answer         the text's answer in canonical form, None without one; no answer is never correct
    correct        by `gold`
    gsm8k_correct  by GSM8K's own gold, where the questions are scored on both sets
    in_platinum    whether Platinum has the question, likewise
    kind           the question's family: an embedded problem's structure
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("id",)
    TOGETHER: ClassVar[tuple[str, ...]] = ("gsm8k_correct", "in_platinum")

    id: FilledText
    question: FilledText
    gold: NumberText
    text: Text
    answer: Text | None
    correct: bool
    n_tokens: Count
    finish_reason: FinishReason
    gsm8k_correct: bool | None = None
    in_platinum: bool | None = None
    kind: FilledText | None = None

    @property
    def decides(self) -> bool:
        """Whether the headline accuracy counts the question: all do, but those that Platinum has dropped."""
        return self.in_platinum is not False


@dataclass(frozen=True)
class Accuracy:
    """Correct answers of one policy on one test set; the interval is Wilson's."""

    accuracy: Share
    ci_low: Share
    ci_high: Share
    correct: Count
    questions: PositiveCount


@dataclass(frozen=True)
class SampledMetrics:
    """Of the sampled texts of one policy, for the questions that decide.

    samples          texts of each question, at this temperature
    mean_accuracy    mean over the questions of the share of its texts that are right
    ci_low, ci_high  of mean_accuracy, by a bootstrap over the questions
    unparsed_share   of all texts: those without an answer
    majority         of the answers that most texts of a question give
    """

    samples: PositiveCount
    temperature: Positive
    mean_accuracy: Share
    ci_low: Share
    ci_high: Share
    unparsed_share: Share
    majority: Accuracy


@dataclass(frozen=True)
class EvaluationMetrics:
    """metrics/<policy>.json. Where questions are scored on two sets, the figures are Platinum's and GSM8K's stand in `gsm8k`.

    no_answer    texts without an answer
    truncated    texts that the limit of tokens ended
    mean_tokens  of a text, the end-of-text token included
    sampled      of the sampled texts, where some were asked for; all else is of the greedy ones
    """

    accuracy: Share
    ci_low: Share
    ci_high: Share
    correct: Count
    questions: PositiveCount
    no_answer: Count
    truncated: Count
    mean_tokens: NonNegative
    gsm8k: Accuracy | None = None
    sampled: SampledMetrics | None = None


def grade(question: Question, written: PolicyText) -> Evaluation:
    """The evaluation of one text; by both golds where the question has two."""
    answer = extract_answer(written.text)
    return Evaluation(
        id=question.id,
        question=question.question,
        gold=question.gold,
        text=written.text,
        answer=None if answer is None else canonical(answer),
        correct=answer is not None and answer == Fraction(question.gold),
        n_tokens=written.n_tokens,
        finish_reason=written.finish_reason,
        gsm8k_correct=None if question.gsm8k_gold is None else answer is not None and answer == Fraction(question.gsm8k_gold),
        in_platinum=question.in_platinum,
        kind=question.kind,
    )


def accuracy_of(correct: Sequence[bool], confidence: float) -> Accuracy:
    """Of at least one question."""
    interval = wilson_interval(sum(correct), len(correct), confidence)
    return Accuracy(
        accuracy=sum(correct) / len(correct),
        ci_low=interval.low,
        ci_high=interval.high,
        correct=sum(correct),
        questions=len(correct),
    )


def evaluation_metrics(
    every: Sequence[Evaluation], confidence: float, sampled: SampledMetrics | None = None
) -> EvaluationMetrics:
    """Counts and shares over the evaluations, of which at least one decides; lengths in tokens."""
    records = [record for record in every if record.decides]
    headline = accuracy_of([record.correct for record in records], confidence)
    by_gsm8k = [record.gsm8k_correct for record in every if record.gsm8k_correct is not None]
    return EvaluationMetrics(
        accuracy=headline.accuracy,
        ci_low=headline.ci_low,
        ci_high=headline.ci_high,
        correct=headline.correct,
        questions=headline.questions,
        no_answer=sum(record.answer is None for record in records),
        truncated=sum(record.finish_reason == "length" for record in records),
        mean_tokens=sum(record.n_tokens for record in records) / len(records),
        gsm8k=accuracy_of(by_gsm8k, confidence) if by_gsm8k else None,
        sampled=sampled,
    )
