"""Heads that share keys and values read them in place, and find what they would find in copies."""

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from src.engines.attention import IN_PLACE, SDPA, attend_in_place, read_keys_in_place

TEXTS, DIMENSION, WIDTH = 3, 8, 7


def attended(heads: int, shared: int, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What this attention finds and what transformers' SDPA does, of texts of unlike length."""
    torch.manual_seed(0)
    module = torch.nn.Module()
    module.num_key_value_groups = heads // shared
    query = torch.randn(TEXTS, heads, tokens, DIMENSION)
    # As a cache gives them: a part of a larger room.
    key, value = (torch.randn(TEXTS, shared, WIDTH + 5, DIMENSION)[:, :, :WIDTH] for _ in range(2))
    hidden = torch.arange(WIDTH) > torch.tensor([6, 3, 0])[:, None]
    mask = torch.zeros(TEXTS, 1, tokens, WIDTH).masked_fill(hidden[:, None, None], torch.finfo(torch.float32).min)
    in_place, copied = (
        attention(module, query, key, value, mask, scaling=0.3)[0]
        for attention in (attend_in_place, ALL_ATTENTION_FUNCTIONS[SDPA])
    )
    return in_place, copied


@pytest.mark.parametrize(("heads", "shared"), [(6, 2), (6, 1), (6, 6), (9, 3)])
@pytest.mark.parametrize("tokens", [1, 4])
def test_heads_find_in_place_what_they_find_in_copies(heads, shared, tokens):
    in_place, copied = attended(heads, shared, tokens)
    assert in_place.shape == copied.shape == (TEXTS, tokens, heads, DIMENSION)
    assert torch.allclose(in_place, copied, atol=1e-6)


@pytest.mark.parametrize(("given", "kept"), [("sdpa", IN_PLACE), ("eager", "eager")])
def test_only_sdpa_is_replaced(given, kept):
    shape = {"vocab_size": 20, "hidden_size": 16, "intermediate_size": 8, "num_hidden_layers": 1}
    config = LlamaConfig(**shape, num_attention_heads=4, num_key_value_heads=2)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=given)
    read_keys_in_place(model)
    assert model.config._attn_implementation == kept, "look at src/engines/attention.py: an attention is named otherwise"
