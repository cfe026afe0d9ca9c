"""Grading: whether a policy's texts answer their test question, and how often they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from src.core.shapes import Count, FilledText, NonNegative, NumberText, Positive, PositiveCount, Share
from src.regime_w.answers import canonical, extract_answer
from src.regime_w.questions import Question
from src.regime_w.sampled import SampledEvaluation, grade_samples
from src.regime_w.statistics import mean_bootstrap_interval, wilson_interval
from src.regime_w.texts import FinishReason, PolicyText


@dataclass(frozen=True)
class Evaluation:
    """A record of outputs/<policy>_eval.jsonl: a test question, what the policy wrote, and whether it is right.

    answer         the text's answer in canonical form, None without one; no answer is never correct
    correct        by `gold`
    gsm8k_correct  by GSM8K's own gold, where the questions are scored on both sets
    in_platinum    whether Platinum has the question, likewise
    kind           the question's family: an embedded problem's structure
    sampled        of the sampled texts, by `gold`, where there are some; all else is of the greedy one
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("id",)
    TOGETHER: ClassVar[tuple[str, ...]] = ("gsm8k_correct", "in_platinum")

    id: FilledText
    question: FilledText
    gold: NumberText
    text: str
    answer: str | None
    correct: bool
    n_tokens: Count
    finish_reason: FinishReason
    gsm8k_correct: bool | None = None
    in_platinum: bool | None = None
    kind: FilledText | None = None
    sampled: SampledEvaluation | None = None

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
    """The evaluation of one policy's texts for a question; of the greedy one by both golds where the question has two."""
    answer, gold = extract_answer(written.text), Fraction(question.gold)
    return Evaluation(
        id=question.id,
        question=question.question,
        gold=question.gold,
        text=written.text,
        answer=None if answer is None else canonical(answer),
        correct=answer is not None and answer == gold,
        n_tokens=written.n_tokens,
        finish_reason=written.finish_reason,
        gsm8k_correct=None if question.gsm8k_gold is None else answer is not None and answer == Fraction(question.gsm8k_gold),
        in_platinum=question.in_platinum,
        kind=question.kind,
        sampled=None if written.sampled is None else grade_samples(gold, written.sampled),
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


def sampled_metrics(records: Sequence[SampledEvaluation], confidence: float) -> SampledMetrics:
    """Over the questions that decide, one at least, all of as many samples at one temperature."""
    samples, right = records[0].samples, [record.right for record in records]
    interval = mean_bootstrap_interval(right, samples, confidence)
    texts = samples * len(records)
    return SampledMetrics(
        samples=samples,
        temperature=records[0].temperature,
        mean_accuracy=sum(right) / texts,
        ci_low=interval.low,
        ci_high=interval.high,
        unparsed_share=sum(record.unparsed for record in records) / texts,
        majority=accuracy_of([record.correct for record in records], confidence),
    )


def evaluation_metrics(every: Sequence[Evaluation], confidence: float) -> EvaluationMetrics:
    """Counts and shares over the evaluations, of which at least one decides; lengths in tokens.

    All of the evaluations have as many samples at one temperature, or none has any.
    """
    records = [record for record in every if record.decides]
    headline = accuracy_of([record.correct for record in records], confidence)
    sampled = [record.sampled for record in records if record.sampled is not None]
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
        sampled=sampled_metrics(sampled, confidence) if sampled else None,
    )
