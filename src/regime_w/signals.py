"""What a signal is worth: how well each score and each credit tells right answers from wrong ones.

A score of a question is worth what it says about the canonical arm (PROBE_A), whose prompt training and evaluation use: its
AUC is the share of all couples of a question that this arm answers correctly and one that it does not in which the first has
more of the score (Mann and Whitney 1947). A credit of a trajectory is worth what it says inside a question: the share of all
couples of a correct and an incorrect trajectory of the same question in which the correct one has more. Ties count half, so
that 0.5 is chance. The gold answers enter here and no score.

Intervals are percentiles of a bootstrap over questions (Efron and Tibshirani 1993, chapter 13), since a question's eleven
trajectories are not independent. Questions that count alike are one cell of a table, and a resample of all questions is one
multinomial draw of the cells' counts. So the couples of all trajectories take a table of fixed size, the order of the
questions changes no digit, and one way serves any number of questions: its time grows with their number as that of scoring
does. All sums are of whole numbers, so they have no error.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from src.core.shapes import Count, FilledText, Share
from src.regime_w.arms import ARM_NAMES, PROBE_A
from src.regime_w.scoring import Rollout

Signal = Literal["s_end", "s_path", "s_cf", "end", "path", "cf", "conciseness", "alignment", "quality", "reward"]
SCORES: tuple[Signal, ...] = ("s_end", "s_path", "s_cf")
CREDITS: tuple[Signal, ...] = ("end", "path", "cf", "conciseness", "alignment", "quality", "reward")
Over = Literal["all questions", "unanimous questions", "within a question"]

RESAMPLES = 1000
BATCH = 128  # questions whose trajectories are compared at once; few enough for the cache of a processor
MAX_DRAWN = 1 << 17  # counts, 8 bytes each, drawn at once: all resamples would grow with the questions; one may have more

Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class SignalWorth:
    """How well one signal tells correct from incorrect.

    questions  all; those with s_end = 1; or, within a question, those with a correct and an incorrect trajectory
    couples    of a correct and an incorrect one, over all these questions
    auc        share of the couples in which the correct one has more, ties counting half: 0.5 is chance, 1 is always
    undefined  why there is no AUC, and so no interval; None where there is
    """

    name: Signal
    over: Over
    questions: Count
    couples: Count
    auc: Share | None
    ci_low: Share | None
    ci_high: Share | None
    undefined: FilledText | None

    def __post_init__(self) -> None:
        if {self.auc is None, self.ci_low is None, self.ci_high is None} != {self.undefined is not None}:
            raise ValueError("auc, ci_low and ci_high must all be numbers, or all be null and undefined say why")
        if self.ci_low is not None and self.ci_high is not None and self.ci_low > self.ci_high:
            raise ValueError(f"ci_low {self.ci_low} is above ci_high {self.ci_high}")


# --- wins ---


class Wins(NamedTuple):
    """Of one or many resamples, all of one shape: couples, and twice those that the correct one wins, ties counting once."""

    doubled: Counts
    couples: Counts


Compared = Callable[[Counts], Wins]  # from the counts of a table's cells, shape (..., cells)


def score_table(scores: NDArray[np.float64], correct: NDArray[np.bool_]) -> Counts:
    """Incorrect and correct questions by score, in rising order: shape (cells, 2), at least one question.

    scores, correct  shape (questions,)
    Neighbours of one class share a cell: whatever is drawn of them, they win over the same others.
    """
    _, place = np.unique(scores, return_inverse=True)
    table = np.bincount(2 * place + correct, minlength=2 * (int(place.max()) + 1)).reshape(-1, 2)
    mixed, has_correct = table.all(axis=1), table[:, 1] > 0
    begins = mixed[1:] | mixed[:-1] | (has_correct[1:] != has_correct[:-1])
    cells: Counts = np.add.reduceat(table, np.append(0, 1 + np.flatnonzero(begins)))
    return cells


def score_wins(counts: Counts) -> Wins:
    """Wins of the correct over the incorrect questions, from the counts of a `score_table`, shape (..., 2 · cells)."""
    incorrect, correct = counts[..., 0::2], counts[..., 1::2]
    # All below are won and all in the same cell are tied.
    doubled = (correct * (2 * np.cumsum(incorrect, axis=-1) - incorrect)).sum(axis=-1)
    return Wins(doubled, correct.sum(axis=-1) * incorrect.sum(axis=-1))


def credit_wins(credits: NDArray[np.float64], correct: NDArray[np.bool_]) -> Counts:
    """Twice the couples of each question that the correct trajectory wins, ties counting once: shape (credits, questions).

    credits  shape (questions, arms, credits)
    correct  shape (questions, arms)
    """
    # Questions stand last, so that a processor compares many of them at once.
    values, right = np.ascontiguousarray(credits.transpose(1, 2, 0)), np.ascontiguousarray(correct.T)
    ours, theirs = values[:, None], values[None]
    doubled = (ours > theirs).view(np.int8) + (ours >= theirs).view(np.int8)
    doubled *= (right[:, None] & ~right[None])[:, :, None]
    wins: Counts = doubled.sum(axis=(0, 1), dtype=np.int16).astype(np.int64)
    return wins


@dataclass(frozen=True)
class CreditTable:
    """Of each cell, shape (cells,): `credit_wins` and the number of couples of each of its questions."""

    doubled: Counts
    couples: Counts

    def wins(self, counts: Counts) -> Wins:
        """Of the questions by cell, shape (..., cells)."""
        return Wins(counts @ self.doubled, counts @ self.couples)


# --- the bootstrap ---


def resamples(counts: Counts, generator: np.random.Generator) -> Iterator[Counts]:
    """RESAMPLES draws of as many questions with replacement, several at once: shape (some, cells).

    counts  questions by cell, shape (cells,). How many are drawn at once changes no draw.
    """
    # A cell without a question is left out: rounding could give it the last of them.
    filled, questions = np.flatnonzero(counts), counts.sum()
    at_once = max(1, MAX_DRAWN // len(counts))
    for first in range(0, RESAMPLES, at_once):
        drawn: Counts = np.zeros((min(at_once, RESAMPLES - first), len(counts)), dtype=np.int64)
        drawn[:, filled] = generator.multinomial(questions, counts[filled] / questions, size=len(drawn))
        yield drawn


def _worth(name: Signal, over: Over, questions: int, counts: Counts, compared: Compared, confidence: float) -> SignalWorth:
    """Of a table with a couple; resamples without one are left out."""
    doubled, couples = compared(counts)
    # Each signal has draws of its own, whichever others there are.
    generator = np.random.default_rng(list(f"{name}, {over}".encode()))
    found = []
    for drawn in resamples(counts, generator):
        wins = compared(drawn)
        defined = wins.couples > 0
        found.append(wins.doubled[defined] / (2 * wins.couples[defined]))
    tail = (1 - confidence) / 2
    low, high = (float(np.quantile(np.concatenate(found), share)) for share in (tail, 1 - tail))
    return SignalWorth(name, over, questions, int(couples), float(doubled / (2 * couples)), low, high, None)


def _undefined(name: Signal, over: Over, questions: int, why: str) -> SignalWorth:
    return SignalWorth(name, over, questions, couples=0, auc=None, ci_low=None, ci_high=None, undefined=why)


# --- the tally ---

_scores_of = attrgetter(*SCORES)
_credits_of = attrgetter(*CREDITS)
_PLACE_OF_A = ARM_NAMES.index(PROBE_A)
# Of `credit_wins`: half of the trajectories win over the other half.
_MOST_WINS = 2 * (len(ARM_NAMES) // 2) * (len(ARM_NAMES) - len(ARM_NAMES) // 2)


class SignalTally:
    """The worth of all signals from rollouts that come one after the other; of a question it keeps 25 bytes."""

    def __init__(self) -> None:
        self._scores = array("d")  # three a question
        self._canonical = bytearray()  # whether the canonical arm is correct, one a question
        # Of the questions that wait to be compared: the credits of each trajectory, and whether it is correct.
        self._credits: list[tuple[float, ...]] = []
        self._correct: list[bool] = []
        # Questions by credit, trajectories of the rarer class (3 correct make as many couples as 8), and `credit_wins`.
        self._table: Counts = np.zeros((len(CREDITS), len(ARM_NAMES) // 2 + 1, _MOST_WINS + 1), dtype=np.int64)

    def add(self, rollout: Rollout) -> None:
        self._scores.extend(_scores_of(rollout))
        self._canonical.append(rollout.trajectories[_PLACE_OF_A].correct)
        correct = [trajectory.correct for trajectory in rollout.trajectories]
        if any(correct) and not all(correct):
            self._correct += correct
            self._credits += map(_credits_of, rollout.trajectories)
            if len(self._correct) >= BATCH * len(ARM_NAMES):
                self._compare()

    def merge(self, other: "SignalTally") -> None:
        """Add the rollouts of another tally."""
        self._scores += other._scores
        self._canonical += other._canonical
        self._table += other._table
        self._correct += other._correct
        self._credits += other._credits
        if len(self._correct) >= BATCH * len(ARM_NAMES):
            self._compare()

    def _compare(self) -> None:
        """Move the waiting trajectories into the table."""
        credits = np.array(self._credits, dtype=np.float64).reshape(-1, len(ARM_NAMES), len(CREDITS))
        correct = np.array(self._correct, dtype=bool).reshape(-1, len(ARM_NAMES))
        rarer = np.minimum(correct.sum(axis=1), (~correct).sum(axis=1))
        cells = rarer * (_MOST_WINS + 1) + credit_wins(credits, correct)
        for table, cell in zip(self._table, cells, strict=True):
            table += np.bincount(cell, minlength=table.size).reshape(table.shape)
        self._credits, self._correct = [], []

    def metrics(self, confidence: float) -> tuple[SignalWorth, ...]:
        """Of at least one rollout; the intervals have this confidence, 0.95 is 95 %.

        Beyond a confidence of 0.998 the bounds are near the least and the greatest of RESAMPLES resamples, and too narrow.
        """
        self._compare()
        return (*self._of_scores(confidence), *self._of_credits(confidence))

    def _of_scores(self, confidence: float) -> Iterator[SignalWorth]:
        scores = np.array(self._scores).reshape(-1, len(SCORES))
        correct = np.array(self._canonical, dtype=bool)
        unanimous = scores[:, SCORES.index("s_end")] == 1
        yield from _of_questions("all questions", scores, correct, confidence)
        yield from _of_questions("unanimous questions", scores[unanimous], correct[unanimous], confidence)

    def _of_credits(self, confidence: float) -> Iterator[SignalWorth]:
        for name, table in zip(CREDITS, self._table, strict=True):
            rarer, doubled = np.nonzero(table)
            counts = table[rarer, doubled]
            questions = int(counts.sum())
            if not questions:
                yield _undefined(name, "within a question", 0, "no question has a correct and an incorrect trajectory")
                continue
            # Questions without a couple may be drawn as well.
            counts = np.append(counts, len(self._canonical) - questions)
            compared = CreditTable(doubled=np.append(doubled, 0), couples=np.append(rarer * (len(ARM_NAMES) - rarer), 0))
            yield _worth(name, "within a question", questions, counts, compared.wins, confidence)


def _of_questions(
    over: Over, scores: NDArray[np.float64], correct: NDArray[np.bool_], confidence: float
) -> Iterator[SignalWorth]:
    """The worth of each score; shapes (questions, scores) and (questions,)."""
    for name, values in zip(SCORES, scores.T, strict=True):
        if not len(correct):
            yield _undefined(name, over, 0, "no question is unanimous")
        elif correct.all() or not correct.any():
            found = "correct" if correct.any() else "incorrect"
            yield _undefined(name, over, len(correct), f"the canonical arm is {found} in each of these questions")
        else:
            yield _worth(name, over, len(correct), score_table(values, correct).ravel(), score_wins, confidence)
