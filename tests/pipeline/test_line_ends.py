"""Line ends stay LF in every checkout: with CR a script does not run, and a file of other bytes makes its stages stale."""

from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, run) -> Path:
    """A committed copy of all files that Git keeps of this checkout, and of those that it would keep."""
    folder = tmp_path_factory.mktemp("source")
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    run(folder, "git", "init", "-q")
    run(folder, "git", "config", "core.autocrlf", "false")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "a copy")
    return folder


@pytest.mark.parametrize("autocrlf", ["true", "input", "false"])
def test_a_clone_has_no_cr_and_nothing_to_commit(source, tmp_path, run, autocrlf):
    run(tmp_path, "git", "clone", "-q", "-c", f"core.autocrlf={autocrlf}", "-c", "core.eol=crlf", str(source), "clone")
    clone = tmp_path / "clone"
    names = [name for name in run(clone, "git", "ls-files", "-z").stdout.split("\0") if name]
    assert "scripts/compare.sh" in names and "params.yaml" in names
    assert [name for name in names if b"\r" in (clone / name).read_bytes()] == []
    assert run(clone, "git", "status", "--short").stdout == ""


def test_the_rule_is_what_keeps_them(source, tmp_path, run):
    """Without the rule the same clone has CR in its scripts."""
    run(tmp_path, "git", "clone", "-q", str(source), "without")
    run(tmp_path / "without", "git", "rm", "-q", ".gitattributes")
    run(tmp_path / "without", "git", "commit", "-qm", "without")
    run(tmp_path, "git", "clone", "-q", "-c", "core.autocrlf=true", str(tmp_path / "without"), "clone")
    assert b"\r\n" in (tmp_path / "clone/scripts/compare.sh").read_bytes()


def test_nothing_that_is_committed_would_change(source, run):
    run(source, "git", "add", "--renormalize", ".")
    assert run(source, "git", "status", "--short").stdout == ""
