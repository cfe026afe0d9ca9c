"""PromptGroups: the order in which pairs of one prompt stand together (train.group_by: prompt)."""

from itertools import groupby

import pytest

from src.training.trl_api import PromptGroups

PROMPTS = [f"question {place % 5}" for place in range(23)]


def order(step_size: int, seed: int = 0, epoch: int = 0) -> list[int]:
    groups = PromptGroups(PROMPTS, step_size, seed)
    groups.set_epoch(epoch)
    return list(groups)


@pytest.mark.parametrize("step_size", [1, 4, 8, 23, 100])
def test_an_epoch_has_every_pair_once(step_size):
    assert sorted(order(step_size)) == list(range(len(PROMPTS)))
    assert len(PromptGroups(PROMPTS, step_size, seed=0)) == len(PROMPTS)


def test_pairs_of_one_prompt_stand_together():
    runs = [prompt for prompt, _ in groupby(order(len(PROMPTS)), key=lambda place: PROMPTS[place])]
    assert len(runs) == len(set(PROMPTS))


def test_steps_of_few_prompts_are_shuffled_whole():
    """Of 23 pairs, 4 or 5 a prompt, a step of 8 can hold those of three prompts at most."""
    places = order(8)
    steps = [places[begin : begin + 8] for begin in (0, 8)]
    assert all(len({PROMPTS[place] for place in step}) <= 3 for step in steps)


def test_the_order_depends_on_seed_and_epoch_alone():
    assert order(8) == order(8)
    assert order(8, epoch=1) != order(8) != order(8, seed=1)
