"""Find files of DVC's cache whose content is not what their name says, and put the right ones in their place.

    python -m src.ops.repair --check        (make repair CHECK=yes)

DVC trusts a file of its cache that nobody may write to, and takes its hash from notes by time and size. So a bit that has
turned on the disk, or a write past DVC, goes into the workspace with no word. Here every file is read. Part of
src/ops/repair.py.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.db import HashFileDB

CORRUPT = ".dvc/tmp/corrupt"
READ_ONLY = 0o444  # as DVC keeps files of its cache


@dataclass(frozen=True)
class Corrupt:
    """An object of the cache with other content. `oid` is its name, `digest` the MD5 of what it holds."""

    oid: str
    digest: str
    path: Path
    kept: Path  # where it was moved to


@dataclass(frozen=True)
class Use:
    """The file of the workspace that an object is of, and the stage that makes it."""

    file: str
    stage: str


def md5(path: Path) -> str:
    """The MD5 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return file_digest(file, "md5").hexdigest()


def objects(cache: HashFileDB) -> dict[str, Path]:
    """The path of each object of a cache on this machine, by its name."""
    found = sorted(Path(cache.path).glob("[0-9a-f][0-9a-f]/*"))
    return {f"{path.parent.name}{path.name}": path for path in found if len(path.name.partition(".")[0]) == 30}


def move_corrupt(root: Path, cache: HashFileDB) -> list[Corrupt]:
    """Read every object, and move those away whose content is not what their name says."""
    from tqdm import tqdm

    found = []
    for oid, path in tqdm(objects(cache).items(), desc="reading the cache", unit="file", disable=None):
        digest = md5(path)
        if digest != oid.partition(".")[0]:
            kept = root / CORRUPT / oid
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, kept)
            found.append(Corrupt(oid, digest, path, kept))
    return found


def uses(repo: Repo, cache: HashFileDB, remote: HashFileDB | None) -> dict[str, Use]:
    """What each object is of, by its name, as far as dvc.lock says. Metrics and plots, which Git keeps, are cached as well."""
    from src.ops.remote import needed_objects

    outs = [out for out in repo.index.outs if out.hash_info]
    names = {out.hash_info.value: out.def_path for out in outs if not out.use_cache}
    names |= needed_objects(repo, cache, remote or cache)
    stages = {out.def_path: out.stage.addressing for out in outs}

    def stage_of(file: str) -> str:
        folders = [file, *(parent.as_posix() for parent in Path(file).parents)]
        return next((stages[name] for name in folders if name in stages), "unknown")

    return {oid: Use(file, stage_of(file)) for oid, file in names.items()}


def default_remote(repo: Repo) -> HashFileDB | None:
    """The remote that is set up; None if there is none."""
    from dvc.config import NoRemoteError

    try:
        return repo.cloud.get_remote_odb()
    except NoRemoteError:
        return None


def put(source: Path, target: Path, oid: str, mode: int) -> bool:
    """Copy a file to where it belongs, if it has the right content. The file appears whole or not at all."""
    part = target.with_name(f"{target.name}.part")
    try:
        shutil.copyfile(source, part)
        if md5(part) != oid.partition(".")[0]:
            return False
        part.chmod(mode)
        part.replace(target)
        return True
    finally:
        part.unlink(missing_ok=True)


def fetched(remote: HashFileDB, one: Corrupt) -> str:
    """Fetch an object from the remote into the cache. What became of it: "" if it is there now, else the reason."""
    download = one.kept.with_name(f"{one.oid}.download")
    try:
        if not remote.exists(one.oid):
            return "the remote has it not"
        remote.fs.get_file(remote.oid_to_path(one.oid), str(download))
        return "" if put(download, one.path, one.oid, READ_ONLY) else "the remote's is of other content too (make push CHECK=yes)"
    except OSError as error:
        return f"the remote cannot be read ({error})"
    finally:
        download.unlink(missing_ok=True)


def is_link_or_copy(path: Path, one: Corrupt) -> bool:
    """Whether a file of the workspace has, or points to, the corrupt content."""
    if path.is_symlink():
        return Path(os.readlink(path)) == one.path
    return path.is_file() and md5(path) == one.digest


def mend(root: Path, one: Corrupt, use: Use | None, remote: HashFileDB | None) -> str:
    """Put the right content in the place of a corrupt object; a line of what was done."""
    file = root / use.file if use else None
    is_spoilt = file is not None and is_link_or_copy(file, one)
    of = f" (of {use.file}, stage {use.stage})" if use else " (of an earlier run)"
    said = f"{os.path.relpath(one.path, root)}{of} had other content than its name says: it is in {one.kept.relative_to(root)}"
    reason = "no remote is set up"
    if file is not None and file.is_file() and not is_spoilt and put(file, one.path, one.oid, READ_ONLY):
        return f"{said}, and the workspace's copy is in its place"
    if remote is not None and not (reason := fetched(remote, one)):
        if file is not None and is_spoilt:
            file.unlink()
            put(one.path, file, one.oid, 0o644)
        return f"{said}, and the remote's copy is in its place"
    if file is not None and is_spoilt:
        file.unlink()
        said += f"; {file.relative_to(root)}, which had the same content, is removed"
    return f"{said}; {reason}: " + ("dvc repro makes it again" if use else "nothing at hand needs it")


def check_cache(repo: Repo, root: Path) -> Iterator[str]:
    """Read all of the cache; a line for each object that was corrupt, and one at the end."""
    cache = repo.cache.local
    found = move_corrupt(root, cache)
    if found:
        remote = default_remote(repo)
        wanted: Mapping[str, Use] = {}
        # Lists of folders first: what a file is of stands in them.
        for one in sorted(found, key=lambda one: not one.oid.endswith(".dir")):
            wanted = wanted if one.oid in wanted else uses(repo, cache, remote)
            yield mend(root, one, wanted.get(one.oid), remote)
