"""A batch that is packed teaches what the batch as TRL gives it would teach."""

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedModel, Qwen2Config
from trl.trainer.utils import add_fused_lm_head

from src.training.shared_texts import IGNORED, Tree, best_width, fill_rows, pack, share_texts

SHAPE = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip
# Prompt and completion of each text of a batch: two prompts that are shared, one alone, one text twice.
TEXTS = [
    ([1, 5, 6], [7, 8, 9, 2]),
    ([1, 5, 6], [7, 2]),
    ([1, 9], [4, 4, 4, 4, 4, 2]),
    ([1, 5, 6], [7, 8, 9, 2]),
    ([1, 3, 3, 3], [2]),
    ([1, 9], [5, 2]),
]


def batch(texts: list[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
    width = max(len(prompt) + len(text) for prompt, text in texts)

    def padded(rows: list[list[int]], fill: int) -> torch.Tensor:
        return torch.tensor([row + [fill] * (width - len(row)) for row in rows])

    return {
        "input_ids": padded([prompt + text for prompt, text in texts], 0),
        "attention_mask": padded([[1] * len(prompt + text) for prompt, text in texts], 0),
        "labels": padded([[IGNORED] * len(prompt) + text for prompt, text in texts], IGNORED),
    }


def scoring_model(config, attention: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    return model


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", [LlamaConfig, MistralConfig, Qwen2Config])
def test_log_probabilities_and_gradients_are_those_of_the_batch_as_it_was_given(kind, attention):
    model = scoring_model(kind(**SHAPE), attention)
    weights = torch.randn(len(TEXTS))

    def scored() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        model.zero_grad()
        output = model(**batch(TEXTS), fused_lm_head=True)
        (output.log_probs.sum(dim=1) * weights).sum().backward()
        return dict(output), {name: parameter.grad for name, parameter in model.named_parameters()}

    plain, gradients = scored()
    share_texts(model)
    packed, packed_gradients = scored()
    for name in ("log_probs", "entropy", "mean_logits"):
        torch.testing.assert_close(packed[name], plain[name], atol=1e-5, rtol=1e-5)
    assert (packed["is_top1"] == plain["is_top1"]).all()
    for name, gradient in gradients.items():
        torch.testing.assert_close(packed_gradients[name], gradient, atol=1e-5, rtol=1e-4)


def test_the_gradient_is_the_same_bits_each_time():
    """Sums of float numbers depend on their order, and threads add in any order where they are let."""
    model = scoring_model(LlamaConfig(**(SHAPE | {"hidden_size": 256, "intermediate_size": 512})), "eager")
    share_texts(model)
    texts = [([1, 5, 6 + number % 3], [7 + number % 5, *[9] * 20, 2]) for number in range(64)]

    def gradient() -> torch.Tensor:
        model.zero_grad()
        model(**batch(texts), fused_lm_head=True).log_probs.sum().backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    first = gradient()
    assert all(torch.equal(gradient(), first) for _ in range(10))


def test_without_the_scoring_head_the_model_is_as_it_was():
    model = scoring_model(LlamaConfig(**SHAPE), "eager")
    inputs = {key: value for key, value in batch(TEXTS).items() if key != "labels"}
    before = model(**inputs).logits
    share_texts(model)
    assert torch.equal(model(**inputs).logits, before)


def test_every_prompt_and_every_text_stands_once():
    packed = pack(**batch(TEXTS))
    rows = [[token for token in row if token] for row in packed.input_ids.tolist()]
    assert sorted(sum(rows, [])) == sorted([1, 5, 6, 7, 8, 9, 2, 7, 2] + [1, 9, 4, 4, 4, 4, 4, 2, 5, 2] + [1, 3, 3, 3, 2])
    assert packed.targets.tolist() == [7, 8, 9, 2, 7, 2, 4, 4, 4, 4, 4, 2, 2, 5, 2] + [IGNORED] * 49
    assert packed.back[0].tolist() == packed.back[3].tolist() == [64, 64, 0, 1, 2, 3, 64]


def test_few_shapes_come_again_and_again():
    packed = pack(**batch(TEXTS))
    assert packed.input_ids.shape == (1, 64)
    assert len(packed.targets) == len(packed.predictors) == 64


def test_a_token_reads_its_prompt_and_its_own_text_up_to_itself_and_nothing_else():
    packed = pack(**batch(TEXTS[:2] + TEXTS[4:5]))
    [row] = [number for number, ids in enumerate(packed.input_ids.tolist()) if ids[:3] == [1, 5, 6]]
    read = packed.may_read[row, 0]
    assert packed.input_ids[row].tolist()[:9] == [1, 5, 6, 7, 8, 9, 2, 7, 2]
    assert packed.positions[row].tolist()[:9] == [0, 1, 2, 3, 4, 5, 6, 3, 4]
    assert read[8].nonzero().flatten().tolist() == [0, 1, 2, 7, 8]
    assert read[4].nonzero().flatten().tolist() == [0, 1, 2, 3, 4]
    assert read[1].nonzero().flatten().tolist() == [0, 1]


def trees_of(lengths: list[int]) -> list[Tree]:
    return [Tree((number,), ((number, (0,) * (length - 1)),)) for number, length in enumerate(lengths)]


def test_each_tree_stands_in_the_first_row_with_room_and_the_longest_come_first():
    assert [[tree.length for tree in row] for row in fill_rows(trees_of([3, 9, 4, 5, 2, 1]), 9)] == [[9], [5, 4], [3, 2, 1]]


@pytest.mark.parametrize(
    ("lengths", "width"),
    [
        pytest.param([60] * 5, 64, id="rows that are full already"),
        pytest.param([33] * 8, 128, id="three in a row, where one alone would leave half of it empty"),
        pytest.param([200] + [150] * 8, 320, id="two in a row, and the long one alone"),
        pytest.param([64] * 2, 64, id="a wider row costs more attention"),
    ],
)
def test_rows_are_as_wide_as_costs_the_least(lengths, width):
    assert best_width(trees_of(lengths)) == width
