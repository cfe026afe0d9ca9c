"""The optimizer of the sandbox's model: Muon for its matrices, AdamW for the rest."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Literal

import torch
from transformers import LlamaForCausalLM

from src.models.precision import computes_in_bfloat16

MOMENTUM = 0.95
WEIGHT_DECAY = 0.01
# Of the quintic iteration that drives singular values towards 1, and how often it runs: those of the page named below.
COEFFICIENTS, ITERATIONS = (3.4445, -4.7750, 2.0315), 5
Kind = Literal["matrix", "query or key", "rest"]


class Muon(torch.optim.Optimizer):
    """Momentum whose direction is orthogonalized (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).

    The rule is that of torch.optim.Muon with `adjust_lr_fn="match_rms_adamw"`. Here matrices of one shape go through it
    together, in bfloat16 only where the machine is fast in it: torch's takes them one by one and always in bfloat16, which was
    three fifths of a step on a processor without instructions for it.
    """

    def __init__(self, matrices: Iterable[torch.nn.Parameter], learning_rate: float) -> None:
        super().__init__(matrices, {"lr": learning_rate})
        self.dtype = torch.bfloat16 if computes_in_bfloat16() else torch.float32

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            of_shape: dict[tuple[int, ...], list[torch.nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                of_shape[tuple(sorted(matrix.shape))].append(matrix)
            for shape, matrices in of_shape.items():
                wide = torch.stack([_wide(self._update(matrix)) for matrix in matrices]).to(self.dtype)
                # An orthogonal matrix has entries of size 1 / sqrt(longer side); AdamW's updates have about 0.2.
                size = 0.2 * math.sqrt(shape[-1])
                for matrix, direction in zip(matrices, orthogonalized(wide), strict=True):
                    matrix.mul_(1 - group["lr"] * WEIGHT_DECAY)
                    matrix.sub_(_like(direction, matrix), alpha=group["lr"] * size)

    def _update(self, matrix: torch.nn.Parameter) -> torch.Tensor:
        """Nesterov's look ahead: the gradient mixed with the momentum that it has just joined."""
        assert matrix.grad is not None
        state = self.state[matrix]
        if not state:
            state["momentum"] = torch.zeros_like(matrix)
        state["momentum"].lerp_(matrix.grad, 1 - MOMENTUM)
        return matrix.grad.lerp(state["momentum"], MOMENTUM)


def _wide(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.T if matrix.shape[0] > matrix.shape[1] else matrix


def _like(direction: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return direction if direction.shape == matrix.shape else direction.T


def orthogonalized(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices with the singular vectors of those given and singular values near 1 (some 0.7 to 1.2); (number, rows, columns).

    rows are no more than columns; a matrix of zeros stays one
    """
    linear, cubic, quintic = COEFFICIENTS
    found = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = found @ found.mT
        found = torch.baddbmm(found, torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic), found, beta=linear)
    return found


class MuonAndAdamW(torch.optim.Optimizer):
    """Muon for the layers' matrices and AdamW for the rest, as one optimizer.

    Muon learned the sandbox's problems in half the steps that AdamW alone took. It is for matrices that map features to
    features: embeddings and norms stay with AdamW.
    What makes queries and keys learns at `query_key_rate` times the rate.
    """

    def __init__(self, model: LlamaForCausalLM, learning_rate: float, query_key_rate: float) -> None:
        kinds: dict[Kind, list[torch.nn.Parameter]] = defaultdict(list)
        for name, parameter in model.named_parameters():
            kinds[_kind(name, parameter)].append(parameter)
        muon = Muon(kinds["matrix"], learning_rate)
        muon.add_param_group({"params": kinds["query or key"], "lr": query_key_rate * learning_rate})
        self.parts = [muon, torch.optim.AdamW(kinds["rest"], lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0)]
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        # The schedule sets learning rates here, so these must be the parts' own groups.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: None = None) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def _kind(name: str, parameter: torch.nn.Parameter) -> Kind:
    if parameter.ndim != 2 or "embed" in name:
        return "rest"
    return "query or key" if "q_proj" in name or "k_proj" in name else "matrix"
