"""The next token of a row, from its logits and its own draw: whatever stands beside the row has no say.

Noise: the draw at position t of a request comes from (seed, t) by a hash, never from a generator that rows share.

Rounding: the same row gives logits that differ in the last bits when the batch around it differs, and once in some ten
thousand tokens that would tip the choice. Such near-ties are told by a margin far above the rounding error, so that
they can be decided anew from the row's own tokens in a batch of one.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from src.engines.interface import Request

# Rounding moves logits of a float32 model by about 1e-5 (bench/near_ties.py measures it). A greedy choice is a near-tie below
# this distance of the best two logits, a draw where an edge would pass it if the logarithm of the edge's odds moved by this.
NEAR_TIE_LOGIT = 2e-3
NEAR_TIE_LOG_ODDS = 2e-3
# As a probability: below it, edges and draws beside 0 or 1 are not told apart.
NEAR_TIE_LEAST = 1e-6
NEAR_TIE = -1  # stands for the token that is not chosen yet


@dataclass(eq=False)
class Strand:
    """Requests of one prompt that have the same text so far: one row of a batch, until their draws part them.

    requests  one or more
    prompt    its tokens
    written   the tokens behind it
    """

    requests: list[Request]
    prompt: list[int]
    written: list[int] = field(default_factory=list)

    @property
    def tokens(self) -> list[int]:
        return self.prompt + self.written

    @property
    def length(self) -> int:
        """In tokens, prompt and text."""
        return len(self.prompt) + len(self.written)


def choose_tokens(
    logits: torch.Tensor, strands: Sequence[Strand], read_alone: Callable[[list[int]], torch.Tensor] | None
) -> list[list[int]]:
    """The next token of each strand's requests, in their order.

    logits      (strands, vocabulary)
    read_alone  logits (1, vocabulary) behind a text that nothing stands beside, for near-ties; None leaves them as they are
    """
    greedy_rows = [row for row, strand in enumerate(strands) if any(request.temperature == 0 for request in strand.requests)]
    sampled = [(row, request) for row, strand in enumerate(strands) for request in strand.requests if request.temperature > 0]
    greatest = dict(zip(greedy_rows, told(*pick_greatest(logits[greedy_rows]), read_alone is not None), strict=True))
    draws = [draw(request.seed, len(strands[row].written)) for row, request in sampled]
    picked = pick_drawn(logits[[row for row, _ in sampled]], [request.temperature for _, request in sampled], draws)
    drawn = iter(told(*picked, read_alone is not None))
    chosen = [
        [next(drawn) if request.temperature > 0 else greatest[row] for request in strand.requests]
        for row, strand in enumerate(strands)
    ]
    if read_alone is not None:
        for strand, tokens in zip(strands, chosen, strict=True):
            if NEAR_TIE in tokens:
                decide_near_ties(strand, tokens, read_alone(strand.tokens))
    return chosen


def told(tokens: torch.Tensor, near_ties: torch.Tensor, exact: bool) -> list[int]:
    """Tokens as numbers, NEAR_TIE in place of those that are not sure, if they are to be."""
    numbers: list[int] = (torch.where(near_ties, NEAR_TIE, tokens) if exact else tokens).tolist()
    return numbers


def decide_near_ties(strand: Strand, tokens: list[int], logits: torch.Tensor) -> None:
    """Put tokens in place of NEAR_TIE, by the strand's logits alone, (1, vocabulary)."""
    for place, request in enumerate(strand.requests):
        if tokens[place] == NEAR_TIE and request.temperature > 0:
            picked, _ = pick_drawn(logits, [request.temperature], [draw(request.seed, len(strand.written))])
            tokens[place] = int(picked)
        elif tokens[place] == NEAR_TIE:
            tokens[place] = int(pick_greatest(logits)[0])


def draw(seed: int, position: int) -> float:
    """In [0, 1), for the token at a position of a text, from the request's seed and the position alone."""
    digest = hashlib.blake2b(f"{seed}:{position}".encode(), digest_size=7).digest()
    return (int.from_bytes(digest) >> 3) / 2**53


def pick_greatest(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of (rows, vocabulary): (rows,) token ids, and (rows,) booleans, True for a near-tie."""
    best = logits.float().topk(2, dim=-1)
    return best.indices[:, 0], (best.values[:, 0] - best.values[:, 1]) < NEAR_TIE_LOGIT


def pick_drawn(logits: torch.Tensor, temperatures: Sequence[float], draws: Sequence[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose a token a row: the one whose stretch of the cumulative probability holds the row's draw.

    logits        (rows, vocabulary)
    temperatures  one a row, > 0
    draws         one a row in [0, 1)
    returns       (rows,) token ids and (rows,) booleans, True for a near-tie
    """
    logits = logits.float()
    temperature = torch.tensor(temperatures, dtype=torch.float32, device=logits.device).unsqueeze(1)
    scaled = (logits - logits.amax(dim=-1, keepdim=True)) / temperature
    cumulative = scaled.double().softmax(dim=-1).cumsum(dim=-1)
    cumulative /= cumulative[:, -1:].clone()  # the last edge is exactly 1, and every draw is below it
    drawn = torch.tensor(draws, dtype=torch.float64, device=logits.device).unsqueeze(1)
    token = torch.searchsorted(cumulative, drawn, right=True)
    upper = cumulative.gather(1, token)
    lower = torch.where(token > 0, cumulative.gather(1, (token - 1).clamp(min=0)), 0.0)
    margin = NEAR_TIE_LOG_ODDS * drawn * (1 - drawn) + NEAR_TIE_LEAST
    near_tie = torch.minimum(upper - drawn, drawn - lower) < margin
    return token.squeeze(1), near_tie.squeeze(1)
