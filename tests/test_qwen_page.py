"""docs/qwen.md and profiles/qwen.yaml against the shape of Qwen2.5-0.5B-Instruct: every sum is done again."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from peft import LoraConfig, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

from src.core.params import load_profile_section
from src.engines.settings import EngineSettings
from src.ops.plan import MachineSettings
from src.training.dpo_settings import gradient_accumulation_steps, load_training_settings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/qwen.md").read_text()
PROFILE = ROOT / "profiles/qwen.yaml"
GB = 10**9
LAYERS, HIDDEN, BETWEEN, HEADS, KEY_HEADS, DIMENSION, ROWS = 24, 896, 4864, 14, 2, 64, 151_936
TEXT, PROMPT = 768, 256
TOKEN_OF_CACHE = LAYERS * 2 * KEY_HEADS * DIMENSION * 2
# What one layer keeps of a token: two norms in float32; in bfloat16 six times the hidden size, keys and values twice, and four
# times what lies in between.
TOKEN_OF_LAYER = 2 * HIDDEN * 4 + 2 * (6 * HIDDEN + 4 * KEY_HEADS * DIMENSION + 4 * BETWEEN)


@pytest.fixture(scope="module")
def model() -> Qwen2ForCausalLM:
    """The published shape, without memory for it."""
    with torch.device("meta"):
        return Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=ROWS,
                hidden_size=HIDDEN,
                intermediate_size=BETWEEN,
                num_hidden_layers=LAYERS,
                num_attention_heads=HEADS,
                num_key_value_heads=KEY_HEADS,
                tie_word_embeddings=True,
            )
        )


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.chdir(ROOT)
    return load_training_settings(0, PROFILE)


def scores(tokens: int) -> float:
    """Bytes of attention over a row that is computed again: scores and softmax in bfloat16 and float32, and gradients."""
    return HEADS * tokens**2 * 12


def in_table(gigabytes: float) -> str:
    return f"| {gigabytes:.2f} |"


def test_the_weights_and_the_adapter_have_the_size_that_the_page_says(model, settings):
    parameters = sum(weight.numel() for weight in model.parameters())
    assert f"{parameters:,} × 2 bytes {in_table(2 * parameters / GB)}" in PAGE
    assert f"weights {4 * parameters / GB:.2f}, keys" in PAGE
    with torch.device("meta"):
        lora = LoraConfig(r=settings.dpo.lora.r, target_modules="all-linear", task_type="CAUSAL_LM")
        adapter = sum(weight.numel() for weight in get_peft_model(model, lora).parameters() if weight.requires_grad)
    row = re.search(r"\| adapter of rank 16 [^|]*\|[^|]*\|", PAGE)
    assert row and f"{adapter:,} × 16 bytes" in row[0] and row[0].endswith(in_table(16 * adapter / GB))


def test_the_sums_of_sampling_are_those_of_the_profile(monkeypatch):
    monkeypatch.chdir(ROOT)
    engine = load_profile_section("engine", EngineSettings, PROFILE)
    machine = load_profile_section("machine", MachineSettings, PROFILE)
    assert engine.vllm is not None
    logits, prompts = engine.batch_size * ROWS * 4 * 4 / GB, 8192 * 3 * BETWEEN * 2 / GB
    allowed = machine.gpu_memory * engine.vllm.gpu_memory_utilization
    left = allowed - round(logits, 2) - round(prompts, 2) - 0.99 - 0.80
    assert f"{allowed:.1f} GB of {machine.gpu_memory:g}" in PAGE
    assert f"four times at once {in_table(logits)}" in PAGE and f"numbers each {in_table(prompts)}" in PAGE
    assert f"left for keys and values {in_table(left)}" in PAGE
    assert f"{TOKEN_OF_CACHE:,} bytes, so there is room for {round(left * GB / TOKEN_OF_CACHE, -4):,.0f} of them" in PAGE
    needed = engine.batch_size * 1280 * TOKEN_OF_CACHE / GB
    assert f"{engine.batch_size} texts of 1,280 tokens need {needed:.2f} GB" in PAGE and needed < left


def test_the_sum_of_the_other_engine_fits_the_card():
    texts = 32
    parts = [
        1.98,
        texts * 1280 * 2 * TOKEN_OF_CACHE / GB,
        texts * 450 * 3 * BETWEEN * 4 / GB,
        texts * HEADS * 450**2 * 4 * 2 / GB,
        texts * ROWS * 24 / GB,
        1.0,
    ]
    line = re.search(r"\*\*Sampling by transformers\*\* .*?GB\.", PAGE, flags=re.S)
    assert line and [f"{part:.2f}" for part in parts] == re.findall(r"\d\.\d\d(?!\d| GB)", line[0])
    assert f"{sum(parts):.2f} GB." in line[0] and sum(parts) < 8


def test_the_sum_of_training_fits_the_card_and_larger_passes_would_not(settings):
    train = settings.train
    assert (train.per_device_train_batch_size, train.max_length) == (2, TEXT + PROMPT) and train.gradient_checkpointing
    assert gradient_accumulation_steps(settings, 1) == 16
    texts = 2 * train.per_device_train_batch_size
    tokens, row = texts * TEXT + 2 * PROMPT, texts * TEXT + PROMPT
    assert f"at most {tokens:,} tokens, or one row of {row:,}" in PAGE and f"{TOKEN_OF_LAYER:,} bytes a token" in PAGE
    parts = [0.99, 0.14, LAYERS * tokens * HIDDEN * 2 / GB, 2 * tokens * TOKEN_OF_LAYER / GB, scores(row) / GB]
    parts += [texts * TEXT * 32_768 * 2 / GB, 1.0]
    table = PAGE.split("or one row of")[1].split("| together")[0]
    assert re.findall(r"\| (\d\.\d\d) \|", table) == [f"{part:.2f}" for part in parts]
    assert f"| together {in_table(sum(round(part, 2) for part in parts))}" in PAGE and sum(parts) < 8
    assert f"would be {texts * TEXT * ROWS * 4 / GB:.2f})" in PAGE
    longer = 2 * texts * TEXT + PROMPT
    assert f"one row of {longer:,} tokens would be {scores(longer) / GB:.2f} GB" in PAGE
    assert sum(parts) - scores(row) / GB + scores(longer) / GB > 8
    kept = LAYERS * tokens * TOKEN_OF_LAYER / GB
    assert f"{kept:.2f} GB instead of {parts[2]:.2f} and {parts[3]:.2f}" in " ".join(PAGE.split())
    assert sum(parts) - parts[2] - parts[3] + kept > 8


def test_the_hours_are_those_of_the_rates_that_the_page_assumes():
    hours = yaml.safe_load(PROFILE.read_text())["machine"]["hours"]
    sample, answer = 5500 * TEXT / 2000 / 3600, 2 * 1319 * TEXT / 2000 / 3600
    train = 3 * 5000 * 1000 * 4 * 0.988e9 / 8e12 / 3600
    assert (
        f"{sample:.2f} h for 5,500 texts" in PAGE
        and f"{answer:.2f} h for 2 × 1,319" in PAGE
        and f"{train:.2f} h for 3 epochs" in PAGE
    )
    assert sample < hours["sample"] < sample + 0.1 and answer < hours["answer"] < answer + 0.2
    assert train < hours["train"] < train + 0.1
