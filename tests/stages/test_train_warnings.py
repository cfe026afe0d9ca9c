"""The guide's troubles of training that stop nothing are said aloud, with their likely cause."""

from collections.abc import Sequence

from src.regime_w.training_metrics import EpochLoss, GradientNorm, Preflight, TrainMetrics
from src.stages.train import training_warnings


def training(losses: Sequence[float], fall: float = 0.2) -> TrainMetrics:
    """A run with these mean losses, epoch by epoch, whose chosen texts fell by so many nats."""
    return TrainMetrics(
        trained=True,
        steps=30,
        epochs=tuple(EpochLoss(first_loss=loss, last_loss=loss, mean_loss=loss) for loss in losses),
        gradient_norm=GradientNorm(min=0.1, mean=0.2, max=0.3),
        reward_accuracy_last=0.5,
        reward_margin_last=0.1,
        logp_chosen_fall=fall,
        preflight=Preflight(truncated_share=0.0, max_pair_tokens=200, trainable_parameters=1000),
    )


def test_a_flat_loss():
    assert training_warnings(training([0.69, 0.5, 0.4])) == []
    (warning,) = training_warnings(training([0.6931, 0.6931, 0.6930]))
    assert "did not fall from epoch to epoch (0.6931, 0.6931, 0.6930): a dpo.learning_rate that is too small" in warning


def test_chosen_texts_that_sink():
    (warning,) = training_warnings(training([0.6, 0.5], fall=3.0))
    assert "fell by 3.00 nats; both sides are sinking" in warning


def test_a_run_that_trained_nothing_has_no_warning():
    assert training_warnings(TrainMetrics(trained=False, steps=0, reason="3 preference pairs")) == []
