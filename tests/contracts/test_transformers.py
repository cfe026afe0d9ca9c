"""What the engine and the reading of checkpoints rely on that transformers and its parts do not promise.

One that fails after an upgrade says where to look.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    LlamaForCausalLM,
    MambaForCausalLM,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
)
from transformers.masking_utils import create_masks_for_generate

from src.engines.slots import SlotModel, step_masks
from src.models.checkpoints import NONSENSE

SLOTS = "look at src/engines/slots.py"
READING = "look at read_model in src/models/checkpoints.py"
ERRORS = "look at NONSENSE and told_as_one_error in src/models/checkpoints.py"


@pytest.fixture(scope="module")
def model(checkpoint: Path):
    return AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()


@torch.inference_mode()
def test_attention_reads_what_a_cache_of_our_own_returns(model):
    """Texts of 5, 9 and 2 tokens in slots, and a step of all of them: logits as by passes over each text alone."""
    slots = SlotModel(model)
    prompts = [list(range(10, 15)), list(range(20, 29)), [30, 31]]
    alone = torch.cat([slots.read_alone(prompt) for prompt in prompts])
    assert torch.allclose(slots.read_prompts(0, prompts), alone, atol=1e-4), f"a cache of our own is used otherwise: {SLOTS}"
    alone = torch.cat([slots.read_alone([*prompt, 7]) for prompt in prompts])
    stepped = slots.step([7, 7, 7], [len(prompt) for prompt in prompts])
    assert torch.allclose(stepped, alone, atol=1e-4), (
        f"what a cache returns, or a mask of four dimensions, is used otherwise: {SLOTS}"
    )


@pytest.mark.parametrize("layer_types", [None, ["full_attention", "sliding_attention"]])
def test_masks_are_those_that_transformers_makes(layer_types):
    """For the fourth token of a text, in a model of one kind of layer and in one of two."""
    shape = {"vocab_size": 50, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    if layer_types is None:
        config: PreTrainedConfig = MistralConfig(**shape, num_key_value_heads=2, sliding_window=2)
    else:
        config = Qwen2Config(**shape, num_key_value_heads=2, use_sliding_window=True, sliding_window=2, layer_types=layer_types)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    theirs = create_masks_for_generate(
        model.config, inputs_embeds=torch.zeros(1, 4, 8), attention_mask=torch.ones(1, 4), past_key_values=None
    )
    ours = step_masks(model, torch.tensor([3]), 4)
    kinds = layer_types or [None]
    for kind in kinds:
        their_mask, our_mask = (masks if kind is None else masks[kind] for masks in (theirs, ours))
        assert torch.equal(their_mask[:, :, -1:], our_mask), f"masks are made otherwise: look at step_masks; {SLOTS}"


def test_classes_say_what_they_keep():
    told = [
        (kind._can_compile_fullgraph, kind._supports_attention_backend, kind._is_stateful)
        for kind in (LlamaForCausalLM, MambaForCausalLM)
    ]
    assert told[0] == (True, True, False) and told[1][2], (
        f"classes say otherwise what they keep: look at refuse_other_caches; {SLOTS}"
    )


@torch.inference_mode()
def test_logits_can_be_had_of_the_last_place_alone(model):
    rows = torch.arange(5, 25).reshape(2, 10)
    every, last = model(input_ids=rows).logits, model(input_ids=rows, logits_to_keep=1).logits
    assert last.shape == (2, 1, every.shape[-1]), f"logits_to_keep=1 gives another shape: {SLOTS}"
    assert torch.allclose(last[:, 0], every[:, -1], atol=1e-4), f"logits_to_keep=1 gives another place: {SLOTS}"


@torch.inference_mode()
def test_padding_on_the_left_is_hidden_by_mask_and_positions(model):
    row, padded = torch.arange(5, 15).unsqueeze(0), torch.tensor([[0, 0, 0, *range(5, 15)]])
    mask = torch.tensor([[0, 0, 0, *[1] * 10]])
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    hidden = model(input_ids=padded, attention_mask=mask, position_ids=positions).logits[:, -1]
    assert torch.allclose(hidden, model(input_ids=row).logits[:, -1], atol=1e-4), f"padding moves logits: {SLOTS}"


def test_end_tokens_stand_in_the_generation_config(model):
    ends = model.generation_config.eos_token_id
    of_known_type = ends is None or isinstance(ends, int | list)
    assert of_known_type, "eos_token_id has another type: look at end_token_ids in src/engines/writing.py"


def test_loading_tells_of_weights_that_do_not_fit(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "odd")
    weights = load_file(folder / "model.safetensors")
    lost, short = "model.norm.weight", "model.layers.0.mlp.up_proj.weight"
    del weights[lost]
    weights |= {short: weights[short][:3].clone(), "model.extra": torch.zeros(2)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, ignore_mismatched_sizes=True)
    assert lost in info["missing_keys"], f"missing weights are told in another way: {READING}"
    assert "model.extra" in info["unexpected_keys"], f"weights too many are told in another way: {READING}"
    [(name, found, wanted)] = info["mismatched_keys"]
    told = (name, list(found)[0], list(wanted)[0])
    assert told == (short, 3, 64), f"weights of another shape are told in another way: {READING}"


def test_a_packed_model_can_be_unpacked_as_it_is_read():
    assert GgufConfig(dequantize=True).dequantize, f"GgufConfig has no `dequantize`: {READING}"


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("hidden_size", "wide", StrictDataclassError),
        ("num_attention_heads", 0, ZeroDivisionError),
        ("hidden_act", "smooth", KeyError),
    ],
)
def test_a_config_of_nonsense_raises_what_is_caught(checkpoint, tmp_path, key, value, kind):
    folder = shutil.copytree(checkpoint, tmp_path / "odd")
    config = json.loads((folder / "config.json").read_text()) | {key: value}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(Exception) as caught:  # which kind is what is tested
        AutoModelForCausalLM.from_pretrained(folder)
    assert isinstance(caught.value, NONSENSE), f"{key} {value!r} raises {type(caught.value).__name__}: {ERRORS}"
    assert isinstance(caught.value, kind), f"{key} raises {type(caught.value).__name__}, which is caught too: correct this test"


def test_tokenizers_raises_the_bare_exception(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "odd")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["type"] = "Magic"
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(Exception) as caught:  # which kind is what is tested
        AutoTokenizer.from_pretrained(folder)
    bare = type(caught.value) is Exception
    assert bare, f"a broken tokenizer raises {type(caught.value).__name__}: it need not be caught as Exception any more; {ERRORS}"


def test_the_names_of_an_adapters_weights_are_those_of_its_file(checkpoint, model, tmp_path):
    config = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(checkpoint), config).save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(checkpoint), str(tmp_path))
    in_file = load_file(tmp_path / "adapter_model.safetensors").keys()
    same = get_peft_model_state_dict(loaded).keys() == in_file
    assert same, "peft names an adapter's weights otherwise than its file: look at add_adapter in src/models/checkpoints.py"
