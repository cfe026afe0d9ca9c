"""The five criteria, each at its bounds, from metrics as the stages write them."""

from dataclasses import replace
from pathlib import Path

import pytest

from src.core.params import from_value, load_section
from src.core.records import to_json
from src.regime_w.arms import ARM_NAMES
from src.regime_w.criteria import CriteriaMetrics, CriteriaSettings, Criterion, criteria_metrics, judge
from src.regime_w.pair_metrics import PairMetrics
from src.regime_w.rollout_metrics import ArmAccuracy, Distribution, RolloutMetrics
from src.regime_w.training_metrics import EpochLoss, GradientNorm, Preflight, TrainMetrics
from src.regime_w.verdict import Verdict

SETTINGS = CriteriaSettings(min_pairs=3000, max_pairs=5000, correctness_share=0.7, share_tolerance=0.15, min_gain=0.02)
VARIED = Distribution(mean=0.5, std=0.1, min=0.0, max=1.0)
CONSTANT = Distribution(mean=0.5, std=0.0, min=0.5, max=0.5)
ROLLOUTS = RolloutMetrics(
    questions=500,
    trajectories=5500,
    s_end=VARIED,
    s_path=VARIED,
    s_cf=VARIED,
    reward=VARIED,
    no_answer_share=0.0,
    truncated_share=0.0,
    arms=tuple(ArmAccuracy(arm, 0.5) for arm in ARM_NAMES),
    signals=(),
)
PREFS = PairMetrics(
    questions=500,
    pairs=4000,
    correctness_pairs=2800,
    consensus_pairs=0,
    coherence_pairs=1200,
    correctness_share=0.7,
    consensus_share=0.0,
    coherence_share=0.3,
    chosen_correct_share=1.0,
    questions_all_correct=10,
    questions_all_wrong=10,
    questions_without_pair=15,
    mean_length_difference_tokens=-1.0,
    pairs_rejected_without_answer=3,
)
VERDICT = Verdict(
    verdict="improved",
    questions=1000,
    baseline_accuracy=0.7,
    coherence_accuracy=0.73,
    difference=0.03,
    ci_low=0.01,
    ci_high=0.05,
    p_value=0.001,
    fixed=50,
    broken=20,
    smallest_detectable_difference=0.02,
    difference_at_power=0.025,
    questions_at_power=300,
)


def trained(*mean_losses: float, min_norm: float = 0.1) -> TrainMetrics:
    return TrainMetrics(
        trained=True,
        steps=10 * len(mean_losses),
        epochs=tuple(EpochLoss(loss, loss, loss) for loss in mean_losses),
        gradient_norm=GradientNorm(min=min_norm, mean=0.5, max=1.0),
        reward_accuracy_last=0.8,
        reward_margin_last=0.5,
        logp_chosen_fall=0.0,
        preflight=Preflight(truncated_share=0.0, max_pair_tokens=100, trainable_parameters=1000),
    )


TRAIN = trained(0.6, 0.5, 0.4)


def judged(rollouts=ROLLOUTS, prefs=PREFS, train=TRAIN, verdict=VERDICT, settings=SETTINGS) -> list[Criterion]:
    return judge(rollouts, prefs, train, verdict, settings)


def holds(**metrics) -> list[bool]:
    return [criterion.holds for criterion in judged(**metrics)]


def test_a_run_as_it_should_be_meets_all_five():
    assert holds() == [True] * 5


def test_one_missing_trajectory_fails_the_first():
    assert holds(rollouts=replace(ROLLOUTS, trajectories=5499)) == [False, True, True, True, True]


@pytest.mark.parametrize(
    ("pairs", "correctness", "good"),
    [
        (3000, 2100, True),
        (2999, 2100, False),
        (5000, 3500, True),
        (5001, 3500, False),
        (4000, 2200, True),  # 55 %: just within 15 points of 70 %
        (4000, 2199, False),
        (4000, 3400, True),  # 85 %
        (4000, 3401, False),
        (0, 0, False),
    ],
)
def test_pairs_are_3000_to_5000_and_within_15_points_of_70_percent(pairs, correctness, good):
    assert holds(prefs=replace(PREFS, pairs=pairs, correctness_pairs=correctness))[1] is good


@pytest.mark.parametrize("losses", [(0.6, 0.6, 0.5), (0.6, 0.5, 0.5), (0.5, 0.6, 0.4)])
def test_loss_must_fall_from_epoch_to_epoch(losses):
    assert holds(train=trained(*losses))[2] is False


def test_epochs_are_judged_in_the_order_in_which_they_stand():
    losses = [1 / epoch for epoch in range(1, 12)]
    assert holds(train=trained(*losses))[2] is True
    assert holds(train=trained(*losses[::-1]))[2] is False


def test_one_epoch_has_nothing_to_fall_from():
    assert holds(train=trained(0.6))[2] is True


def test_a_gradient_norm_of_0_or_no_training_fails_the_third():
    assert holds(train=trained(0.6, 0.5, 0.4, min_norm=0.0))[2] is False
    untrained = TrainMetrics(trained=False, steps=0, reason="0 pairs")
    assert holds(train=untrained)[2] is False
    assert judged(train=untrained)[2].found == "not trained: 0 pairs"


@pytest.mark.parametrize(
    ("difference", "verdict", "good"),
    [(0.02, "improved", True), (0.0199, "improved", False), (0.05, "no evidence", False), (-0.05, "worse", False)],
)
def test_two_points_and_a_test_that_says_improved(difference, verdict, good):
    assert holds(verdict=replace(VERDICT, difference=difference, verdict=verdict))[3] is good


@pytest.mark.parametrize("constant", ["s_path", "s_cf"])
def test_a_constant_score_fails_the_fifth(constant):
    assert holds(rollouts=replace(ROLLOUTS, **{constant: CONSTANT}))[4] is False
    assert holds(rollouts=replace(ROLLOUTS, s_end=CONSTANT, reward=CONSTANT))[4] is True


def test_thresholds_are_params():
    assert holds(settings=replace(SETTINGS, min_pairs=4001))[1] is False
    assert holds(settings=replace(SETTINGS, max_pairs=3999))[1] is False
    assert holds(settings=replace(SETTINGS, correctness_share=0.5))[1] is False
    assert holds(settings=replace(SETTINGS, min_gain=0.04))[3] is False


def test_each_criterion_says_what_was_wanted_and_what_was_found():
    assert [(criterion.name, criterion.wanted, criterion.found) for criterion in judged()] == [
        ("rollouts", "500 × 11 = 5,500 trajectories", "5,500"),
        ("pairs", "3,000 to 5,000 pairs, 70% ± 15% of them correctness", "4,000 pairs, 70.0% correctness"),
        (
            "training",
            "mean loss falls from epoch to epoch; no gradient norm is 0",
            "0.6000 → 0.5000 → 0.4000; min gradient norm 0.1",
        ),
        ("evaluation", "at least +2.0 points, and the paired test says improved", "+3.00 points, improved (p = 0.001)"),
        ("score variance", "s_path and s_cf vary over the questions", "s_path std 0.100, s_cf std 0.100"),
    ]
    assert judged(prefs=replace(PREFS, pairs=0, correctness_pairs=0))[1].found == "no pairs"


def test_the_metrics_of_the_criteria_are_which_hold_and_how_many():
    assert criteria_metrics(judged()) == CriteriaMetrics(True, True, True, True, True, hold=5)
    some = judged(rollouts=replace(ROLLOUTS, trajectories=5499, s_cf=CONSTANT))
    assert criteria_metrics(some) == CriteriaMetrics(
        rollouts=False, pairs=True, training=True, evaluation=True, score_variance=False, hold=3
    )


# --- settings ---


def test_the_settings_of_the_guide_stand_in_params_yaml():
    assert load_section("criteria", CriteriaSettings, Path(__file__).parents[2] / "params.yaml") == SETTINGS


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("min_pairs", -1, "criteria.min_pairs is -1: it must be greater than or equal to 0"),
        ("min_pairs", 5001, "criteria is refused: min_pairs is 5001, more than max_pairs, 5000; lower it"),
        ("correctness_share", 70, "criteria.correctness_share is 70: it must be less than or equal to 1"),
        ("share_tolerance", -0.1, "criteria.share_tolerance is -0.1: it must be greater than or equal to 0"),
        ("min_gain", 2, "criteria.min_gain is 2: it must be less than or equal to 1"),
    ],
)
def test_settings_out_of_range_are_an_error_that_names_the_key(key, value, words):
    with pytest.raises(ValueError) as error:
        from_value(CriteriaSettings, to_json(SETTINGS) | {key: value}, "params.yaml: criteria")
    assert str(error.value) == f"params.yaml: {words}"
