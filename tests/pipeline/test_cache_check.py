"""Bytes of DVC's cache that change behind its back are found by `python -m src.ops.repair --check`, and come back."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.slow

PIPELINE = """
stages:
  folder:
    cmd: mkdir -p folder && cp number folder/one && echo other > folder/other && cp number figure.json
    deps: [number]
    outs: [folder]
    metrics:
      - figure.json:
          cache: false
  file:
    cmd: cat folder/one folder/other > file
    deps: [folder]
    outs: [file]
"""
FILES = {"folder/one": "a number\n", "folder/other": "other\n", "file": "a number\nother\n", "figure.json": "a number\n"}


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory, run) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "repository"
    folder.mkdir()
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / ".gitignore").write_text("/folder\n/file\n")
    (folder / "number").write_text("a number\n")
    run(folder, "dvc", "repro")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "a run")
    return folder


@pytest.fixture
def repository(finished_run, tmp_path) -> Path:
    shutil.copytree(finished_run, tmp_path / "repository", symlinks=True)
    return tmp_path / "repository"


@pytest.fixture(scope="module")
def check(environment, warm) -> Callable[[Path], str]:
    """What `python -m src.ops.repair --check` prints, which ends well."""

    def check_in(folder: Path) -> str:
        done = warm.run(folder, "python", "-m", "src.ops.repair", "--check", environment=environment | {"PYTHONPATH": str(ROOT)})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return check_in


def corrupt(repository: Path, oid_of: str) -> Path:
    """Turn a bit of the object of an output, keeping its size, times and rights; its path."""
    lines = (repository / "dvc.lock").read_text().split(f"path: {oid_of}\n")[-1].splitlines()
    oid = next(line.split()[-1] for line in lines if "md5:" in line)
    path = repository / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[1] ^= 1
    path.chmod(0o644)
    with path.open("r+b") as file:  # in place: a link to it shows the change
        file.write(content)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino) == (
        before.st_size,
        before.st_mtime_ns,
        before.st_ino,
    )
    return path


def contents(repository: Path) -> dict[str, str]:
    return {name: (repository / name).read_text() for name in FILES}


def test_of_a_sound_cache_nothing_is_changed(repository, check):
    assert check(repository) == "all of the cache is read: what is in it has the content that its name says\n"
    assert not (repository / ".dvc/tmp/corrupt").exists()


@pytest.mark.parametrize("output", ["file", "folder"])
def test_without_a_remote_the_stage_makes_it_again(repository, run, check, output):
    """The workspace has lost it too. Without the check DVC would hand the corrupt bytes out, or not read the list."""
    path = corrupt(repository, output)
    shutil.rmtree(repository / "folder") if output == "folder" else (repository / "file").unlink()
    printed = check(repository)
    assert f"(of {output}, stage {output}) had other content than its name says: it is in .dvc/tmp/corrupt/" in printed
    assert "no remote is set up: dvc repro makes it again" in printed
    assert not path.exists() and len(list((repository / ".dvc/tmp/corrupt").iterdir())) == 1
    assert f"Running stage '{output}'" in run(repository, "dvc", "repro").stdout
    assert contents(repository) == FILES
    assert "had other content" not in check(repository)


def test_the_copy_of_the_workspace_is_put_in_its_place(repository, run, check):
    path = corrupt(repository, "file")
    assert "and the workspace's copy is in its place" in check(repository)
    assert path.read_text() == FILES["file"] and path.stat().st_mode & 0o777 == 0o444
    assert "Running stage" not in run(repository, "dvc", "repro").stdout


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_a_file_of_the_workspace_that_is_a_link_to_it_is_not_believed(repository, run, check, kind):
    run(repository, "dvc", "config", "cache.type", kind)
    run(repository, "dvc", "checkout", "--relink")
    corrupt(repository, "file")
    assert (repository / "file").read_text() != FILES["file"], "the workspace's file is a link to the object"
    assert "Running stage" not in run(repository, "dvc", "repro").stdout, "DVC finds nothing of it"
    assert "file, which had the same content, is removed; no remote is set up" in check(repository)
    assert "Running stage 'file'" in run(repository, "dvc", "repro").stdout
    assert contents(repository) == FILES


@pytest.mark.parametrize("output", ["file", "folder"])
def test_a_remote_that_has_it_gives_it_back(repository, run, check, output, tmp_path):
    run(repository, "dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    run(repository, "dvc", "remote", "modify", "store", "verify", "true")
    run(repository, "dvc", "push")
    shutil.rmtree(repository / "folder") if output == "folder" else (repository / "file").unlink()
    path = corrupt(repository, output)
    assert "and the remote's copy is in its place" in check(repository)
    assert path.exists() and path.stat().st_mode & 0o777 == 0o444
    assert "Running stage" not in run(repository, "dvc", "repro").stdout
    assert contents(repository) == FILES


def test_a_remote_that_has_it_corrupt_too_gives_nothing(repository, run, check, tmp_path):
    run(repository, "dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    (repository / "file").unlink()
    path = corrupt(repository, "file")
    target = tmp_path / "store/files/md5" / path.parent.name / path.name
    target.parent.mkdir(parents=True)
    shutil.copy(path, target)
    printed = check(repository)
    assert "the remote's is of other content too (make push CHECK=yes): dvc repro makes it again" in printed
    run(repository, "dvc", "repro")
    assert contents(repository) == FILES


def test_what_no_run_at_hand_needs_is_said_so(repository, run, check):
    (repository / "number").write_text("another number\n")
    path = corrupt(repository, "file")
    run(repository, "dvc", "repro")
    assert "(of an earlier run) had other content" in check(repository)
    assert not path.exists()
