import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BloomConfig,
    Lfm2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
)

from src.core.errors import InputError
from src.engines.interface import Request
from src.engines.transformers_engine import TransformersEngine
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


@pytest.mark.parametrize("batch_size", [1, 3, 16, 64, 256])
def test_batch_size_changes_no_text(checkpoint, requests, expected, batch_size):
    """By 3 the requests of one prompt are taken in parts, and nearly every slot is one that another text has left."""
    assert texts(TransformersEngine(checkpoint, batch_size), requests) == expected


def test_texts_that_end_anywhere_leave_the_others_as_they_are(checkpoint, requests):
    """After 1 to 40 tokens, so that slots fall free and fill up again at nearly every step."""
    lengths = [1, 2, 40, 1, 7, 23, 1, 3, 30]
    uneven = [replace(request, max_tokens=lengths[place % 9]) for place, request in enumerate(requests)]
    alone = texts(TransformersEngine(checkpoint, batch_size=1), uneven)
    assert {n_tokens for _, n_tokens, _ in alone.values()} >= {1, 2, 3, 7, 40}
    for batch_size in (4, 9, 66):
        assert texts(TransformersEngine(checkpoint, batch_size), uneven) == alone


def test_texts_that_end_at_their_first_token(checkpoint, requests):
    engine = TransformersEngine(checkpoint, batch_size=8)
    whole = texts(engine, [replace(request, max_tokens=1) for request in requests])
    assert {(n_tokens, reason) for _, n_tokens, reason in whole.values()} <= {(1, "length"), (1, "stop")}
    assert len(whole) == len(requests)


def test_a_text_that_the_model_ends_at_its_first_token_is_empty(checkpoint, requests):
    engine = TransformersEngine(checkpoint, batch_size=8)
    first = engine.tokenizer.encode(texts(engine, [replace(requests[0], max_tokens=1)])[requests[0].key][0])
    engine.model.generation_config.eos_token_id = [2, *first]
    written = texts(engine, requests)
    assert written[requests[0].key][1:] == (1, "stop")
    assert len(written) == len(requests)


def test_requests_of_one_prompt_share_passes_until_they_part(checkpoint, requests, monkeypatch):
    """Twenty requests that differ in nothing are one row of the batch; a seed of its own parts one of them."""
    engine = TransformersEngine(checkpoint, batch_size=64)
    rows: list[int] = []
    forward = engine.model.forward
    monkeypatch.setattr(engine.model, "forward", lambda **given: rows.append(len(given["input_ids"])) or forward(**given))
    same = [replace(requests[3], key=f"same-{number}", temperature=1.0) for number in range(20)]
    [text] = set(texts(engine, same).values())
    assert set(rows) == {1}
    other = replace(same[0], key="other", seed=same[0].seed + 1)
    rows.clear()
    both = texts(engine, [*same, other])
    assert {both[request.key] for request in same} == {text} and both["other"] != text
    assert set(rows) == {1, 2}


def test_a_batch_fills_up_again_as_texts_end(checkpoint, requests, monkeypatch):
    """Of eleven texts of 24 tokens and one of 240, four at a time, none waits for the long one."""
    engine = TransformersEngine(checkpoint, batch_size=4)
    short = [replace(request, key=str(number)) for number, request in enumerate(requests[:40:4])]
    long = replace(requests[2], key="long", max_tokens=240, temperature=1.0)
    keys = [completion.key for completion in engine.generate([long, *short])]
    assert keys[-1] == "long" and len(keys) == 11


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


def save_model(folder: Path, checkpoint: Path, config: PreTrainedConfig) -> Path:
    """A model with random weights, and the tokenizer of the tests."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for weights in model.parameters():  # wide enough that a wrong mask moves the greatest logit
        torch.nn.init.normal_(weights, std=0.2)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(folder)
    return folder


SHAPE = {
    "vocab_size": 640,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "eos_token_id": 2,
    "bos_token_id": 1,
    "pad_token_id": 0,
}
KINDS = {
    "llama": LlamaConfig(**SHAPE),
    "mistral": MistralConfig(**SHAPE, sliding_window=None),
    "mistral, a window shorter than the prompts": MistralConfig(**SHAPE, sliding_window=7),
    "mistral, a window that the texts outgrow": MistralConfig(**SHAPE, sliding_window=50),
    "qwen2": Qwen2Config(**SHAPE),
    "qwen2, windows in two of three layers": Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=9, max_window_layers=1),
}


@pytest.mark.parametrize("name", KINDS)
def test_greedy_texts_of_other_models_are_those_of_generate(name, checkpoint, requests, tmp_path):
    engine = TransformersEngine(save_model(tmp_path / "base", checkpoint, KINDS[name]), batch_size=5)
    greedy = [replace(request, temperature=0.0, max_tokens=8 + 7 * place) for place, request in enumerate(requests[::5])]
    written = texts(engine, greedy)
    assert texts(TransformersEngine(tmp_path / "base", batch_size=1), greedy) == written
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)  # with an attention of its own
    for request in greedy:
        prompt = engine.tokenizer(request.prompt, return_tensors="pt")
        [ids] = model.generate(**prompt, max_new_tokens=request.max_tokens, do_sample=False)
        ids = ids[prompt["input_ids"].shape[1] :]
        assert written[request.key][:2] == (engine.tokenizer.decode(ids, skip_special_tokens=True), len(ids))


def test_bfloat16_writes_all_texts(checkpoint, requests):
    written = texts(TransformersEngine(checkpoint, batch_size=9, dtype=torch.bfloat16), requests)
    assert written.keys() == {request.key for request in requests}


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        (
            MambaConfig(vocab_size=640, hidden_size=16, num_hidden_layers=2, eos_token_id=2),
            "'mamba' and keeps a state of its own kind",
        ),
        (BloomConfig(vocab_size=640, hidden_size=16, n_layer=2, n_head=2), "'bloom' and keeps"),
        (Lfm2Config(**SHAPE, layer_types=["conv", "full_attention", "conv"]), "'lfm2' and keeps conv, full_attention"),
    ],
)
def test_a_model_that_keeps_more_than_keys_and_values_is_refused(config, kept, checkpoint, tmp_path):
    with pytest.raises(InputError, match=f"the model is of type {kept}.*: set engine.name to vllm in the profile"):
        TransformersEngine(save_model(tmp_path / "base", checkpoint, config), batch_size=5)
