"""Send what DVC keeps to its remote and fetch it from there, and check that all of it has arrived.

    python -m src.ops.remote push [--check]        (make push [CHECK=yes])
    python -m src.ops.remote pull                  (make pull)

They run `dvc push` and `dvc pull`, the run cache included, and add what DVC leaves out:
- the remote is tried first, because DVC tries a dead one for most of a minute;
- a file of a folder that has gone from the remote is sent again (DVC looks at the folder's list alone);
- metrics and plots, which Git keeps, are sent too: without them no stage comes back from the run cache on another machine;
- a failure is reported by file, with its cure.

An object is what DVC keeps of one file, or the list of a folder's files; its name (oid) is the MD5 of its content.
What is used here of DVC's private API is held by tests/contracts/test_dvc.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.ops.machine import find_remote

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.db import HashFileDB


# --- what there is, and what there should be ---


def needed_objects(repo: Repo, cache: HashFileDB, remote: HashFileDB) -> dict[str, str]:
    """The file of each object that dvc.lock and the .dvc files of the workspace name, by oid.

    Of a folder whose list is neither in the cache nor on the remote, only the list itself is known.
    """
    from dvc_data.hashfile.transfer import find_tree_by_obj_id

    objects = {}
    for out in repo.index.outs:
        if not (out.use_cache and out.hash_info):
            continue  # kept by Git, or never made
        name = out.fs.relpath(out.fs_path, repo.root_dir)
        objects[out.hash_info.value] = name
        if out.hash_info.isdir and (tree := find_tree_by_obj_id([cache, remote], out.hash_info)):
            objects |= {member.value: "/".join((name, *key)) for key, _, member in tree}
    return objects


def cached_figures(repo: Repo, cache: HashFileDB) -> dict[str, str]:
    """The metrics and plots that Git keeps, by oid. The run cache gives a stage back only with these."""
    figures = {out.hash_info.value: out.def_path for out in repo.index.outs if not out.use_cache and out.hash_info}
    return {oid: name for oid, name in figures.items() if cache.exists(oid)}


def cached_sizes(cache: HashFileDB, oids: Iterable[str]) -> dict[str, int]:
    """Bytes of each of the objects that the cache of this machine has."""
    paths = {oid: Path(cache.oid_to_path(oid)) for oid in oids}
    return {oid: path.stat().st_size for oid, path in paths.items() if path.exists()}


def remote_sizes(remote: HashFileDB, oids: Iterable[str]) -> dict[str, int]:
    """Bytes of each of the objects that the remote has, asked anew."""
    remote.fs.fs.invalidate_cache()
    listed = set(remote.fs.find(remote.path))
    paths = {oid: path for oid in oids if (path := remote.oid_to_path(oid)) in listed}
    return dict(zip(paths, remote.fs.sizes(list(paths.values())), strict=True))


def is_correct(database: HashFileDB, oid: str) -> bool:
    """Whether the object's content has the checksum that is its name. All of it is read."""
    from dvc_data.hashfile.hash import file_md5

    return file_md5(database.oid_to_path(oid), database.fs) == oid.partition(".")[0]


def find_faults(oids: Iterable[str], sizes: Mapping[str, int], suspects: Container[str], remote: HashFileDB) -> dict[str, str]:
    """What is wrong with objects on the remote, by oid. `sizes` is what it holds; the content of `suspects` is read."""
    faults = {}
    for oid in oids:
        if oid not in sizes:
            faults[oid] = "not on the remote"
        elif oid in suspects and not is_correct(remote, oid):
            faults[oid] = "of other content on the remote"
    return faults


# --- push and pull ---


def check_remote() -> str:
    """The URL of the default remote, which answers. InputError if there is none, or it does not."""
    from dvc.config import Config

    config = Config.from_cwd()
    name = config["core"].get("remote")
    if name is None:
        raise InputError("no DVC remote is set up: make remote BUCKET=<bucket>/<folder>, with credentials in the environment")
    finding = find_remote(config)
    if finding.verdict == "FAIL":
        raise InputError(f"the DVC remote {finding.found}; {finding.cure}; nothing is lost: run it again when the remote answers")
    settings = config["remote"][name]
    if not settings.get("verify"):
        # else DVC takes whatever bytes the remote gives for the right ones
        raise InputError(f"the DVC remote {name!r} is not set to verify what it gives: dvc remote modify {name} verify true")
    return settings["url"]


def run_dvc(*arguments: str) -> int:
    """DVC's exit status. What it prints is for the reader, as it comes. InputError if it fails and the remote is gone."""
    status = subprocess.run([sys.executable, "-m", "dvc", *arguments]).returncode
    if status:
        check_remote()
    return status


def push(repo: Repo, check: bool) -> str:
    """Send what the remote lacks, and what is corrupt there: of another size or, under `check`, of other content.

    The line that says how it ended. InputError, by file, where something cannot be sent.
    """
    cache, remote = repo.cache.local, repo.cloud.get_remote_odb()
    figures = cached_figures(repo, cache)
    objects = needed_objects(repo, cache, remote) | figures
    kept, sizes = cached_sizes(cache, objects), remote_sizes(remote, objects)
    # lists of folders always: DVC's push ends at a corrupt one
    suspects = {oid for oid in sizes if check or oid.endswith(".dir") or sizes[oid] != kept.get(oid, sizes[oid])}
    corrupt = find_faults(sizes, sizes, suspects, remote)
    left = resend(corrupt, objects, cache, remote)
    status = run_dvc("push", "--run-cache")
    missing = find_faults(objects, remote_sizes(remote, objects), (), remote)
    if not status:
        left |= resend(missing, objects, cache, remote)
    if left:
        raise InputError(
            f"{len(left)} of {len(objects)} files have no correct copy here that could be sent:{table(left, objects)}\n"
            "run make push CHECK=yes on a machine that has them, or make them again (dvc repro) and push"
        )
    if status:
        raise InputError(
            f"dvc push ended with {status}, for the cause above; {len(missing)} of {len(objects)} files are not on the remote "
            "yet, nothing is lost: run make push again"
        )
    again = len(corrupt) + len(missing.keys() - figures.keys())
    return f"{len(objects)} files, all on the remote" + f"; {again} of them were missing or corrupt and sent again" * bool(again)


def resend(faults: Mapping[str, str], objects: Mapping[str, str], cache: HashFileDB, remote: HashFileDB) -> dict[str, str]:
    """Put this machine's copies over what is on the remote, and read them back. The faults that have no correct copy are left."""
    correct = {oid for oid in cached_sizes(cache, faults) if is_correct(cache, oid)}
    for oid in correct:
        remote.fs.put_file(cache.oid_to_path(oid), remote.oid_to_path(oid))
    if lost := find_faults(correct, remote_sizes(remote, correct), correct, remote):
        raise InputError(
            f"the remote does not keep what it was sent:{table(lost, objects)}\nlook at its disk; nothing is lost here"
        )
    return {oid: fault for oid, fault in faults.items() if oid not in correct}


def pull(repo: Repo) -> str:
    """Fetch what is not here, and put it into the workspace.

    The line that says how it ended. InputError, by file, where not all of it came.
    """
    status = run_dvc("pull", "--run-cache")
    cache, remote = repo.cache.local, repo.cloud.get_remote_odb()
    objects = needed_objects(repo, cache, remote)
    if absent := objects.keys() - cached_sizes(cache, objects):
        if faults := find_faults(absent, remote_sizes(remote, absent), absent, remote):
            raise InputError(
                f"{len(faults)} of {len(objects)} files cannot be fetched:{table(faults, objects)}\n"
                "run make push CHECK=yes on a machine that has them, then make pull here again; what was fetched is kept"
            )
        raise InputError(
            f"dvc pull ended with {status}, for the cause above; {len(absent)} of {len(objects)} files are not here yet, and "
            "complete on the remote; what was fetched is kept: run make pull again"
        )
    if status:
        raise InputError(
            f"dvc pull ended with {status}, for the cause above, although all {len(objects)} files are in the cache: a changed "
            "file is in the way (keep it elsewhere, then dvc checkout --force), or a stage has never run (dvc repro)"
        )
    return f"{len(objects)} files, all here"


def table(faults: Mapping[str, str], objects: Mapping[str, str]) -> str:
    """A line for each fault, by file."""
    return "".join(sorted(f"\n- {objects[oid]} (object {oid}): {fault}" for oid, fault in faults.items()))


def use_remote(action: Callable[[Repo], str]) -> None:
    """Do it and print how it ended. A remote that fails on the way is one InputError, as it is at the start."""
    import aiohttp
    from botocore.exceptions import BotoCoreError, ClientError
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        url = check_remote()
        with Repo() as repo:
            print(f"{url}: {action(repo)}")
    except DvcException as error:
        raise InputError(f"DVC: {error}") from error
    # What a remote raises that is refused, gone or broken off.
    except (OSError, BotoCoreError, ClientError, aiohttp.ClientError) as error:
        check_remote()  # which names the cause, if it lasts
        raise InputError(f"the DVC remote broke off: {type(error).__name__}: {error}; nothing is lost: run it again") from error


def main() -> None:
    parser = command_line("python -m src.ops.remote", __doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    sending = actions.add_parser("push", help="send what the remote lacks, and check that all of it is there", allow_abbrev=False)
    sending.add_argument("--check", action="store_true", help="also read every file on the remote, and send corrupt ones again")
    actions.add_parser("pull", help="fetch what is not here", allow_abbrev=False)
    arguments = parser.parse_args()
    use_remote(pull if arguments.action == "pull" else partial(push, check=arguments.check))


if __name__ == "__main__":
    run_command(main)
