"""`dvc plots show` gives a page that holds its JavaScript and loads nothing."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from src.ops.plots_page import PAGE, page

ROOT = Path(__file__).parents[2]
PIPELINE = """\
plots:
  - gradient norm:
      template: linear
      x: step
      y: {train.csv: norm}
  - by arm:
      template: bar_horizontal
      x: percent
      y: {arms.csv: arm}
"""


class Scripts(HTMLParser):
    """Collects what the scripts of a page hold, and all that the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.contents: list[str] = []
        self.loaded: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value for name, value in attrs if name in ("src", "href", "data")]
        if tag == "script":
            self.contents.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.contents[-1] += data


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A DVC repository with two plots, and in its configuration the page that ours names."""
    (tmp_path / "train.csv").write_text("step,norm\n1,2.5\n2,1.5\n")
    (tmp_path / "arms.csv").write_text("arm,percent\nA,30\nCF1,70\n")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    assert command(tmp_path, "dvc", "init", "--quiet", "--no-scm").returncode == 0
    (tmp_path / ".dvc" / "config").write_text((ROOT / ".dvc" / "config").read_text())
    return tmp_path


def command(place: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    environment |= {"DVC_GLOBAL_CONFIG_DIR": str(place / "global"), "DVC_SITE_CACHE_DIR": str(place / "site")}
    line = [sys.executable, "-m", module, *arguments]
    return subprocess.run(line, cwd=place, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_plots_show_loads_nothing(place):
    (place / PAGE).write_text("an older page")
    assert command(place, "src.ops.plots_page").returncode == 0
    done = command(place, "dvc", "plots", "show")
    assert done.returncode == 0, done.stderr
    scripts = Scripts()
    scripts.feed((place / "dvc_plots" / "index.html").read_text())
    assert scripts.loaded == []
    bundle, *charts = scripts.contents
    assert re.search(r"window\.vegaEmbed\s*=", bundle)
    assert [re.findall(r"vegaEmbed\('#(\w+)', spec\)", chart) for chart in charts] == [["gradient_norm"], ["by_arm"]]
    assert (place / PAGE).read_text() == page()  # the same bytes whoever writes it
    assert [path.name for path in (place / ".dvc").glob("*.part")] == []


def test_git_keeps_the_page_out():
    done = subprocess.run(["git", "check-ignore", "--quiet", str(PAGE)], cwd=ROOT)
    assert done.returncode == 0


def test_outside_the_repository_it_says_where_to_go(tmp_path):
    done = command(tmp_path, "src.ops.plots_page")
    assert done.returncode == 1
    assert done.stderr == "error: .dvc is not here; run this from the repository's root\n"
    assert list(tmp_path.iterdir()) == []


def test_unknown_arguments_end_with_status_2_and_write_nothing(place):
    assert command(place, "src.ops.plots_page", "--nonsense").returncode == 2
    assert command(place, "src.ops.plots_page", "--help").returncode == 0
    assert not (place / PAGE).exists()
