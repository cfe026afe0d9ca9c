"""Why a question has the pairs that it has: how many the rules allow, how many the caps keep, and what there is none for.

What a pair is, `build_pairs` alone says: it is asked with the caps lifted. Here are the words, and the reason for none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from src.regime_w.arms import PERSONA_OF
from src.regime_w.preferences import PAIRING_ARMS, Pair, PrefsSettings, build_pairs
from src.regime_w.reading import count_tokens
from src.regime_w.scoring import Rollout, ScoredTrajectory, by_arm

NO_CAP = len(PAIRING_ARMS) ** 2


@dataclass(frozen=True)
class PairReasons:
    """Of one question, a sentence without its full stop about each of the two kinds of pairs."""

    different_answers: str
    coherence: str


def pair_reasons(rollout: Rollout, settings: PrefsSettings) -> PairReasons:
    """What the rules of `settings` make of the question, and why they make none where they do."""
    possible = build_pairs(rollout, replace(settings, max_correctness_pairs=NO_CAP, max_coherence_pairs=NO_CAP))
    coherence = sum(pair.pair_type == "coherence" for pair in possible)
    arms = _Arms(rollout, settings)
    how = "drawn by a hash" if settings.labels in ("random", "steps") or _hashed(settings) else "the widest margins of reward"
    how_coherence = "the widest margins of reward" if settings.coherence_by == "reward" else "the widest differences of length"
    return PairReasons(
        _kept(len(possible) - coherence, settings.max_correctness_pairs, "max_correctness_pairs", how)
        or f"none: {arms.no_different_answers()}",
        _kept(coherence, settings.max_coherence_pairs, "max_coherence_pairs", how_coherence) or f"none: {arms.no_coherence()}",
    )


def _hashed(settings: PrefsSettings) -> bool:
    return settings.labels == "gold" and settings.correctness_by == "hash"


def _kept(possible: int, cap: int, name: str, how: str) -> str:
    """How many of the possible pairs are kept; an empty text where none is possible."""
    if not possible:
        return ""
    if not cap:
        return f"none of {possible} possible ones: prefs.{name} is 0"
    if possible <= cap:
        return f"all {possible} possible ones" if possible > 1 else "the only possible one"
    return f"{cap} of {possible} possible ones, {how}: prefs.{name} is {cap}"


# --- why there is none ---


@dataclass(frozen=True)
class _Arms:
    """The arms of a question that can make pairs."""

    rollout: Rollout
    settings: PrefsSettings

    @property
    def pairing(self) -> list[ScoredTrajectory]:
        of_arm = by_arm(self.rollout.trajectories)
        return [of_arm[arm] for arm in PAIRING_ARMS]

    def has_couple(self, wanted: Callable[[ScoredTrajectory, ScoredTrajectory], bool]) -> bool:
        """Whether two of different text that may be paired are as wanted."""
        return any(
            one.text != other.text and wanted(one, other)
            for one, other in combinations(self.pairing, 2)
            if self.settings.prompt == "canonical" or PERSONA_OF[one.arm_name] == PERSONA_OF[other.arm_name]
        )

    def no_different_answers(self) -> str:
        arms, count = self.pairing, len(PAIRING_ARMS)
        if self.settings.labels == "gold":
            right = sum(arm.correct for arm in arms)
            if right in (0, count):
                return f"all {count} are right" if right else _none_right(arms)
            return "right and wrong ones are of different personas, which prefs.prompt keeps apart"
        if len({arm.answer for arm in arms}) == 1:
            return f"none of the {count} has an answer" if arms[0].answer is None else f"all {count} have the same answer"
        if not self.has_couple(lambda one, other: one.answer != other.answer):
            return "different answers are of different personas, which prefs.prompt keeps apart"
        if self.settings.labels == "none":
            return (
                "of different answers none has an answer and a reward that is higher "
                f"by more than prefs.min_reward_gap = {self.settings.min_reward_gap:g}"
            )
        return "of different answers none has reasoning where the other has none"

    def no_coherence(self) -> str:
        arms, count, labels = self.pairing, len(PAIRING_ARMS), self.settings.labels
        if labels in ("random", "steps"):
            return f"prefs.labels is {labels}, which makes no coherence pairs"
        if labels == "gold":
            right = sum(arm.correct for arm in arms)
            if right < 2:
                return f"only one of the {count} is right" if right else _none_right(arms)
            alike, whose = self.has_couple(lambda one, other: one.correct and other.correct), "the right ones"
        else:
            alike = self.has_couple(lambda one, other: one.answer is not None and one.answer == other.answer)
            whose = "those of the same answer"
            if len({arm.answer for arm in arms if arm.answer is not None}) == sum(arm.answer is not None for arm in arms):
                return f"no two of the {count} have the same answer"
        if not alike:
            apart = "" if self.settings.prompt == "canonical" else ", or prefs.prompt keeps their personas apart"
            return f"{whose} have the same text{apart}"
        if self.settings.coherence_by == "reward":
            return f"rewards of {whose} lie within prefs.min_reward_gap = {self.settings.min_reward_gap:g} of each other"
        return f"{whose} are of the same length"


def _none_right(arms: Sequence[ScoredTrajectory]) -> str:
    answers = {arm.answer for arm in arms}
    if answers == {None}:
        return f"none of the {len(arms)} has an answer"
    return f"none of the {len(arms)} is right" + ("; all have the same wrong answer" if len(answers) == 1 else "")


# --- why this pair ---


def pair_reason(pair: Pair, rollout: Rollout, settings: PrefsSettings) -> str:
    """Why the chosen side of a pair of the question is preferred."""
    of_arm = by_arm(rollout.trajectories)
    rejected = of_arm[pair.rejected_arm]
    rewards = f"reward {pair.chosen_reward:.3f} over {pair.rejected_reward:.3f}"
    if pair.pair_type == "correctness":
        return "right over no answer" if rejected.answer is None else "right over wrong"
    if pair.pair_type == "consensus":
        reasons = {"none": f"another answer, {rewards}", "random": "another answer, a hash decides"}
        return reasons.get(settings.labels, "another answer, reasoning over none")
    alike = "both right" if settings.labels == "gold" else "same answer"
    if settings.coherence_by == "reward":
        return f"{alike}, {rewards}"
    lengths = f"{count_tokens(pair.chosen)} tokens of reasoning against {count_tokens(pair.rejected)}"
    return f"{alike}, the {settings.coherence_by}: {lengths}"
