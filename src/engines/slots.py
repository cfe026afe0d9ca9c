"""A model with the keys and values of the texts that it writes, each text in a slot of its own and as long as it is.

A step adds a token to every slot in place, whatever the lengths: nothing is copied, and a slot can be given to another text
at any time. transformers takes `SlotCache` for one of its caches, and masks that are made here for those that it makes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin

from src.core.errors import InputError

# Slots, and positions of each, by which the cache grows: few enough that little of it is empty.
SLOTS_AT_A_TIME, POSITIONS_AT_A_TIME = 16, 32


@dataclass(frozen=True)
class Place:
    """Where the keys and values of a pass go, and what its attention reads.

    slots, positions  one of each for every token that is kept
    rows, columns     likewise: where it stands in the pass
    room              slots and positions, counted from the first, that all tokens kept so far are in
    whole             a step reads all of the room; the pass of prompts reads itself alone
    """

    slots: torch.Tensor
    positions: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    room: tuple[int, int]
    whole: bool


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer of the model, each (slots, heads, positions, dimension)."""

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys, self.values = key_states[:0, :, :0].contiguous(), value_states[:0, :, :0].contiguous()
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, place: Place, **unused: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep what a pass has computed, (rows, heads, columns, dimension); returns the keys and values that it reads."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = enlarged(self.keys, *place.room), enlarged(self.values, *place.room)
        for kept, states in ((self.keys, key_states), (self.values, value_states)):
            kept[place.slots, :, place.positions] = states[place.rows, :, place.columns]
        if not place.whole:
            return key_states, value_states
        slots, positions = place.room
        return self.keys[:slots, :, :positions], self.values[:slots, :, :positions]

    def move(self, sources: torch.Tensor, targets: torch.Tensor, room: tuple[int, int]) -> None:
        """Copy slots over others; the texts in them are in the first positions of the room."""
        self.keys, self.values = enlarged(self.keys, *room), enlarged(self.values, *room)
        for kept in (self.keys, self.values):
            kept[targets, :, : room[1]] = kept[sources, :, : room[1]]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return query_length, 0  # of the pass of prompts: a step brings its own masks

    def get_seq_length(self) -> int:
        return 0

    def get_max_length(self) -> int:
        return -1


def enlarged(kept: torch.Tensor, slots: int, positions: int) -> torch.Tensor:
    """The same with at least so much room; what is new is zero, for what a mask hides must still be a number."""
    if kept.shape[0] >= slots and kept.shape[2] >= positions:
        return kept
    slots = max(kept.shape[0], -(-slots // SLOTS_AT_A_TIME) * SLOTS_AT_A_TIME)
    positions = max(kept.shape[2], -(-positions // POSITIONS_AT_A_TIME) * POSITIONS_AT_A_TIME)
    larger = kept.new_zeros(slots, kept.shape[1], positions, kept.shape[3])
    larger[: kept.shape[0], :, : kept.shape[2]] = kept
    return larger


class SlotCache(Cache):
    """The layers of a model; `place` says where the next pass stands."""

    place: Place
    layers: list[SlotLayer]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self.layers[layer_idx].update(key_states, value_states, self.place)


class SlotModel:
    """Passes of a model over slots 0, 1, 2, …; the model is one that `refuse_other_caches` lets pass."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.cache = SlotCache(layers=[SlotLayer() for _ in DynamicCache(config=model.config).layers])

    def read_prompts(self, first: int, prompts: Sequence[list[int]]) -> torch.Tensor:
        """Keep prompts in the slots from `first` on; returns the logits behind each, (prompts, vocabulary)."""
        width, device = max(map(len, prompts)), self.model.device
        tokens = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=device)
        before = torch.tensor([width - len(prompt) for prompt in prompts], device=device)
        positions = torch.arange(width, device=device) - before[:, None]
        rows, columns = (positions >= 0).nonzero(as_tuple=True)
        place = Place(rows + first, positions[rows, columns], rows, columns, (first + len(prompts), width), whole=False)
        return self._pass(place, tokens, (positions >= 0).long(), positions.clamp(min=0))

    def step(self, tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """Add a token to each slot, at its position; returns the logits behind each, (slots, vocabulary)."""
        device = self.model.device
        slots, at = torch.arange(len(tokens), device=device), torch.tensor(positions, device=device)
        place = Place(slots, at, slots, torch.zeros_like(slots), (len(tokens), max(positions) + 1), whole=True)
        masks = step_masks(self.model, at, max(positions) + 1)
        return self._pass(place, torch.tensor(tokens, device=device)[:, None], masks, at[:, None])

    def _pass(
        self, place: Place, tokens: torch.Tensor, mask: torch.Tensor | dict[str, torch.Tensor], positions: torch.Tensor
    ) -> torch.Tensor:
        self.cache.place = place
        logits: torch.Tensor = self.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        return logits[:, -1]

    def read_alone(self, tokens: list[int]) -> torch.Tensor:
        """The logits behind one text, (1, vocabulary), by a pass that has nothing else in it and keeps nothing."""
        logits: torch.Tensor = self.model(input_ids=torch.tensor([tokens], device=self.model.device), logits_to_keep=1).logits
        return logits[:, -1]

    def move(self, sources: Sequence[int], targets: Sequence[int], positions: int) -> None:
        """Copy what is in the slots `sources` to the slots `targets`, all at once, as far as `positions`."""
        from_slots, to_slots = (torch.tensor(slots, device=self.model.device) for slots in (sources, targets))
        for layer in self.cache.layers:
            layer.move(from_slots, to_slots, (max(targets) + 1, positions))


# --- what attention sees ---


def refuse_other_caches(model: PreTrainedModel) -> None:
    """InputError for a model whose texts cannot be kept as keys and values at their positions, such as Mamba.

    By what transformers says of the class: it keeps no other state, its caches may be of a fixed size, and its masks are
    made outside of it; and of each layer: attention to all that stands before, or to a window of it.
    """
    fitting = model._can_compile_fullgraph and model._supports_attention_backend and not model._is_stateful
    kinds = set(layer_kinds(model)) if fitting else set()
    if not fitting or not kinds <= {"full_attention", "sliding_attention"}:
        others = ", ".join(sorted(kinds)) or "a state of its own kind"
        raise InputError(
            f"the model is of type {model.config.model_type!r} and keeps {others}; engine `transformers` can keep keys and "
            "values of full and of sliding attention alone: set engine.name to vllm in the profile, or take another model"
        )


def layer_kinds(model: PreTrainedModel) -> list[str]:
    """`full_attention`, `sliding_attention` or another kind, layer by layer."""
    config = model.config.get_text_config()
    kinds: list[str] | None = getattr(config, "layer_types", None)
    if kinds is not None:
        return kinds
    one = "sliding_attention" if getattr(config, "sliding_window", None) is not None else "full_attention"
    return ["chunked_attention" if getattr(config, "attention_chunk_size", None) is not None else one]


def step_masks(model: PreTrainedModel, positions: torch.Tensor, width: int) -> torch.Tensor | dict[str, torch.Tensor]:
    """What each slot's token sees: (slots, 1, 1, width), to be added to the scores. One for each kind of layer where the
    model's config tells its layers apart, as `create_masks_for_generate` of transformers has it."""
    config = model.config.get_text_config()
    columns, last = torch.arange(width, device=positions.device), positions[:, None]
    lowest = torch.finfo(model.dtype).min

    def mask(kind: str) -> torch.Tensor:
        seen = columns <= last
        if kind == "sliding_attention":
            seen &= columns > last - config.sliding_window
        return torch.zeros(seen.shape, dtype=model.dtype, device=positions.device).masked_fill_(~seen, lowest)[:, None, None]

    masks = {kind: mask(kind) for kind in set(layer_kinds(model))}
    return masks if hasattr(config, "layer_types") else next(iter(masks.values()))
