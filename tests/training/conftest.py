"""What every test of training needs."""

import pytest


@pytest.fixture(autouse=True)
def own_work_folder(tmp_path, monkeypatch) -> None:
    """What is kept between runs lies below DVC_ROOT, which is not to be the checkout."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
