"""The files of records of one run: those of the workspace, or of a commit or experiment, which DVC's cache has.

Nothing is checked out and no remote is asked: of a revision, DVC's own list of outputs says which object of the cache is
which file. What is used of DVC's private API is held by tests/contracts/test_dvc.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from src.core.errors import InputError
from src.core.records import Record, stream_records

POLICIES = ("baseline", "coherence")
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class RunFiles:
    """Where the files of a run stand.

    revision  as it was asked for; None for the workspace
    objects   of a revision: the path of each output's object in the cache, by the output's own path
    """

    revision: str | None
    objects: Mapping[str, Path] | None = None

    def lacks(self, name: str) -> str | None:
        """Why a file such as `data/test.jsonl` cannot be read, with the cure; None where it is at hand."""
        if self.objects is None:
            return None if Path(name).is_file() else f"{name} is not there (looked from {Path.cwd()}); run `make repro`"
        if name not in self.objects:
            return f"{name} is no output of revision {self.revision}; name a commit or an experiment whose dvc.lock has it"
        if not self.objects[name].is_file():
            return f"DVC's cache lacks {name} of revision {self.revision}; fetch it (`dvc fetch --all-commits`) or run it again"
        return None

    def stream(self, name: str, wanted: type[R]) -> Iterator[R]:
        """The records of a file in file order. InputError if it cannot be read."""
        if (why := self.lacks(name)) is not None:
            raise InputError(why)
        for _, record in stream_records(Path(name) if self.objects is None else self.objects[name], wanted):
            yield record


def files_of_revisions(revisions: Sequence[str]) -> list[RunFiles]:
    """The files of commits (any name that Git has for one) and experiments (by DVC's name), in the given order.

    InputError for a name of neither, for one that is ambiguous, and outside a repository of DVC.
    """
    from dvc.exceptions import NotDvcRepoError  # takes most of a second
    from dvc.repo import Repo
    from dvc.scm import RevError, resolve_rev

    try:
        repo = Repo()
    except NotDvcRepoError as error:
        raise InputError(f"{Path.cwd()} is in no repository of DVC; go to the root of yours") from error
    with repo:
        found = []
        for revision in revisions:
            try:
                commit = resolve_rev(repo.scm, revision)
            except RevError as error:
                raise InputError(
                    f"--rev {revision!r}: {error}; give a commit, a branch, a tag or an experiment (`dvc exp list --all-commits`)"
                ) from error
            with repo.switch(commit):
                objects = {
                    out.fs.relpath(out.fs_path, repo.root_dir): Path(repo.cache.local.oid_to_path(out.hash_info.value))
                    for out in repo.index.outs
                    if out.use_cache and out.hash_info
                }
            found.append(RunFiles(revision, objects))
    return found
