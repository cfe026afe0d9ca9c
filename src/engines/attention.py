"""Attention of a step: query heads that share keys and values read them where they stand, and not in a copy for each head."""

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

SDPA = "sdpa"  # transformers' own, by torch.nn.functional.scaled_dot_product_attention
IN_PLACE = "sdpa_in_place"


def read_keys_in_place(model: PreTrainedModel) -> None:
    """Give the model this attention in the place of transformers' SDPA; one that has another keeps it."""
    if model.config._attn_implementation == SDPA:
        AttentionInterface.register(IN_PLACE, attend_in_place)
        AttentionMaskInterface.register(IN_PLACE, ALL_MASK_ATTENTION_FUNCTIONS[SDPA])
        model.set_attn_implementation(IN_PLACE)


def attend_in_place(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    position_bias: torch.Tensor | None = None,
    **others: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What transformers' SDPA computes, but for the last bits; returns (texts, tokens, heads, dimension).

    query       (texts, heads, tokens, dimension)
    key, value  (texts, fewer heads, positions, dimension): each for heads / fewer heads of the query, side by side

    transformers copies keys and values for every head of the query. For one token of each text the heads that share them stand
    here where else a text's tokens do: SmolLM2 has three, and wrote more than twice as fast.
    """
    texts, heads, tokens, dimension = query.shape
    if tokens > 1 or heads == key.shape[1] or position_bias is not None:
        return ALL_ATTENTION_FUNCTIONS[SDPA](
            module, query, key, value, attention_mask, scaling=scaling, position_bias=position_bias, **others
        )
    sharing = query.view(texts, key.shape[1], heads // key.shape[1], dimension)
    found = torch.nn.functional.scaled_dot_product_attention(sharing, key, value, attn_mask=attention_mask, scale=scaling)
    return found.reshape(texts, tokens, heads, dimension), None
