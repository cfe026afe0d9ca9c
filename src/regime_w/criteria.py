"""The five criteria by which a whole run is judged, from its metrics. A criterion that fails is reported; it stops nothing."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from src.core.shapes import Count, Share
from src.regime_w.arms import ARM_NAMES
from src.regime_w.pair_metrics import PairMetrics
from src.regime_w.rollout_metrics import RolloutMetrics
from src.regime_w.training_metrics import TrainMetrics
from src.regime_w.verdict import Verdict


@dataclass(frozen=True)
class CriteriaSettings:
    """The section `criteria` of params.yaml.

    correctness_share  of all pairs; the rest are coherence pairs
    share_tolerance    each share may lie so far from what is wanted
    min_gain           accuracy, 0.02 is two points
    """

    min_pairs: Count
    max_pairs: Count
    correctness_share: Share
    share_tolerance: Share
    min_gain: Annotated[float, Field(ge=-1, le=1)]

    def __post_init__(self) -> None:
        if self.min_pairs > self.max_pairs:
            raise ValueError(f"min_pairs is {self.min_pairs}, more than max_pairs, {self.max_pairs}; lower it")


@dataclass(frozen=True)
class Criterion:
    """One criterion: what was wanted and what was found, in words."""

    name: Literal["rollouts", "pairs", "training", "evaluation", "score variance"]
    holds: bool
    wanted: str
    found: str


@dataclass(frozen=True)
class CriteriaMetrics:
    """metrics/criteria.json: whether each criterion holds, and how many do."""

    rollouts: bool
    pairs: bool
    training: bool
    evaluation: bool
    score_variance: bool
    hold: Count


def criteria_metrics(criteria: list[Criterion]) -> CriteriaMetrics:
    """Of the five criteria in order, as `judge` gives them."""
    rollouts, pairs, training, evaluation, score_variance = (criterion.holds for criterion in criteria)
    hold = sum(criterion.holds for criterion in criteria)
    return CriteriaMetrics(rollouts, pairs, training, evaluation, score_variance, hold)


def judge(
    rollouts: RolloutMetrics, prefs: PairMetrics, train: TrainMetrics, verdict: Verdict, settings: CriteriaSettings
) -> list[Criterion]:
    """The five criteria in order, from the metrics of the stages `rollouts`, `prefs`, `train` and `compare`."""
    return [
        _rollouts(rollouts),
        _pairs(prefs, settings),
        _training(train),
        _evaluation(verdict, settings),
        _variance(rollouts),
    ]


def _rollouts(rollouts: RolloutMetrics) -> Criterion:
    wanted = rollouts.questions * len(ARM_NAMES)
    return Criterion(
        "rollouts",
        rollouts.trajectories == wanted,
        f"{rollouts.questions:,} × {len(ARM_NAMES)} = {wanted:,} trajectories",
        f"{rollouts.trajectories:,}",
    )


def _pairs(prefs: PairMetrics, settings: CriteriaSettings) -> Criterion:
    pairs = prefs.pairs
    # Of different answers, whether gold labels decide them or not.
    name = "consensus" if prefs.consensus_pairs else "correctness"
    share = (prefs.correctness_pairs + prefs.consensus_pairs) / pairs if pairs else 0.0
    # Rounded against the last bits of a difference such as 0.7 - 0.55.
    near = round(abs(share - settings.correctness_share), 12) <= settings.share_tolerance
    return Criterion(
        "pairs",
        settings.min_pairs <= pairs <= settings.max_pairs and near,
        f"{settings.min_pairs:,} to {settings.max_pairs:,} pairs, {settings.correctness_share:.0%} "
        f"± {settings.share_tolerance:.0%} of them {name}",
        f"{pairs:,} pairs, {share:.1%} {name}" if pairs else "no pairs",
    )


def _training(train: TrainMetrics) -> Criterion:
    wanted = "mean loss falls from epoch to epoch; no gradient norm is 0"
    if train.epochs is None or train.gradient_norm is None:
        return Criterion("training", False, wanted, f"not trained: {train.reason}")
    losses = [epoch.mean_loss for epoch in train.epochs]
    falls = all(later < earlier for earlier, later in zip(losses, losses[1:], strict=False))
    found = f"{' → '.join(f'{loss:.4f}' for loss in losses)}; min gradient norm {train.gradient_norm.min:.3g}"
    return Criterion("training", falls and train.gradient_norm.min > 0, wanted, found)


def _evaluation(verdict: Verdict, settings: CriteriaSettings) -> Criterion:
    return Criterion(
        "evaluation",
        verdict.difference >= settings.min_gain and verdict.verdict == "improved",
        f"at least +{100 * settings.min_gain:.1f} points, and the paired test says improved",
        f"{100 * verdict.difference:+.2f} points, {verdict.verdict} (p = {verdict.p_value:.2g})",
    )


def _variance(rollouts: RolloutMetrics) -> Criterion:
    deviations = {"s_path": rollouts.s_path.std, "s_cf": rollouts.s_cf.std}
    return Criterion(
        "score variance",
        all(std > 0 for std in deviations.values()),
        "s_path and s_cf vary over the questions",
        ", ".join(f"{name} std {std:.3f}" for name, std in deviations.items()),
    )
