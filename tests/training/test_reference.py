"""The base is asked for each text once: again only after a change of what decides its log-probability."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from src.core.journal import Dependencies, read_pieces
from src.models.encoding import encode_prompt
from src.training.dpo import build_trainer
from src.training.pairs import TrainingPair
from src.training.reference import ScoredText, reference_log_probs, rows_of
from src.training.trl_api import PROMPT, SIDES
from tests.training.runs import make_pairs, training_settings

TEXTS = [ScoredText((1, 2), (3,)), ScoredText((1, 2), (4, 5)), ScoredText((1,), (2, 3))]


class Base:
    """Tells a number of each text, and which texts it was asked for."""

    def __init__(self) -> None:
        self.asked: list[ScoredText] = []

    def log_probs(self, texts: Sequence[ScoredText]) -> list[float]:
        self.asked += texts
        return [-0.1 * sum(text.completion) for text in texts]


@pytest.fixture
def weights(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "weights").write_text("weights")
    return tmp_path / "weights"


def depends_on(weights: Path) -> Dependencies:
    return Dependencies(settings=[True, "float32"], inputs=[weights], code=("training/reference.py",), packages=("torch",))


def test_each_text_is_asked_for_once_however_often_it_stands_there(weights):
    base = Base()
    values = reference_log_probs([*TEXTS, TEXTS[0], TEXTS[1]], base.log_probs, depends_on(weights))
    assert values == [-0.1 * 3, -0.1 * 9, -0.1 * 5, -0.1 * 3, -0.1 * 9]
    assert base.asked == TEXTS


def test_a_second_training_asks_for_what_is_new_alone_and_gets_the_same_bits(weights):
    first = reference_log_probs(TEXTS[:2], Base().log_probs, depends_on(weights))
    base = Base()
    assert reference_log_probs(TEXTS, base.log_probs, depends_on(weights))[:2] == first
    assert base.asked == TEXTS[2:]


def test_texts_that_are_asked_for_together_are_of_one_width_and_no_more_than_its_rows(weights):
    texts = [ScoredText((number,), (1,) * length) for length in (5, 500, 6, 1_500, 2_500) for number in range(1, 100)]
    asked: list[list[ScoredText]] = []

    def log_probs(batch: Sequence[ScoredText]) -> list[float]:
        asked.append(list(batch))
        return [0.0] * len(batch)

    reference_log_probs(texts, log_probs, depends_on(weights))
    assert sorted({(batch[0].width, rows_of(batch[0].width)) for batch in asked}) == [(32, 64), (512, 4), (1_504, 1), (2_528, 1)]
    assert all(text.width == batch[0].width for batch in asked for text in batch)
    assert all(len(batch) <= rows_of(batch[0].width) for batch in asked)
    assert len(asked) == 4 + 25 + 99 + 99


def test_another_base_is_asked_anew(weights):
    reference_log_probs(TEXTS, Base().log_probs, depends_on(weights))
    weights.write_text("others")
    base = Base()
    reference_log_probs(TEXTS, base.log_probs, depends_on(weights))
    assert base.asked == TEXTS


def test_what_was_asked_before_a_kill_is_kept(weights, tmp_path, monkeypatch):
    monkeypatch.setattr("src.training.reference.TOKENS", 1)  # so that each is asked for alone
    base = Base()

    def killed(texts: Sequence[ScoredText]) -> list[float]:
        if len(base.asked) == 2:
            raise KeyboardInterrupt
        return base.log_probs(texts)

    with pytest.raises(KeyboardInterrupt):
        reference_log_probs(TEXTS, killed, depends_on(weights))
    [kept] = (tmp_path / ".work/reference").glob("*/texts.jsonl")
    assert set(read_pieces(kept).pieces) == {text.key() for text in TEXTS[:2]}


def reference_of(pairs: Sequence[TrainingPair], checkpoint: Path, folder: Path) -> dict[str, list[float]]:
    """Of each prompt the log-probabilities of its chosen and rejected text, by a base that is asked for these pairs alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        rows = build_trainer(pairs, training_settings(), checkpoint, folder / "work").train_dataset
    return {row[PROMPT]: [row[column] for column in SIDES.values()] for row in rows}


def test_a_text_has_the_same_bits_in_any_company_and_place(questions, checkpoint, tmp_path):
    pairs = make_pairs(questions[:40])
    together = reference_of(pairs, checkpoint, tmp_path / "together")
    assert len(together) == 40
    for number in (0, 17, 39):
        alone = reference_of(pairs[number : number + 1], checkpoint, tmp_path / str(number))
        assert alone == {pairs[number].prompt: together[pairs[number].prompt]}
    assert reference_of(pairs[::-1], checkpoint, tmp_path / "turned") == together


def test_a_text_has_the_log_probability_that_the_model_gives_it(questions, checkpoint, tmp_path):
    [pair] = make_pairs(questions[:1])
    model, tokenizer = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    begin = len(encode_prompt(tokenizer, pair.prompt))
    for text, found in zip((pair.chosen, pair.rejected), reference_of([pair], checkpoint, tmp_path)[pair.prompt], strict=True):
        ids = torch.tensor([[*encode_prompt(tokenizer, pair.prompt + text), tokenizer.eos_token_id]])
        by_hand = model(ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[begin - 1 :].sum().item()
        assert found == pytest.approx(by_hand, rel=0.01)  # autocast computes in bfloat16 where the processor can


def test_prompt_and_completion_are_told_apart():
    assert ScoredText((1, 2), (3,)).key() != ScoredText((1,), (2, 3)).key()
