"""The five criteria by which a whole run is judged, from its metrics. A criterion that fails is reported; it stops nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

TRAJECTORIES_PER_QUESTION = 11


@dataclass(frozen=True)
class CriteriaSettings:
    least_pairs: int = 3000
    most_pairs: int = 5000
    correctness_share: float = 0.7  # of all pairs; the rest are coherence pairs
    share_tolerance: float = 0.15  # each share may lie so far from what is wanted
    least_gain: float = 0.02  # accuracy, 0.02 is two points

    def __post_init__(self) -> None:
        if self.least_pairs < 0:
            raise ValueError(f"least_pairs is {self.least_pairs}; give 0 or more")
        if self.least_pairs > self.most_pairs:
            raise ValueError(f"least_pairs is {self.least_pairs}, more than most_pairs, {self.most_pairs}; lower it")
        for name in ("correctness_share", "share_tolerance"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give 0 to 1")
        if not -1 <= self.least_gain <= 1:
            raise ValueError(f"least_gain is {self.least_gain}; give -1 to 1")


@dataclass(frozen=True)
class Criterion:
    name: str
    holds: bool
    wanted: str
    seen: str


def judge(rollouts: Mapping, prefs: Mapping, train: Mapping, verdict: Mapping, settings: CriteriaSettings) -> list[Criterion]:
    """The five criteria in order, from the metrics of the stages `rollouts`, `prefs`, `train` and `compare`."""
    return [
        _rollouts(rollouts),
        _pairs(prefs, settings),
        _training(train),
        _evaluation(verdict, settings),
        _variance(rollouts),
    ]


def _rollouts(rollouts: Mapping) -> Criterion:
    wanted = rollouts["questions"] * TRAJECTORIES_PER_QUESTION
    return Criterion(
        "rollouts",
        rollouts["trajectories"] == wanted,
        f"{rollouts['questions']:,} × {TRAJECTORIES_PER_QUESTION} = {wanted:,} trajectories",
        f"{rollouts['trajectories']:,}",
    )


def _pairs(prefs: Mapping, settings: CriteriaSettings) -> Criterion:
    pairs = prefs["pairs"]
    share = prefs["correctness_pairs"] / pairs if pairs else 0.0
    # Rounded against the last bits of a difference such as 0.7 - 0.55.
    near = round(abs(share - settings.correctness_share), 12) <= settings.share_tolerance
    return Criterion(
        "pairs",
        settings.least_pairs <= pairs <= settings.most_pairs and near,
        f"{settings.least_pairs:,} to {settings.most_pairs:,} pairs, {settings.correctness_share:.0%} "
        f"± {settings.share_tolerance:.0%} of them correctness",
        f"{pairs:,} pairs, {share:.1%} correctness" if pairs else "no pairs",
    )


def _training(train: Mapping) -> Criterion:
    wanted = "mean loss falls from epoch to epoch; no gradient norm is 0"
    if not train["trained"]:
        return Criterion("training", False, wanted, f"not trained: {train['reason']}")
    losses = [train["epochs"][epoch]["mean_loss"] for epoch in sorted(train["epochs"], key=int)]
    falls = all(later < earlier for earlier, later in zip(losses, losses[1:], strict=False))
    least = train["gradient_norm"]["least"]
    seen = f"{' → '.join(f'{loss:.4f}' for loss in losses)}; least gradient norm {least:.3g}"
    return Criterion("training", falls and least > 0, wanted, seen)


def _evaluation(verdict: Mapping, settings: CriteriaSettings) -> Criterion:
    return Criterion(
        "evaluation",
        verdict["difference"] >= settings.least_gain and verdict["verdict"] == "improved",
        f"at least +{100 * settings.least_gain:.1f} points, and the paired test says improved",
        f"{100 * verdict['difference']:+.2f} points, {verdict['verdict']} (p = {verdict['p_value']:.2g})",
    )


def _variance(rollouts: Mapping) -> Criterion:
    spreads = {name: rollouts[name]["spread"] for name in ("s_path", "s_cf")}
    return Criterion(
        "score variance",
        all(spread > 0 for spread in spreads.values()),
        "s_path and s_cf vary over the questions",
        ", ".join(f"{name} spread {spread:.3f}" for name, spread in spreads.items()),
    )
