"""Iterated training: what one round has changed, what all have changed together, and when the gain is gone.

A round samples questions that are new to the base, trains on the pairs of them, and merges the adapter into the base: the base
of the next round. Every round answers the same held-out questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from src.core.shapes import Count, FilledText, PositiveCount, Seed
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.verdict import RunVerdict, Verdict, paired_verdict

# A digit a question, in the order of the held-out questions: 1 where the answer is correct.
Marks = Annotated[str, Field(pattern="^[01]+$")]


@dataclass(frozen=True)
class Round:
    """One round, compared with the round before it: `verdict` has that as its baseline.

    number            from 1 on; round 0 is the base before any round
    digest            of all that decides the result: settings, code, versions of packages, the round before
    base              of the files of checkpoints/base, which the round starts from
    result            of base and adapter together; names the folder that keeps both
    machine           kind of processor, and threads
    first_question    index of the first training question that was sampled
    asked             questions that were sampled
    trained           False where there were too few pairs: the round changes nothing then
    correct_before    of the held-out questions, before the round
    correct           likewise, after it
    changed_by_merge  held-out questions whose text the base of this round, the adapter being merged into it, writes otherwise
                      than base and adapter did in the round before; missing in round 1
    """

    number: PositiveCount
    digest: FilledText
    base: FilledText
    result: FilledText
    machine: FilledText
    first_question: Count
    asked: PositiveCount
    trained: bool
    pairs: Count
    correctness_pairs: Count
    consensus_pairs: Count
    coherence_pairs: Count
    verdict: RunVerdict
    correct_before: Marks
    correct: Marks
    changed_by_merge: Count | None = None

    def __post_init__(self) -> None:
        for name, marks in (("correct_before", self.correct_before), ("correct", self.correct)):
            if len(marks) != self.verdict.questions:
                raise ValueError(f"{name} has {len(marks)} marks, but the verdict is of {self.verdict.questions} questions")

    @property
    def improved(self) -> bool:
        """Whether it is better than the round before, by the paired verdict."""
        return self.verdict.verdict == "improved"


@dataclass(frozen=True)
class Rounds:
    """rounds/<profile>-<recipe>.json: the rounds that are done, in order.

    held_out       index of the first held-out training question
    questions      that are held out
    wanted         rounds that were asked for
    stop           whether no round follows one that is no improvement
    against_first  each round against round 0, by the same test
    """

    profile: FilledText
    recipe: FilledText
    seed: Seed
    held_out: Count
    questions: PositiveCount
    wanted: PositiveCount
    stop: bool
    rounds: tuple[Round, ...]
    against_first: tuple[Verdict, ...]

    @property
    def over(self) -> bool:
        """Whether no further round is to be run."""
        return is_over(self.rounds, self.wanted, self.stop)


def is_over(rounds: Sequence[Round], wanted: int, stop: bool) -> bool:
    """Whether all rounds that are wanted are done, or, where that ends them, the last has brought nothing."""
    return len(rounds) >= wanted or (stop and bool(rounds) and not rounds[-1].improved)


def against_first(rounds: Sequence[Round], settings: CompareSettings) -> tuple[Verdict, ...]:
    """Each round against round 0, on the same questions."""
    return tuple(
        paired_verdict(
            _by_number(rounds[0].correct_before), _by_number(each.correct), settings.alpha, settings.confidence
        ).verdict
        for each in rounds
    )


def _by_number(marks: str) -> dict[str, bool]:
    return {str(number): mark == "1" for number, mark in enumerate(marks)}


def sentence(rounds: Rounds) -> str:
    """In words: how the rounds ended, or that they go on."""
    if not rounds.rounds:
        return "No round is done."
    last = rounds.rounds[-1]
    verdict = last.verdict
    figures = f"{verdict.fixed} fixed, {verdict.broken} broken, p {verdict.p_value:.2g}"
    before = f"round {last.number - 1}"
    better = f"better than {before} ({figures})"
    if rounds.stop and not last.improved:
        untrained = "" if last.trained else " It had too few pairs and trained nothing."
        left = f"{before} is the last that helped" if last.number > 1 else "no round has helped"
        return (
            f"The gain is gone: by the paired test round {last.number} is not {better}, the verdict being "
            f"*{verdict.verdict}*.{untrained} No further round was run, and {left}."
        )
    if not rounds.over:
        return f"{last.number} of {rounds.wanted} rounds are done; the same command goes on."
    if last.improved:
        return f"All {rounds.wanted} rounds are done, and the last is still {better}: a further round may help."
    return f"All {rounds.wanted} rounds are done; the last is not {better}, the verdict being *{verdict.verdict}*."
