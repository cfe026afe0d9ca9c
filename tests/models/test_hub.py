"""A revision is pinned by its commit, and a model is fetched at it: against a hub on the loopback, by the real libraries."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.models.hub import resolve_commit
from tests.hub_server import HubServer, hub_environment

ROOT = Path(__file__).parents[2]
NEWEST, TWIN, OLD = "38efa25" + "0" * 33, "1234567" + "a" * 33, "1234567" + "b" * 33


def run_base_stage(folder: Path, endpoint: str, source: str) -> subprocess.CompletedProcess:
    """The real stage in a process of its own: the libraries read the hub's address as they are imported."""
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "params.yaml").write_text("profile: small\nseed: 0\n")
    settings = f"{{source: '{source}', adapter: null, dtype: bfloat16, sandbox: null, sft: null}}"
    (folder / "profiles/small.yaml").write_text(f"base: {settings}\n")
    environment = hub_environment(endpoint, folder / "hub") | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "src.stages.base"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_full_commit_needs_no_network():
    assert resolve_commit("model", "owner/name", NEWEST) == NEWEST


@pytest.mark.parametrize("revision", ["main", "v1.0", "38efa2", "38EFA25"])
def test_what_may_move_is_refused(revision):
    with pytest.raises(InputError, match=f"is asked for at '{revision}', which is no commit"):
        resolve_commit("model", "owner/name", revision)


def test_a_name_that_the_hub_cannot_have_is_an_error():
    with pytest.raises(InputError, match="of the model owner/two words cannot be looked up .HFValidationError"):
        resolve_commit("model", "owner/two words", "38efa25")


@pytest.mark.slow
def test_a_model_is_fetched_at_its_abbreviated_commit(checkpoint, tmp_path):
    with HubServer({("model", "owner/name"): {commit: checkpoint for commit in (NEWEST, TWIN, OLD)}}) as hub:
        done = run_base_stage(tmp_path, hub.url, "hub:owner/name@38efa25")
        assert done.returncode == 0, done.stderr
        assert f"GET /owner/name/resolve/{NEWEST}/model.safetensors" in hub.requests
        ambiguous = run_base_stage(tmp_path, hub.url, "hub:owner/name@1234567")
        unknown = run_base_stage(tmp_path, hub.url, "hub:owner/name@7654321")
    assert json.loads((tmp_path / "metrics/base.json").read_text())["commit"] == NEWEST
    assert (tmp_path / "checkpoints/base/model.safetensors").exists()
    assert "2 of the 3 commits of the model owner/name begin with 1234567; give all 40 digits" in ambiguous.stderr
    assert "0 of the 3 commits of the model owner/name begin with 7654321" in unknown.stderr
    assert ambiguous.returncode == unknown.returncode == 1


@pytest.mark.slow
def test_a_model_that_the_hub_lacks_is_one_error(checkpoint, tmp_path):
    with HubServer({}) as hub:
        done = run_base_stage(tmp_path, hub.url, f"hub:owner/name@{NEWEST}")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"error: base.source is 'hub:owner/name@{NEWEST}', which cannot be fetched" in done.stderr
    assert "give base.source the path of a folder" in done.stderr
