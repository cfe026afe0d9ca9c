"""What every test of training needs."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import pytest
from transformers import TrainerCallback


@pytest.fixture(autouse=True)
def own_work_folder(tmp_path, monkeypatch) -> None:
    """What is kept between runs lies below DVC_ROOT, which is not to be the checkout."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


class StopAt(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **_) -> None:
        if state.global_step == self.step:
            raise KeyboardInterrupt


Train = Callable[[], Any]


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType, Train, Sequence[int]], Any]:
    """Lets a function that trains run several times, each but the last stopped at a step; checkpoints come every ten."""

    def run(module: ModuleType, train: Train, stops: Sequence[int]) -> Any:
        equip = module.equip
        monkeypatch.setattr(module, "CHECKPOINT_STEPS", 10)
        for step in stops:
            monkeypatch.setattr(module, "equip", lambda trainer, step=step: (equip(trainer), trainer.add_callback(StopAt(step))))
            with pytest.raises(KeyboardInterrupt):
                train()
        monkeypatch.setattr(module, "equip", equip)
        return train()

    return run
