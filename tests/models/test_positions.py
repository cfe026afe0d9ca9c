"""How long a text a model can read, by the configs that transformers has."""

import json
import shutil

import pytest
from transformers import BloomConfig, GPT2Config, LlamaConfig, MambaConfig, MptConfig, PreTrainedConfig, XLNetConfig

from src.core.errors import InputError
from src.models.checkpoints import own_checkpoint
from src.models.positions import positions_of, read_positions


def stretched(rope_type: str, **parameters: object) -> LlamaConfig:
    return LlamaConfig(
        max_position_embeddings=4096, rope_parameters={"rope_type": rope_type, "rope_theta": 1e4, "factor": 4.0} | parameters
    )


LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 1024}
LONGROPE = {"short_factor": [1.0] * 64, "long_factor": [4.0] * 64, "original_max_position_embeddings": 1024}


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        (LlamaConfig(max_position_embeddings=512), 512),
        (GPT2Config(n_positions=1024), 1024),
        (BloomConfig(), None),
        (MptConfig(), None),
        (MambaConfig(), None),
        (XLNetConfig(), None),
        (LlamaConfig(max_position_embeddings=-1), None),
        (stretched("linear"), 16384),
        (stretched("dynamic"), 16384),
        (stretched("yarn"), 16384),
        (stretched("yarn", original_max_position_embeddings=1024), 4096),
        (stretched("llama3", **LLAMA3), 4096),
        (stretched("longrope", **LONGROPE), 4096),
    ],
    ids=lambda value: getattr(value, "model_type", value),
)
def test_positions_are_those_that_the_model_can_read(config: PreTrainedConfig, positions: int | None):
    assert positions_of(config) == positions


def test_they_are_read_from_config_json_without_weights(checkpoint, tmp_path):
    shutil.copy(checkpoint / "config.json", tmp_path)
    assert read_positions(own_checkpoint(tmp_path, "base")) == 512


def test_a_config_that_says_what_cannot_be_is_one_error(checkpoint, tmp_path):
    config = json.loads((checkpoint / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_position_embeddings": "many"}))
    with pytest.raises(InputError, match="its config cannot be read: .*; run `dvc repro base`"):
        read_positions(own_checkpoint(tmp_path, "base"))
