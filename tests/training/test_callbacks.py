"""A training run that is stopped goes on to the same bytes, from checkpoints that are whole; one that goes wrong says so."""

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import TrainerCallback, TrainerState

from src.errors import InputError
from src.regime_w.arms import canonical_prompt
from src.sandbox import model as sandbox_model
from src.training import dpo
from src.training.callbacks import SEAL, Watch, checkpoints, is_whole, newest_checkpoint
from tests.conftest import TINY
from tests.training.test_preflight import SETTINGS


class StopAt(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **_) -> None:
        if state.global_step == self.step:
            raise KeyboardInterrupt


@pytest.fixture
def stopping(monkeypatch):
    """Lets a function that trains run several times, each but the last stopped at a step; checkpoints come every ten."""

    def run(module, train, stops: list[int]):
        equip = module.equip
        monkeypatch.setattr(module, "CHECKPOINT_STEPS", 10)
        for step in stops:
            monkeypatch.setattr(module, "equip", lambda trainer, step=step: (equip(trainer), trainer.add_callback(StopAt(step))))
            with pytest.raises(KeyboardInterrupt):
                train()
        monkeypatch.setattr(module, "equip", equip)
        return train()

    return run


@pytest.fixture(scope="module")
def pairs(questions) -> list[dict]:
    return [
        {
            "question_id": q["id"],
            "prompt": canonical_prompt(q["question"]) + "\n\n",
            "chosen": q["answer"].replace("####", "Answer:"),
            "rejected": "Answer: 7",
        }
        for q in questions[:40]
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_base_goes_on_to_the_same_bytes(questions, tmp_path, stopping, capsys):
    def train(name: str):
        settings = replace(TINY, rounds=8)
        return lambda: sandbox_model.train_sandbox_model(questions, settings, 0, tmp_path / name, tmp_path / f"work of {name}")

    whole = stopping(sandbox_model, train("whole"), [])
    stopped = stopping(sandbox_model, train("stopped"), [25, 37])
    assert "goes on from step 20" in (told := capsys.readouterr().out) and "goes on from step 30" in told
    assert stopped == whole
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_the_adapter_goes_on_to_the_same_bytes_and_the_same_figures(pairs, checkpoint, tmp_path, stopping, capsys):
    settings = replace(SETTINGS, epochs=4, lora=replace(SETTINGS.lora, dropout=0.1))

    def train(name: str):
        return lambda: dpo.train_adapter(pairs, settings, 0, checkpoint, tmp_path / name, tmp_path / f"work of {name}")

    whole = stopping(dpo, train("whole"), [])
    stopped = stopping(dpo, train("stopped"), [15, 33])
    assert "goes on from step 10" in (told := capsys.readouterr().out) and "goes on from step 30" in told
    assert stopped == whole
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


@pytest.fixture(scope="module")
def kept(pairs, checkpoint, tmp_path_factory) -> Path:
    """A work folder with the last two checkpoints of a run, of steps 10 and 20."""
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dpo, "CHECKPOINT_STEPS", 10)
        dpo.train_adapter(pairs, replace(SETTINGS, epochs=2), 0, checkpoint, work / "adapter", work)
    return work


def test_the_last_two_checkpoints_are_kept_and_sealed(kept):
    assert [folder.name for folder in checkpoints(kept)] == ["checkpoint-10", "checkpoint-20"]
    assert all(is_whole(folder) for folder in checkpoints(kept))


@pytest.mark.parametrize("seed", range(10))
def test_a_turned_bit_anywhere_leaves_the_checkpoint_before(kept, tmp_path, seed):
    work = shutil.copytree(kept, tmp_path / "work")
    draw = random.Random(seed)
    file = draw.choice(sorted(path for path in (work / "checkpoint-20").iterdir() if path.stat().st_size))
    data = bytearray(file.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    file.write_bytes(data)
    assert newest_checkpoint(work) == str(work / "checkpoint-10")
    assert [folder.name for folder in checkpoints(work)] == ["checkpoint-10"]


@pytest.mark.parametrize("missing", [SEAL, "optimizer.pt", "adapter_model.safetensors", "trainer_state.json"])
def test_a_checkpoint_that_was_being_written_is_none(kept, tmp_path, missing):
    work = shutil.copytree(kept, tmp_path / "work")
    (work / "checkpoint-20" / missing).unlink()
    assert newest_checkpoint(work) == str(work / "checkpoint-10")
    shutil.rmtree(work / "checkpoint-10")
    assert newest_checkpoint(work) is None


# --- what goes wrong later ---


def test_a_loss_that_is_no_number_stops_with_the_step(pairs, checkpoint, tmp_path):
    with pytest.raises(InputError, match=r"step \d+: the loss is .* and the gradient norm .*: a learning rate that is too large"):
        dpo.train_adapter(pairs, replace(SETTINGS, learning_rate=1e30), 0, checkpoint, tmp_path / "adapter", tmp_path / "work")


def test_pairs_that_are_settled_stop_with_the_step(pairs, checkpoint, tmp_path):
    """So strong a beta that one step settles every pair beyond float32."""
    settings = replace(SETTINGS, learning_rate=0.01, beta=1e4, epochs=8)
    with pytest.raises(InputError, match=r"step \d+: the gradient norm has been 0 for 3 steps, so nothing is learned"):
        dpo.train_adapter(pairs, settings, 0, checkpoint, tmp_path / "adapter", tmp_path / "work")


@pytest.mark.parametrize(("fall", "warnings"), [(1.0, 1), (0.5, 0)])
def test_a_collapse_of_the_chosen_texts_is_told_once_with_the_step(capsys, fall, warnings):
    watch, state = Watch(), TrainerState()
    for state.global_step in range(1, 61):
        row = {"loss": 0.6, "grad_norm": 1.0, "logps/chosen": -50.0 - fall * state.global_step}
        state.log_history.append(row)
        watch.on_log(None, state, None, logs=row)
    told = capsys.readouterr().out
    assert told.count("the log-probability of the chosen texts has fallen by 2") == warnings
    assert told.startswith("warning: step 36: ") == bool(warnings)
