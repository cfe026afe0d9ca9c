"""Two clones with one cache, by the commands of docs/scale.md: the second takes what the first has run."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.slow


def commands_of_the_page(cache: Path) -> list[list[str]]:
    """Those of the page's block that begins with `dvc cache dir`, for a cache at another place."""
    page = (ROOT / "docs/scale.md").read_text()
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", page, flags=re.S) if block.startswith("dvc cache dir")]
    lines = [line.partition("#")[0].replace("/shared/dvc-cache", str(cache)) for line in block.splitlines()]
    return [line.split() for line in lines]


@pytest.fixture(scope="module")
def clones(reproduced: Path, tmp_path_factory: pytest.TempPathFactory, run: Callable) -> tuple[Path, Path]:
    """A finished repository whose cache is the shared one now, and a clone of it; both have given the page's commands."""
    cache = tmp_path_factory.mktemp("shared") / "dvc-cache"
    shutil.move(reproduced / ".dvc/cache", cache)
    clone = tmp_path_factory.mktemp("clone") / "repository"
    subprocess.run(["git", "clone", "-q", reproduced, clone], check=True)
    for folder in (reproduced, clone):
        for command in commands_of_the_page(cache):
            run(folder, *command)
    return reproduced, clone


def test_the_clone_has_all_files_as_links_into_the_cache_and_runs_nothing(clones, run):
    first, clone = clones
    run(clone, "dvc", "checkout")
    assert "Data and pipelines are up to date" in run(clone, "dvc", "repro").stdout
    assert (clone / "data/train.jsonl").is_symlink() and not (clone / ".dvc/cache").exists()
    assert (clone / "outputs/coherence_eval.jsonl").read_bytes() == (first / "outputs/coherence_eval.jsonl").read_bytes()


def test_what_one_clone_has_run_the_other_takes_from_the_run_cache(clones, run):
    first, clone = clones
    for folder in (first, clone):
        params = folder / "params.yaml"
        params.write_text(params.read_text().replace("min_gain: 0.02", "min_gain: 0.03"))
    assert "> exec python -m src.stages.report" in run(first, "dvc", "repro").stdout
    taken = run(clone, "dvc", "repro").stdout
    assert "Stage 'report' is cached - skipping run" in taken and "> exec python -m src.stages.report" not in taken
    assert (clone / "report.md").read_text() == (first / "report.md").read_text()
