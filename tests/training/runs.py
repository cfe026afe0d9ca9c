"""What the tests of training train by and on: settings of seconds, and pairs of a right solution and a bare wrong answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from src.core.params import from_value
from src.regime_w.arms import canonical_prompt
from src.regime_w.questions import Question
from src.training.dpo_settings import TrainingSettings
from src.training.pairs import TrainingPair
from tests.profiles import PROFILE, with_values

SECTIONS = {
    "dpo": {
        "learning_rate": 1e-3,
        "num_train_epochs": 2,
        "beta": 0.1,
        "loss_type": ["sigmoid"],
        "loss_weights": None,
        "label_smoothing": 0.0,
        "ld_alpha": None,
        "global_batch_size": 4,
        "lora": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0},
    },
    "train": {key: value for key, value in PROFILE["train"].items() if key != "dpo"},
    "seed": 0,
}


def training_settings(values: Mapping[str, Any] | None = None) -> TrainingSettings:
    """With other values by dotted key: {"dpo.beta": 1e4}."""
    return from_value(TrainingSettings, with_values(SECTIONS, values or {}), "settings of a test")


def write_training_params(folder: Path, values: Mapping[str, Any]) -> None:
    """params.yaml and a profile from which `load_training_settings` reads `training_settings(values)`."""
    sections = with_values(SECTIONS, values)
    params = {"profile": "tiny", "seed": sections["seed"], "dpo": sections["dpo"]}
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "profiles/tiny.yaml").write_text(yaml.safe_dump({"train": sections["train"]}))


def make_pairs(questions: Sequence[Question]) -> list[TrainingPair]:
    return [
        TrainingPair(
            prompt=canonical_prompt(question.question) + "\n\n",
            chosen=question.answer.replace("####", "Answer:"),
            rejected="Answer: 7",
        )
        for question in questions
    ]
