"""A tiny checkpoint with its tokenizer, untrained but real, for every test that needs a model in seconds."""

from pathlib import Path

import pytest

from src.regime_w.questions import Question
from src.sources.sandbox.problems import make_split
from tests.profiles import model_settings

TINY = model_settings(
    first_question=0,
    epochs=1,
    batch_size=8,
    learning_rate=3e-3,
    intermediate_size=64,
    vocab_size=600,
    initializer_range=0.1,
    answer_only_wolfram=0.5,
)


@pytest.fixture(scope="session")
def questions() -> list[Question]:
    return make_split("train", 60)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, questions: list[Question]) -> Path:
    """Folder of a model with random weights; its texts are noise, which is the hardest case for near-ties."""
    from src.training.sandbox_model import (  # torch takes seconds, which few tests need
        build_model,
        solution_text,
        train_tokenizer,
    )

    folder = tmp_path_factory.mktemp("tiny") / "base"
    tokenizer = train_tokenizer(
        [text for q in questions for text in (q.question, q.altered or "", solution_text(q.answer, answer_only=False))],
        TINY.vocab_size,
    )
    build_model(TINY, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


# The files that take minutes, longest first.
LONG = (
    "test_experiments", "test_resume", "test_remote", "test_contributing", "test_abel_profile", "test_qwen_profile",
    "test_edits", "test_launch", "test_your_own",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of vLLM, which lives in an environment of its own, unless `-m` names them.

    Long files go first, so that at the end no process works alone.
    """
    if "vllm" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("vllm") is not None]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
