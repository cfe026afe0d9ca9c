"""Scores of a question, and credits of its trajectories: how far the eleven agree, and what each of them has to do with it.

Of a question: `s_end` (do the variance arms reach one answer), `s_path` (by similar reasoning), `s_cf` (is the answer the
same for the altered story). They are the same for all its trajectories and so cancel in every pair. Of a trajectory: its
credits `end`, `path` and `cf`, its share in each of these scores, and its quality, of conciseness and alignment with the
probes. The reward of a trajectory weighs its credits and its quality; no gold answer enters it.

Probes are instruments: they have no vote in `s_end` and no part in `s_path`. Where there is no answer, there is no agreement,
not even with another trajectory that has none.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from statistics import fmean
from typing import ClassVar, Literal, Protocol, TypeVar

from src.core.shapes import Count, FilledText, Integer, NonNegative, NumberText, Share
from src.regime_w.answers import canonical
from src.regime_w.arms import ARM_NAMES, PROBE_A, PROBE_A_PRIME, PROBE_CF1, VARIANCE_ARMS, ArmName
from src.regime_w.questions import Question
from src.regime_w.reading import Reading, jaccard, read
from src.regime_w.texts import FinishReason, Trajectory

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
    """Weights of the two parts of `s_path` and of the credit `path`, each 0 … 1; ValueError if both weights are 0."""

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
    """The section `scoring` of params.yaml.

    credit   what `weights.end`, `.path` and `.cf` weigh in a reward: `trajectory`, the credits of the trajectory;
             `question`, the scores of its question, as the guide has it
    """

    credit: Literal["trajectory", "question"]
    weights: RewardWeights
    path: PathWeights
    quality: QualityWeights


# The guide's own weights, which params.yaml repeats.
GUIDE_SETTINGS = ScoringSettings(
    credit="trajectory",
    weights=RewardWeights(end=0.4, path=0.2, cf=0.2, quality=0.4),
    path=PathWeights(length=0.4, overlap=0.6),
    quality=QualityWeights(conciseness=0.4, alignment=0.6),
)

# --- records ---


@dataclass(frozen=True)
class ScoredTrajectory:
    """One trajectory with its credits; `answer` is its canonical string, None without an answer.

    The weights of `path`, `quality` and `reward` are parameters, so their ranges are too.
    """

    arm_name: ArmName
    answer: str | None
    correct: bool
    end: Share
    path: NonNegative
    cf: Share
    conciseness: Share
    alignment: Share
    quality: NonNegative
    reward: NonNegative
    prompt: str
    text: str
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
    consensus: str | None
    trajectories: tuple[ScoredTrajectory, ...]

    def __post_init__(self) -> None:
        names = [trajectory.arm_name for trajectory in self.trajectories]
        if names != list(ARM_NAMES):
            raise ValueError(
                f"it has {len(names)} trajectories, by {', '.join(names) or 'none'}; "
                f"it must be the {len(ARM_NAMES)} arms in this order: {', '.join(ARM_NAMES)}"
            )


# --- the eleven of a question ---


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


def _readings(trajectories: Sequence[Trajectory]) -> dict[ArmName, Reading]:
    """What stands in the eleven texts, by arm in arm order; of equal texts one is read."""
    of_arm = by_arm(trajectories)
    texts = {trajectory.text for trajectory in trajectories}
    of_text = dict(zip(texts, read(texts), strict=True))
    return {arm: of_text[trajectory.text] for arm, trajectory in of_arm.items()}


Overlaps = Mapping[tuple[ArmName, ArmName], float]


def _overlaps(readings: Mapping[ArmName, Reading]) -> Overlaps:
    """The Jaccard index of the tokens of every two arms, by the two in either order."""
    found = {}
    for one, other in combinations(ARM_NAMES, 2):
        found[one, other] = found[other, one] = jaccard(readings[one].vocabulary, readings[other].vocabulary)
    return found


# --- scores of a question ---


def _votes(readings: Mapping[ArmName, Reading]) -> Counter[str]:
    """The variance arms' answers, as canonical strings, with their numbers of votes."""
    votes = Counter([readings[arm].answer for arm in VARIANCE_ARMS])
    return Counter({answer: count for answer, count in votes.items() if answer is not None})


def _consensus(votes: Counter[str]) -> str | None:
    """The commonest answer, the smallest number of several; None without any vote."""
    most = max(votes.values(), default=0)
    return min((answer for answer, count in votes.items() if count == most), key=Fraction, default=None)


def _s_end(votes: Counter[str]) -> float:
    return max(votes.values(), default=0) / len(VARIANCE_ARMS)


def _s_path(readings: Mapping[ArmName, Reading], overlaps: Overlaps, weights: PathWeights) -> float:
    lengths = [readings[arm].length for arm in VARIANCE_ARMS]
    mean = fmean(lengths)
    # Population deviation: the eight arms are all there are, not a sample of more.
    deviation = math.sqrt(fmean([(length - mean) ** 2 for length in lengths]))
    length_coherence = 1 - min(1, deviation / mean) if mean else 1.0
    overlap = fmean([overlaps[couple] for couple in combinations(VARIANCE_ARMS, 2)])
    return weights.length * length_coherence + weights.overlap * overlap


def _s_cf(readings: Mapping[ArmName, Reading]) -> float:
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
    readings = _readings(trajectories)
    return _s_path(readings, _overlaps(readings), settings.path)


def s_cf_for_question(trajectories: Sequence[Trajectory]) -> float:
    """Share of the probes A and A' with whose answer the probe CF1 agrees: 0, 0.5 or 1.

    CF1 answers a story changed such that the answer is not. `trajectories` as in `s_end_for_question`.
    """
    return _s_cf(_readings(trajectories))


# --- credits of a trajectory ---


def _end_credit(arm: ArmName, answer: str | None, votes: Counter[str]) -> float:
    """The share of the other variance arms with this answer; 0 without one."""
    if answer is None:
        return 0.0
    if arm in VARIANCE_ARMS:
        return (votes[answer] - 1) / (len(VARIANCE_ARMS) - 1)
    return votes[answer] / len(VARIANCE_ARMS)


def _path_credit(arm: ArmName, readings: Mapping[ArmName, Reading], overlaps: Overlaps, weights: PathWeights) -> float:
    """How alike in length and in tokens it is to the other variance arms, their mean."""
    length, others = readings[arm].length, [other for other in VARIANCE_ARMS if other != arm]
    alike = fmean([1 - abs(length - readings[other].length) / max(length, readings[other].length, 1) for other in others])
    return weights.length * alike + weights.overlap * fmean([overlaps[arm, other] for other in others])


def _cf_credit(arm: ArmName, readings: Mapping[ArmName, Reading], s_cf: float) -> float:
    """Whether the probe CF1 has an answer and it is this one: 0 or 1; of CF1 itself, its question's `s_cf`."""
    altered = readings[PROBE_CF1].answer
    if arm == PROBE_CF1:
        return s_cf
    return float(altered is not None and altered == readings[arm].answer)


def _conciseness(reading: Reading, shortest: int) -> float:
    """`shortest` over this length, both in tokens; 0 without an answer, and without reasoning, which is no short one."""
    return shortest / reading.length if reading.answer is not None and reading.length else 0.0


def _shortest(readings: Mapping[ArmName, Reading]) -> int:
    """The least length above 0 among the answered, in tokens; 0 where there is none."""
    return min((r.length for r in readings.values() if r.answer is not None and r.length), default=0)


def _alignment(arm: ArmName, overlaps: Overlaps) -> float:
    """Mean Jaccard index with the probes A and A'; a probe is not compared with itself."""
    return fmean([overlaps[arm, probe] for probe in (PROBE_A, PROBE_A_PRIME) if probe != arm])


def score_question(question: Question, trajectories: Sequence[Trajectory], settings: ScoringSettings) -> Rollout:
    """All scores of one question and all credits of its trajectories.

    question      its gold answer decides `correct` and no score
    trajectories  the eleven of the question, any order; ValueError for a missing, double or unknown arm
    """
    of_arm = by_arm(trajectories)
    readings = _readings(trajectories)
    overlaps, votes = _overlaps(readings), _votes(readings)
    s_end, s_path, s_cf = _s_end(votes), _s_path(readings, overlaps, settings.path), _s_cf(readings)
    shortest = _shortest(readings)
    gold = canonical(Fraction(question.gold))

    scored = []
    for arm, reading in readings.items():
        written = of_arm[arm]
        end = _end_credit(arm, reading.answer, votes)
        path = _path_credit(arm, readings, overlaps, settings.path)
        cf = _cf_credit(arm, readings, s_cf)
        conciseness, alignment = _conciseness(reading, shortest), _alignment(arm, overlaps)
        quality = settings.quality.conciseness * conciseness + settings.quality.alignment * alignment
        agreement = (end, path, cf) if settings.credit == "trajectory" else (s_end, s_path, s_cf)
        scored.append(
            ScoredTrajectory(
                arm_name=arm,
                answer=reading.answer,
                correct=reading.answer == gold,
                end=end,
                path=path,
                cf=cf,
                conciseness=conciseness,
                alignment=alignment,
                quality=quality,
                reward=_reward(agreement, quality, settings.weights),
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


def _reward(agreement: tuple[float, float, float], quality: float, weights: RewardWeights) -> float:
    """The weighted sum of a trajectory's part in the agreement (end, path, cf) and of its quality."""
    end, path, cf = agreement
    return weights.end * end + weights.path * path + weights.cf * cf + weights.quality * quality
