"""A training run that is stopped goes on to the same bytes, from checkpoints that are intact; one that goes wrong says so."""

import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerState

from src.core import progress
from src.core.errors import InputError
from src.core.journal import CHECKSUMS, is_intact
from src.training import dpo, sandbox_model
from src.training.callbacks import Watch, checkpoint_folders, newest_checkpoint
from src.training.pairs import TrainingPair
from tests.conftest import TINY
from tests.training.runs import make_pairs, training_settings

Train = Callable[[], Any]


@pytest.fixture(scope="module")
def pairs(questions) -> list[TrainingPair]:
    return make_pairs(questions[:20])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_base_goes_on_to_the_same_bytes(questions, tmp_path, stopping, capsys):
    def train(name: str) -> Train:
        settings = replace(TINY, epochs=4)
        return lambda: sandbox_model.train_sandbox_model(questions, settings, 0, tmp_path / name, tmp_path / f"work of {name}")

    straight = stopping(sandbox_model, train("straight"), [])
    stopped = stopping(sandbox_model, train("stopped"), [15, 27])
    assert "goes on from step 10" in (output := capsys.readouterr().out) and "goes on from step 20" in output
    assert stopped == straight
    assert contents(tmp_path / "stopped") == contents(tmp_path / "straight")


@pytest.mark.slow
def test_the_adapter_goes_on_to_the_same_bytes_and_the_same_figures(pairs, checkpoint, tmp_path, stopping, capsys):
    settings = training_settings({"dpo.num_train_epochs": 5, "dpo.lora.lora_dropout": 0.1})

    def train(name: str) -> Train:
        return lambda: dpo.train_adapter(pairs, settings, checkpoint, tmp_path / name, tmp_path / f"work of {name}")

    straight = stopping(dpo, train("straight"), [])
    stopped = stopping(dpo, train("stopped"), [13, 22])
    assert "goes on from step 10" in (output := capsys.readouterr().out) and "goes on from step 20" in output
    assert stopped == straight
    assert contents(tmp_path / "stopped") == contents(tmp_path / "straight")


def test_training_shows_the_steps_and_the_last_loss(pairs, checkpoint, tmp_path, stopping, capfd, monkeypatch):
    """A line for nearly every step; a run that goes on counts from where it stopped."""
    monkeypatch.setattr(progress, "LINE_SECONDS", 1e-6)

    def train() -> dpo.AdapterRun:
        return dpo.train_adapter(
            pairs, training_settings({"dpo.num_train_epochs": 4}), checkpoint, tmp_path / "a", tmp_path / "w"
        )

    run = stopping(dpo, train, [13])
    output = capfd.readouterr().out
    [first, goes_on] = output.split("training goes on from step 10\n")
    steps = [int(step) for step in re.findall(r"^training: (\d+) of 20 steps", goes_on, re.MULTILINE)]
    assert re.search(r"^training: 12 of 20 steps \(60 %\), .*, loss 0\.\d+$", first, re.MULTILINE)
    assert steps == [*range(11, 21)]
    assert goes_on.splitlines()[-1].endswith(f" steps/s, loss {run.steps[-1].loss:#.3g}")


def test_the_pass_of_the_reference_is_shown_once_and_not_where_steps_do_it(pairs, checkpoint, tmp_path, capfd):
    trainer = dpo.build_trainer(pairs, training_settings(), checkpoint, tmp_path / "work")
    assert re.match(r"training, reference: 40 of 40 texts \(100 %\) in ", capfd.readouterr().out)
    trainer.train()
    assert "reference" not in capfd.readouterr().out


@pytest.fixture(scope="module")
def kept(pairs, checkpoint, tmp_path_factory) -> Path:
    """A work folder with the last two checkpoints of a run, of steps 10 and 20."""
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dpo, "CHECKPOINT_STEPS", 10)
        dpo.train_adapter(pairs, training_settings({"dpo.num_train_epochs": 4}), checkpoint, work / "adapter", work)
    return work


def test_the_last_two_checkpoints_are_kept_with_checksums(kept):
    assert [folder.name for folder in checkpoint_folders(kept)] == ["checkpoint-10", "checkpoint-20"]
    assert all(is_intact(folder) for folder in checkpoint_folders(kept))


@pytest.mark.parametrize("seed", range(10))
def test_a_turned_bit_anywhere_leaves_the_checkpoint_before(kept, tmp_path, seed):
    work = shutil.copytree(kept, tmp_path / "work")
    draw = random.Random(seed)
    file = draw.choice(sorted(path for path in (work / "checkpoint-20").iterdir() if path.stat().st_size))
    data = bytearray(file.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    file.write_bytes(data)
    assert newest_checkpoint(work) == str(work / "checkpoint-10")
    assert [folder.name for folder in checkpoint_folders(work)] == ["checkpoint-10"]


@pytest.mark.parametrize("missing", [CHECKSUMS, "optimizer.pt", "adapter_model.safetensors", "trainer_state.json"])
def test_a_checkpoint_that_was_being_written_is_none(kept, tmp_path, missing):
    work = shutil.copytree(kept, tmp_path / "work")
    (work / "checkpoint-20" / missing).unlink()
    assert newest_checkpoint(work) == str(work / "checkpoint-10")
    shutil.rmtree(work / "checkpoint-10")
    assert newest_checkpoint(work) is None


# --- what goes wrong later ---


def test_a_loss_that_is_no_number_stops_with_the_step(pairs, checkpoint, tmp_path):
    with pytest.raises(InputError, match=r"step \d+: the loss is .* and the gradient norm .*: a learning rate that is too large"):
        settings = training_settings({"dpo.learning_rate": 1e30})
        dpo.train_adapter(pairs, settings, checkpoint, tmp_path / "adapter", tmp_path / "work")


def test_pairs_that_are_settled_stop_with_the_step(pairs, checkpoint, tmp_path):
    """So large a rate and so strong a beta that some steps settle every pair beyond float32."""
    settings = training_settings({"dpo.learning_rate": 0.1, "dpo.beta": 200, "dpo.num_train_epochs": 8})
    with pytest.raises(InputError, match=r"step \d+: the gradient norm has been 0 for 3 steps, so nothing is learned"):
        dpo.train_adapter(pairs, settings, checkpoint, tmp_path / "adapter", tmp_path / "work")


@pytest.mark.parametrize(("fall", "warnings"), [(1.0, 1), (0.5, 0)])
def test_a_collapse_of_the_chosen_texts_gives_one_warning_with_the_step(capsys, fall, warnings):
    watch, state = Watch(), TrainerState()
    for state.global_step in range(1, 61):
        row = {"loss": 0.6, "grad_norm": 1.0, "logps/chosen": -50.0 - fall * state.global_step}
        state.log_history.append(row)
        watch.on_log(None, state, None, logs=row)
    output = capsys.readouterr().out
    assert output.count("the log-probability of the chosen texts has fallen by 2") == warnings
    assert output.startswith("warning: step 36: ") == bool(warnings)
