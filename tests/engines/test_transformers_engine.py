import random
from dataclasses import replace

import pytest
import torch

from src.core.errors import InputError
from src.engines.interface import Request
from src.engines.transformers_engine import TransformersEngine, pick
from src.regime_w.arms import build_all_arms, build_prompt, request_seed
from src.regime_w.questions import Question


def requests_for(questions: list[Question], max_tokens: int = 24) -> list[Request]:
    arms = build_all_arms()
    return [
        Request(
            f"{q.id}/{arm.name}",
            build_prompt(arm, q.question) + "\n\n",
            0.0 if place == 0 else 2 * arm.temperature,
            request_seed(arm.seed, q.id),
            max_tokens,
        )
        for q in questions
        for place, arm in enumerate(arms)
    ]


def texts(engine: TransformersEngine, requests: list[Request]) -> dict[str, tuple]:
    return {c.key: (c.text, c.n_tokens, c.finish_reason) for c in engine.generate(requests)}


@pytest.fixture(scope="module")
def requests(questions) -> list[Request]:
    return requests_for(questions[:6])


@pytest.fixture(scope="module")
def expected(checkpoint, requests) -> dict[str, tuple]:
    return texts(TransformersEngine(checkpoint, batch_size=66), requests)


@pytest.mark.parametrize("batch_size", [1, 5, 16, 64])
def test_batch_size_changes_no_text(checkpoint, requests, expected, batch_size):
    assert texts(TransformersEngine(checkpoint, batch_size), requests) == expected


def test_order_and_company_change_no_text(checkpoint, requests, expected):
    engine = TransformersEngine(checkpoint, batch_size=9)
    shuffled = random.Random(1).sample(requests, len(requests))
    assert texts(engine, shuffled) == expected
    subset = shuffled[::4]
    assert texts(engine, subset) == {r.key: expected[r.key] for r in subset}


def test_another_seed_gives_another_text_and_greedy_knows_no_seed(checkpoint, requests, expected):
    engine = TransformersEngine(checkpoint, batch_size=66)
    moved = [Request(r.key, r.prompt, r.temperature, r.seed + 1, r.max_tokens) for r in requests]
    other = texts(engine, moved)
    sampled = [r.key for r in requests if r.temperature > 0]
    greedy = [r.key for r in requests if r.temperature == 0]
    assert all(other[key] == expected[key] for key in greedy)
    assert sum(other[key] != expected[key] for key in sampled) > 0.9 * len(sampled)


def test_texts_end_at_max_tokens_and_say_so(checkpoint, questions):
    engine = TransformersEngine(checkpoint, batch_size=8)
    completions = list(engine.generate(requests_for(questions[:1], max_tokens=3)))
    assert len(completions) == 11
    for completion in completions:
        assert completion.n_tokens == 3 if completion.finish_reason == "length" else completion.n_tokens <= 3


def test_a_doubled_key_is_an_error(checkpoint, requests):
    with pytest.raises(InputError, match="67 requests share 66 keys"):
        list(TransformersEngine(checkpoint, batch_size=8).generate([*requests, requests[0]]))


def test_a_request_beyond_the_positions_is_refused_before_any_text(checkpoint, requests):
    engine = TransformersEngine(checkpoint, batch_size=8)
    long = replace(requests[40], key="test-00003/wolfram_0", max_tokens=512)
    completions = engine.generate([*requests, long])
    with pytest.raises(InputError, match=f"^request {long.key}: [0-9]+ tokens of prompt and 512 of completion are more than the"):
        next(completions)


def test_the_last_position_of_the_model_is_used(checkpoint, requests):
    """The longest request that is not refused: a text of it has every token that was asked for, or its end."""
    engine = TransformersEngine(checkpoint, batch_size=8)
    room = 512 - len(engine.tokenizer(requests[1].prompt)["input_ids"])
    [completion] = engine.generate([replace(requests[1], max_tokens=room)])
    assert completion.finish_reason == "stop" or completion.n_tokens == room
    with pytest.raises(InputError, match=f"lower sample.max_tokens or answer.max_tokens to {room} at most"):
        list(engine.generate([replace(requests[1], max_tokens=room + 1)]))


def test_a_missing_checkpoint_names_the_folder_and_the_cure(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint; run the stage that writes it"):
        TransformersEngine(tmp_path / "base", batch_size=8)


def test_greedy_takes_the_greatest_logit_and_flags_a_near_tie():
    logits = torch.tensor([[0.0, 2.0, 1.0], [0.0, 1.0, 1.0 + 1e-4]])
    tokens, near_tie = pick(logits, [0.0, 0.0], [0.5, 0.5])
    assert tokens.tolist() == [1, 2]
    assert near_tie.tolist() == [False, True]


def test_draws_fall_as_the_probabilities_say():
    """Logits ln 1, ln 2, ln 5 at temperature 1 are 1/8, 2/8 and 5/8; at temperature 1/2 their squares: 1, 4, 25 of 30."""
    logits = torch.tensor([1.0, 2.0, 5.0]).log()
    draws = [(k + 0.5) / 3000 for k in range(3000)]
    for temperature, shares in ((1.0, [1 / 8, 2 / 8, 5 / 8]), (0.5, [1 / 30, 4 / 30, 25 / 30])):
        tokens, near_tie = pick(logits.expand(3000, 3), [temperature] * 3000, draws)
        assert torch.bincount(tokens).div(3000).tolist() == pytest.approx(shares, abs=1e-3)
        assert near_tie.sum() < 15  # draws within 5e-4 of the four edges
