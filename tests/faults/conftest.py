"""Folders for the files that these tests write thousands of times."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.memory import memory_folder


@pytest.fixture
def scratch() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder
