"""Grading of sampled texts: how many of a question's are right, and what the majority of them says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from src.core.shapes import Count, Positive, PositiveCount
from src.regime_w.answers import canonical, extract_answer
from src.regime_w.texts import SampledText


@dataclass(frozen=True)
class SampledEvaluation:
    """What the sampled texts of a test question answer.

    right     texts whose answer is the gold
    unparsed  texts without an answer, which vote for nothing and are never right
    majority  the answer of the most texts, in canonical form; None where no text has one
    votes     texts with that answer
    correct   whether the majority's answer is the gold
    """

    samples: PositiveCount
    temperature: Positive
    right: Count
    unparsed: Count
    majority: str | None
    votes: Count
    correct: bool

    def __post_init__(self) -> None:
        parsed = self.samples - self.unparsed
        if max(self.right, self.votes) > parsed:
            raise ValueError(
                f"{self.samples} samples, {self.unparsed} of them unparsed, cannot give {self.right} right and {self.votes} votes"
            )
        if (self.majority is None) != (self.votes == 0) or (self.votes == 0) != (parsed == 0):
            raise ValueError(f"majority {self.majority} has {self.votes} votes, where {parsed} samples have an answer")
        if self.right > self.votes or (self.correct and not 0 < self.right == self.votes):
            told = "correct" if self.correct else "not correct"
            raise ValueError(f"the majority has {self.votes} votes and is {told}, which {self.right} right cannot give")


def majority_answer(answers: Sequence[Fraction | None]) -> Fraction | None:
    """The answer that the most texts give, by value; None where none gives one.

    answers  of a question's texts in the order of their numbers, None of a text without one, which has no vote
    Of answers with equally many votes it is the one that a text gave first, by the texts' numbers. These are drawn alike, so
    that none of the tied is favoured; neither the gold nor an answer's size has a say, and the same texts give the same.
    Source: Wang et al. 2022, Self-Consistency, arXiv:2203.11171, unweighted vote; the rule for ties is ours.
    """
    votes = Counter(answer for answer in answers if answer is not None)
    # A Counter has its keys in the order in which they came, and of the greatest `max` takes the first.
    return max(votes, key=votes.__getitem__, default=None)


def grade_samples(gold: Fraction, texts: Sequence[SampledText]) -> SampledEvaluation:
    """The evaluation of a question's texts, one at least, in the order of their numbers."""
    answers = [extract_answer(written.text) for written in texts]
    majority = majority_answer(answers)
    return SampledEvaluation(
        samples=len(texts),
        temperature=texts[0].temperature,
        right=answers.count(gold),
        unparsed=answers.count(None),
        majority=None if majority is None else canonical(majority),
        votes=0 if majority is None else answers.count(majority),
        correct=majority == gold,
    )
