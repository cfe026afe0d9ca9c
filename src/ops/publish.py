"""Publish the adapter on the Hugging Face hub, with its card and its results, as one commit.

    python -m src.ops.publish REPO [--private]        (make publish REPO=owner/name [PRIVATE=yes])

REPO is a model repository, owner/name; it is made if it is not there. The token that may write to it is taken from HF_TOKEN, or
from `hf auth login`, and never shown. release/ is made anew first (src/ops/release.py), and is what is sent. Files of an earlier
commit that are no part of it stay in the repository.
"""

from pathlib import Path

from src.core.command import command_line, run_command
from src.core.errors import InputError, shown
from src.ops.release import RELEASE, make_release


def find_token() -> str:
    """The hub's token of this machine; InputError if there is none."""
    from huggingface_hub import get_token

    token = get_token()
    if token is None:
        raise InputError(
            "no token of the hub is here: set HF_TOKEN to one that may write, or log in by `hf auth login`; nothing was sent"
        )
    return token


def check_name(repo: str) -> None:
    """InputError unless this can be the name of a repository, with its owner."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
        fits = repo.count("/") == 1
    except HFValidationError:
        fits = False
    if not fits:
        raise InputError(f"REPO is {shown(repo)}, and must be owner/name, as on the hub: letters, digits, -, _ and . alone")


def send(files: list[Path], repo: str, private: bool, token: str) -> str:
    """Send the files of release/ as one commit; returns its address. InputError where the hub refuses or cannot be reached."""
    from httpx2 import HTTPError
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(token=token)
    additions = [CommitOperationAdd(path.relative_to(RELEASE).as_posix(), path) for path in files]
    try:
        api.create_repo(repo, private=private or None, exist_ok=True)
        if private and not api.model_info(repo).private:
            raise InputError(
                f"{repo} is on the hub already, and public, though --private was asked for; nothing was sent: make it private in "
                "its settings, or name another"
            )
        commit = api.create_commit(repo, additions, commit_message="The adapter, its card and its results")
    except InputError:
        raise
    # OSError, HTTPError: no network, or the hub refuses. ValueError: it does not take the card. RuntimeError: a file broke off.
    except (OSError, HTTPError, ValueError, RuntimeError) as error:
        cause = (str(error).strip() or "no message").partition("\n")[0].replace(token, "<token>")
        raise InputError(
            f"{repo} cannot be written on the hub ({type(error).__name__}: {cause}); look at the name, at what the token may do "
            "and at the network, and run it again: the commit is made whole or not at all"
        ) from error
    return commit.commit_url


def main() -> None:
    parser = command_line("python -m src.ops.publish", __doc__)
    parser.add_argument("repo", metavar="REPO", help="a model repository of the hub, owner/name")
    parser.add_argument("--private", action="store_true", help="make it one that nobody else sees")
    arguments = parser.parse_args()
    check_name(arguments.repo)
    token = find_token()
    files = make_release(arguments.repo)
    print(f"{len(files)} files: {send(files, arguments.repo, arguments.private, token)}")


if __name__ == "__main__":
    run_command(main)
