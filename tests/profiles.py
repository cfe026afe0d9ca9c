"""The one profile of the tests: a whole run in seconds. A test that needs another value names it."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import yaml

from src.training.sandbox_settings import SandboxModelSettings

PROFILE: dict[str, Any] = {
    "data": {
        "source": "sandbox",
        "train_questions": 700,
        "test_questions": 30,
        "held_out": None,
        "test_set": None,
        "max_question_characters": 4000,
    },
    "base": {
        "source": "sandbox",
        "adapter": None,
        "dtype": "float32",
        "sandbox": {
            "first_question": 24,
            "epochs": 5,
            "batch_size": 32,
            "learning_rate": 0.005,
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 128,
            "vocab_size": 800,
            "query_key_rate": 1.0,
            "initializer_range": 0.06,
            "silent_start": False,
            "answer_only_wolfram": 1.0,
            "answer_only_maudlin": 0.5,
            "wrong_operations": None,
        },
        "sft": None,
    },
    "engine": {"name": "transformers", "template": "plain", "dtype": "float32", "batch_size": 64, "workers": 1, "vllm": None},
    "sample": {"first_question": 0, "questions": 24, "max_tokens": 48},
    "train": {
        "per_device_train_batch_size": 4,
        "max_length": 256,
        "max_truncated_share": 0.0,
        "group_by": "length",
        "bf16": False,
        "base_dtype": "float32",
        "attn_implementation": "eager",
        "gradient_checkpointing": False,
        "processes": 1,
        "sharding": "none",
        "min_pairs": 1,
        "too_few_pairs": "report",
        "report_to": [],
        "dpo": {
            "learning_rate": 0.005,
            "num_train_epochs": 2,
            "global_batch_size": 4,
            "lora": {"r": 4, "lora_alpha": 8},
        },
    },
    "answer": {"max_tokens": 40, "samples": 0, "temperature": 0.35},
    "machine": {
        "gpus": 0,
        "gpu_memory": 0,
        "gpu_capability": 0,
        "memory": 1,
        "disk": 0.1,
        "hours": {"install": 0, "base": 0, "sample": 0, "train": 0, "answer": 0},
        "dollars_per_hour": 0,
    },
}


def with_values(profile: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a profile with other values, each by its dotted key: {"train.dpo.learning_rate": 1e-5}."""
    changed = deepcopy(dict(profile))
    for key, value in values.items():
        *sections, last = key.split(".")
        section = changed
        for name in sections:
            section = section[name]
        section[last] = value
    return changed


def profile_text(values: Mapping[str, Any] | None = None) -> str:
    """The profile of the tests as YAML, with other values by dotted key."""
    return yaml.safe_dump(with_values(PROFILE, values or {}), sort_keys=False)


def model_settings(**values: Any) -> SandboxModelSettings:
    """The model of the profile, with other values."""
    return SandboxModelSettings(**(PROFILE["base"]["sandbox"] | values))
