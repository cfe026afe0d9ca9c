"""Text generation with transformers whose texts do not depend on batch size, order or company.

Two things make that so.

Noise: the draw at position t of a request comes from (seed, t) by a hash, never from a generator that
rows share, so a row takes the same path wherever it stands.

Rounding: the same row gives logits that differ in the last bits when the batch around it differs, and once
in some ten thousand tokens that would tip the choice. Such near-ties are found by a margin far above the
rounding error, and decided anew from the row's own tokens in a batch of one, where nothing else has a say.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from src.engines.interface import Completion, Request, refuse_doubled_keys
from src.engines.lengths import check_lengths, token_limit
from src.models.checkpoints import add_adapter, check_tokens, own_checkpoint, read_model, read_tokenizer
from src.models.encoding import encode_prompt

# Rounding moves logits of a float32 model by about 1e-5 (measured by bench/near_ties.py); a greedy choice is
# redone below this distance of the best two logits, a draw below this distance (as a probability) to the edge.
NEAR_TIE_LOGIT = 2e-3
NEAR_TIE_PROBABILITY = 5e-4

# Finished rows are taken out of the batch once they are this share of it: doing it at every step would copy
# the cache more often than the smaller batch saves.
COMPACT_SHARE = 0.2


@dataclass
class _Row:
    """A request in the batch: its prompt's tokens, and those written so far."""

    request: Request
    prompt_ids: list[int]
    written: list[int] = field(default_factory=list)

    def uniform(self) -> float:
        """The draw in [0, 1) for the next position, from the request's seed and the position alone."""
        digest = hashlib.blake2b(f"{self.request.seed}:{len(self.written)}".encode(), digest_size=7).digest()
        return (int.from_bytes(digest) >> 3) / 2**53


class TransformersEngine:
    """A model folder (and optionally a LoRA adapter folder on top) that answers requests.

    batch_size   rows decoded together; moves speed and memory
    dtype        of weights and passes. In float32 the choice between near-ties is made exact, and a text depends on
                 its request alone; in bfloat16 rounding is a thousand times coarser than the near-ties that could be
                 found, and company may change a text.
    Runs on the GPU where there is one.
    """

    def __init__(
        self, model_folder: Path, batch_size: int, dtype: torch.dtype = torch.float32, adapter_folder: Path | None = None
    ) -> None:
        base = own_checkpoint(model_folder, "base")
        self.tokenizer = read_tokenizer(base)
        self.limit = token_limit(base, vllm=None)
        model = read_model(base, dtype)
        check_tokens(model, self.tokenizer, base)
        if adapter_folder is not None:
            model = add_adapter(model, own_checkpoint(adapter_folder, "train")).merge_and_unload()
        self.model = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_size = batch_size

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield a completion for each request as its row ends; raises InputError for a doubled key.

        Likewise, before any text is written, for prompt and completion that are longer than the model's positions.
        """
        refuse_doubled_keys(requests)
        rows = [_Row(request, encode_prompt(self.tokenizer, request.prompt)) for request in requests]
        check_lengths(requests, [len(row.prompt_ids) for row in rows], self.limit)
        # Rows of like length share a batch, so that little of it is padding.
        rows.sort(key=lambda row: (len(row.prompt_ids), row.request.key))
        for start in range(0, len(rows), self.batch_size):
            yield from decode_batch(self.model, self.tokenizer, rows[start : start + self.batch_size])


@torch.inference_mode()
def decode_batch(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[_Row]) -> Iterator[Completion]:
    """Write all rows to their end, a token of each at a time; yields each completion when it ends."""
    end_ids = end_token_ids(model, tokenizer)
    device = model.device
    width = max(len(row.prompt_ids) for row in rows)
    tokens = torch.tensor([[tokenizer.pad_token_id] * (width - len(r.prompt_ids)) + r.prompt_ids for r in rows], device=device)
    mask = torch.tensor([[0] * (width - len(r.prompt_ids)) + [1] * len(r.prompt_ids) for r in rows], device=device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    alive = list(range(len(rows)))  # slots of the batch whose row still writes
    while alive:
        logits = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        chosen = choose_tokens(model, rows, alive, logits)
        for slot in list(alive):
            row, token = rows[slot], chosen[slot]
            row.written.append(token)
            if token in end_ids or len(row.written) == row.request.max_tokens:
                alive.remove(slot)
                yield completion_of(row, tokenizer, stopped=token in end_ids)
        tokens = torch.tensor(chosen, device=device).unsqueeze(1)
        positions = positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        if alive and len(alive) <= (1 - COMPACT_SHARE) * len(rows):
            kept = torch.tensor(alive, device=device)
            cache.batch_select_indices(kept)
            tokens, positions, mask = tokens[kept], positions[kept], mask[kept]
            rows, alive = [rows[slot] for slot in alive], list(range(len(alive)))


def end_token_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """The tokens that end a text: the tokenizer's, and those that the model's generation config adds."""
    configured = model.generation_config.eos_token_id
    also = configured if isinstance(configured, list) else [configured]
    return {tokenizer.eos_token_id, *also} - {None}


def choose_tokens(model: PreTrainedModel, rows: list[_Row], alive: list[int], logits: torch.Tensor) -> list[int]:
    """The next token of every slot; `logits` is (slots, vocabulary). Slots that are not alive get token 0."""
    temperatures = [row.request.temperature for row in rows]
    draws = [row.uniform() for row in rows]
    chosen, near_tie = pick(logits, temperatures, draws)
    tokens, near_ties = chosen.tolist(), near_tie.tolist()
    exact = model.dtype == torch.float32
    for slot in alive:
        if exact and near_ties[slot]:
            alone = torch.tensor([rows[slot].prompt_ids + rows[slot].written], device=model.device)
            row_logits = model(input_ids=alone, logits_to_keep=1).logits[:, -1]
            tokens[slot] = pick(row_logits, [temperatures[slot]], [draws[slot]])[0].item()
    living = set(alive)
    return [token if slot in living else 0 for slot, token in enumerate(tokens)]


def pick(logits: torch.Tensor, temperatures: Sequence[float], draws: Sequence[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose a token a row, and say where rounding might have chosen another.

    logits        (rows, vocabulary)
    temperatures  one a row, >= 0; 0 takes the largest logit
    draws         one a row in [0, 1): the token is the one whose stretch of the cumulative probability holds it
    returns       (rows,) token ids and (rows,) booleans, True for a near-tie
    """
    logits = logits.float()
    temperature = torch.tensor(temperatures, dtype=torch.float32, device=logits.device).unsqueeze(1)
    greedy = temperature == 0
    best = logits.topk(2, dim=-1)
    close_logits = (best.values[:, 0] - best.values[:, 1]) < NEAR_TIE_LOGIT
    scaled = (logits - best.values[:, :1]) / torch.where(greedy, 1.0, temperature)
    cumulative = scaled.double().softmax(dim=-1).cumsum(dim=-1)
    cumulative /= cumulative[:, -1:].clone()  # the last edge is exactly 1, and every draw is below it
    draw = torch.tensor(draws, dtype=torch.float64, device=logits.device).unsqueeze(1)
    sampled = torch.searchsorted(cumulative, draw, right=True)
    upper = cumulative.gather(1, sampled)
    lower = torch.where(sampled > 0, cumulative.gather(1, (sampled - 1).clamp(min=0)), 0.0)
    close_draw = torch.minimum(upper - draw, draw - lower).squeeze(1) < NEAR_TIE_PROBABILITY
    token = torch.where(greedy, best.indices[:, :1], sampled).squeeze(1)
    return token, torch.where(greedy.squeeze(1), close_logits, close_draw)


def completion_of(row: _Row, tokenizer: PreTrainedTokenizerBase, stopped: bool) -> Completion:
    text = tokenizer.decode(row.written, skip_special_tokens=True)
    return Completion(row.request.key, text, len(row.written), "stop" if stopped else "length")
