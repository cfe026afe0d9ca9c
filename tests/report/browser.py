"""A headless browser for the tests of report.html: it opens files alone, and whatever else a page asks for is noted."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str:
    """The path of a browser; the test is skipped where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name)) is not None), None)
    if found is None:
        pytest.skip(f"there is no browser to open report.html in: none of {', '.join(NAMES)} is on the PATH")
    return found


@dataclass
class Told:
    """What a page told while it was open."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    @property
    def everything(self) -> list[str]:
        return self.errors + self.requests + self.dialogs


@contextmanager
def started() -> Iterator[Any]:
    """A running browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (requirements-dev.txt)")
    path = find_browser()
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


Open = Callable[..., tuple[Any, Told]]


@contextmanager
def opened(browser: Any) -> Iterator[Open]:
    """Gives what opens a file and waits until its lists are drawn: the page, and what it tells from its first moment on."""
    contexts = []

    def open_page(path: Path, anchor: str = "", **settings: Any) -> tuple[Any, Told]:
        context = browser.new_context(**settings)
        contexts.append(context)
        page, told = context.new_page(), Told()
        page.set_default_timeout(60_000)  # of a machine that does other things as well
        context.route("**/*", lambda route: _files_alone(route, told))
        page.on("console", lambda message: told.errors.append(message.text))
        page.on("pageerror", lambda error: told.errors.append(str(error)))
        page.on("dialog", lambda dialog: (told.dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri() + anchor)
        page.wait_for_selector("html[data-ready]", state="attached")
        return page, told

    yield open_page
    for context in contexts:
        context.close()


def _files_alone(route: Any, told: Told) -> None:
    if route.request.url.startswith("file:"):
        route.continue_()
    else:
        told.requests.append(route.request.url)
        route.abort()


def written(folder: Path, text: str) -> Path:
    (folder / "report.html").write_text(text, encoding="utf-8")
    return folder / "report.html"


# --- what a page shows ---


def status(page: Any, section: str = "flips") -> str:
    return page.inner_text(f"#{section}-list [role=status]")


def wait_for_status(page: Any, begin: str, section: str = "flips") -> None:
    """Until the list's status begins so; `wait_for_function` would evaluate text, which the page forbids."""
    page.locator(f"#{section}-list [role=status]", has_text=re.compile(f"^{re.escape(begin)}")).wait_for()


def shown(page: Any, section: str = "flips") -> list[str]:
    """The questions of the rows that are drawn."""
    return page.locator(f"#{section}-list .row .what").all_inner_texts()


def settle(page: Any) -> None:
    """Until a search that was typed has been done."""
    page.wait_for_timeout(300)
