"""A LoRA adapter (Hu et al. 2021), by PEFT."""

from collections.abc import Mapping
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel

from src.core.files import read_json, write_json
from src.training.lora_settings import LoraSettings


def lora_config(settings: LoraSettings) -> LoraConfig:
    """A LoRA adapter on every linear layer but the output head."""
    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def save_adapter(model: PeftModel, adapter: Path, weights: Mapping[str, torch.Tensor] | None = None) -> None:
    """Save the adapter so that equal adapters are equal bytes: PEFT lists the layers in the order of a set.

    weights  the model's, where the model itself holds but a part of them; None takes them from the model
    """
    model.save_pretrained(adapter, state_dict=weights)
    config = read_json(adapter / "adapter_config.json")
    config["target_modules"] = sorted(config["target_modules"])
    write_json(adapter / "adapter_config.json", config)
