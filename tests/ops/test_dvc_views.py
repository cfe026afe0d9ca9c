"""DVC's own views of a run: its page of plots is drawn whole without a network, and its tables fit a screen."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.ops.plots_page import PAGE, page
from tests.report.browser import find_browser

ROOT = Path(__file__).parents[2]
COPIED = ("dvc.yaml", "params.yaml", "profiles", "plots", "metrics", ".dvc/config", ".dvc/plots")
CHARTS = 7  # on the page of plots
SCREEN = 120  # columns
# The figures that Git keeps.
FLAT = [f"metrics/{name}.json" for name in ("baseline", "coherence", "criteria", "eval", "prefs", "verdict")]
# Axes whose values are names; every other has a unit.
NAMES = {"arm", "policy"}
# Of each chart, the width in pixels of the lines, bars or points that stand for data: not of axes, legends or the pointer's rule.
DRAWN = """() => [...document.querySelectorAll('.vega-embed svg.marks')].map(chart => {
    const marks = [...chart.querySelectorAll('.role-mark.mark-line, .role-mark.mark-rect, .role-mark.mark-symbol')];
    return Math.max(0, ...marks.map(mark => mark.getBoundingClientRect().width));
})"""


def call(folder: Path, *command: str) -> str:
    environment = os.environ | {
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(folder.parent / "global"),
        "DVC_SITE_CACHE_DIR": str(folder.parent / "site"),
    }
    environment |= {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(folder: Path, *arguments: str) -> str:
    return call(folder, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed run's figures in a repository of their own, and in its commit before that others of training and accuracy."""
    folder = tmp_path_factory.mktemp("views") / "repository"
    folder.mkdir()
    call(folder, "git", "init", "-q")
    dvc(folder, "init", "-q")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".gitignore"))
        else:
            shutil.copy(ROOT / name, folder / name)
    (folder / PAGE).write_text(page())
    now = {name: (folder / name).read_text() for name in ("plots/train.csv", "plots/accuracy.csv", "metrics/verdict.json")}
    (folder / "plots/train.csv").write_text("".join(now["plots/train.csv"].splitlines(keepends=True)[:200]))
    (folder / "plots/accuracy.csv").write_text(now["plots/accuracy.csv"].replace("7", "6"))
    (folder / "metrics/verdict.json").write_text(json.dumps(json.loads(now["metrics/verdict.json"]) | {"fixed": 1, "broken": 2}))
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-qm", "another run")
    for name, text in now.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module", params=["show", "diff"])
def html(request: pytest.FixtureRequest, place: Path) -> Path:
    """The page of one of DVC's two views."""
    folder = place.parent / request.param
    dvc(place, "plots", request.param, "-o", str(folder))
    return folder / "index.html"


def specs(html: Path) -> dict[str, dict[str, Any]]:
    """The chart of each element of the page that has one, as it is given to Vega-Lite."""
    found = re.findall(r"var spec = (\{.*?\});?\s*vegaEmbed\('#(\w[\w-]*)', spec\)", html.read_text(), flags=re.S)
    return {name: json.loads(spec) for spec, name in found if spec != "{}"}


def axis_titles(spec: Any) -> Iterator[str]:
    """The titles of the axes x and y, at any depth."""
    if isinstance(spec, dict):
        for key, value in spec.items():
            if key in ("x", "y") and isinstance(value, dict) and "title" in value:
                yield value["title"]
            yield from axis_titles(value)
    elif isinstance(spec, list):
        for item in spec:
            yield from axis_titles(item)


@pytest.mark.slow
def test_each_chart_has_a_title_and_axes_with_units(html: Path):
    charts = specs(html)
    assert len(charts) == CHARTS
    for name, spec in charts.items():
        title = spec["title"] if isinstance(spec["title"], str) else spec["title"]["text"]
        assert " " in title and "/" not in title, f"{name} is titled {title!r}"
        titles = set(axis_titles(spec))
        assert len(titles) >= 2
        for axis in titles - NAMES:
            assert re.search(r" \(.+\)$", axis), f"{name}: axis {axis!r} has no unit"


@pytest.mark.slow
def test_a_browser_draws_every_chart_without_a_network(html: Path):
    from playwright.sync_api import Route, sync_playwright

    asked: list[str] = []

    def only_files(route: Route) -> None:
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        shown = browser.new_page()
        shown.set_default_timeout(180_000)  # ms; a second where the machine is idle
        faults: list[str] = []
        shown.on("pageerror", lambda error: faults.append(str(error)))
        shown.route("**/*", only_files)
        shown.goto(html.as_uri())
        shown.wait_for_function(f"document.querySelectorAll('.vega-embed svg.marks').length === {CHARTS}")
        drawn = shown.evaluate(DRAWN)
        browser.close()
    assert (asked, faults) == ([], [])
    assert len(drawn) == CHARTS and all(100 < width < 400 for width in drawn), drawn


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (("show",), 2),
        (("show", "metrics/baseline.json", "metrics/coherence.json"), 3),
        (("diff", "HEAD", "--targets", *FLAT), 3),
        (("diff", "--all", "HEAD", "--targets", *FLAT), 62),
    ],
)
def test_a_table_of_metrics_fits_a_screen(place: Path, arguments: tuple[str, ...], lines: int):
    table = dvc(place, "metrics", *arguments).splitlines()
    assert max(map(len, table)) <= SCREEN
    assert len(table) == lines


def test_every_plot_of_a_stage_says_how_it_is_drawn():
    """Without that DVC draws a line through the last column, whatever it means."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    plots = [plot for stage in stages.values() for plot in stage.get("do", stage).get("plots", ())]
    drawn = [(path, options) for plot in plots for path, options in plot.items() if path.endswith(".csv")]
    assert len(drawn) == 4
    for path, options in drawn:
        assert {"template", "x", "y", "title", "x_label", "y_label"} <= options.keys(), path
