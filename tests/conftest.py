"""A tiny checkpoint with its tokenizer, untrained but real, for every test that needs a model in seconds."""

from pathlib import Path

import pytest

from src.sandbox.model import SandboxModelSettings, build_model, solution_text, train_tokenizer
from src.sandbox.problems import make_split

TINY = SandboxModelSettings(
    first_question=0,
    rounds=1,
    batch_size=8,
    learning_rate=3e-3,
    hidden_size=64,
    layers=2,
    heads=2,
    feed_forward_size=64,
    vocabulary=600,
    first_weights=0.1,
    terse_wolfram=0.5,
    terse_maudlin=0.5,
)


@pytest.fixture(scope="session")
def questions() -> list[dict]:
    return make_split("train", 60)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, questions: list[dict]) -> Path:
    """Folder of a model with random weights; its texts are noise, which is the hardest case for near-ties."""
    folder = tmp_path_factory.mktemp("tiny") / "base"
    tokenizer = train_tokenizer(
        [text for q in questions for text in (q["question"], q["altered"], solution_text(q["answer"], outright=False))],
        TINY.vocabulary,
    )
    build_model(TINY, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
