from collections import Counter
from dataclasses import replace

import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer

from src.regime_w.arms import build_all_arms, build_prompt
from src.sources.sandbox.problems import make_split
from src.training.examples import Example, build_examples, solution_text
from src.training.sft import MAX_POSITIONS, MuonAndAdamW, _build_trainer, build_model
from src.training.sft_settings import MIN_VOCAB_SIZE
from src.training.tokenizer import encode_example, train_tokenizer
from tests.conftest import TINY


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return AutoTokenizer.from_pretrained(checkpoint)


def test_a_solution_without_steps_is_the_bare_answer():
    worked = "bought: 4 * 6 = 24\nleft: 24 - 3 = 21\n#### 21"
    assert solution_text(worked, answer_only=False) == "bought: 4 * 6 = 24\nleft: 24 - 3 = 21\nAnswer: 21"
    assert solution_text(worked, answer_only=True) == "Answer: 21"


def test_only_short_problems_have_the_bare_answer_and_in_their_shares():
    settings = replace(TINY, epochs=4, answer_only_wolfram=0.85, answer_only_maudlin=0.5)
    questions = make_split("train", 2000)
    steps_of = [question.answer.count("\n") for _ in range(4) for question in questions]
    counts = Counter()
    for example, steps in zip(build_examples(questions, settings), steps_of, strict=True):
        persona = "maudlin" if "depends on" in example.prompt else "wolfram"
        counts[persona, steps == 2, example.completion != example.with_steps] += 1
    assert counts["wolfram", False, True] == counts["maudlin", False, True] == 0
    for persona, share in (("wolfram", 0.85), ("maudlin", 0.5)):
        answer_only, with_steps = counts[persona, True, True], counts[persona, True, False]
        assert answer_only / (answer_only + with_steps) == pytest.approx(share, abs=0.04)


def test_examples_depend_on_question_and_epoch_alone(questions):
    settings = replace(TINY, epochs=2)
    forwards = list(build_examples(questions, settings))
    backwards = list(build_examples(questions[::-1], settings))
    assert set(forwards) == set(backwards)
    assert forwards[: len(questions)] == backwards[: len(questions)][::-1]


def test_a_question_without_retellings_gives_no_example(questions):
    with pytest.raises(ValueError, match="'sandbox-train-00000' lacks a retelling"):
        list(build_examples([replace(questions[0], altered=None)], TINY))


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
    encoded = encode_example(tokenizer, Example("How many?\n\n", "Answer: 7", "four: 2 + 5 = 7\nAnswer: 7"))
    taught = [token for token in encoded.labels if token != -100]
    assert tokenizer.decode(taught) == "Answer: 7</s>"
    assert encoded.input_ids[-len(taught) :] == taught
    assert encoded.length > len(encoded.input_ids)  # batched as if every step were written


def test_muon_takes_the_layers_matrices_and_adamw_all_the_rest(tokenizer):
    model = build_model(TINY, tokenizer, seed=0)
    muon, adamw = MuonAndAdamW(model, 1e-3).parts
    names = {id(weight): name for name, weight in model.named_parameters()}
    of_muon, of_adamw = (
        {names[id(weight)] for group in part.param_groups for weight in group["params"]} for part in (muon, adamw)
    )
    assert of_muon | of_adamw == set(names.values()) and not of_muon & of_adamw
    assert all("proj" in name for name in of_muon)
    assert all("embed" in name or "norm" in name for name in of_adamw)


def test_no_example_is_longer_than_the_model_reads_even_in_the_smallest_vocabulary():
    """So nothing has to look at the length of an example: the problems are as long as `make_split` makes them."""
    tokenizer = train_tokenizer([], MIN_VOCAB_SIZE)  # it has learned no letters together: a token a byte
    every_step = replace(TINY, epochs=4, answer_only_wolfram=0.0, answer_only_maudlin=0.0)
    examples = build_examples(make_split("train", 2000), every_step)
    assert 384 < max(len(encode_example(tokenizer, example).input_ids) for example in examples) <= MAX_POSITIONS


def test_the_loss_is_that_of_the_whole_model_over_the_learned_tokens(tokenizer, questions, tmp_path):
    data = Dataset.from_list([vars(encode_example(tokenizer, example)) for example in build_examples(questions[:8], TINY)])
    trainer = _build_trainer(build_model(TINY, tokenizer, seed=0), data, tokenizer.pad_token_id, TINY, 0, tmp_path)
    batch = trainer.data_collator([data[place] for place in range(8)])
    with torch.no_grad(), trainer.accelerator.autocast():
        mask = (batch["input_ids"] != tokenizer.pad_token_id).long()
        whole = trainer.model(**batch, attention_mask=mask).loss
        loss = trainer.compute_loss(trainer.model, batch)
    assert loss.item() == pytest.approx(whole.item(), rel=1e-3)
