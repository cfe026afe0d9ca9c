import pytest
import torch

from src.engines.choosing import Strand, choose_tokens, draw, pick_drawn, pick_greatest
from src.engines.interface import Request


def test_the_greatest_logit_is_taken_and_a_near_tie_is_told():
    logits = torch.tensor([[0.0, 2.0, 1.0], [0.0, 1.0, 1.0 + 1e-4]])
    tokens, near_tie = pick_greatest(logits)
    assert tokens.tolist() == [1, 2]
    assert near_tie.tolist() == [False, True]


def test_draws_fall_as_the_probabilities_say():
    """Logits ln 1, ln 2, ln 5 at temperature 1 are 1/8, 2/8 and 5/8; at temperature 1/2 their squares: 1, 4, 25 of 30."""
    logits = torch.tensor([1.0, 2.0, 5.0]).log()
    draws = [(k + 0.5) / 3000 for k in range(3000)]
    for temperature, shares in ((1.0, [1 / 8, 2 / 8, 5 / 8]), (0.5, [1 / 30, 4 / 30, 25 / 30])):
        tokens, near_tie = pick_drawn(logits.expand(3000, 3), [temperature] * 3000, draws)
        assert torch.bincount(tokens).div(3000).tolist() == pytest.approx(shares, abs=1e-3)
        assert near_tie.sum() < 15  # draws beside the two edges


@pytest.mark.parametrize("edge", [1e-4, 0.003, 0.5, 0.9, 0.9999])
def test_whatever_rounding_can_tip_is_a_near_tie(edge):
    """Draws on the edge of the first of two tokens, while its logit moves by thirty times what rounding does."""
    logits = torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    logits[0, 0] = torch.tensor(edge).logit()
    for moved in (-3e-4, -1e-5, 1e-5, 3e-4):
        _, near_tie = pick_drawn(logits + torch.tensor([[moved, 0.0]]), [1.0], [edge])
        assert near_tie.item()


def test_draws_far_from_every_edge_are_sure():
    """Also those near 0 and 1, beside tokens of next to no probability."""
    logits = torch.tensor([[-30.0, 0.0, 0.0, -30.0]])
    tokens, near_tie = pick_drawn(logits.expand(5, 4), [1.0] * 5, [1e-5, 1e-4, 0.3, 0.7, 1 - 1e-5])
    assert tokens.tolist() == [1, 1, 1, 2, 2]
    assert not near_tie.any()


def test_near_ties_are_decided_by_the_logits_of_the_text_alone():
    together = torch.tensor([[0.0, 1e-4, -9.0], [5.0, 0.0, 0.0]])
    alone = {(7, 8): torch.tensor([[1e-4, 0.0, -9.0]])}
    greedy = [Request(key, "p", 0.0, 0, 9) for key in "ab"]
    strands = [Strand(greedy, [7], [8]), Strand(greedy[:1], [9])]
    assert choose_tokens(together, strands, lambda tokens: alone[tuple(tokens)]) == [[0, 0], [0]]
    assert choose_tokens(together, strands, None) == [[1, 1], [0]]


def test_requests_of_a_strand_choose_by_their_own_temperatures_and_draws():
    requests = [Request(str(number), "p", number % 3 / 2, number, 9) for number in range(30)]
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(0))
    [chosen] = choose_tokens(logits, [Strand(requests, [1, 2], [3])], None)
    for request, token in zip(requests, chosen, strict=True):
        if request.temperature == 0:
            assert token == logits.argmax()
        else:
            assert token == pick_drawn(logits, [request.temperature], [draw(request.seed, 1)])[0]
    assert len(set(chosen)) > 5
