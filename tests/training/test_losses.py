"""The losses and options of DPO are TRL's, by the names that params.yaml gives."""

import math
from dataclasses import replace
from typing import get_args

import pytest

from src.training.dpo import build_trainer
from src.training.dpo_settings import Loss
from src.training.preflight import check_trainer
from src.training.trl_api import first_batch
from tests.training.runs import make_pairs, training_settings


@pytest.fixture
def built(questions, checkpoint, tmp_path):
    """A trainer on ten pairs by settings of the section `dpo`."""

    def build(**values):
        settings = training_settings({f"dpo.{key}": value for key, value in values.items()})
        return build_trainer(make_pairs(questions[:10]), settings, checkpoint, tmp_path / "work")

    return build


def first_loss(trainer) -> float:
    return first_batch(trainer).loss.item()


def test_each_loss_is_one_of_the_librarys(built):
    trainer = built(loss_type=["robust"], label_smoothing=0.1)  # without which one of them is infinite
    for name in get_args(Loss):
        trainer.loss_types = [name]
        assert math.isfinite(first_loss(trainer)), name


def test_a_sum_of_losses_is_weighted(built):
    sigmoid, nats = first_loss(built()), first_loss(built(loss_type=["sft"]))
    assert sigmoid == pytest.approx(math.log(2), abs=1e-6)
    assert first_loss(built(loss_type=["sigmoid", "sft"])) == pytest.approx(sigmoid + nats, rel=1e-5)
    assert first_loss(built(loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.25])) == pytest.approx(
        sigmoid + nats / 4, rel=1e-5
    )


def test_a_loss_that_is_not_ln_2_passes_the_preflight(built):
    """ipo wants a margin of 1 / (2 beta) and has none before the first step."""
    assert check_trainer(built(loss_type=["ipo"], beta=0.5)).loss_at_step_0 == pytest.approx(1.0, abs=1e-4)


def test_the_tokens_beyond_the_shorter_text_weigh_by_ld_alpha(built):
    """The log-probability of a chosen text, which is the longer side of each pair here; policy and reference both count so."""
    whole, shared = built(), built(ld_alpha=0.0)
    assert shared.precompute_ref_logps is False
    assert check_trainer(shared).loss_at_step_0 == pytest.approx(math.log(2), abs=1e-6)
    assert first_batch(shared).chosen_nats < 0.5 * first_batch(whole).chosen_nats


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"loss_weights": (1.0, 1.0)}, "loss_weights has 2 weights for the 1 losses of loss_type"),
        (
            {"label_smoothing": 0.1},
            r"label_smoothing is 0.1, which changes no loss of \['sigmoid'\]; give 0, or one of robust, exo",
        ),
        ({"loss_type": ("exo_pair",)}, "label_smoothing is 0, by which loss 'exo_pair' is infinite"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        replace(training_settings().dpo, **values)
