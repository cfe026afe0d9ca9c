"""Preference pairs for direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290).

Correctness comes first: a correct trajectory is preferred to an incorrect one. Among the correct, the
one of higher reward is preferred, where the rewards differ enough. The probe CF1 makes no pair, since it
answers an altered story, and equal texts make none, since nothing can be learned from them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal

from src.core.shapes import Count, FilledText, NonNegative, Share, Text
from src.regime_w.arms import ARM_NAMES, PERSONA_OF, PROBE_A, PROBE_CF1, ArmName
from src.regime_w.reading import count_tokens
from src.regime_w.scoring import Rollout, ScoredTrajectory, by_arm

PairType = Literal["correctness", "coherence"]
PAIRING_ARMS: tuple[ArmName, ...] = tuple(arm for arm in ARM_NAMES if arm != PROBE_CF1)


@dataclass(frozen=True)
class PrefsSettings:
    """Which pairs are built, the section `prefs` of params.yaml.

    prompt                 `canonical`: every pair is asked by the canonical prompt; `own`: by the
                           chosen arm's own, and both arms are of one persona
    max_correctness_pairs  a question
    max_coherence_pairs    a question
    min_reward_gap         rewards must differ by more than this for a coherence pair
    """

    prompt: Literal["canonical", "own"]
    max_correctness_pairs: Count
    max_coherence_pairs: Count
    min_reward_gap: NonNegative


@dataclass(frozen=True)
class Pair:
    """A record of data/coherence_preferences.jsonl."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("question_id", "chosen_arm", "rejected_arm")
    MAY_BE_EMPTY: ClassVar[bool] = True  # a base that is right about all or nothing gives no pair

    question_id: FilledText
    question: FilledText
    prompt: FilledText
    chosen: Text
    rejected: Text
    pair_type: PairType
    chosen_arm: ArmName
    rejected_arm: ArmName
    chosen_reward: float
    rejected_reward: float


@dataclass(frozen=True)
class PairMetrics:
    """metrics/prefs.json. Shares are of all pairs; without any pair, shares and mean are 0.

    questions_all_correct          over the ten trajectories that can make pairs, as questions_all_wrong
    mean_length_difference_tokens  chosen less rejected, in tokens of the scores, without the answer
    pairs_rejected_without_answer  pairs that teach format rather than mathematics
    """

    questions: Count
    pairs: Count
    correctness_pairs: Count
    coherence_pairs: Count
    correctness_share: Share
    coherence_share: Share
    questions_all_correct: Count
    questions_all_wrong: Count
    questions_without_pair: Count
    mean_length_difference_tokens: float
    pairs_rejected_without_answer: Count


def _hash_key(question_id: str, chosen_arm: ArmName, rejected_arm: ArmName) -> bytes:
    """A sort key that looks random and depends on these three alone, in every process the same."""
    # Arm names hold no colon, so no two triples share a text.
    return hashlib.sha256(f"{chosen_arm}:{rejected_arm}:{question_id}".encode()).digest()


def _may_pair(one: ScoredTrajectory, other: ScoredTrajectory, settings: PrefsSettings) -> bool:
    if one.text == other.text:
        return False
    return settings.prompt == "canonical" or PERSONA_OF[one.arm_name] == PERSONA_OF[other.arm_name]


def build_pairs(rollout: Rollout, settings: PrefsSettings) -> list[Pair]:
    """The pairs of one question: correctness pairs in arm order, then coherence pairs, widest gap first.

    The prompt of every pair is that of `wolfram_standard` as the model read it, template included, unless settings.prompt is
    `own`. Over its cap, correctness pairs are sampled by a hash of question id and arm names, so that no arm is favoured and
    the sample depends on nothing else; coherence pairs keep the widest gaps, ties by that hash.
    """
    of_arm = by_arm(rollout.trajectories)
    candidates = [of_arm[arm] for arm in PAIRING_ARMS]
    canonical_prompt = of_arm[PROBE_A].prompt

    def pair(chosen: ScoredTrajectory, rejected: ScoredTrajectory, pair_type: PairType) -> Pair:
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

    correctness = [pair(*two, "correctness") for two in _correctness_couples(candidates, settings)]
    coherence = [pair(*two, "coherence") for two in _coherence_couples(candidates, settings)]
    return [
        *_sampled_by_hash(correctness, settings.max_correctness_pairs),
        *_widest(coherence, settings.max_coherence_pairs),
    ]


Couple = tuple[ScoredTrajectory, ScoredTrajectory]


def _correctness_couples(candidates: Sequence[ScoredTrajectory], settings: PrefsSettings) -> list[Couple]:
    """Every (correct, incorrect) couple that may pair."""
    correct = [t for t in candidates if t.correct]
    incorrect = [t for t in candidates if not t.correct]
    return [(c, i) for c in correct for i in incorrect if _may_pair(c, i, settings)]


def _coherence_couples(candidates: Sequence[ScoredTrajectory], settings: PrefsSettings) -> list[Couple]:
    """Every (higher, lower) couple of correct trajectories that differ in reward by more than the gap."""
    correct = [t for t in candidates if t.correct]
    ordered = (sorted(two, key=lambda t: -t.reward) for two in combinations(correct, 2))
    return [
        (high, low)
        for high, low in ordered
        if high.reward - low.reward > settings.min_reward_gap and _may_pair(high, low, settings)
    ]


def _sampled_by_hash(pairs: list[Pair], cap: int) -> list[Pair]:
    of_key = {_hash_key(p.question_id, p.chosen_arm, p.rejected_arm): p for p in pairs}
    kept = {(p.chosen_arm, p.rejected_arm) for _, p in sorted(of_key.items())[:cap]}
    return [p for p in pairs if (p.chosen_arm, p.rejected_arm) in kept]


def _widest(pairs: list[Pair], cap: int) -> list[Pair]:
    def place(p: Pair) -> tuple[float, bytes]:
        # Rounded: gaps that are equal but for the last bits are a tie, whatever the order of the sums.
        gap = round(p.chosen_reward - p.rejected_reward, 9)
        return -gap, _hash_key(p.question_id, p.chosen_arm, p.rejected_arm)

    return sorted(pairs, key=place)[:cap]


# --- metrics ---


class PairTally:
    """The metrics of questions and their pairs that come one after the other."""

    def __init__(self) -> None:
        self._questions = self._all_correct = self._all_wrong = self._without_pair = 0
        self._pairs = self._correctness = self._difference = self._unanswered = 0

    def add(self, rollout: Rollout, pairs: Sequence[Pair]) -> None:
        """Count a question and its pairs."""
        correct = _correct(rollout)
        self._questions += 1
        self._all_correct += all(correct)
        self._all_wrong += not any(correct)
        if not pairs:
            self._without_pair += 1
            return  # saves reading texts that no pair needs
        lengths = {t.arm_name: count_tokens(t.text) for t in rollout.trajectories}
        answers = {t.arm_name: t.answer for t in rollout.trajectories}
        self._pairs += len(pairs)
        self._correctness += sum(pair.pair_type == "correctness" for pair in pairs)
        self._difference += sum(lengths[pair.chosen_arm] - lengths[pair.rejected_arm] for pair in pairs)
        self._unanswered += sum(answers[pair.rejected_arm] is None for pair in pairs)

    def metrics(self) -> PairMetrics:
        coherence, of_all = self._pairs - self._correctness, max(self._pairs, 1)
        return PairMetrics(
            questions=self._questions,
            pairs=self._pairs,
            correctness_pairs=self._correctness,
            coherence_pairs=coherence,
            correctness_share=self._correctness / of_all,
            coherence_share=coherence / of_all,
            questions_all_correct=self._all_correct,
            questions_all_wrong=self._all_wrong,
            questions_without_pair=self._without_pair,
            mean_length_difference_tokens=self._difference / of_all,
            pairs_rejected_without_answer=self._unanswered,
        )


def _correct(rollout: Rollout) -> list[bool]:
    """Whether each of the trajectories that can make pairs is correct."""
    of_arm = by_arm(rollout.trajectories)
    return [of_arm[arm].correct for arm in PAIRING_ARMS]
