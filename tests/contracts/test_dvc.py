"""What we use of DVC beyond its commands: its modules, files and folders.

One that fails after an upgrade says where to look.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.pipeline.conftest import dvc_environment
from tests.warm_python import WarmPython

REPAIR = "look at src/ops/repair.py"
REMOTE = "look at src/ops/remote.py"
REVISIONS = "look at src/ops/run_files.py"
PIPELINE = """
stages:
  folder:
    cmd: mkdir -p folder && cp number folder/number && cp number figure.json && env > variables
    deps: [number]
    outs: [folder]
    metrics:
      - figure.json:
          cache: false
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository in which a stage has run, an experiment has been made, and all has been pushed to a folder."""
    folder = tmp_path_factory.mktemp("contract") / "repository"
    folder.mkdir()
    environment = dvc_environment(tmp_path_factory.mktemp("dvc"))
    with WarmPython() as python:

        def run(*command: str) -> None:
            done = python.run(folder, *command, environment=environment)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

        run("git", "init", "-q")
        run("dvc", "init", "-q")
        run("dvc", "remote", "add", "-d", "store", str(folder.parent / "store"))
        (folder / "number").write_text("1")
        (folder / "dvc.yaml").write_text(PIPELINE)
        run("dvc", "repro")
        (folder / ".gitignore").write_text("/folder\n/variables\n")
        run("git", "add", "-A")
        run("git", "commit", "-qm", "a run")
        run("dvc", "push", "--run-cache")
        run("dvc", "exp", "run", "--name", "some-name")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SITE_CACHE_DIR"):
            patch.setenv(name, environment[name])
        yield folder


# --- names ---


@pytest.mark.parametrize(
    ("module", "name", "where"),
    [
        ("dvc.cli", "main", "tests/faults/killed_dvc.py"),
        ("dvc.config", "Config.from_cwd", "check_remote in src/ops/remote.py, and examine in src/stages/doctor.py"),
        ("dvc.dvcfile", "Lockfile.load", "is_readable in src/ops/repair.py"),
        ("dvc.exceptions", "DvcException", "src/ops/repair.py and src/ops/remote.py"),
        ("dvc.dvcfile", "LOCK_FILE", "repair_lock_file in src/ops/repair.py"),
        ("dvc.rwlock", "RWLOCK_FILE", "remove_unreadable_rwlocks in src/ops/repair.py"),
        ("dvc.rwlock", "RWLOCK_LOCK", "remove_unreadable_rwlocks in src/ops/repair.py"),
        ("dvc.lock", "LockError", "repair in src/ops/repair.py"),
        ("dvc.lock", "make_lock", "remove_unreadable_rwlocks in src/ops/repair.py"),
        ("dvc.repo", "Repo", "src/ops/repair.py and src/ops/remote.py"),
        ("dvc.repo", "Repo.switch", "files_of_revisions in src/ops/run_files.py"),
        ("dvc.exceptions", "NotDvcRepoError", "files_of_revisions in src/ops/run_files.py"),
        ("dvc.scm", "resolve_rev", "files_of_revisions in src/ops/run_files.py"),
        ("dvc.scm", "RevError", "files_of_revisions in src/ops/run_files.py"),
        ("dvc.config", "NoRemoteError", "default_remote in src/ops/repair_cache.py"),
        ("dvc.repo.experiments.executor.base", "BaseExecutor.PACKED_ARGS_FILE", "ARGUMENTS in src/ops/repair_experiments.py"),
        ("dvc_data.hashfile.db", "HashFileDB.oid_to_path", "src/ops/remote.py"),
        ("dvc_data.hashfile.hash", "file_md5", "is_correct in src/ops/remote.py"),
        ("dvc_objects.fs.utils", "tmp_fname", "TEMPORARY in src/ops/repair.py: what is a copy called until it is complete?"),
        ("dvc_data.hashfile.transfer", "find_tree_by_obj_id", "needed_objects in src/ops/remote.py"),
    ],
)
def test_a_name_that_is_used_is_there(module, name, where):
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        pytest.fail(f"DVC has no {module}.{name} any more: look at {where}")


def test_files_have_the_names_that_are_written_out_elsewhere():
    from dvc.dvcfile import LOCK_FILE
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    assert (LOCK_FILE, RWLOCK_FILE, RWLOCK_LOCK) == ("dvc.lock", "rwlock", "rwlock.lock"), (
        f"DVC calls its lock files {LOCK_FILE}, {RWLOCK_FILE} and {RWLOCK_LOCK} now: {REPAIR} and tests/pipeline/test_repair.py"
    )


def test_a_temporary_copy_has_a_name_of_the_known_form():
    from dvc_objects.fs.utils import tmp_fname

    from src.ops.repair import TEMPORARY

    assert all(TEMPORARY.fullmatch(tmp_fname()) for _ in range(100)), (
        f"DVC calls a copy {tmp_fname()} until it is complete: look at TEMPORARY in src/ops/repair.py, and at .gitignore"
    )


# --- the repository ---


def test_a_repository_has_the_parts_that_are_repaired(repository):
    from dvc.repo import Repo

    with Repo(repository) as repo:
        assert Path(repo.root_dir) == repository.resolve(), f"Repo.root_dir is not the checkout: {REPAIR}"
        with repo.lock:
            pass
        assert (repository / ".dvc/tmp").is_dir(), f"DVC keeps its rwlock elsewhere than in .dvc/tmp: {REPAIR}"
        entries = list(Path(repo.stage_cache.cache_dir).glob("*/*/*"))
        assert entries and all(entry.is_file() for entry in entries), (
            "an entry of the run cache is no longer a file in a folder of two levels: "
            "look at remove_empty_run_cache_entries in src/ops/repair.py"
        )


def test_a_lock_file_is_read_or_refused(repository, tmp_path):
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo(repository) as repo:
        Lockfile(repo, str(repository / "dvc.lock")).load()
        (tmp_path / "dvc.lock").write_text("stages:\n  fol")
        try:
            Lockfile(repo, str(tmp_path / "dvc.lock")).load()
        except DvcException:
            return
    pytest.fail("Lockfile.load takes a truncated dvc.lock for a complete one: look at is_readable in src/ops/repair.py")


def test_outside_of_a_repository_is_an_error_of_dvc(tmp_path):
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        Repo(tmp_path)
    except DvcException:
        return
    pytest.fail("Repo takes any folder for a repository: look at repair in src/ops/repair.py")


def test_experiments_are_refs_of_git(repository):
    refs = subprocess.run(
        ["git", "for-each-ref", "refs/exps/**/some-name"], cwd=repository, capture_output=True, text=True
    ).stdout
    assert len(refs.splitlines()) == 1, (
        "DVC keeps an experiment not in one Git ref refs/exps/…/<name>: look at src/ops/sweep.py and scripts/compare.sh"
    )


def test_a_stage_learns_its_name_and_the_root_from_its_environment(repository):
    variables = (repository / "variables").read_text().splitlines()
    assert "DVC_STAGE=folder" in variables, "DVC names the stage no longer in DVC_STAGE: look at src/stages/__init__.py"
    assert f"DVC_ROOT={repository.resolve()}" in variables, (
        "DVC names the repository no longer in DVC_ROOT: look at work_folder in src/core/journal.py"
    )


EXPERIMENTS = "look at src/ops/repair_experiments.py"


def test_experiments_have_the_refs_and_files_that_are_repaired():
    from dvc.repo.experiments import refs
    from dvc.repo.experiments.executor.base import BaseExecutor
    from dvc.repo.experiments.queue.tempdir import _STANDALONE_TMP_DIR
    from dvc.repo.experiments.stash import ExpStash
    from dvc.repo.experiments.utils import EXEC_PID_DIR, EXEC_TMP_DIR

    from src.ops import repair_experiments as ours

    names = (refs.WORKSPACE_STASH, refs.EXEC_NAMESPACE, refs.TEMP_NAMESPACE, refs.CELERY_STASH)
    assert names == (ours.WAITING, ours.EXECUTED, "refs/exps/temp", "refs/exps/celery/stash"), f"refs are {names}: {EXPERIMENTS}"
    assert (refs.EXEC_MERGE, refs.EXEC_BASELINE, refs.EXEC_BRANCH) == tuple(
        f"{ours.EXECUTED}/{name}" for name in ("EXEC_MERGE", "EXEC_BASELINE", "EXEC_BRANCH")
    ), EXPERIMENTS
    assert f".dvc/tmp/{BaseExecutor.PACKED_ARGS_FILE}" == ours.ARGUMENTS, EXPERIMENTS
    assert ExpStash.format_message("a", "b", "c").startswith(ours.EXPERIMENT), EXPERIMENTS
    assert ExpStash.format_message("a", "b", "c").endswith(":c"), f"the name is elsewhere in the message: {EXPERIMENTS}"
    assert (EXEC_TMP_DIR, _STANDALONE_TMP_DIR, EXEC_PID_DIR) == ("exps", "exps/standalone", "run"), EXPERIMENTS


def test_a_stash_of_dvc_has_the_form_by_which_it_is_known(repository, tmp_path):
    """By the library that DVC uses, against that of the git command."""
    import pygit2

    from src.ops.repair_experiments import STASHED_BY_LIBGIT2, read_stash

    folder = tmp_path / "repository"
    shutil.copytree(repository, folder)
    (folder / "dvc.yaml").write_text("changed: true\n")
    pygit2.Repository(str(folder)).stash(pygit2.Signature("test", "test@example.org"))
    (folder / "dvc.yaml").write_text("changed: again\n")
    variables = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", "stash", "--quiet"], cwd=folder, check=True, env=os.environ | variables)
    listed = subprocess.run(["git", "stash", "list", "--format=%H"], cwd=folder, capture_output=True, text=True).stdout.split()
    by_git, by_dvc = (read_stash(folder, commit).message for commit in listed)
    assert STASHED_BY_LIBGIT2.fullmatch(by_dvc), f"a stash of DVC has the message {by_dvc!r}: {EXPERIMENTS}"
    assert not STASHED_BY_LIBGIT2.fullmatch(by_git), f"a stash of the git command has the message {by_git!r}: {EXPERIMENTS}"


# --- outputs, caches and remotes ---


def test_outputs_name_their_objects(repository):
    from dvc.repo import Repo

    with Repo(repository) as repo:
        outs = {out.def_path: out for out in repo.index.outs}
        assert outs.keys() == {"folder", "figure.json"}, f"Repo.index.outs are not the outputs of dvc.lock: {REMOTE}"
        assert (outs["folder"].use_cache, outs["figure.json"].use_cache) == (True, False), (
            f"Output.use_cache has changed: {REMOTE}"
        )
        assert (outs["folder"].hash_info.isdir, outs["figure.json"].hash_info.isdir) == (True, False), f"HashInfo.isdir: {REMOTE}"
        assert outs["folder"].hash_info.value.endswith(".dir"), f"the object of a folder's list is no longer <md5>.dir: {REMOTE}"
        path = outs["folder"].fs.relpath(outs["folder"].fs_path, repo.root_dir)
        assert path == "folder", (
            f"Output.fs_path is no path of the workspace: look at needed_objects in src/ops/remote.py, not {path}"
        )


def test_a_revision_s_outputs_name_objects_of_the_workspace_s_cache(repository, monkeypatch):
    from dvc.repo import Repo
    from dvc.scm import resolve_rev

    monkeypatch.chdir(repository)
    with Repo() as repo:
        cache = repo.cache.local.path
        with repo.switch(resolve_rev(repo.scm, "some-name")):  # an experiment's name
            outs = {out.fs.relpath(out.fs_path, repo.root_dir): out for out in repo.index.outs}
            assert set(outs) == {"folder", "figure.json"}, f"paths of a revision's outputs are others: {REVISIONS}"
            assert repo.cache.local.path == cache, f"a revision has another cache: {REVISIONS}"
            assert Path(repo.cache.local.oid_to_path(outs["folder"].hash_info.value)).is_file(), REVISIONS


def test_the_list_of_a_folder_names_the_objects_of_its_files(repository):
    from dvc.repo import Repo
    from dvc_data.hashfile.transfer import find_tree_by_obj_id

    with Repo(repository) as repo:
        [folder] = [out for out in repo.index.outs if out.def_path == "folder"]
        tree = find_tree_by_obj_id([repo.cache.local], folder.hash_info)
        found = [("/".join(key), member.value) for key, _, member in tree]
    assert found == [("number", "c4ca4238a0b923820dcc509a6f75849b")], (  # the MD5 of "1"
        "the list of a folder gives other than (key, meta, hash) of each file: look at needed_objects in src/ops/remote.py"
    )


def test_the_cache_and_the_remote_hold_objects_by_the_same_names(repository):
    from dvc.repo import Repo
    from dvc_data.hashfile.hash import file_md5

    oid = "c4ca4238a0b923820dcc509a6f75849b"
    with Repo(repository) as repo:
        for database in (repo.cache.local, repo.cloud.get_remote_odb()):
            path = database.oid_to_path(oid)
            assert database.exists(oid) and path.endswith(f"files/md5/c4/{oid[2:]}"), (
                f"an object is no longer at files/md5/<2 digits>/<30 digits>, but at {path}: {REMOTE}"
            )
            assert file_md5(path, database.fs) == oid, "the name of an object is not the MD5 of its content: look at is_correct"
            assert path in set(database.fs.find(database.path)), (
                "fs.find lists other paths: look at remote_sizes in src/ops/remote.py"
            )
            assert database.fs.sizes([path]) == [1], "fs.sizes gives no bytes: look at remote_sizes in src/ops/remote.py"
            assert callable(database.fs.get_file), "a file system has no get_file: look at fetched in src/ops/repair_cache.py"
            assert callable(database.fs.put_file), "a file system has no put_file: look at resend in src/ops/remote.py"
            assert callable(database.fs.fs.invalidate_cache), "fsspec has no invalidate_cache: look at remote_sizes"


def test_the_config_names_the_default_remote(repository, monkeypatch):
    from dvc.config import Config

    monkeypatch.chdir(repository)
    config = Config.from_cwd()
    name = config["core"].get("remote")
    assert name == "store" and os.path.samefile(config["remote"][name]["url"], repository.parent / "store"), (
        "Config gives the default remote otherwise: look at check_remote in src/ops/remote.py, find_remote in src/ops/machine.py"
    )
    assert not config["remote"][name].get("verify"), "a remote verifies unless told: look at check_remote in src/ops/remote.py"


def test_the_rwlock_is_json(repository):
    path = repository / ".dvc/tmp/rwlock"
    assert path.exists(), (
        "DVC keeps its rwlock elsewhere than in .dvc/tmp: look at remove_unreadable_rwlocks in src/ops/repair.py"
    )
    try:
        json.loads(path.read_bytes())
    except ValueError:
        pytest.fail("DVC's rwlock is no longer JSON: look at remove_unreadable_rwlocks in src/ops/repair.py")
