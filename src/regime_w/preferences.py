"""Preference pairs for direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290).

Correctness comes first: a correct trajectory is preferred to an incorrect one. Among the correct, the
one of higher reward is preferred, where the rewards differ enough. The probe CF1 makes no pair, since it
answers an altered story, and equal texts make none, since nothing can be learned from them.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Literal

from src.regime_w.arms import ARM_NAMES, PERSONA_OF, PROBE_CF1
from src.regime_w.scoring import by_arm, tokens

PairType = Literal["correctness", "coherence"]
PAIRING_ARMS: tuple[str, ...] = tuple(arm for arm in ARM_NAMES if arm != PROBE_CF1)


@dataclass(frozen=True)
class PrefsSettings:
    """Which pairs are built; ValueError names the key of a value out of range.

    prompt                 `canonical`: every pair is asked by the canonical prompt; `own`: by the
                           chosen arm's own, and both arms are of one persona
    max_correctness_pairs  a question, >= 0
    max_coherence_pairs    a question, >= 0
    min_reward_gap         rewards must differ by more than this for a coherence pair, finite, >= 0
    """

    prompt: Literal["canonical", "own"] = "canonical"
    max_correctness_pairs: int = 18
    max_coherence_pairs: int = 4
    min_reward_gap: float = 0.01

    def __post_init__(self) -> None:
        if self.prompt not in ("canonical", "own"):
            raise ValueError(f"prompt is {self.prompt!r}; give canonical or own")
        for key in ("max_correctness_pairs", "max_coherence_pairs"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key} is {getattr(self, key)}; give a count of pairs, 0 or more")
        if not (math.isfinite(self.min_reward_gap) and self.min_reward_gap >= 0):
            raise ValueError(f"min_reward_gap is {self.min_reward_gap!r}; give a finite number, 0 or more")


@dataclass(frozen=True)
class Pair:
    question_id: str
    question: str
    prompt: str
    chosen: str
    rejected: str
    pair_type: PairType
    chosen_arm: str
    rejected_arm: str
    chosen_reward: float
    rejected_reward: float


def _lot(question_id: str, chosen_arm: str, rejected_arm: str) -> bytes:
    """A sort key that looks random and depends on these three alone, in every process the same."""
    # Arm names hold no colon, so no two triples share a text.
    return hashlib.sha256(f"{chosen_arm}:{rejected_arm}:{question_id}".encode()).digest()


def _may_pair(one: Mapping, other: Mapping, settings: PrefsSettings) -> bool:
    if one["text"] == other["text"]:
        return False
    return settings.prompt == "canonical" or PERSONA_OF[one["arm_name"]] == PERSONA_OF[other["arm_name"]]


def build_pairs(
    question_id: str,
    question: str,
    trajectories: Sequence[Mapping],
    settings: PrefsSettings,
    canonical_prompt: str,
) -> list[Pair]:
    """The pairs of one question: correctness pairs in arm order, then coherence pairs, widest gap first.

    trajectories      the eleven of the question, any order, each with `arm_name`, `text`, `prompt` (the
                      arm's own), `correct` and `reward`; ValueError for a missing, double or unknown arm.
    canonical_prompt  the prompt of every pair, unless settings.prompt is `own`.

    Over its cap, correctness pairs are drawn by a hash of question id and arm names, so that no arm is
    favoured and the draw depends on nothing else; coherence pairs keep the widest gaps, ties by that hash.
    """
    of_arm = by_arm(trajectories)
    candidates = [of_arm[arm] for arm in PAIRING_ARMS]

    def pair(chosen: Mapping, rejected: Mapping, pair_type: PairType) -> Pair:
        return Pair(
            question_id=question_id,
            question=question,
            prompt=canonical_prompt if settings.prompt == "canonical" else chosen["prompt"],
            chosen=chosen["text"],
            rejected=rejected["text"],
            pair_type=pair_type,
            chosen_arm=chosen["arm_name"],
            rejected_arm=rejected["arm_name"],
            chosen_reward=chosen["reward"],
            rejected_reward=rejected["reward"],
        )

    correctness = [pair(*two, "correctness") for two in _correctness_couples(candidates, settings)]
    coherence = [pair(*two, "coherence") for two in _coherence_couples(candidates, settings)]
    return [
        *_drawn(correctness, settings.max_correctness_pairs),
        *_widest(coherence, settings.max_coherence_pairs),
    ]


def _correctness_couples(candidates: Sequence[Mapping], settings: PrefsSettings) -> list[tuple[Mapping, Mapping]]:
    """Every (correct, incorrect) couple that may pair."""
    correct = [t for t in candidates if t["correct"]]
    incorrect = [t for t in candidates if not t["correct"]]
    return [(c, i) for c in correct for i in incorrect if _may_pair(c, i, settings)]


def _coherence_couples(candidates: Sequence[Mapping], settings: PrefsSettings) -> list[tuple[Mapping, Mapping]]:
    """Every (higher, lower) couple of correct trajectories that differ in reward by more than the gap."""
    correct = [t for t in candidates if t["correct"]]
    ordered = (sorted(two, key=lambda t: -t["reward"]) for two in combinations(correct, 2))
    return [
        (high, low)
        for high, low in ordered
        if high["reward"] - low["reward"] > settings.min_reward_gap and _may_pair(high, low, settings)
    ]


def _drawn(pairs: list[Pair], cap: int) -> list[Pair]:
    lots = {_lot(p.question_id, p.chosen_arm, p.rejected_arm): p for p in pairs}
    kept = {(p.chosen_arm, p.rejected_arm) for _, p in sorted(lots.items())[:cap]}
    return [p for p in pairs if (p.chosen_arm, p.rejected_arm) in kept]


def _widest(pairs: list[Pair], cap: int) -> list[Pair]:
    def place(p: Pair) -> tuple[float, bytes]:
        # Rounded: gaps that are equal but for the last bits are a tie, whatever the order of the sums.
        gap = round(p.chosen_reward - p.rejected_reward, 9)
        return -gap, _lot(p.question_id, p.chosen_arm, p.rejected_arm)

    return sorted(pairs, key=place)[:cap]


# --- metrics ---


def pair_metrics(rollouts: Sequence[Mapping], pairs_of: Sequence[Sequence[Pair]]) -> dict[str, int | float]:
    """Counts over all questions and their pairs; shares are of all pairs, 0 … 1.

    rollouts  a question each, with `trajectories` (eleven, with `arm_name`, `text`, `answer`, `correct`)
    pairs_of  the pairs of each question, in the order of `rollouts`; ValueError if the lengths differ

    All correct and all wrong are judged over the ten trajectories that can make pairs. Lengths are in
    tokens of the scores, without the answer. `pairs_rejected_without_answer` counts pairs that teach
    format rather than mathematics. Without any pair, shares and mean are 0.
    """
    marks = [_marks(rollout) for rollout in rollouts]
    pairs = [pair for of_question in pairs_of for pair in of_question]
    correctness = sum(pair.pair_type == "correctness" for pair in pairs)
    differences, unanswered = [], 0
    for rollout, of_question in zip(rollouts, pairs_of, strict=True):
        if not of_question:
            continue  # saves reading texts that no pair needs
        lengths = {t["arm_name"]: len(tokens(t["text"])) for t in rollout["trajectories"]}
        answers = {t["arm_name"]: t["answer"] for t in rollout["trajectories"]}
        differences += [lengths[pair.chosen_arm] - lengths[pair.rejected_arm] for pair in of_question]
        unanswered += sum(answers[pair.rejected_arm] is None for pair in of_question)
    return {
        "questions": len(rollouts),
        "pairs": len(pairs),
        "correctness_pairs": correctness,
        "coherence_pairs": len(pairs) - correctness,
        "correctness_share": correctness / len(pairs) if pairs else 0.0,
        "coherence_share": (len(pairs) - correctness) / len(pairs) if pairs else 0.0,
        "questions_all_correct": sum(all(of_question) for of_question in marks),
        "questions_all_wrong": sum(not any(of_question) for of_question in marks),
        "questions_without_pair": sum(not of_question for of_question in pairs_of),
        "mean_length_difference_tokens": fmean(differences) if differences else 0.0,
        "pairs_rejected_without_answer": unanswered,
    }


def _marks(rollout: Mapping) -> list[bool]:
    of_arm = by_arm(rollout["trajectories"])
    return [of_arm[arm]["correct"] for arm in PAIRING_ARMS]
