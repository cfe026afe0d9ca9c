"""The optimizer of the sandbox's model."""

import pytest
import torch
from transformers import AutoTokenizer, get_linear_schedule_with_warmup

from src.training.muon import Muon, MuonAndAdamW, orthogonalized
from src.training.sandbox_model import build_model
from tests.conftest import TINY

SHAPES = [(48, 16), (16, 48), (16, 16), (48, 16)]


def matrices(seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def test_its_steps_are_those_of_torchs_muon_but_for_bfloat16():
    ours, theirs, start = matrices(), matrices(), matrices()
    one = Muon(ours, 0.01)
    other = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        for mine, its in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            its.grad = mine.grad.clone()
        one.step()
        other.step()
    for mine, its, before in zip(ours, theirs, start, strict=True):
        assert (mine - its).norm() < 0.03 * (its - before).norm()


def test_directions_are_orthogonal_and_keep_the_singular_vectors():
    given = torch.randn(3, 8, 24, generator=torch.Generator().manual_seed(2))
    found = orthogonalized(given)
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    inner = left.mT @ found @ right.mT
    values = torch.diagonal(inner, dim1=1, dim2=2)
    assert values.min() > 0.6 and values.max() < 1.3
    assert (inner - torch.diag_embed(values)).abs().max() < 1e-4


def test_a_matrix_without_a_gradient_of_its_own_does_not_move_others():
    assert torch.equal(orthogonalized(torch.zeros(1, 4, 8)), torch.zeros(1, 4, 8))
    alone, together = matrices(), matrices()
    for all_of_them in (alone, together):
        for matrix in all_of_them:
            matrix.grad = matrix.detach() + 1
    Muon(alone[:1], 0.01).step()
    Muon(together, 0.01).step()
    torch.testing.assert_close(alone[0], together[0], rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return AutoTokenizer.from_pretrained(checkpoint)


def test_muon_takes_the_layers_matrices_and_adamw_all_the_rest(tokenizer):
    model = build_model(TINY, tokenizer, seed=0)
    muon, adamw = MuonAndAdamW(model, 1e-3, 2.5).parts
    names = {id(weight): name for name, weight in model.named_parameters()}
    of_muon, of_adamw = (
        {names[id(weight)] for group in part.param_groups for weight in group["params"]} for part in (muon, adamw)
    )
    assert of_muon | of_adamw == set(names.values()) and not of_muon & of_adamw
    assert all("proj" in name for name in of_muon)
    assert all("embed" in name or "norm" in name for name in of_adamw)


def test_queries_and_keys_learn_at_a_rate_of_their_own_which_the_schedule_and_a_checkpoint_keep(tokenizer):
    model = build_model(TINY, tokenizer, seed=0)
    names = {id(weight): name for name, weight in model.named_parameters()}
    optimizer = MuonAndAdamW(model, 1e-3, query_key_rate=2.5)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, 2)
    of_group = {
        frozenset(names[id(weight)].split(".")[-2] for weight in group["params"]): group["lr"] for group in optimizer.param_groups
    }
    assert of_group[frozenset({"q_proj", "k_proj"})] == 2.5 * 1e-3
    assert of_group[frozenset({"v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})] == 1e-3
    before = [group["lr"] for group in optimizer.param_groups]
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    schedule.step()
    halved = [group["lr"] for group in optimizer.param_groups]
    assert halved == [rate / 2 for rate in before]

    gone_on = MuonAndAdamW(model, 1e-3, query_key_rate=2.5)  # as after a kill
    gone_on.load_state_dict(optimizer.state_dict())
    assert [group["lr"] for group in gone_on.param_groups] == halved
    assert [group["params"] for group in gone_on.param_groups] == [group["params"] for group in optimizer.param_groups]
