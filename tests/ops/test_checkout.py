"""What of a checkout stops or misleads a run: links, the name of who commits, profiles that are not in use; with a real Git."""

import subprocess
from pathlib import Path

import pytest

from src.ops.checkout import FOLDERS, find_identity, find_links, find_unused_profiles, is_in_workspace

NAME = {"GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.org"}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two profiles, by one of whom Git knows nothing."""
    folder = tmp_path / "checkout"
    (folder / "profiles").mkdir(parents=True)
    for name in ("small", "large"):
        (folder / f"profiles/{name}.yaml").write_text("data: 1\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    for name in ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(folder)
    return folder


# --- links ---


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_is_a_link_out_of_the_checkout_fails_with_the_cure(checkout, tmp_path, name):
    (tmp_path / "big").mkdir()
    (checkout / name).symlink_to(tmp_path / "big")
    found = find_links(Path("."))
    assert (found.verdict, found.found) == ("FAIL", f"{name} is a link to {tmp_path / 'big'}")
    assert f"rm {name}" in found.cure and "dvc cache dir --local" in found.cure


def test_a_link_to_nothing_outside_fails_too(checkout):
    (checkout / "data").symlink_to("../gone")
    assert find_links(Path(".")).verdict == "FAIL"


def test_folders_links_within_and_outputs_that_are_links_into_a_cache_are_good(checkout, tmp_path):
    (checkout / "data").mkdir()
    (checkout / "data/train.jsonl").symlink_to(tmp_path / "cache")
    (checkout / "big").mkdir()
    (checkout / "outputs").symlink_to("big")
    assert find_links(Path(".")).verdict == "ok"


def test_a_checkout_that_is_itself_reached_by_a_link_is_good(checkout, tmp_path, monkeypatch):
    (checkout / "data").mkdir()
    (tmp_path / "link").symlink_to(checkout)
    monkeypatch.chdir(tmp_path / "link")
    assert find_links(Path(".")).verdict == "ok"


# --- who commits ---


def test_no_name_is_a_warning_or_a_fail_with_both_commands(checkout):
    for needed, verdict in ((False, "warning"), (True, "FAIL")):
        found = find_identity(needed, {})
        assert (found.verdict, found.found) == (verdict, "none")
        assert "git config user.name" in found.cure and "git config user.email" in found.cure


def test_a_name_by_the_environment_or_by_git_is_good_and_half_of_it_is_none(checkout):
    assert find_identity(True, NAME).verdict == "ok"
    assert find_identity(True, {"GIT_COMMITTER_NAME": "test"}).verdict == "FAIL"
    git(checkout, "config", "user.name", "test")
    assert find_identity(True, {}).verdict == "FAIL"
    git(checkout, "config", "user.email", "test@example.org")
    assert find_identity(True, {}).verdict == "ok"


def test_an_experiment_in_the_workspace_is_told_from_those_in_folders_of_their_own(checkout, tmp_path):
    assert is_in_workspace({"DVC_EXP_NAME": "a", "DVC_ROOT": str(checkout)})
    assert not is_in_workspace({"DVC_EXP_NAME": "a", "DVC_ROOT": str(tmp_path)})
    assert not is_in_workspace({"DVC_ROOT": str(checkout)})


# --- profiles ---


def test_a_profile_that_was_changed_and_is_not_in_use_is_a_warning(checkout):
    in_use, head = Path("profiles/small.yaml"), git(checkout, "rev-parse", "HEAD")
    assert list(find_unused_profiles(in_use, head)) == []
    (checkout / "profiles/small.yaml").write_text("data: 2\n")
    assert list(find_unused_profiles(in_use, head)) == []
    (checkout / "profiles/large.yaml").write_text("data: 2\n")
    (found,) = find_unused_profiles(in_use, head)
    assert (found.check, found.verdict, found.found) == (
        "profiles/large.yaml",
        "warning",
        "changed, but profile small is in use",
    )
    assert found.cure == "nothing of this run depends on it; `-S profile=large` chooses it"
    assert list(find_unused_profiles(in_use, None)) == [], "no experiment runs"
