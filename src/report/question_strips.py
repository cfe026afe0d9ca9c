"""The training questions as the page lists them: a strip of trajectories, and which pairs were made of it and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from src.regime_w.pair_reasons import pair_reason, pair_reasons
from src.regime_w.preferences import Pair, PrefsSettings
from src.regime_w.scoring import Rollout, ScoredTrajectory
from src.report.plain_text import cut, visible

DECIMALS = 3  # of scores, credits and rewards


@dataclass(frozen=True)
class ArmCell:
    """One trajectory of a strip.

    agrees   whether its answer is the consensus
    credits  end, path, cf, conciseness, alignment, quality
    """

    answer: str | None
    correct: bool
    agrees: bool
    n_tokens: int
    cut_off: bool
    credits: tuple[float, ...]
    reward: float
    text: str


@dataclass(frozen=True)
class PairLine:
    """A pair by the places of its arms in the strip, and why its chosen side is preferred."""

    pair_type: str
    chosen: int
    rejected: int
    why: str


@dataclass(frozen=True)
class Strip:
    """A training question; `arms` in arm order.

    why_different, why_coherence  how many pairs of either kind the question could give and gives, or why it gives none
    """

    id: str
    question: str
    gold: str
    consensus: str | None
    s_end: float
    s_path: float
    s_cf: float
    arms: tuple[ArmCell, ...]
    pairs: tuple[PairLine, ...]
    why_different: str
    why_coherence: str


def by_question(pairs: Sequence[Pair]) -> dict[str, tuple[Pair, ...]]:
    """The pairs of each question that has some, by its id; those of a question stand together."""
    return {question_id: tuple(group) for question_id, group in groupby(pairs, key=lambda pair: pair.question_id)}


def strips(
    rollouts: Sequence[Rollout], pairs: Mapping[str, Sequence[Pair]], settings: PrefsSettings, limit: int
) -> Iterator[Strip]:
    """The questions as the page shows them, each text cut at `limit` characters."""
    for rollout in rollouts:
        of_question = pairs.get(rollout.question_id, ())
        place = {trajectory.arm_name: at for at, trajectory in enumerate(rollout.trajectories)}
        why = pair_reasons(rollout, settings)
        yield Strip(
            id=visible(rollout.question_id),
            question=visible(cut(rollout.question, limit)),
            gold=rollout.gold,
            consensus=rollout.consensus,
            s_end=round(rollout.s_end, DECIMALS),
            s_path=round(rollout.s_path, DECIMALS),
            s_cf=rollout.s_cf,
            arms=tuple(_cell(trajectory, rollout.consensus, limit) for trajectory in rollout.trajectories),
            pairs=tuple(
                PairLine(pair.pair_type, place[pair.chosen_arm], place[pair.rejected_arm], pair_reason(pair, rollout, settings))
                for pair in of_question
            ),
            why_different=why.different_answers,
            why_coherence=why.coherence,
        )


def _cell(written: ScoredTrajectory, consensus: str | None, limit: int) -> ArmCell:
    parts = (written.end, written.path, written.cf, written.conciseness, written.alignment, written.quality)
    return ArmCell(
        answer=written.answer,
        correct=written.correct,
        agrees=written.answer is not None and written.answer == consensus,
        n_tokens=written.n_tokens,
        cut_off=written.finish_reason == "length",
        credits=tuple(round(part, DECIMALS) for part in parts),
        reward=round(written.reward, DECIMALS),
        text=visible(cut(written.text, limit)),
    )
