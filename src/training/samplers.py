"""The order in which a trainer takes its texts or pairs: what steps have in common, and the steps in any order.

An order depends on seed and epoch alone. The library's own sampler groups what one process has and draws from the generator of
all things, so that its order changes with the number of processes, and a run that goes on after a kill cannot find its place.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TypeVar

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

T = TypeVar("T")


class LengthGroups(Sampler[int]):
    """Texts of like length in one step, so that little of it is padding.

    In the library's order, lengths fall over some 50 steps and begin again. Of steps in any order the sandbox's base learned
    in four epochs about what it had learned in five (docs/performance.md).

    lengths    tokens of each text
    step_size  texts a step, by all processes
    """

    def __init__(self, lengths: Sequence[int], step_size: int, seed: int) -> None:
        self.lengths, self.step_size, self.seed, self.epoch = list(lengths), step_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer when an epoch begins; 0 is the first."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = _generator(self.seed, self.epoch)
        order = get_length_grouped_indices(self.lengths, self.step_size, generator=generator)
        return _steps_shuffled(order, self.step_size, generator)


class PromptGroups(Sampler[int]):
    """Pairs of one prompt behind one another, so that the model reads prompt and texts once for many of them.

    prompts    of each pair
    step_size  pairs a step, by all processes
    """

    def __init__(self, prompts: Sequence[str], step_size: int, seed: int) -> None:
        self.step_size, self.seed, self.epoch = step_size, seed, 0
        places: dict[str, list[int]] = {}
        for place, prompt in enumerate(prompts):
            places.setdefault(prompt, []).append(place)
        self.groups = list(places.values())

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer when an epoch begins; 0 is the first."""
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    def __iter__(self) -> Iterator[int]:
        generator = _generator(self.seed, self.epoch)
        order = [place for group in _shuffled(self.groups, generator) for place in _shuffled(group, generator)]
        return _steps_shuffled(order, self.step_size, generator)


def _generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 1_000_003 + epoch)


def _steps_shuffled(order: Sequence[int], step_size: int, generator: torch.Generator) -> Iterator[int]:
    """The full steps in any order, and then what is left over."""
    full = len(order) // step_size * step_size
    steps = [order[begin : begin + step_size] for begin in range(0, full, step_size)]
    return iter([*chain.from_iterable(_shuffled(steps, generator)), *order[full:]])


def _shuffled(things: Sequence[T], generator: torch.Generator) -> list[T]:
    return [things[place] for place in torch.randperm(len(things), generator=generator).tolist()]
