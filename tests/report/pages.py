"""A whole run as the page takes it; a test names what matters to it."""

from dataclasses import replace
from typing import Any

from src.regime_w.arms import ARM_NAMES
from src.regime_w.criteria import Criterion
from src.regime_w.evaluation import EvaluationMetrics
from src.regime_w.pair_metrics import PairMetrics, PairTypeMetrics, PairTypes
from src.regime_w.rollout_metrics import ArmAccuracy, Distribution, RolloutMetrics
from src.regime_w.signals import SignalWorth
from src.regime_w.training_metrics import EpochLoss, GradientNorm, Preflight, TrainMetrics
from src.regime_w.verdict import RunVerdict, Verdict
from src.report.page import Page

ON_PLATINUM = Verdict(
    verdict="improved",
    questions=1210,
    baseline_accuracy=0.7017,
    coherence_accuracy=0.7603,
    difference=0.0587,
    ci_low=0.0413,
    ci_high=0.0769,
    p_value=8e-11,
    fixed=97,
    broken=26,
    smallest_detectable_difference=0.019,
    difference_at_power=0.0263,
    questions_at_power=300,
)
VERDICT = RunVerdict(**vars(ON_PLATINUM))
ON_GSM8K = replace(ON_PLATINUM, verdict="no evidence", questions=1319, p_value=0.25)
BASELINE = EvaluationMetrics(0.7017, 0.6753, 0.7268, correct=849, questions=1210, no_answer=3, truncated=2, mean_tokens=28.01)
COHERENCE = replace(BASELINE, accuracy=0.7603, ci_low=0.7355, ci_high=0.7835, correct=920, mean_tokens=29.55)
CRITERIA = (
    Criterion("rollouts", True, "500 × 11 = 5,500 trajectories", "5,500"),
    Criterion("pairs", False, "3,000 to 5,000 pairs", "12 pairs"),
)
ROLLOUTS = RolloutMetrics(
    questions=500,
    trajectories=5500,
    s_end=Distribution(0.871, 0.211, 0.25, 1.0),
    s_path=Distribution(0.845, 0.249, 0.21, 1.0),
    s_cf=Distribution(0.527, 0.411, 0.0, 1.0),
    reward=Distribution(0.856, 0.253, 0.1, 1.2),
    no_answer_share=0.0,
    truncated_share=0.0,
    arms=tuple(ArmAccuracy(arm, place / 20) for place, arm in enumerate(ARM_NAMES)),
    signals=(
        SignalWorth("s_path", "all questions", 500, 40000, 0.7312, 0.69, 0.7701, None),
        SignalWorth("s_cf", "unanimous questions", 0, 0, None, None, None, "no question is unanimous"),
        SignalWorth("reward", "within a question", 120, 2904, 0.5, 0.4766, 0.5234, None),
    ),
)
PAIRS = PairMetrics(500, 4397, 3257, 0, 1140, 0.74073, 0.0, 0.25927, 1.0, 192, 42, 42, -9.6254, 2)
PAIR_TYPES = PairTypes(
    (
        PairTypeMetrics("correctness", 3257, 1.0, 0.0, 0.484, 0.51, -2.5, 2),
        PairTypeMetrics("coherence", 1140, 1.0, 1.0, 0.865, 0.1, -30.25, 0),
    )
)
TRAINED = TrainMetrics(
    trained=True,
    steps=414,
    epochs=(EpochLoss(0.6931, 0.6823, 0.6463), EpochLoss(0.4146, 0.6767, 0.5383)),
    gradient_norm=GradientNorm(0.1525, 0.8161, 2.3301),
    reward_accuracy_last=0.9,
    reward_margin_last=0.8,
    logp_chosen_fall=0.1323,
    preflight=Preflight(0.0, 201, 188416),
)


def page(**values: Any) -> Page:
    """A whole run, with other values."""
    usual = Page(
        profile="sandbox",
        seed=0,
        confidence=0.95,
        verdict=VERDICT,
        baseline=BASELINE,
        coherence=COHERENCE,
        criteria=CRITERIA,
        rollouts=ROLLOUTS,
        prefs=PAIRS,
        pair_types=PAIR_TYPES,
        train=TRAINED,
    )
    return replace(usual, **values)
