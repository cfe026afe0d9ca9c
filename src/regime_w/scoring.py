"""Scores: how far the eleven trajectories of one question agree, and how good each of them is.

Of a question: `s_end` (do the variance arms reach one answer), `s_path` (by similar reasoning), `s_cf`
(is the answer the same for the altered story). Of a trajectory: conciseness and alignment with the
probes, together its quality. The reward of a trajectory weighs all of these; no gold answer enters it.

Probes are instruments: they have no vote in `s_end` and no part in `s_path`. Where there is no answer,
there is no agreement, not even with another trajectory that has none.
"""

import math
import re
import string
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from statistics import fmean
from typing import ClassVar, NamedTuple, Protocol, TypeVar

from src.core.shapes import Count, FilledText, Integer, NonNegative, NumberText, Share, Text
from src.regime_w.answers import canonical, read_completion, reasoning
from src.regime_w.arms import ARM_NAMES, PROBE_A, PROBE_A_PRIME, PROBE_CF1, VARIANCE_ARMS, ArmName
from src.regime_w.questions import Question
from src.regime_w.texts import FinishReason, Trajectory

TOKEN = re.compile(r"[a-z]+|\d+(?:\.\d+)?|[+\-*/=%]")
# The same for ASCII in two parts, in less time: words are what other characters leave, and few tokens have no letter.
NO_WORD = re.compile(r"[0-9]+(?:\.[0-9]+)?|[+\-*/=%]")
SMALL_LETTERS = {ord(letter): ord(letter.lower()) for letter in string.ascii_letters}
WORD_SIGNS = bytes(SMALL_LETTERS.get(code, ord(" ")) for code in range(256))
OTHER_SIGNS = bytes(code if chr(code) in "0123456789.+-*/=%" else ord(" ") for code in range(256))

# --- settings ---


def _check_weights(**weights: float) -> None:
    """ValueError if all weights are 0."""
    if not any(weights.values()):
        raise ValueError(f"the weights {', '.join(weights)} are all 0; give more than 0 to one")


@dataclass(frozen=True)
class RewardWeights:
    """Weights of the reward's four parts, each 0 … 1; ValueError if all weights are 0."""

    end: NonNegative
    path: NonNegative
    cf: NonNegative
    quality: NonNegative

    def __post_init__(self) -> None:
        _check_weights(end=self.end, path=self.path, cf=self.cf, quality=self.quality)


@dataclass(frozen=True)
class PathWeights:
    """Weights of the two parts of `s_path`, each 0 … 1; ValueError if both weights are 0."""

    length: NonNegative
    overlap: NonNegative

    def __post_init__(self) -> None:
        _check_weights(length=self.length, overlap=self.overlap)


@dataclass(frozen=True)
class QualityWeights:
    """Weights of quality's two parts, each 0 … 1; ValueError if both weights are 0."""

    conciseness: NonNegative
    alignment: NonNegative

    def __post_init__(self) -> None:
        _check_weights(conciseness=self.conciseness, alignment=self.alignment)


@dataclass(frozen=True)
class ScoringSettings:
    """The section `scoring` of params.yaml."""

    weights: RewardWeights
    path: PathWeights
    quality: QualityWeights


# The guide's own values, which params.yaml repeats.
GUIDE_SETTINGS = ScoringSettings(
    weights=RewardWeights(end=0.4, path=0.2, cf=0.2, quality=0.4),
    path=PathWeights(length=0.4, overlap=0.6),
    quality=QualityWeights(conciseness=0.4, alignment=0.6),
)

# --- records ---


@dataclass(frozen=True)
class ScoredTrajectory:
    """One trajectory with its scores; `answer` is its canonical string, None without an answer."""

    arm_name: ArmName
    answer: Text | None
    correct: bool
    conciseness: Share
    alignment: Share
    quality: float  # its weights are parameters, so its range is too
    reward: float
    prompt: Text
    text: Text
    seed: Integer
    temperature: NonNegative
    n_tokens: Count
    finish_reason: FinishReason


@dataclass(frozen=True)
class Rollout:
    """A record of data/regime_w_rollouts.jsonl: one question with its scores and its eleven trajectories, in arm order.

    consensus  the commonest answer of the variance arms as canonical string, the smallest number of
               several; None if none of them has an answer.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("question_id",)

    question_id: FilledText
    question: FilledText
    gold: NumberText
    s_end: Share
    s_path: float  # its weights are parameters, so its range is too
    s_cf: Share
    consensus: Text | None
    trajectories: tuple[ScoredTrajectory, ...]

    def __post_init__(self) -> None:
        names = [trajectory.arm_name for trajectory in self.trajectories]
        if names != list(ARM_NAMES):
            raise ValueError(
                f"it has {len(names)} trajectories, by {', '.join(names) or 'none'}; "
                f"it must be the {len(ARM_NAMES)} arms in this order: {', '.join(ARM_NAMES)}"
            )


# --- what is read in a trajectory ---


def tokens(text: str) -> list[str]:
    """The reasoning's words, numbers and operators, lower-cased, in order of appearance.

    The answer does not count: else two texts would be alike for reaching the same number.
    """
    return TOKEN.findall(reasoning(text).lower())


def count_tokens(text: str) -> int:
    """How many `tokens` a text has."""
    return len(_tokens_in_any_order(reasoning(text)))


def _tokens_in_any_order(before: str) -> list[str]:
    """`tokens` of a text that ends before its answer."""
    if not before.isascii():
        return TOKEN.findall(before.lower())
    signs = before.encode()
    others = b" ".join(signs.translate(OTHER_SIGNS).split()).decode()
    return signs.translate(WORD_SIGNS).decode().split() + NO_WORD.findall(others)


class _Read(NamedTuple):
    """What the scores need of a text."""

    answer: str | None  # canonical, since equal numbers have equal strings
    length: int  # tokens
    vocabulary: int  # a bit for each token of the question's texts, 1 where it is in this one


def _read(texts: Collection[str]) -> list[_Read]:
    """What stands in the texts of one question, each of which is read once."""
    completions = [read_completion(text) for text in texts]
    found = [_tokens_in_any_order(completion.reasoning) for completion in completions]
    vocabularies = [set(of_text) for of_text in found]
    every = set().union(*vocabularies)
    return [
        _Read(
            None if answer is None else canonical(answer),
            len(of_text),
            int.from_bytes(bytes(map(vocabulary.__contains__, every)), "big"),
        )
        for (answer, _), of_text, vocabulary in zip(completions, found, vocabularies, strict=True)
    ]


class OfArm(Protocol):
    @property
    def arm_name(self) -> ArmName: ...


Of = TypeVar("Of", bound=OfArm)


def by_arm(trajectories: Sequence[Of]) -> dict[ArmName, Of]:
    """The trajectories of one question by arm, in arm order whatever order they come in.

    Raises ValueError, which names the arms, unless each of the eleven is there exactly once.
    """
    of_arm = {trajectory.arm_name: trajectory for trajectory in trajectories}
    if len(trajectories) != len(ARM_NAMES) or of_arm.keys() != set(ARM_NAMES):
        raise ValueError(_arms_at_fault(trajectories))
    return {arm: of_arm[arm] for arm in ARM_NAMES}


def _arms_at_fault(trajectories: Sequence[OfArm]) -> str:
    count: Counter[str] = Counter(trajectory.arm_name for trajectory in trajectories)
    faults: dict[str, Sequence[str]] = {
        "lacks": [arm for arm in ARM_NAMES if arm not in count],
        "has more than once": [arm for arm in count if count[arm] > 1],
        "has the unknown": [arm for arm in count if arm not in ARM_NAMES],
    }
    listed = "; ".join(f"{fault} {', '.join(arms)}" for fault, arms in faults.items() if arms)
    return (
        f"a question has {len(trajectories)} trajectories and {listed}; "
        f"it must have one of each of the {len(ARM_NAMES)} arms: sample what is missing again"
    )


def _readings(trajectories: Sequence[Trajectory]) -> dict[ArmName, _Read]:
    """What stands in the eleven texts, by arm in arm order; of equal texts one is read."""
    of_arm = by_arm(trajectories)
    texts = {trajectory.text for trajectory in trajectories}
    of_text = dict(zip(texts, _read(texts), strict=True))
    return {arm: of_text[trajectory.text] for arm, trajectory in of_arm.items()}


def _jaccard(one: int, other: int) -> float:
    """Shared tokens over all tokens of two vocabularies; two empty ones are alike (1)."""
    union = (one | other).bit_count()
    return (one & other).bit_count() / union if union else 1.0


# --- scores of a question ---


def _votes(readings: Mapping[ArmName, _Read]) -> Counter[str]:
    """The variance arms' answers, as canonical strings, with their numbers of votes."""
    votes = Counter([readings[arm].answer for arm in VARIANCE_ARMS])
    return Counter({answer: count for answer, count in votes.items() if answer is not None})


def _consensus(votes: Counter[str]) -> str | None:
    """The commonest answer, the smallest number of several; None without any vote."""
    most = max(votes.values(), default=0)
    return min((answer for answer, count in votes.items() if count == most), key=Fraction, default=None)


def _s_end(votes: Counter[str]) -> float:
    return max(votes.values(), default=0) / len(VARIANCE_ARMS)


def _s_path(readings: Mapping[ArmName, _Read], weights: PathWeights) -> float:
    variance = [readings[arm] for arm in VARIANCE_ARMS]
    lengths = [reading.length for reading in variance]
    mean = fmean(lengths)
    # Population deviation: the eight arms are all there are, not a sample of more.
    deviation = math.sqrt(fmean([(length - mean) ** 2 for length in lengths]))
    length_coherence = 1 - min(1, deviation / mean) if mean else 1.0
    vocabularies = [reading.vocabulary for reading in variance]
    overlap = fmean([_jaccard(a, b) for a, b in combinations(vocabularies, 2)])
    return weights.length * length_coherence + weights.overlap * overlap


def _s_cf(readings: Mapping[ArmName, _Read]) -> float:
    altered = readings[PROBE_CF1].answer
    if altered is None:
        return 0.0
    return ((readings[PROBE_A].answer == altered) + (readings[PROBE_A_PRIME].answer == altered)) / 2


def s_end_for_question(trajectories: Sequence[Trajectory]) -> float:
    """Share of the eight variance arms that give their commonest answer, 0 … 1; no answer is no vote.

    trajectories  the eleven of one question, any order; ValueError
                  for a missing, double or unknown arm.
    """
    return _s_end(_votes(_readings(trajectories)))


def s_path_for_question(trajectories: Sequence[Trajectory], settings: ScoringSettings = GUIDE_SETTINGS) -> float:
    """How alike the variance arms reason, 0 … 1 with weights that sum to 1.

    Weighs length coherence, 1 - min(1, deviation / mean) of the lengths in tokens (1 if all are 0),
    against overlap, the mean Jaccard index of the token sets over all 28 pairs.
    `trajectories` as in `s_end_for_question`.
    """
    return _s_path(_readings(trajectories), settings.path)


def s_cf_for_question(trajectories: Sequence[Trajectory]) -> float:
    """Share of the probes A and A' with whose answer the probe CF1 agrees: 0, 0.5 or 1.

    CF1 answers a story changed such that the answer is not. `trajectories` as in `s_end_for_question`.
    """
    return _s_cf(_readings(trajectories))


# --- scores of a trajectory ---


def _conciseness(reading: _Read, shortest: int) -> float:
    """`shortest` over this length, where it is the least length among the answered, both in tokens."""
    return shortest / reading.length if reading.answer is not None and reading.length else 0.0


def _alignment(arm: ArmName, readings: Mapping[ArmName, _Read]) -> float:
    """Mean Jaccard index with the probes A and A'; a probe is not compared with itself."""
    vocabulary, a, a_prime = readings[arm].vocabulary, readings[PROBE_A].vocabulary, readings[PROBE_A_PRIME].vocabulary
    if arm in (PROBE_A, PROBE_A_PRIME):
        return _jaccard(a, a_prime)
    return (_jaccard(vocabulary, a) + _jaccard(vocabulary, a_prime)) / 2


def score_question(question: Question, trajectories: Sequence[Trajectory], settings: ScoringSettings) -> Rollout:
    """All scores of one question.

    question      its gold answer decides `correct` and no score
    trajectories  the eleven of the question, any order; ValueError for a missing, double or unknown arm
    """
    of_arm = by_arm(trajectories)
    readings = _readings(trajectories)
    votes = _votes(readings)
    s_end, s_path, s_cf = _s_end(votes), _s_path(readings, settings.path), _s_cf(readings)
    weights = settings.weights
    shared_reward = weights.end * s_end + weights.path * s_path + weights.cf * s_cf
    shortest = min((r.length for r in readings.values() if r.answer is not None), default=0)
    gold = canonical(Fraction(question.gold))

    scored = []
    for arm, reading in readings.items():
        written = of_arm[arm]
        conciseness, alignment = _conciseness(reading, shortest), _alignment(arm, readings)
        quality = settings.quality.conciseness * conciseness + settings.quality.alignment * alignment
        scored.append(
            ScoredTrajectory(
                arm_name=arm,
                answer=reading.answer,
                correct=reading.answer == gold,
                conciseness=conciseness,
                alignment=alignment,
                quality=quality,
                reward=shared_reward + weights.quality * quality,
                prompt=written.prompt,
                text=written.text,
                seed=written.seed,
                temperature=written.temperature,
                n_tokens=written.n_tokens,
                finish_reason=written.finish_reason,
            )
        )
    return Rollout(
        question_id=question.id,
        question=question.question,
        gold=question.gold,
        s_end=s_end,
        s_path=s_path,
        s_cf=s_cf,
        consensus=_consensus(votes),
        trajectories=tuple(scored),
    )
