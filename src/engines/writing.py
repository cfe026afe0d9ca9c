"""A batch that fills up again as its texts end, and computes once what several of them share.

Requests of one prompt start as one strand: a single row of the batch, which parts where their tokens first differ. Slots
0, 1, 2, … hold the strands without a gap between them: what ends gives its slot to what has parted or to the last ones.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from src.engines.choosing import Strand, choose_tokens
from src.engines.interface import Completion, Request
from src.engines.slots import SlotModel

# The batch fills up when this share of it is free: a pass over the prompts of a few costs nearly as much as a step of all.
REFILL_SHARE = 0.25


class Writer:
    """Writes the texts of one call.

    batch_size  requests in hand at a time, at most
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int) -> None:
        self.slots = SlotModel(model)
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.ends = end_token_ids(model, tokenizer)
        # In a coarser type no margin would tell near-ties: see TransformersEngine.
        self.read_alone = self.slots.read_alone if model.dtype == torch.float32 else None
        self.strands: list[Strand] = []  # by slot

    @torch.inference_mode()
    def write(self, waiting: Sequence[Strand]) -> Iterator[Completion]:
        """Yield the completion of every request as it ends; those that wait are taken in their order."""
        queue = deque(waiting)
        while queue or self.strands:
            in_hand = sum(len(strand.requests) for strand in self.strands)
            if queue and in_hand <= (1 - REFILL_SHARE) * self.batch_size:
                first = len(self.strands)
                self.strands += take(queue, self.batch_size - in_hand)
                yield from self._go_on(first, self.slots.read_prompts(first, [strand.prompt for strand in self.strands[first:]]))
            else:
                last = [strand.written[-1] for strand in self.strands]
                yield from self._go_on(0, self.slots.step(last, [strand.length - 1 for strand in self.strands]))

    def _go_on(self, first: int, logits: torch.Tensor) -> Iterator[Completion]:
        """Add a token to every text in the slots from `first` on, whose logits are given; yields the texts that end with it."""
        strands = self.strands[first:]
        chosen = choose_tokens(logits, strands, self.read_alone)
        parts: list[tuple[int, Strand]] = []
        for slot, (strand, tokens) in enumerate(zip(strands, chosen, strict=True), start=first):
            for part in parted(strand, tokens):
                stopped = part.written[-1] in self.ends
                ended = [request for request in part.requests if stopped or len(part.written) == request.max_tokens]
                yield from self._completions(part, ended, stopped)
                part.requests = [request for request in part.requests if request not in ended] if ended else part.requests
                if part.requests:
                    parts.append((slot, part))
        self.strands[first:] = self._settled(first, parts)

    def _completions(self, strand: Strand, ended: Sequence[Request], stopped: bool) -> Iterator[Completion]:
        if ended:
            text = self.tokenizer.decode(strand.written, skip_special_tokens=True)
            for request in ended:
                yield Completion(request.key, text, len(strand.written), "stop" if stopped else "length")

    def _settled(self, first: int, parts: Sequence[tuple[int, Strand]]) -> list[Strand]:
        """The strands in the order of their slots, each with the slot that its keys and values are in: those that can stay
        there do, and the others are copied to the free slots."""
        settled: dict[int, Strand] = {}
        moving: list[tuple[int, Strand]] = []
        slots = range(first, first + len(parts))
        for slot, strand in parts:
            if slot in slots and slot not in settled:
                settled[slot] = strand
            else:
                moving.append((slot, strand))
        free = [slot for slot in slots if slot not in settled]
        if moving:
            longest = max(strand.length for _, strand in moving) - 1  # the newest token is not read yet
            self.slots.move([slot for slot, _ in moving], free, longest)
        settled |= {slot: strand for slot, (_, strand) in zip(free, moving, strict=True)}
        return [settled[slot] for slot in slots]


def take(queue: deque[Strand], count: int) -> list[Strand]:
    """The next `count` requests that wait, or all; a strand that is too large is taken in part."""
    taken: list[Strand] = []
    while queue and count > 0:
        strand = queue.popleft()
        if len(strand.requests) > count:
            queue.appendleft(Strand(strand.requests[count:], strand.prompt))
            strand = Strand(strand.requests[:count], strand.prompt)
        taken.append(strand)
        count -= len(strand.requests)
    return taken


def parted(strand: Strand, tokens: Sequence[int]) -> list[Strand]:
    """The strand with a token more, or as many as its requests have different tokens."""
    by_token: dict[int, list[Request]] = {}
    for request, token in zip(strand.requests, tokens, strict=True):
        by_token.setdefault(token, []).append(request)
    return [Strand(requests, strand.prompt, [*strand.written, token]) for token, requests in by_token.items()]


def end_token_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """The tokens that end a text: the tokenizer's, and those that the model's generation config adds."""
    configured = model.generation_config.eos_token_id
    also = configured if isinstance(configured, list) else [configured]
    return {tokenizer.eos_token_id, *also} - {None}
