"""Preference pairs for direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290).

With gold labels correctness comes first: a correct trajectory is preferred to an incorrect one; then, among the correct, the
more coherent to the less. Without labels the trajectories of one question judge each other: of two with different answers the
one of higher reward is preferred, and of two with the same answer likewise. The probe CF1 makes no pair, since it answers an
altered story, and equal texts make none, since nothing can be learned from them.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal

from src.core.shapes import Count, FilledText, NonNegative
from src.regime_w.arms import ARM_NAMES, PERSONA_OF, PROBE_A, PROBE_CF1, ArmName
from src.regime_w.reading import count_tokens
from src.regime_w.scoring import Rollout, ScoredTrajectory, by_arm

PairType = Literal["correctness", "consensus", "coherence"]
PAIRING_ARMS: tuple[ArmName, ...] = tuple(arm for arm in ARM_NAMES if arm != PROBE_CF1)


@dataclass(frozen=True)
class PrefsSettings:
    """Which pairs are built, the section `prefs` of params.yaml.

    labels                 what decides a pair of different answers. `gold`: the gold answer, which also says whose texts make
                           coherence pairs; `none`: the reward, and no gold answer anywhere. Two controls, without coherence
                           pairs: `random`, a hash decides; `steps`, the text with reasoning is preferred to the bare answer
    prompt                 `canonical`: every pair is asked by the canonical prompt; `own`: by the
                           chosen arm's own, and both arms are of one persona
    coherence_by           what decides a coherence pair: the higher reward, or (controls) the shorter or the longer reasoning
    correctness_by         which correctness pairs a cap keeps: by a hash of question and arms, or the widest margin of reward
    max_correctness_pairs  a question; of different answers, whatever decides them
    max_coherence_pairs    a question
    min_reward_gap         rewards must differ by more than this where they decide a pair
    """

    labels: Literal["gold", "none", "random", "steps"]
    prompt: Literal["canonical", "own"]
    coherence_by: Literal["reward", "shorter", "longer"]
    correctness_by: Literal["hash", "margin"]
    max_correctness_pairs: Count
    max_coherence_pairs: Count
    min_reward_gap: NonNegative


@dataclass(frozen=True)
class Pair:
    """A record of data/coherence_preferences.jsonl.

    pair_type   `correctness`: the chosen side is correct, the rejected one is not; `consensus`: of different answers, by
                another rule; `coherence`: both have the same answer, with gold labels the correct one
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("question_id", "chosen_arm", "rejected_arm")
    MAY_BE_EMPTY: ClassVar[bool] = True  # a base that is right about all or nothing gives no pair

    question_id: FilledText
    question: FilledText
    prompt: FilledText
    chosen: str
    rejected: str
    pair_type: PairType
    chosen_arm: ArmName
    rejected_arm: ArmName
    chosen_reward: float
    rejected_reward: float


@dataclass(frozen=True)
class _Couple:
    """Two trajectories of one question, of which the first is preferred."""

    question_id: str
    chosen: ScoredTrajectory
    rejected: ScoredTrajectory

    @property
    def margin(self) -> float:
        """By how much the chosen side's reward is higher. Rounded: margins that differ in their last bits are equal."""
        return round(self.chosen.reward - self.rejected.reward, 9)

    @property
    def hash_key(self) -> bytes:
        """Looks random and depends on question and arms alone, in every process the same."""
        return _digest(f"{self.chosen.arm_name}:{self.rejected.arm_name}:{self.question_id}")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def build_pairs(rollout: Rollout, settings: PrefsSettings) -> list[Pair]:
    """The pairs of one question: those of different answers, then coherence pairs, widest gap first.

    The prompt of every pair is that of `wolfram_standard` as the model read it, template included, unless settings.prompt is
    `own`. A cap keeps the widest margins, ties by a hash of question id and arm names, or samples by that hash alone, so that
    no arm is favoured and the sample depends on nothing else; what is so sampled stands in arm order.
    """
    of_arm = by_arm(rollout.trajectories)
    candidates = [of_arm[arm] for arm in PAIRING_ARMS]
    canonical_prompt = of_arm[PROBE_A].prompt
    couples = [
        _Couple(rollout.question_id, one, other)
        for one, other in combinations(candidates, 2)
        if one.text != other.text and (settings.prompt == "canonical" or PERSONA_OF[one.arm_name] == PERSONA_OF[other.arm_name])
    ]

    def pair(couple: _Couple, pair_type: PairType) -> Pair:
        chosen, rejected = couple.chosen, couple.rejected
        return Pair(
            question_id=rollout.question_id,
            question=rollout.question,
            prompt=canonical_prompt if settings.prompt == "canonical" else chosen.prompt,
            chosen=chosen.text,
            rejected=rejected.text,
            pair_type=pair_type,
            chosen_arm=chosen.arm_name,
            rejected_arm=rejected.arm_name,
            chosen_reward=chosen.reward,
            rejected_reward=rejected.reward,
        )

    first: PairType = "correctness" if settings.labels == "gold" else "consensus"
    return [
        *(pair(couple, first) for couple in _of_different_answers(couples, settings)),
        *(pair(couple, "coherence") for couple in _coherent(couples, settings)),
    ]


# --- pairs of different answers ---


def _of_different_answers(couples: Sequence[_Couple], settings: PrefsSettings) -> list[_Couple]:
    rules = {"gold": _correct_first, "none": _higher_reward_first, "random": _hash_first, "steps": _steps_first}
    rule = rules[settings.labels]
    preferred = [ordered for couple in couples if (ordered := rule(couple, settings)) is not None]
    by_margin = settings.labels == "none" or (settings.labels == "gold" and settings.correctness_by == "margin")
    sample = _widest if by_margin else _sampled_by_hash
    return sample(preferred, settings.max_correctness_pairs)


def _swapped(couple: _Couple) -> _Couple:
    return _Couple(couple.question_id, couple.rejected, couple.chosen)


def _answers_differ(couple: _Couple) -> bool:
    """Whether the answers differ, or one has none; two without an answer have nothing to tell them apart."""
    return couple.chosen.answer != couple.rejected.answer


def _correct_first(couple: _Couple, settings: PrefsSettings) -> _Couple | None:
    if couple.chosen.correct == couple.rejected.correct:
        return None
    return couple if couple.chosen.correct else _swapped(couple)


def _higher_reward_first(couple: _Couple, settings: PrefsSettings) -> _Couple | None:
    """The higher must have an answer, and be higher by more than the gap."""
    ordered = couple if couple.chosen.reward > couple.rejected.reward else _swapped(couple)
    far = ordered.margin > settings.min_reward_gap
    return ordered if _answers_differ(couple) and ordered.chosen.answer is not None and far else None


def _hash_first(couple: _Couple, settings: PrefsSettings) -> _Couple | None:
    if not _answers_differ(couple):
        return None
    # Another text than that of the cap's hash, which would then keep one side more often.
    even = _digest(f"side:{couple.chosen.arm_name}:{couple.rejected.arm_name}:{couple.question_id}")[-1] % 2 == 0
    return couple if even else _swapped(couple)


def _steps_first(couple: _Couple, settings: PrefsSettings) -> _Couple | None:
    has_steps = count_tokens(couple.chosen.text) > 0
    if not _answers_differ(couple) or has_steps == (count_tokens(couple.rejected.text) > 0):
        return None
    return couple if has_steps else _swapped(couple)


# --- coherence pairs ---


def _coherent(couples: Sequence[_Couple], settings: PrefsSettings) -> list[_Couple]:
    """Of two correct trajectories, or without labels of two with the same answer, the more coherent first."""
    if settings.labels == "gold":
        alike = [couple for couple in couples if couple.chosen.correct and couple.rejected.correct]
    elif settings.labels == "none":
        alike = [couple for couple in couples if couple.chosen.answer is not None and not _answers_differ(couple)]
    else:
        return []
    if settings.coherence_by == "reward":
        ordered = [couple if couple.chosen.reward > couple.rejected.reward else _swapped(couple) for couple in alike]
        far = [couple for couple in ordered if couple.margin > settings.min_reward_gap]
        return _widest(far, settings.max_coherence_pairs)
    sign = 1 if settings.coherence_by == "longer" else -1

    def difference(couple: _Couple) -> int:
        """Tokens by which the chosen side is the longer, or the shorter where that is wanted."""
        return sign * (count_tokens(couple.chosen.text) - count_tokens(couple.rejected.text))

    ordered = [couple if difference(couple) > 0 else _swapped(couple) for couple in alike]
    return _widest([c for c in ordered if difference(c) > 0], settings.max_coherence_pairs, difference)


# --- caps ---


def _sampled_by_hash(couples: Sequence[_Couple], cap: int) -> list[_Couple]:
    """In the order in which they come, which is that of the arms."""
    kept = {couple.hash_key for couple in sorted(couples, key=lambda couple: couple.hash_key)[:cap]}
    return [couple for couple in couples if couple.hash_key in kept]


def _widest(
    couples: Sequence[_Couple], cap: int, width: Callable[[_Couple], float] = lambda couple: couple.margin
) -> list[_Couple]:
    return sorted(couples, key=lambda couple: (-width(couple), couple.hash_key))[:cap]
