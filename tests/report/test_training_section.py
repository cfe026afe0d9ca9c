"""The section of training, from a short run that is made up."""

from dataclasses import replace
from math import log
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.regime_w.sft_steps import SftStep
from src.regime_w.training_metrics import TrainingStep, TrainMetrics
from src.report.training_section import CHOSEN_FALL, TrainingSection, read_steps, training_section
from src.stages.train import MAX_CHOSEN_FALL
from tests.report.sections import HOSTILE, csv_of, filled, labels, metrics_of, sft_step, training_step, words

STEPS = [training_step(step) for step in range(1, 31)]
UNTRAINED = TrainMetrics(trained=False, steps=0, reason=f"3 preference pairs: nothing to learn from {HOSTILE}")


def section_of(steps) -> TrainingSection:
    return training_section(metrics_of(steps), steps, ())


@pytest.fixture(scope="module")
def section() -> TrainingSection:
    return section_of(STEPS)


def test_the_limit_of_the_chosen_texts_is_that_of_stage_train():
    assert CHOSEN_FALL == MAX_CHOSEN_FALL


def test_every_curve_has_its_axes_and_what_is_known_to_be_healthy(section):
    curves = section.curves
    assert (curves.steps, curves.window, curves.falls, curves.guide) == (30, 3, True, True)
    assert {"step (count)", "loss (nats)", "guide", "ln 2", "steps", "mean of 3"} <= set(labels(curves.loss.svg))
    assert {"gradient norm (nats)", "0"} <= set(labels(curves.gradient.svg))
    assert {"margin (β × nats)", "0"} <= set(labels(curves.margin.svg))
    assert {"log-probability (nats)", "no warning"} <= set(labels(curves.chosen.svg))
    assert "no warning" not in labels(curves.rejected.svg)


def test_the_tables_have_the_figures(section):
    # Of 30 steps in ten rows of three: 0.69, 0.68 and 0.67 at first.
    assert section.curves.loss.table.rows[0] == ("1–3", "0.670", "0.680", "0.690")
    assert section.curves.loss.table.rows[-1][0] == "28–30"
    assert section.curves.epochs.rows[0] == ("1", "0.6900", "0.6000", "0.6450")


def test_falls_are_told_from_the_first_tenth_to_the_last(section):
    # Rejected texts: -22 in the mean of steps 1 to 3, -49 in that of 28 to 30.
    assert (section.curves.chosen_fall, section.curves.rejected_fall) == (0, 27)
    text = words(filled("training", section))
    assert "here it did not move." in text and "Here it fell by 27.00 nats, first" in text


@pytest.mark.parametrize(
    ("last", "told"),
    [(-2.5, "it fell by 0.50 nats."), (-4.0, "it fell by 2.00 nats, which is too much."), (-1.0, "it rose by 1.00 nats.")],
)
def test_chosen_texts_that_sink_are_told(last, told):
    steps = [training_step(step, logp_chosen=-2.0 if step < 28 else last) for step in range(1, 31)]
    assert told in words(filled("training", section_of(steps)))


def test_the_band_of_the_chosen_texts_begins_where_stage_train_warns(section):
    # At -2 in every step, so the band is from -3 to -2; the axis, which is made for the band, has a tick at both.
    ticks = {label.replace("−", "-") for label in labels(section.curves.chosen.svg) if label.startswith("−")}
    assert {-3.0, -2.0} <= {float(tick) for tick in ticks} and min(float(tick) for tick in ticks) == -3


def test_a_loss_that_does_not_fall_is_told():
    steps = [training_step(step, loss=log(2)) for step in range(1, 21)]
    section = section_of(steps)
    assert not section.curves.falls and not section.curves.guide  # of two epochs
    text = words(filled("training", section))
    assert "The mean loss does not fall from epoch to epoch" in text and "so there is no band here" in text
    assert "guide" not in labels(section.curves.loss.svg)


def test_one_step_is_enough():
    assert section_of([training_step(1)]).curves.epochs.rows == (("1", "0.6900", "0.6900", "0.6900"),)


def test_what_was_not_trained_has_its_reason_and_no_curve():
    section = training_section(UNTRAINED, (), ())
    assert section.curves is None
    text = filled("training", section)
    assert "<svg" not in text and "<script" not in text
    assert f"Nothing was trained: {UNTRAINED.reason}" in words(text)


def test_how_the_base_learned_stands_below_where_it_learned_here(section):
    assert section.base is None and "How the base learned" not in words(filled("training", section))
    learned = training_section(UNTRAINED, (), [sft_step(step) for step in range(1, 31)])
    assert (learned.base.steps, learned.base.window) == (30, 3)
    assert {"step (count)", "loss (nats a token)", "steps", "mean of 3"} <= set(labels(learned.base.loss.svg))
    assert learned.base.loss.table.rows[0] == ("1–3", "3.700", "3.800", "3.900")
    assert "How the base learned 30 steps of supervised training" in words(filled("training", learned))


# --- the file ---


@pytest.fixture
def plots(tmp_path, monkeypatch) -> Path:
    """The folder of the files of steps, where they are looked for."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "plots"


def test_steps_are_read_as_they_were_written(plots):
    csv_of(plots / "train.csv", TrainingStep, STEPS)
    csv_of(plots / "base.csv", SftStep, [])
    assert read_steps("train", TrainingStep, 30) == tuple(STEPS)
    assert read_steps("base", SftStep, 0) == ()


def test_metrics_and_steps_of_two_runs_are_refused(plots):
    csv_of(plots / "train.csv", TrainingStep, STEPS[1:])
    with pytest.raises(InputError, match="train.json counts 30 steps and plots/train.csv has 29.*dvc repro train"):
        read_steps("train", TrainingStep, 30)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("0.69,", "nan,"), "train.csv:2: column 'loss' is 'nan'"),
        (("0.69,", ","), "train.csv:2: column 'loss' is ''"),
        (("loss,", "los,"), "column 'loss' is missing"),
        (("0.75,", "1.5,"), "column 'reward_accuracy' is 1.5"),
        (("-21.0", "-21.0,7"), "train.csv:2: column 'None'"),
    ],
)
def test_a_broken_row_is_an_error_with_its_place(plots, change, told):
    path = csv_of(plots / "train.csv", TrainingStep, STEPS[:1])
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(InputError) as raised:
        read_steps("train", TrainingStep, 1)
    assert told in str(raised.value) and "dvc repro train" in str(raised.value)


def test_a_broken_row_of_the_base_names_its_stage(plots):
    path = csv_of(plots / "base.csv", SftStep, [sft_step(1)])
    path.write_text(path.read_text().replace("3.9", "-3.9"))
    with pytest.raises(InputError, match="base.csv:2: column 'loss' is -3.9.*dvc repro base"):
        read_steps("base", SftStep, 1)


def test_another_loss_than_dpos_own_begins_elsewhere_and_has_no_band():
    metrics = metrics_of(STEPS)
    ipo = replace(metrics, preflight=replace(metrics.preflight, loss_at_step_0=25.0))
    section = training_section(ipo, STEPS, ())
    assert {"before step 1", "steps"} <= set(labels(section.curves.loss.svg)) and "ln 2" not in labels(section.curves.loss.svg)
    assert "guide" not in labels(section.curves.loss.svg)
    assert "It begins at 25.000, where policy and reference are the same (this run’s loss is not" in words(
        filled("training", section)
    )
