"""A tracker gets what the trainer logs of every step, and changes nothing of the result."""

import pytest

from src.core.errors import InputError
from src.training.dpo import train_adapter
from src.training.launch import Machines, check_trackers, work_dependencies
from tests.training.runs import make_pairs, training_settings


def test_tensorboard_has_the_losses_of_every_step_and_the_adapter_is_the_same(questions, checkpoint, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    pairs = make_pairs(questions[:10])
    quiet = train_adapter(pairs, training_settings(), checkpoint, tmp_path / "quiet", tmp_path / "work of quiet")
    tracked = training_settings({"train.report_to": ["tensorboard"]})
    told = train_adapter(pairs, tracked, checkpoint, tmp_path / "told", tmp_path / "work of told")
    assert told == quiet
    name = "adapter_model.safetensors"
    assert (tmp_path / "told" / name).read_bytes() == (tmp_path / "quiet" / name).read_bytes()
    [folder] = {path.parent for path in (tmp_path / "work of told").rglob("events.out.tfevents.*")}
    events = EventAccumulator(str(folder)).Reload()
    losses = events.Scalars("train/loss")
    assert [event.step for event in losses] == [step.step for step in told.steps]
    assert [event.value for event in losses] == pytest.approx([step.loss for step in told.steps])
    assert {"train/rewards/margins", "train/logps/chosen"} <= set(events.Tags()["scalars"])


def test_a_tracker_trains_nothing_again(checkpoint, tmp_path, monkeypatch):
    machines = Machines(1, 0, 1, None, 29500)
    kept = [work_dependencies(training_settings({"train.report_to": names}), machines).settings for names in ([], ["wandb"])]
    assert kept[0] == kept[1]


def test_a_tracker_that_is_missing_is_named_with_its_cure():
    with pytest.raises(InputError, match="train.report_to names mlflow, which is not installed: pip install mlflow"):
        check_trackers(training_settings({"train.report_to": ["mlflow"]}))
