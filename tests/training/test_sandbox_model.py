from dataclasses import replace

import pytest
import torch
from transformers import AutoTokenizer

from src.regime_w.arms import build_all_arms, build_prompt
from src.sources.sandbox.problems import make_split
from src.training.examples import Example, build_examples
from src.training.samplers import LengthGroups
from src.training.sandbox_model import MAX_POSITIONS, _build_trainer, build_model, silence_blocks
from src.training.sandbox_settings import MIN_VOCAB_SIZE
from src.training.tokenizer import encode_examples, train_tokenizer
from tests.conftest import TINY


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return AutoTokenizer.from_pretrained(checkpoint)


def test_numbers_and_instructions_are_single_tokens_and_texts_come_back_as_they_were(tokenizer, questions):
    assert all(len(tokenizer(f" {n}", add_special_tokens=False)["input_ids"]) == 1 for n in (2, 10, 24))
    for arm in build_all_arms():
        text = build_prompt(arm, questions[0].question) + "\n\n"
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id and ids.count(tokenizer.bos_token_id) == 1
        assert tokenizer.decode(ids[1:]) == text
        # begin, instruction, question, request: the instruction and the request are one token each
        assert len(ids) == 3 + len(tokenizer(questions[0].question, add_special_tokens=False)["input_ids"])


def test_an_example_teaches_the_completion_and_its_end_alone(tokenizer):
    [encoded] = encode_examples(tokenizer, [Example("How many?\n\n", "Answer: 7", "four: 2 + 5 = 7\nAnswer: 7")])
    taught = [token for token in encoded.labels if token != -100]
    assert tokenizer.decode(taught) == "Answer: 7</s>"
    assert encoded.input_ids[-len(taught) :] == taught
    assert encoded.length > len(encoded.input_ids)  # batched as if every step were written


def test_no_example_is_longer_than_the_model_reads_even_in_the_smallest_vocabulary():
    """So nothing has to look at the length of an example: the problems are as long as `make_split` makes them."""
    tokenizer = train_tokenizer([], MIN_VOCAB_SIZE)  # it has learned no letters together: a token a byte
    every_step = replace(TINY, epochs=4, answer_only_wolfram=0.0, answer_only_maudlin=0.0)
    examples = list(build_examples(make_split("train", 2000), every_step))
    assert 384 < max(len(example.input_ids) for example in encode_examples(tokenizer, examples)) <= MAX_POSITIONS


def test_silent_blocks_pass_on_what_they_get_and_still_learn(tokenizer):
    model = build_model(TINY, tokenizer, seed=0)
    silence_blocks(model)
    texts = torch.tensor([[1, 5, 7, 9], [1, 8, 6, 9]])  # the last token is the same
    outputs = model(texts, labels=texts)
    torch.testing.assert_close(outputs.logits[0, -1], outputs.logits[1, -1])
    outputs.loss.backward()
    assert all(layer.mlp.down_proj.weight.grad.abs().max() > 0 for layer in model.model.layers)


def test_the_loss_is_that_of_the_whole_model_over_the_learned_tokens(tokenizer, questions, tmp_path):
    examples = encode_examples(tokenizer, list(build_examples(questions[:8], TINY)))
    trainer = _build_trainer(build_model(TINY, tokenizer, seed=0), examples, tokenizer.pad_token_id, TINY, 0, tmp_path)
    batch = trainer.data_collator(examples[:8])
    with torch.no_grad(), trainer.accelerator.autocast():
        mask = (batch["input_ids"] != tokenizer.pad_token_id).long()
        whole = trainer.model(**batch, attention_mask=mask).loss
        loss = trainer.compute_loss(trainer.model, batch)
    assert loss.item() == pytest.approx(whole.item(), rel=1e-3)


def test_a_step_is_drawn_by_the_lengths_that_the_examples_name(tokenizer, questions, tmp_path):
    examples = encode_examples(tokenizer, list(build_examples(questions[:40], TINY)))
    trainer = _build_trainer(build_model(TINY, tokenizer, seed=0), examples, tokenizer.pad_token_id, TINY, 0, tmp_path)
    batches = trainer.get_train_dataloader().batch_sampler
    sampler = getattr(batches, "sampler", None) or batches.batch_sampler.sampler
    assert isinstance(sampler, LengthGroups) and sampler.lengths == [example.length for example in examples], (
        f"the trainer draws examples by {type(sampler).__name__}: look at CompletionTrainer in src/training/sandbox_model.py, "
        "and at where transformers/trainer.py makes its sampler"
    )


def test_batches_have_few_shapes(tokenizer, questions, tmp_path):
    """A new shape costs a kernel of its own, and memory that falls into pieces (src/training/few_shapes.py)."""
    examples = encode_examples(tokenizer, list(build_examples(questions[:40], TINY)))
    trainer = _build_trainer(build_model(TINY, tokenizer, seed=0), examples, tokenizer.pad_token_id, TINY, 0, tmp_path)
    read, projected = set(), set()
    trainer.model.model.register_forward_pre_hook(lambda _, inputs: read.add(inputs[0].shape[1]))
    trainer.model.lm_head.register_forward_pre_hook(lambda _, inputs: projected.add(len(inputs[0])))
    with torch.no_grad():
        for batch in trainer.get_train_dataloader():
            trainer.compute_loss(trainer.model, batch)
    assert len({example.length for example in examples}) > len(read) > 1
    assert all(width % 8 == 0 for width in read) and all(tokens % 64 == 0 for tokens in projected)
