"""Publishing, to a hub on the loopback by the real library: one commit of what release/ has, and nothing where it may not."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from src.core.errors import InputError
from src.ops.publish import check_name
from tests.hub_server import HubServer, hub_environment
from tests.hub_uploads import Uploads
from tests.ops.release_run import call
from tests.ops.test_release import LOOK

TOKEN = "hf_a_secret"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    repositories: dict = {}
    with HubServer(repositories, uploads=Uploads(tmp_path / "hub", TOKEN, repositories)) as server:
        yield server


def publish(run: Path, hub: HubServer, *arguments: str, token: str | None = TOKEN) -> CompletedProcess[str]:
    environment = hub_environment(hub.url, run.parent / "home") | {"HF_HUB_DISABLE_XET": "1"}
    environment |= {} if token is None else {"HF_TOKEN": token}
    done = call(run, sys.executable, "-m", "src.ops.publish", *arguments, environment=environment)
    assert TOKEN not in done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_the_release_is_sent_as_one_commit_and_loads_from_there(finished_run, hub):
    done = publish(finished_run, hub, "owner/name")
    assert done.returncode == 0, done.stderr
    [commit] = hub.repositories["model", "owner/name"]
    assert done.stdout.strip().endswith(f"/owner/name/commit/{commit}")
    sent, release = hub.repositories["model", "owner/name"][commit], finished_run / "release"
    files = {path.relative_to(release) for path in release.rglob("*") if path.is_file()}
    assert {path.relative_to(sent) for path in sent.rglob("*") if path.is_file()} == files
    assert all((sent / path).read_bytes() == (release / path).read_bytes() for path in files)
    assert hub.uploads is not None and len(hub.uploads.commits) == 1 and hub.uploads.private == {"owner/name": False}

    [lines] = re.findall(r"```python\n(.*?)```", (sent / "README.md").read_text(), flags=re.S)
    assert len(lines.replace("\n\n", "\n").splitlines()) == 5 and '"owner/name"' in lines
    environment = hub_environment(hub.url, finished_run.parent / "other") | {"HF_HUB_DISABLE_XET": "1"}
    loaded = call(finished_run.parent, sys.executable, "-c", lines + LOOK, environment=environment)
    assert loaded.stdout.strip() == "True", loaded.stderr

    again = publish(finished_run, hub, "owner/name")
    assert again.returncode == 0, again.stderr
    assert len(hub.repositories["model", "owner/name"]) == len(hub.uploads.commits) == 2


def test_without_a_token_one_sentence_says_so_and_nothing_is_sent(finished_run, hub):
    done = publish(finished_run, hub, "owner/name", token=None)
    assert (done.returncode, done.stdout, hub.requests) == (1, "", [])
    assert done.stderr == (
        "error: no token of the hub is here: set HF_TOKEN to one that may write, or log in by `hf auth login`; nothing was sent\n"
    )
    assert not (finished_run / "release").exists()


@pytest.mark.slow
def test_a_token_that_may_not_write_is_one_error_that_does_not_show_it(finished_run, hub):
    done = publish(finished_run, hub, "owner/name", token="hf_another")
    assert done.returncode == 1 and "Traceback" not in done.stderr and "hf_another" not in done.stderr
    assert done.stderr.startswith("error: owner/name cannot be written on the hub (HfHubHTTPError: ")
    assert hub.uploads is not None and hub.uploads.commits == []


@pytest.mark.slow
def test_a_repository_that_others_see_is_not_taken_for_a_private_one(finished_run, hub):
    assert hub.uploads is not None
    hub.uploads.private["owner/name"] = False
    hub.repositories["model", "owner/name"] = {}
    done = publish(finished_run, hub, "owner/name", "--private")
    assert done.returncode == 1
    assert done.stderr.startswith("error: owner/name is on the hub already, and public, though --private was asked for")
    assert hub.uploads.commits == []
    assert publish(finished_run, hub, "owner/other", "--private").returncode == 0
    assert hub.uploads.private["owner/other"] is True


@pytest.mark.parametrize("name", ["name", "owner/two words", "a/b/c", "owner/", ""])
def test_a_name_that_no_repository_can_have_is_refused(name):
    with pytest.raises(InputError, match="and must be owner/name"):
        check_name(name)
