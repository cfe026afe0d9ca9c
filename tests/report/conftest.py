"""A browser for the tests of report.html, and a small page in it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.report.browser import Open, opened, started, written
from tests.report.lists import SMALL, STRIPS, page_of, records, render, with_families


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = page_of(SMALL)
    text = render(replace(page, verdict=with_families(page.verdict)), records(SMALL, STRIPS))
    return written(tmp_path_factory.mktemp("small"), text)


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens a file; what it opened is closed at the end."""
    with opened(browser) as open_page:
        yield open_page


@pytest.fixture
def page(open_page: Open, small: Path) -> Iterator[Any]:
    """The small page; at the end it has told nothing."""
    page, told = open_page(small, viewport={"width": 1280, "height": 900})
    yield page
    assert told.everything == []
