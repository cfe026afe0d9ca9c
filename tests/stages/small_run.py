"""A run of two questions, so small that its figures can be worked out by hand, and how a stage is run on it."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.core.records import write_records
from src.regime_w.arms import ARM_NAMES, ArmName
from src.regime_w.questions import Question
from src.regime_w.texts import Trajectory

PENS = Question("pens", "Ann has 3 pens and buys 2. How many has she?", "3 + 2 = 5\n#### 5", "5")
NUTS = Question("nuts", "Bob has 9 nuts and eats 2. How many has he?", "9 - 2 = 7\n#### 7", "7")
QUESTIONS = (PENS, NUTS)

PARAMS: Mapping[str, Any] = {
    "profile": "small",
    "seed": 0,
    "policy": "coherence",
    "scoring": {
        "credit": "trajectory",
        "weights": {"end": 0.4, "path": 0.2, "cf": 0.2, "quality": 0.4},
        "path": {"length": 0.4, "overlap": 0.6},
        "quality": {"conciseness": 0.4, "alignment": 0.6},
    },
    "rollouts": {"processes": 1},
    "prefs": {
        "labels": "gold",
        "prompt": "canonical",
        "coherence_by": "reward",
        "correctness_by": "hash",
        "max_correctness_pairs": 18,
        "max_coherence_pairs": 4,
        "min_reward_gap": 0.01,
    },
    "compare": {"alpha": 0.05, "confidence": 0.95},
    "criteria": {"min_pairs": 1, "max_pairs": 50, "correctness_share": 0.7, "share_tolerance": 0.15, "min_gain": 0.02},
}


def run(main: Callable[[], None], folder: Path, monkeypatch: pytest.MonkeyPatch, **params: Any) -> None:
    """Run a stage's `main` in a folder, without arguments, by the params with other sections or values."""
    (folder / "params.yaml").write_text(yaml.safe_dump({**PARAMS, **params}))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["stage"])
    main()


def trajectory(question: Question, arm: ArmName, text: str, finish_reason: str = "stop") -> Trajectory:
    return Trajectory(question.id, arm, 42, 0.2, f"Solve.\n\n{question.question}\n", text, len(text.split()), finish_reason)


def trajectories(question: Question, texts: Mapping[ArmName, str], rest: str) -> list[Trajectory]:
    """One of each arm, in arm order: the text by its arm, `rest` of the others."""
    return [trajectory(question, arm, texts.get(arm, rest)) for arm in ARM_NAMES]


def write_sampled(folder: Path, sampled: list[Trajectory]) -> None:
    write_records(folder / "data/train.jsonl", Question, QUESTIONS)
    write_records(folder / "data/trajectories.jsonl", Trajectory, sampled)
