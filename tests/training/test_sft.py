"""A pretrained model is fine-tuned on what the arms ask, in its own template, and learns its own end of text."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from src.core.errors import InputError
from src.core.params import from_value
from src.models.base_metrics import SftRun
from src.models.encoding import encode_prompt
from src.models.templates import wrap_prompt
from src.regime_w.arms import build_all_arms, build_prompt
from src.regime_w.questions import Question
from src.training import sft
from src.training.sft import build_sft_trainer, check_sft_trainer, encode_examples, fine_tune
from src.training.sft_api import first_loss
from src.training.sft_examples import build_sft_examples, completion_text
from src.training.sft_settings import SftSettings

SETTINGS = from_value(
    SftSettings,
    {
        "first_question": 0,
        "questions": None,
        "num_train_epochs": 2,
        "template": "chat",
        "learning_rate": 5e-3,
        "batch_size": 8,
        "per_device_train_batch_size": 4,
        "max_length": 256,
        "max_truncated_share": 0.0,
        "lora": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.1},
        "bf16": False,
        "base_dtype": "float32",
        "attn_implementation": "eager",
        "gradient_checkpointing": False,
    },
    "settings of a test",
)
# As SmolLM2's: each turn begins with the begin token, and ends with the end token.
CHAT = (
    "{% for m in messages %}{{ bos_token }}{{ m.role }}\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}{{ bos_token }}assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def plain(checkpoint, tmp_path_factory) -> Path:
    """The tiny model as a chat model is published: it has a chat template, and its tokenizer adds no begin token of its own."""
    folder = shutil.copytree(checkpoint, tmp_path_factory.mktemp("published") / "plain")
    content = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(content | {"post_processor": None}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    tokenizer.pad_token = tokenizer.eos_token  # the end of a text is learned all the same
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(plain) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(plain)


def texts_of(questions: Sequence[Question], epochs: int = 1) -> list[tuple[str, str]]:
    return [(example.prompt, example.completion) for example in build_sft_examples(questions, epochs, lambda prompt: prompt)]


# --- what is learned ---


def test_a_worked_solution_loses_the_calculator_and_ends_as_the_method_asks():
    worked = "He has 48/2 = <<48/2=24>>24 left.\nIn all 48+24 = <<48+24=72>>72.\n#### 72"
    assert completion_text(worked) == "He has 48/2 = 24 left.\nIn all 48+24 = 72.\nAnswer: 72"


def test_the_prompts_are_the_four_of_the_arms_and_a_probe_teaches_its_retelling(questions):
    asked = texts_of(questions, epochs=4)
    prompts = {build_prompt(arm, question.question) for arm in build_all_arms() for question in questions}
    assert {prompt for prompt, _ in asked} <= prompts
    restated = {question.restated for question in questions}
    altered = {question.altered: question.altered_answer for question in questions}
    for prompt, completion in asked:
        first, _, rest = completion.partition("\n")
        if "restate the problem in your own words" in prompt:
            assert first in restated
        elif "retell the problem with other names" in prompt:
            assert rest == completion_text(altered[first])
    assert sum("retell" in prompt for prompt, _ in asked) == pytest.approx(0.2 * len(asked), abs=0.1 * len(asked))


def test_questions_without_retellings_are_asked_by_the_personas_alone(questions):
    bare = [replace(question, restated=None, altered=None, altered_answer=None) for question in questions]
    asked = texts_of(bare, epochs=2)
    assert len(asked) == 2 * len(bare)
    assert not any("restate" in prompt or "retell" in prompt for prompt, _ in asked)
    assert [completion for _, completion in asked] == 2 * [completion_text(question.answer) for question in bare]


def test_an_example_depends_on_its_question_and_epoch_alone(questions):
    assert texts_of(questions[5:9], epochs=2)[:4] == texts_of(questions, epochs=1)[5:9]


def test_the_prompt_is_read_as_sampling_reads_it_and_the_end_token_is_learned(questions, plain, tokenizer, tmp_path):
    """Even though the pad token is the end token, and every turn of the template begins with the begin token."""
    examples = encode_examples(questions[:6], SETTINGS, tokenizer)
    trainer = build_sft_trainer(examples, SETTINGS, 0, plain, tokenizer, tmp_path)
    prompts = {
        tuple(encode_prompt(tokenizer, wrap_prompt(build_prompt(arm, q.question), "chat", tokenizer)))
        for arm in build_all_arms()
        for q in questions[:6]
    }
    assert len(trainer.train_dataset) == 12
    for row in trainer.train_dataset:
        learned = [label != -100 for label in row["labels"]]
        begin = learned.index(True)
        assert all(learned[begin:])
        assert tuple(row["input_ids"][:begin]) in prompts
        assert row["labels"][-1] == tokenizer.eos_token_id
        assert re.search(r"\nAnswer: \d+</s>$", tokenizer.decode(row["labels"][begin:]))


# --- training ---


def test_the_loss_is_that_of_the_model_over_completions_and_ends(questions, plain, tokenizer, tmp_path):
    examples = encode_examples(questions[:4], SETTINGS, tokenizer)
    trainer = build_sft_trainer(examples, SETTINGS, 0, plain, tokenizer, tmp_path)
    losses, tokens = [], 0
    model = sft.read_model(sft.own_checkpoint(plain, "base"), torch.float32)
    with torch.no_grad():
        for text in examples.texts[:4]:
            ids = torch.tensor([text.tokens])
            logp = model(ids).logits[0, text.prompt_length - 1 : -1].log_softmax(-1)
            learned = ids[0, text.prompt_length :]
            losses.append(-logp.gather(1, learned[:, None]).sum().item())
            tokens += len(learned)
    trainer.model.eval()  # without dropout
    assert first_loss(trainer).item() == pytest.approx(sum(losses) / tokens, rel=1e-5)


def test_the_longest_texts_go_through_the_model_before_the_first_step(questions, plain, tokenizer, tmp_path, monkeypatch):
    examples = encode_examples(questions[:4], SETTINGS, tokenizer)
    trainer = build_sft_trainer(examples, SETTINGS, 0, plain, tokenizer, tmp_path)
    passes, collate = [], trainer.data_collator

    def collate_and_tell(rows):
        passes.append([len(row["input_ids"]) for row in rows])
        return collate(rows)

    monkeypatch.setattr(trainer, "data_collator", collate_and_tell)
    check_sft_trainer(trainer, examples)
    lengths, count = [len(text.tokens) for text in examples.texts], SETTINGS.per_device_train_batch_size
    assert passes == [lengths[:count], sorted(lengths)[-count:]]
    assert passes[0] != passes[1]
    assert all(weight.grad is None for weight in trainer.model.parameters())


@pytest.mark.parametrize("lora", [SETTINGS.lora, None], ids=["lora", "all weights"])
def test_the_loss_falls_and_the_figures_before_the_first_step_are_kept(questions, plain, tmp_path, lora):
    settings = replace(SETTINGS, lora=lora, num_train_epochs=8, learning_rate=3e-2 if lora else 5e-3)
    run = fine_tune(questions[:20], settings, 0, plain, tmp_path / "tuned", tmp_path / "work")
    metrics, losses = run.metrics, [step.loss for step in run.steps]
    assert (metrics.examples, metrics.steps) == (160, 20)
    assert [step.step for step in run.steps] == list(range(1, 21))
    assert (metrics.first_loss, metrics.last_loss) == (losses[0], pytest.approx(fmean(losses[10:])))
    assert metrics.last_loss < 0.9 * metrics.first_loss
    assert metrics.preflight.truncated_share == 0 and metrics.preflight.first_gradient_norm > 0
    assert metrics.preflight.loss_at_step_0 == pytest.approx(metrics.first_loss, rel=0.1)
    weights = load_file(tmp_path / "tuned" / ("adapter_model.safetensors" if lora else "model.safetensors"))
    assert metrics.preflight.trainable_parameters == sum(weight.numel() for weight in weights.values())


@pytest.mark.slow
@pytest.mark.parametrize("lora", [SETTINGS.lora, None], ids=["lora", "all weights"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(questions, plain, tmp_path, stopping, capsys, lora):
    settings = replace(SETTINGS, lora=lora)

    def train(name: str):
        return lambda: fine_tune(questions, settings, 0, plain, tmp_path / name, tmp_path / f"work of {name}")

    straight = stopping(sft, train("straight"), [])
    stopped = stopping(sft, train("stopped"), [13])
    assert "goes on from step 10" in capsys.readouterr().out
    assert stopped == straight and isinstance(straight, SftRun)
    for file in sorted((tmp_path / "straight").iterdir()):
        assert file.read_bytes() == (tmp_path / "stopped" / file.name).read_bytes(), file.name


# --- what is refused ---


def test_a_model_without_a_chat_template_is_refused(questions, checkpoint):
    with pytest.raises(InputError, match="engine.template is 'chat', but the tokenizer of .* has no chat template"):
        encode_examples(questions, SETTINGS, AutoTokenizer.from_pretrained(checkpoint))


def test_a_begin_token_that_template_and_tokenizer_both_write_is_refused(questions, checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)  # which adds one
    tokenizer.chat_template = CHAT
    with pytest.raises(InputError, match="example 1 of base.sft: the prompt begins with the begin token '<s>' twice"):
        encode_examples(questions, SETTINGS, tokenizer)


def test_texts_that_are_too_long_are_refused_with_their_share(questions, tokenizer):
    with pytest.raises(InputError, match=r"100.0% of the 120 examples are longer than base.sft.max_length = 20 tokens"):
        encode_examples(questions, replace(SETTINGS, max_length=20), tokenizer)


def test_examples_of_which_nothing_is_left_to_learn_are_refused(questions, plain, tokenizer, tmp_path):
    short = replace(SETTINGS, max_length=20, max_truncated_share=1.0)
    examples = encode_examples(questions[:6], short, tokenizer)
    trainer = build_sft_trainer(examples, short, 0, plain, tokenizer, tmp_path)
    with pytest.raises(InputError, match="of the others nothing but the prompt is left; raise base.sft.max_length"):
        check_sft_trainer(trainer, examples)


def test_a_text_longer_than_the_model_reads_is_refused(questions, plain, tmp_path):
    with pytest.raises(InputError, match="base.sft.max_length is 513, but the model of .* reads 512 tokens"):
        fine_tune(questions, replace(SETTINGS, max_length=513), 0, plain, tmp_path / "tuned", tmp_path / "work")


def test_frozen_weights_are_refused(questions, plain, tokenizer, tmp_path):
    examples = encode_examples(questions[:6], SETTINGS, tokenizer)
    trainer = build_sft_trainer(examples, SETTINGS, 0, plain, tokenizer, tmp_path)
    trainer.model.requires_grad_(False)
    with pytest.raises(InputError, match="no parameter is trainable: the weights are frozen"):
        check_sft_trainer(trainer, examples)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"batch_size": 6}, "batch_size is 6, which is no multiple of per_device_train_batch_size = 4"),
        ({"lora": None, "base_dtype": "bfloat16"}, "updates of all weights are lost in it"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        replace(SETTINGS, **values)
