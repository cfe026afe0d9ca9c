"""Every reason why a training run would learn nothing stops it before the first step, with its cause."""

import json
import math
import shutil
from dataclasses import replace
from functools import partial
from random import Random

import pytest
import torch
from transformers import AutoTokenizer

from src.core.errors import InputError
from src.training.dpo import build_trainer, train_adapter
from src.training.pairs import TrainingPair
from src.training.preflight import check_pairs, check_trainer
from src.training.sandbox_model import train_sandbox_model
from src.training.token_checks import check_max_length, check_tokenizer
from src.training.trainer_checks import try_pass
from src.training.trl_api import LENGTH, longest_loss
from tests.conftest import TINY
from tests.training.runs import make_pairs, training_settings


@pytest.fixture(scope="module")
def pairs(questions) -> list[TrainingPair]:
    return make_pairs(questions[:10])


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return AutoTokenizer.from_pretrained(checkpoint)


@pytest.fixture
def trainer(pairs, checkpoint, tmp_path):
    return build_trainer(pairs, training_settings(), base=checkpoint, work=tmp_path)


def check(pairs, tokenizer, max_length=256, max_truncated_share=0.0):
    return check_pairs(pairs, tokenizer, max_length, max_truncated_share)


def test_good_pairs_pass_with_their_lengths(pairs, tokenizer):
    lengths = check(pairs, tokenizer)
    texts = [pair.prompt + side + tokenizer.eos_token for pair in pairs for side in (pair.chosen, pair.rejected)]
    assert lengths.truncated_share == 0
    assert lengths.max_pair_tokens == max(len(tokenizer(text)["input_ids"]) for text in texts)


def test_equal_texts_stop(pairs, tokenizer):
    same = replace(pairs[0], rejected=pairs[0].chosen)
    with pytest.raises(InputError, match="data/training_pairs.jsonl:2: chosen and rejected are the same text"):
        check([pairs[1], same], tokenizer)


def test_a_doubled_begin_token_stops(pairs, tokenizer):
    doubled = replace(pairs[0], prompt=tokenizer.bos_token + pairs[0].prompt)
    with pytest.raises(InputError, match="begins with the begin token '<s>' twice"):
        check([doubled], tokenizer)


def change_tokenizer(checkpoint, folder, change):
    """A copy of the checkpoint whose tokenizer.json `change` has edited."""
    base = shutil.copytree(checkpoint, folder / "base")
    content = json.loads((base / "tokenizer.json").read_text())
    change(content)
    (base / "tokenizer.json").write_text(json.dumps(content))
    return base


def test_a_missing_begin_token_stops(pairs, checkpoint, tmp_path):
    base = change_tokenizer(checkpoint, tmp_path, lambda content: content.update(post_processor=None))
    with pytest.raises(InputError, match="does not begin with the begin token '<s>', which the model knows"):
        check(pairs, AutoTokenizer.from_pretrained(base))


def test_pairs_longer_than_the_model_reads_stop(checkpoint):
    check_max_length(checkpoint, 512)
    with pytest.raises(InputError, match="train.max_length is 513, but the model of .* reads 512 tokens .max_pos.*: lower it"):
        check_max_length(checkpoint, 513)


def test_a_tokenizer_with_more_tokens_than_the_model_stops(checkpoint, tmp_path):
    base = shutil.copytree(checkpoint, tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(base)
    check_tokenizer(tokenizer, base)
    tokenizer.add_tokens(["another model's"])
    with pytest.raises(InputError, match="has 601 tokens, but the model only 600: it is that of another model"):
        check_tokenizer(tokenizer, base)


@pytest.mark.parametrize(
    ("change", "cause"), [({"eos_token": "<pad>"}, "ends texts by token 0"), ({"pad_token": None}, "lacks an end or a pad token")]
)
def test_a_tokenizer_with_another_end_or_without_a_pad_token_stops(checkpoint, change, cause):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    for name, token in change.items():
        setattr(tokenizer, name, token)
    with pytest.raises(InputError, match=cause):
        check_tokenizer(tokenizer, checkpoint)


def test_a_tokenizer_of_the_same_size_but_of_another_model_stops(questions, tmp_path):
    """The model knows some texts by heart; in the tokens of another model they are worse than guesses."""
    learned, pairs = tmp_path / "learned", make_pairs(questions[:4])
    learner = replace(TINY, epochs=150, learning_rate=2e-2, answer_only_wolfram=0.0, answer_only_maudlin=0.0)
    train_sandbox_model(questions[:4], learner, 0, learned, tmp_path / "work")

    def permute(content):
        added = {token["content"] for token in content["added_tokens"]}
        vocabulary = content["model"]["vocab"]
        plain = [token for token in vocabulary if token not in added]
        numbers = [vocabulary[token] for token in plain]
        Random(0).shuffle(numbers)
        vocabulary.update(zip(plain, numbers, strict=True))

    own = build_trainer(pairs, training_settings(), base=learned, work=tmp_path / "one")
    assert check_trainer(own).chosen_nats < 1
    other = change_tokenizer(learned, tmp_path, permute)
    trainer = build_trainer(pairs, training_settings(), base=other, work=tmp_path / "two")
    with pytest.raises(InputError, match="nats a token, worse than guessing: .* the tokenizer is that of another model"):
        check_trainer(trainer)


def test_a_prompt_that_merges_with_the_completion_stops(pairs, tokenizer):
    """Without its blank line the prompt ends inside a token: ` 1` and `2` are read as ` 12`."""
    merged = replace(pairs[0], prompt="Add 5 and 7: 1", chosen="2", rejected="3")
    with pytest.raises(InputError, match="no prefix of those of prompt"):
        check([merged], tokenizer)


def test_too_many_truncated_pairs_stop(pairs, tokenizer):
    with pytest.raises(InputError, match=r"100.0% of the 10 pairs are longer than train.max_length = 20 tokens"):
        check(pairs, tokenizer, max_length=20)
    assert check(pairs, tokenizer, max_length=20, max_truncated_share=1.0).truncated_share == 1


def test_a_fresh_adapter_passes_at_ln_2(trainer):
    checks = check_trainer(trainer)
    assert checks.loss_at_step_0 == pytest.approx(math.log(2), abs=1e-6)
    assert checks.first_gradient_norm > 0 and checks.trainable_parameters > 0


def test_the_longest_pairs_go_through_the_model_before_the_first_step(trainer, monkeypatch):
    """Which come anywhere in the order of training, and mostly need the most memory."""
    passes, collate = [], trainer.data_collator

    def collate_and_tell(rows):
        passes.append([row[LENGTH] for row in rows])
        return collate(rows)

    monkeypatch.setattr(trainer, "data_collator", collate_and_tell)
    check_trainer(trainer)
    lengths = sorted(trainer.train_dataset[LENGTH])
    assert lengths[0] < lengths[-1]
    assert passes == [lengths[:4], lengths[-4:]]
    assert all(weight.grad is None for weight in trainer.model.parameters())


@pytest.mark.parametrize(("recomputed", "reads"), [(False, 1), (True, 2)])
def test_the_longest_pairs_are_tried_as_training_reads_them(pairs, checkpoint, tmp_path, recomputed, reads):
    """Without activations that are computed again they would need more memory than training does."""
    built = build_trainer(pairs, training_settings({"train.gradient_checkpointing": recomputed}), checkpoint, tmp_path)
    calls = []
    built.model.get_base_model().model.layers[0].mlp.register_forward_pre_hook(lambda *_: calls.append(1))
    try_pass(built, partial(longest_loss, built))
    assert len(calls) == reads


def test_a_frozen_adapter_stops(trainer):
    trainer.model.requires_grad_(False)
    with pytest.raises(InputError, match="no parameter is trainable"):
        check_trainer(trainer)


def test_learning_rate_0_stops(trainer):
    trainer.args.learning_rate = 0.0
    with pytest.raises(InputError, match=r"dpo.learning_rate is 0.0: nothing would move"):
        check_trainer(trainer)


def test_another_reference_stops(trainer):
    """An adapter that has moved since the reference was read is not the policy that was sampled."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in trainer.model.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator))
    with pytest.raises(InputError, match="not 0: policy and reference differ"):
        check_trainer(trainer)


def test_training_lowers_the_loss_and_twice_gives_the_same_bytes(pairs, checkpoint, tmp_path):
    settings = training_settings({"dpo.num_train_epochs": 6})
    runs = []
    for name in ("first", "second"):
        folder = tmp_path / name
        run = train_adapter(pairs, settings, checkpoint, folder, tmp_path / "work")
        assert {path.name for path in folder.iterdir()} >= {"adapter_config.json", "adapter_model.safetensors"}
        runs.append((run, (folder / "adapter_model.safetensors").read_bytes()))
    assert runs[0] == runs[1]
    steps = runs[0][0].steps
    assert [step.epoch for step in steps] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6]
    assert steps[-1].loss < steps[0].loss and all(step.gradient_norm > 0 for step in steps)


def test_a_pad_token_that_is_the_end_token_hides_no_end(pairs, checkpoint, tmp_path):
    """SmolLM2 pads with its end token; the end of every completion must be learned all the same."""
    base = shutil.copytree(checkpoint, tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(base)
    trainer = build_trainer(pairs, training_settings(), base=base, work=tmp_path / "work")
    batch = trainer.data_collator([trainer.train_dataset[index] for index in range(4)])
    for ids, read, learned in zip(batch["input_ids"], batch["attention_mask"], batch["completion_mask"], strict=True):
        last = int(read.sum()) - 1
        assert ids[last] == tokenizer.eos_token_id and learned[last] == 1
        assert (ids[last + 1 :] == tokenizer.eos_token_id).all() and (learned[last + 1 :] == 0).all()
    assert not batch["attention_mask"].all()  # some rows are padded
