import shutil
from pathlib import Path

import pytest

from tests.ops.release_run import make_adapter, make_repository, write_checkpoints, write_run


@pytest.fixture(scope="session")
def adapter(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter on the small model."""
    folder = tmp_path_factory.mktemp("release") / "adapter"
    make_adapter(checkpoint, folder)
    return folder


@pytest.fixture(scope="session")
def released(checkpoint: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in a repository of its own; no test changes it."""
    folder = tmp_path_factory.mktemp("released") / "repository"
    folder.mkdir()
    write_run(folder)
    write_checkpoints(folder, checkpoint, adapter)
    make_repository(folder)
    return folder


@pytest.fixture
def finished_run(released: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(released, tmp_path / "repository"))
