from dataclasses import replace

import pytest

from src.regime_w.criteria import CriteriaSettings, judge

ROLLOUTS = {"questions": 500, "trajectories": 5500, "s_path": {"spread": 0.1}, "s_cf": {"spread": 0.3}}
PREFS = {"pairs": 4000, "correctness_pairs": 2800}
TRAIN = {
    "trained": True,
    "epochs": {"1": {"mean_loss": 0.6}, "2": {"mean_loss": 0.5}, "3": {"mean_loss": 0.4}},
    "gradient_norm": {"least": 0.1},
}
VERDICT = {"difference": 0.03, "verdict": "improved", "p_value": 0.001}


def holds(rollouts=ROLLOUTS, prefs=PREFS, train=TRAIN, verdict=VERDICT, settings=CriteriaSettings()) -> list[bool]:
    return [criterion.holds for criterion in judge(rollouts, prefs, train, verdict, settings)]


def test_a_run_as_it_should_be_meets_all_five():
    assert holds() == [True] * 5


def test_one_missing_trajectory_fails_the_first():
    assert holds(rollouts=ROLLOUTS | {"trajectories": 5499}) == [False, True, True, True, True]


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
    assert holds(prefs={"pairs": pairs, "correctness_pairs": correctness})[1] is good


@pytest.mark.parametrize("losses", [(0.6, 0.6, 0.5), (0.6, 0.5, 0.5), (0.5, 0.6, 0.4)])
def test_loss_must_fall_from_epoch_to_epoch(losses):
    epochs = {str(n): {"mean_loss": loss} for n, loss in enumerate(losses, start=1)}
    assert holds(train=TRAIN | {"epochs": epochs})[2] is False


def test_epochs_are_ordered_as_numbers():
    epochs = {str(n): {"mean_loss": 1 / n} for n in range(1, 12)}
    assert holds(train=TRAIN | {"epochs": epochs})[2] is True


def test_a_gradient_norm_of_0_or_no_training_fails_the_third():
    assert holds(train=TRAIN | {"gradient_norm": {"least": 0.0}})[2] is False
    assert holds(train={"trained": False, "reason": "0 pairs"})[2] is False


@pytest.mark.parametrize(
    ("difference", "verdict", "good"),
    [(0.02, "improved", True), (0.0199, "improved", False), (0.05, "no evidence", False), (-0.05, "worse", False)],
)
def test_two_points_and_a_test_that_says_improved(difference, verdict, good):
    assert holds(verdict=VERDICT | {"difference": difference, "verdict": verdict})[3] is good


@pytest.mark.parametrize("constant", ["s_path", "s_cf"])
def test_a_constant_score_fails_the_fifth(constant):
    assert holds(rollouts=ROLLOUTS | {constant: {"spread": 0.0}})[4] is False


def test_thresholds_are_parameters():
    assert holds(settings=replace(CriteriaSettings(), least_pairs=4001))[1] is False
