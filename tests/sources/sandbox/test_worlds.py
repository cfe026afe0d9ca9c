"""The worlds of the sandbox are one experiment with another model."""

from pathlib import Path

import pytest

from src.core.params import read_yaml

PROFILES = Path(__file__).parents[3] / "profiles"
TAUGHT = {"answer_only_wolfram", "answer_only_maudlin", "wrong_operations"}


@pytest.mark.parametrize("world", ["misconceptions", "careful"])
def test_worlds_differ_in_what_the_model_is_taught_and_in_nothing_else(world: str):
    sandbox, other = read_yaml(PROFILES / "sandbox.yaml"), read_yaml(PROFILES / f"{world}.yaml")
    taught, taught_there = (profile["base"].pop("sandbox") for profile in (sandbox, other))
    assert other == sandbox
    assert {key for key in taught if taught[key] != taught_there[key]} <= TAUGHT
    assert taught_there.keys() == taught.keys() and taught_there["wrong_operations"] is not None


def test_in_the_careful_world_every_text_has_its_steps():
    taught = read_yaml(PROFILES / "careful.yaml")["base"]["sandbox"]
    assert taught["answer_only_wolfram"] == taught["answer_only_maudlin"] == 0
