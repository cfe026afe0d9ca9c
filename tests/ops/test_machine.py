"""What a machine has: each finding on real packages, folders, servers and settings."""

import http.server
import importlib.metadata
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.config import Config

from src.ops.machine import (
    Gpu,
    Gpus,
    S3Remote,
    find_bucket,
    find_cache_type,
    find_disk,
    find_engine_modules,
    find_memory,
    find_packages,
    find_python,
    find_remote,
    judge_gpus,
)
from tests.s3_servers import KEY, SECRET, S3Server

ROOT = Path(__file__).parents[2]
H100 = Gpu("NVIDIA H100 80GB HBM3", 85.0, 9.0)


# --- software ---


def test_python_is_new_enough_from_3_11_on():
    assert find_python((3, 11, 0)).verdict == "ok"
    assert find_python((4, 0, 1)).verdict == "ok"
    old = find_python((3, 10, 12))
    assert (old.verdict, old.found) == ("FAIL", "3.10.12") and ".venv" in old.cure


def test_the_pinned_packages_of_the_repository_are_installed():
    assert find_packages(ROOT / "requirements.txt").verdict == "ok"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("pytest==0.1", "pytest {pytest} (wanted ==0.1)"),
        ("no-such-package==1.0", "no-such-package missing (wanted ==1.0)"),
        ("pytest>1000  # a reason", "pytest {pytest} (wanted >1000)"),
    ],
)
def test_a_package_that_is_not_at_its_pin_fails_by_name(tmp_path, line, found):
    file = tmp_path / "requirements.txt"
    file.write_text(f"# a comment\n\n{line}\n")
    finding = find_packages(file)
    assert (finding.verdict, finding.found) == ("FAIL", found.format(pytest=importlib.metadata.version("pytest")))
    assert f"pip install -r {file}" in finding.cure


def test_what_is_meant_for_other_machines_is_not_wanted_here(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("-r other.txt\nno-such-package==1.0; sys_platform == 'no such system'\npytest\n")
    finding = find_packages(file)
    assert (finding.verdict, finding.wanted) == ("ok", "1 packages")


def test_a_build_for_one_machine_counts_as_its_version(tmp_path):
    version = importlib.metadata.version("torch")
    file = tmp_path / "requirements.txt"
    file.write_text(f"torch=={version.partition('+')[0]}\n")  # 2.13.0 is wanted, 2.13.0+cpu is there
    assert find_packages(file).verdict == "ok"


# --- hardware ---


@pytest.mark.parametrize(
    ("gpus", "verdict"),
    [
        ([H100] * 8, "ok"),
        ([H100] * 9, "ok"),
        ([H100] * 7, "FAIL"),
        ([], "FAIL"),
        ([Gpu("NVIDIA A100-SXM4-80GB", 85.0, 8.0)] * 8, "FAIL"),
        ([Gpu("NVIDIA H100 half", 40.0, 9.0)] * 8, "FAIL"),
        ([H100] * 8 + [Gpu("a small one", 8.0, 9.0)], "FAIL"),
    ],
    ids=["eight", "nine", "seven", "none", "too old", "too small", "one of nine too small"],
)
def test_eight_gpus_of_80_gb_and_capability_9(gpus, verdict):
    finding = judge_gpus(Gpus(tuple(gpus), "2.13.0"), 8, 80, 9.0)
    assert finding.verdict == verdict
    assert finding.found.startswith(f"{len(gpus)} x {gpus[0].name}" if gpus else "none")


def test_memory_and_disk_are_compared_with_what_is_there(tmp_path):
    assert find_memory(0.001).verdict == find_disk(0.000001, tmp_path).verdict == "ok"
    assert find_memory(1e9).verdict == find_disk(1e9, tmp_path).verdict == "FAIL"
    assert str(tmp_path.resolve()) in find_disk(1e9, tmp_path).cure


# --- DVC ---


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """An empty DVC repository, as working folder; the tester's own DVC settings play no part."""
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(tmp_path / "system"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def configure(repository: Path, text: str) -> None:
    (repository / ".dvc/config.local").write_text(text)


@pytest.mark.parametrize(
    ("kind", "user", "verdict"),
    [(None, 1000, "warning"), ("hardlink", 1000, "ok"), ("copy", 1000, "warning"), (None, 0, "ok"), ("hardlink", 0, "warning")],
)
def test_links_save_a_user_space_and_are_dangerous_for_root(repository, kind, user, verdict):
    if kind:
        configure(repository, f"[cache]\n    type = {kind}\n")
    assert find_cache_type(Config.from_cwd(), user).verdict == verdict


def test_a_remote_of_another_kind_is_not_tried(repository):
    configure(repository, "[core]\n    remote = store\n['remote \"store\"']\n    url = ssh://example.org/store\n")
    assert find_remote(Config.from_cwd()).verdict == "warning"


def test_no_remote_is_a_warning(repository):
    finding = find_remote(Config.from_cwd())
    assert finding.verdict == "warning" and "make remote" in finding.cure


def test_a_folder_is_a_remote_if_it_can_be_made(repository):
    configure(repository, f"[core]\n    remote = store\n['remote \"store\"']\n    url = {repository}/not/yet\n")
    assert find_remote(Config.from_cwd()).verdict == "ok"
    (repository / "not").write_text("a file")
    assert find_remote(Config.from_cwd()).verdict == "FAIL"


def test_a_default_remote_that_is_not_set_up_fails_by_name(repository):
    configure(repository, "[core]\n    remote = gone\n")
    assert "gone: not set up" in find_remote(Config.from_cwd()).found


# --- an S3 server ---


@pytest.fixture(scope="module")
def s3(tmp_path_factory) -> Iterator[str]:
    """URL of a real S3 server, which checks signatures, with the empty bucket `results`."""
    pytest.importorskip("nanio", reason="the S3 server of requirements-dev.txt")
    server = S3Server("nanio", tmp_path_factory.mktemp("s3") / "nanio")
    server.start()
    server.client().create_bucket(Bucket="results")
    yield server.url
    server.kill()


@pytest.fixture
def keys(monkeypatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_bucket_is_reached_with_the_keys_of_the_environment(s3, keys):
    assert find_bucket(S3Remote("s3://results/regime-w", endpointurl=s3)).verdict == "ok"


def test_keys_of_the_remote_itself_come_first(s3, keys, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not this one")
    own = S3Remote("s3://results", endpointurl=s3, access_key_id=KEY, secret_access_key=SECRET)
    assert find_bucket(own).verdict == "ok"
    assert SECRET not in repr(own)


def test_a_wrong_secret_is_refused_and_not_shown(s3, keys, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    finding = find_bucket(S3Remote("s3://results", endpointurl=s3))
    assert finding.verdict == "FAIL" and "refused" in finding.found
    assert "wrong-secret" not in repr(finding)


def test_a_bucket_that_is_not_there_fails(s3, keys):
    finding = find_bucket(S3Remote("s3://nothing-here", endpointurl=s3))
    assert finding.verdict == "FAIL" and "NoSuchBucket" in finding.found


def test_no_keys_fail(s3, keys, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "NoCredentials" in find_bucket(S3Remote("s3://results", endpointurl=s3)).found


def test_a_server_that_is_gone_fails_at_once(keys):
    started = time.monotonic()
    finding = find_bucket(S3Remote("s3://results", endpointurl="http://127.0.0.1:9"))
    assert finding.verdict == "FAIL" and "EndpointConnectionError" in finding.found
    assert time.monotonic() - started < 5


# --- the hub, whose address is read once in a process ---


MODEL = ("model", "owner/model", "1" * 40)
DATA = ("dataset", "owner/data-set", "2" * 40)


def ask_for_hub(*revisions: tuple[str, str, str], **variables: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    code = (
        "import json, sys; from src.ops.machine import HubRevision, find_hub; "
        "finding = find_hub([HubRevision(*item) for item in json.loads(sys.argv[1])]); print(finding.verdict, finding.found)"
    )
    command = [sys.executable, "-c", code, json.dumps(revisions)]
    return subprocess.run(
        command, cwd=ROOT, env=environment | variables, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize(("status", "verdict"), [(200, "ok"), (503, "FAIL")])
def test_the_hub_is_reached_if_it_answers(status, verdict):
    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):  # the name that http.server calls
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        found = ask_for_hub(HF_ENDPOINT=url)
        server.shutdown()
    assert found == f"{verdict} {url} ({status})"


def test_a_hub_that_does_not_answer_fails():
    assert ask_for_hub(HF_ENDPOINT="http://127.0.0.1:9") == "FAIL http://127.0.0.1:9: ConnectError"


def test_offline_the_caches_must_hold_every_revision_by_its_whole_commit(tmp_path):
    (tmp_path / f"hub/models--owner--model/snapshots/{MODEL[2]}").mkdir(parents=True)
    (tmp_path / f"datasets/owner___data-set/main/0.0.0/{DATA[2]}").mkdir(parents=True)
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    assert ask_for_hub(MODEL, DATA, **offline) == "ok offline, and cached"
    other, short = ("dataset", "owner/data-set", "3" * 40), ("model", "owner/model", "1" * 7)
    found = ask_for_hub(MODEL, other, short, **offline)
    assert found.startswith("FAIL offline (HF_HUB_OFFLINE); the cache lacks owner/data-set@333333333333, owner/model@1111111")


def test_an_engine_asks_for_the_packages_that_it_needs_beside_those_of_every_run():
    assert find_engine_modules(False, 1) == find_engine_modules(False, None) == []
    (found,) = find_engine_modules(True, 1)
    assert (found.verdict, found.wanted, found.found) == ("FAIL", "vllm", "no vllm")
    assert "requirements-gpu.txt" in found.cure
