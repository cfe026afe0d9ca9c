"""A revision of the hub, pinned: what is read today is read in a year."""

import re
from typing import Literal

from httpx2 import HTTPError
from huggingface_hub import list_repo_commits
from huggingface_hub.errors import HFValidationError

from src.core.errors import InputError

FULL_COMMIT = re.compile("[0-9a-f]{40}")
SHORT_COMMIT = re.compile("[0-9a-f]{7,39}")


def check_revision(kind: Literal["model", "dataset"], name: str, revision: str) -> None:
    """InputError for a branch or a tag, which may move; the hub is not asked."""
    if not (FULL_COMMIT.fullmatch(revision) or SHORT_COMMIT.fullmatch(revision)):
        raise InputError(
            f"the {kind} {name} is asked for at {revision!r}, which is no commit: a branch or a tag may move; "
            "give the commit, at least its first 7 hexadecimal digits"
        )


def resolve_commit(kind: Literal["model", "dataset"], name: str, revision: str) -> str:
    """The 40-digit commit that `revision` names: itself, or the one commit that begins with its 7 or more digits.

    The first needs no network. Raises InputError for a branch or a tag, which may move, for an abbreviation that no
    commit or several have, and where the hub cannot be asked.
    """
    check_revision(kind, name, revision)
    if FULL_COMMIT.fullmatch(revision):
        return revision
    try:
        commits = [commit.commit_id for commit in list_repo_commits(name, repo_type=kind)]
    except (HTTPError, OSError, HFValidationError) as error:
        raise InputError(
            f"the commit {revision} of the {kind} {name} cannot be looked up ({type(error).__name__}); check name and network, "
            "or give all 40 digits, which need no looking up"
        ) from error
    found = [commit for commit in commits if commit.startswith(revision)]
    if len(found) != 1:
        raise InputError(
            f"{len(found)} of the {len(commits)} commits of the {kind} {name} begin with {revision}; give all 40 digits of one"
        )
    return found[0]
