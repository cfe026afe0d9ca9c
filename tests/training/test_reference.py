"""The base is asked for each text once: again only after a change of what decides its log-probability."""

from pathlib import Path

import pytest

from src.core.journal import Dependencies, read_pieces
from src.training.reference import ScoredText, reference_log_probs

TEXTS = [ScoredText((1, 2), (3,)), ScoredText((1, 2), (4, 5)), ScoredText((1,), (2, 3))]


class Base:
    """Tells a number of each text, and which texts it was asked for."""

    def __init__(self) -> None:
        self.asked: list[ScoredText] = []

    def log_prob(self, text: ScoredText) -> float:
        self.asked.append(text)
        return -0.1 * sum(text.completion)


@pytest.fixture
def weights(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "weights").write_text("weights")
    return tmp_path / "weights"


def depends_on(weights: Path) -> Dependencies:
    return Dependencies(settings=[True, "float32"], inputs=[weights], code=("training/reference.py",), packages=("torch",))


def test_each_text_is_asked_for_once_however_often_it_stands_there(weights):
    base = Base()
    values = reference_log_probs([*TEXTS, TEXTS[0], TEXTS[1]], base.log_prob, depends_on(weights))
    assert values == [-0.1 * 3, -0.1 * 9, -0.1 * 5, -0.1 * 3, -0.1 * 9]
    assert base.asked == TEXTS


def test_a_second_training_asks_for_what_is_new_alone_and_gets_the_same_bits(weights):
    first = reference_log_probs(TEXTS[:2], Base().log_prob, depends_on(weights))
    base = Base()
    assert reference_log_probs(TEXTS, base.log_prob, depends_on(weights))[:2] == first
    assert base.asked == TEXTS[2:]


def test_another_base_is_asked_anew(weights):
    reference_log_probs(TEXTS, Base().log_prob, depends_on(weights))
    weights.write_text("others")
    base = Base()
    reference_log_probs(TEXTS, base.log_prob, depends_on(weights))
    assert base.asked == TEXTS


def test_what_was_asked_before_a_kill_is_kept(weights, tmp_path, monkeypatch):
    monkeypatch.setattr("src.training.reference.BETWEEN_GATHERS", 1)
    base = Base()

    def killed(text: ScoredText) -> float:
        if len(base.asked) == 2:
            raise KeyboardInterrupt
        return base.log_prob(text)

    with pytest.raises(KeyboardInterrupt):
        reference_log_probs(TEXTS, killed, depends_on(weights))
    [kept] = (tmp_path / ".work/reference").glob("*/texts.jsonl")
    assert set(read_pieces(kept).pieces) == {text.key() for text in TEXTS[:2]}


def test_prompt_and_completion_are_told_apart():
    assert ScoredText((1, 2), (3,)).key() != ScoredText((1,), (2, 3)).key()
