"""Figures of a training run, counted by hand, and what the file of a run must hold."""

from dataclasses import fields, replace

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, write_metrics
from src.regime_w.training_metrics import (
    EpochLoss,
    GradientNorm,
    Preflight,
    TrainingStep,
    TrainMetrics,
    training_metrics,
)

PREFLIGHT = Preflight(truncated_share=0.0, max_pair_tokens=90, trainable_parameters=1000)


def step(number: int, epoch: int = 1, **values) -> TrainingStep:
    record = {
        "step": number,
        "epoch": epoch,
        "loss": 0.5,
        "gradient_norm": 1.0,
        "learning_rate": 1e-5,
        "reward_accuracy": 0.5,
        "reward_margin": 0.0,
        "logp_chosen": -50.0,
        "logp_rejected": -60.0,
    }
    return TrainingStep(**(record | values))


def test_losses_are_told_by_epoch_in_the_order_of_the_epochs():
    """Two epochs of two steps: 0.75 and 0.5, then 0.5 and 0.25."""
    losses = [(1, 0.75), (1, 0.5), (2, 0.5), (2, 0.25)]
    steps = [step(number, epoch, loss=loss) for number, (epoch, loss) in enumerate(losses, start=1)]
    metrics = training_metrics(steps, PREFLIGHT)
    assert metrics.epochs == (EpochLoss(0.75, 0.5, 0.625), EpochLoss(0.5, 0.25, 0.375))
    assert (metrics.trained, metrics.steps, metrics.reason, metrics.preflight) == (True, 4, None, PREFLIGHT)


def test_eleven_epochs_stand_in_the_order_of_their_numbers():
    metrics = training_metrics([step(number, epoch=number, loss=1 / number) for number in range(1, 12)], PREFLIGHT)
    assert [epoch.mean_loss for epoch in metrics.epochs] == [1 / number for number in range(1, 12)]


def test_gradient_norms_are_told_by_their_bounds_and_mean():
    metrics = training_metrics(
        [step(number, gradient_norm=norm) for number, norm in enumerate((0.5, 2.0, 0.0, 1.5), 1)], PREFLIGHT
    )
    assert metrics.gradient_norm == GradientNorm(min=0.0, mean=1.0, max=2.0)


def test_what_is_last_is_the_last_tenth_of_the_steps_and_the_fall_is_from_the_first_tenth():
    """Of 25 steps a tenth is 2: the log-probability of step n is -n, so it falls from -1.5 to -24.5."""
    steps = [
        step(number, logp_chosen=-float(number), reward_accuracy=number / 25, reward_margin=float(number))
        for number in range(1, 26)
    ]
    metrics = training_metrics(steps, PREFLIGHT)
    assert metrics.logp_chosen_fall == 23.0
    assert (metrics.reward_accuracy_last, metrics.reward_margin_last) == (pytest.approx(24.5 / 25), 24.5)


@pytest.mark.parametrize("count", [1, 9])
def test_of_fewer_than_ten_steps_the_tenth_is_one(count):
    steps = [step(number, logp_chosen=-float(number), reward_margin=float(number)) for number in range(1, count + 1)]
    metrics = training_metrics(steps, PREFLIGHT)
    assert (metrics.logp_chosen_fall, metrics.reward_margin_last) == (count - 1, count)


# --- the file ---

TRAINED = training_metrics([step(1), step(2)], PREFLIGHT)


def test_the_metrics_of_a_run_are_read_as_they_were_written(tmp_path):
    whole = replace(PREFLIGHT, first_gradient_norm=0.5, loss_at_step_0=0.6931, chosen_nats=1.5)
    for number, metrics in enumerate(
        (TRAINED, replace(TRAINED, preflight=whole), TrainMetrics(trained=False, steps=0, reason="3 pairs"))
    ):
        path = tmp_path / f"{number}.json"
        write_metrics(path, metrics)
        assert read_metrics(path, TrainMetrics) == metrics


OF_TRAINING = [item.name for item in fields(TrainMetrics) if item.name not in ("trained", "steps", "reason")]


@pytest.mark.parametrize("key", OF_TRAINING)
def test_where_something_was_trained_every_figure_of_it_is_there(key):
    with pytest.raises(ValueError, match=f"`trained` is True, and key '{key}' is missing"):
        replace(TRAINED, **{key: None})


def test_where_nothing_was_trained_the_reason_is_there():
    with pytest.raises(ValueError, match="`trained` is False, and key 'reason' is missing"):
        TrainMetrics(trained=False, steps=0)


def test_a_training_of_no_epoch_is_refused_when_it_is_read(tmp_path):
    write_metrics(tmp_path / "train.json", replace(TRAINED, epochs=()))
    with pytest.raises(InputError, match=r"train.json: key 'epochs' is \[\]: it must have at least 1 item, not 0"):
        read_metrics(tmp_path / "train.json", TrainMetrics)
