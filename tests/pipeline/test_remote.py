"""The DVC remote on two real S3 servers: what is pushed comes back, and after every fault nothing is lost and all is reported.

Of each server the tests share one bucket and follow in order, each leaving it complete.
"""

import hashlib
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.s3_servers import KEY, SECRET, S3Server, bytes_in
from tests.warm_python import WarmPython

pytestmark = pytest.mark.slow

LARGE = 120 << 20  # bytes; more than the 100 << 20 that are sent in one piece
PUSH = ("python", "-m", "src.ops.remote", "push")
PULL = ("python", "-m", "src.ops.remote", "pull")
PATIENCE = 60  # seconds for a transfer to be under way


@pytest.fixture(scope="module", params=["nanio", "swift"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    pytest.importorskip(request.param, reason="an S3 server of requirements-dev.txt")
    server = S3Server(request.param, tmp_path_factory.mktemp("s3") / request.param)
    server.start()
    server.client().create_bucket(Bucket="results")
    yield server
    server.kill()


class Shell:
    """Runs commands with the server's keys in the environment, and nowhere else."""

    def __init__(self, environment: dict[str, str], warm: WarmPython) -> None:
        self.warm = warm
        self.environment = environment | {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_CONFIG_FILE": "/nowhere",
            "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "2",  # DVC gives a killed server up after seconds, not after most of a minute
        }

    def __call__(self, folder: Path, *command: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess:
        done = self.warm.run(folder, *command, environment=self.environment | variables)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def fails(self, folder: Path, *command: str, **variables: str) -> str:
        """The one error that the command ends with."""
        done = self(folder, *command, check=False, **variables)
        return the_error(done.returncode, done.stdout + done.stderr)

    def begin(self, folder: Path, *command: str) -> subprocess.Popen:
        return subprocess.Popen(
            command, cwd=folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )


def the_error(status: int, output: str) -> str:
    assert status == 1
    assert "Traceback" not in output and SECRET not in output
    assert output.count("\nerror: ") + output.startswith("error: ") == 1
    return output[output.index("error: ") :]


@pytest.fixture(scope="module")
def shell(environment: dict[str, str]) -> Iterator[Shell]:
    with WarmPython() as warm:
        yield Shell(environment, warm)


def make_remote(folder: Path, shell: Shell, bucket: str, endpoint: str) -> None:
    """`make remote` without its environment, whose place the tests' own takes."""
    shell(folder, "make", "-o", ".venv/.installed", "ENVIRONMENT=", "remote", f"BUCKET={bucket}", f"ENDPOINT={endpoint}")
    shell(folder, "git", "commit", "-qam", "a remote")


@pytest.fixture(scope="module")
def shared(server, finished, shell, tmp_path_factory) -> Path:
    """A finished repository whose results are on the remote."""
    folder = tmp_path_factory.mktemp("shared") / "repository"
    shutil.copytree(finished[0], folder, symlinks=True)
    make_remote(folder, shell, "results/regime-w", server.url)
    assert "all on the remote" in shell(folder, *PUSH).stdout
    return folder


@pytest.fixture
def clone(shared, shell, tmp_path) -> Path:
    shell(tmp_path, "git", "clone", "-q", str(shared), "clone")
    return tmp_path / "clone"


def contents(folder: Path) -> dict[str, str]:
    """The digest of each file that Git or DVC keeps."""
    kept = (
        "checkpoints/**/*",
        "data/*",
        "outputs/*",
        "metrics/*",
        "plots/*",
        "report.md",
        "report.html",
        "dvc.lock",
        "params.yaml",
        "noise.bin",
    )
    files = [path for pattern in kept for path in folder.glob(pattern) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def corrupt_objects(folder: Path) -> list[Path]:
    """Objects of the repository's cache whose content has not the checksum that is their name."""
    files = [path for path in (folder / ".dvc/cache/files/md5").glob("??/*") if path.suffix != ".tmp"]
    return [path for path in files if hashlib.md5(path.read_bytes()).hexdigest() != (path.parent.name + path.stem)]


def stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


def in_sync(folder: Path, shell: Shell) -> bool:
    return "are in sync" in shell(folder, "dvc", "status", "--cloud").stdout


def set_weight(folder: Path) -> None:
    path = folder / "params.yaml"
    text = path.read_text()
    assert text.count("quality: 0.4}") == 1
    path.write_text(text.replace("quality: 0.4}", "quality: 0.0}"))


# --- what is pushed comes back ---


def test_what_is_pushed_is_in_sync(shared, shell):
    assert in_sync(shared, shell)
    again = shell(shared, *PUSH).stdout
    assert "all on the remote" in again and "sent again" not in again


@pytest.mark.parametrize("command", [("dvc", "pull"), PULL], ids=["dvc pull", "make pull"])
def test_a_fresh_clone_gets_every_byte_and_runs_nothing(shared, clone, shell, command):
    shell(clone, *command)
    assert stages_run(shell(clone, "dvc", "repro").stdout) == set()
    assert shell(clone, "git", "status", "--porcelain").stdout == ""
    assert contents(clone) == contents(shared)


@pytest.mark.parametrize("flag", ["--pull", "--allow-missing"])
def test_a_fresh_clone_runs_nothing_without_a_pull_either(clone, shell, flag):
    assert stages_run(shell(clone, "dvc", "repro", flag).stdout) == set()


@pytest.fixture(scope="module")
def reweighted(finished, shell, tmp_path_factory) -> Path:
    """A finished repository in which a scoring weight was changed and what depends on it ran."""
    folder = tmp_path_factory.mktemp("reweighted") / "repository"
    shutil.copytree(finished[0], folder, symlinks=True)
    set_weight(folder)
    assert "train" in stages_run(shell(folder, "dvc", "repro").stdout)
    return folder


def test_what_one_clone_ran_another_need_not_run(server, shared, reweighted, clone, shell):
    """Six stages that write metrics, which Git keeps: DVC's own push leaves these out, and all six would run again."""
    make_remote(reweighted, shell, "results/regime-w", server.url)
    shell(reweighted, *PUSH)
    shell(clone, *PULL)
    set_weight(clone)
    assert stages_run(shell(clone, "dvc", "repro", "--pull").stdout) == set()
    assert contents(clone) == contents(reweighted)


# --- a remote that cannot be used ---


@pytest.mark.parametrize(
    ("setting", "variables", "wanted"),
    [
        ((), {"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, ["refused, SignatureDoesNotMatch", "check AWS_ACCESS_KEY_ID"]),
        (("url", "s3://nothing-here"), {}, ["s3://nothing-here: refused, NoSuchBucket", "DVC makes none"]),
        (("endpointurl", "http://127.0.0.1:9"), {}, ["EndpointConnectionError", "when the remote answers"]),
        (("verify", "false"), {}, ["dvc remote modify storage verify true"]),
    ],
    ids=["wrong secret", "unknown bucket", "dead server", "no verification"],
)
def test_a_remote_that_cannot_be_used_is_reported_at_once(shared, clone, server, shell, setting, variables, wanted):
    if setting:
        shell(clone, "dvc", "remote", "modify", "--local", "storage", *setting)
    held = server.bytes_held()
    for command in (PUSH, PULL):
        started = time.monotonic()
        error = shell.fails(clone, *command, **variables)
        assert time.monotonic() - started < 15
        assert all(words in error for words in wanted) and "wrong-secret" not in error
    assert server.bytes_held() == held and [path.name for path in (clone / "data").iterdir()] == [".gitignore"]


def test_no_remote_is_reported_with_the_command_that_sets_one_up(finished, shell, tmp_path):
    shell(tmp_path, "git", "clone", "-q", str(finished[0]), "clone")
    assert "make remote BUCKET=" in shell.fails(tmp_path / "clone", *PULL)


# --- objects that are gone or corrupt ---


def key_of(folder: Path, name: str) -> str:
    """Where the object of a file lies in the bucket; of a folder, the object that lists its files."""
    if (folder / name).is_dir():
        oid = re.search(rf"outs:\n    - path: {name}\n      hash: md5\n      md5: (\S+)", (folder / "dvc.lock").read_text())[1]
    else:
        oid = hashlib.md5((folder / name).read_bytes()).hexdigest()
    return f"regime-w/files/md5/{oid[:2]}/{oid[2:]}"


WEIGHTS = "checkpoints/base/model.safetensors"


def test_missing_files_are_named_by_pull_and_sent_again_by_push(shared, clone, server, shell):
    client = server.client()
    for name in (WEIGHTS, "data/train.jsonl", "checkpoints/dpo_coherence_lora", "metrics/verdict.json"):
        client.delete_object(Bucket="results", Key=key_of(shared, name))
    client.put_object(Bucket="results", Key=key_of(shared, "checkpoints/base/config.json"), Body=b"{")

    error = shell.fails(clone, *PULL)
    for name in (WEIGHTS, "data/train.jsonl", "checkpoints/dpo_coherence_lora"):
        assert re.search(rf"- {name} \(object \w+(\.dir)?\): not on the remote", error)
    assert re.search(r"- checkpoints/base/config.json \(object \w+\): of other content", error)
    assert "4 of " in error and "make push" in error
    assert corrupt_objects(clone) == [] and shell(clone, "git", "status", "--porcelain").stdout == ""
    assert "no correct copy here" in shell.fails(clone, *PUSH)

    # DVC sends all but the files of a folder whose list is there.
    assert "2 of them were missing or corrupt and sent again" in shell(shared, *PUSH).stdout
    shell(clone, *PULL)
    assert contents(clone) == contents(shared)


def put_other_bytes(server: S3Server, key: str) -> None:
    """Put other bytes there, as many as before."""
    client = server.client()
    good = client.get_object(Bucket="results", Key=key)["Body"].read()
    client.put_object(Bucket="results", Key=key, Body=bytes([good[0] ^ 1]) + good[1:])


def test_corrupt_files_are_not_taken_and_a_checking_push_sends_them_again(shared, clone, server, shell):
    names = (WEIGHTS, "data/train.jsonl")
    for name in names:
        put_other_bytes(server, key_of(shared, name))
    error = shell.fails(clone, *PULL)
    for name in names:
        assert re.search(rf"- {name} \(object \w+\): of other content on the remote", error)
        assert not (clone / name).exists()
    assert "2 of " in error and "make push CHECK=yes" in error
    assert corrupt_objects(clone) == []

    assert "2 of them were missing or corrupt and sent again" in shell(shared, *PUSH, "--check").stdout
    shell(clone, *PULL)
    assert contents(clone) == contents(shared)


def test_a_corrupt_list_of_a_folder_is_sent_again_by_any_push(shared, clone, server, shell):
    """DVC's own push ends at such a list."""
    put_other_bytes(server, key_of(shared, "checkpoints/base"))
    error = shell.fails(clone, *PULL)
    assert re.search(r"- checkpoints/base \(object \w+\.dir\): of other content on the remote", error)
    assert "1 of them were missing or corrupt and sent again" in shell(shared, *PUSH).stdout
    shell(clone, *PULL)
    assert contents(clone) == contents(shared)


def test_without_verification_dvc_takes_wrong_bytes(shared, clone, server, shell):
    """Why the remote is set to verify, and must be."""
    client, key = server.client(), key_of(shared, "data/train.jsonl")
    good = client.get_object(Bucket="results", Key=key)["Body"].read()
    client.put_object(Bucket="results", Key=key, Body=b"?" + good[1:])
    shell(clone, "dvc", "remote", "modify", "--local", "storage", "verify", "false")
    shell(clone, "dvc", "pull")
    client.put_object(Bucket="results", Key=key, Body=good)
    assert (clone / "data/train.jsonl").read_bytes() == b"?" + good[1:]


# --- a server that dies in the middle ---


@pytest.fixture(scope="module")
def large(server, finished, shell, tmp_path_factory) -> Path:
    """A finished repository with a file that is sent in several parts; nothing of it is on its remote yet."""
    folder = tmp_path_factory.mktemp("large") / "repository"
    shutil.copytree(finished[0], folder, symlinks=True)
    (folder / "noise.bin").write_bytes(random.Random(0).randbytes(LARGE))
    shell(folder, "dvc", "add", "-q", "noise.bin")
    shell(folder, "git", "add", "-A")
    make_remote(folder, shell, "results/large", server.url)
    return folder


def wait_until(under_way: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while not under_way():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.002)


def test_a_push_whose_server_dies_is_reported_and_done_by_the_next(large, server, shell):
    before, held = contents(large), server.bytes_held()
    pushing = shell.begin(large, *PUSH)
    wait_until(lambda: server.bytes_held() - held > LARGE // 50, pushing)
    server.kill()
    assert server.bytes_held() - held < LARGE
    output, _ = pushing.communicate()
    error = the_error(pushing.returncode, output)
    assert "EndpointConnectionError" in error and "nothing is lost: run it again when the remote answers" in error

    server.start()
    assert not in_sync(large, shell)
    assert "all on the remote" in shell(large, *PUSH).stdout
    assert in_sync(large, shell)
    assert contents(large) == before and corrupt_objects(large) == []


def test_a_pull_whose_server_dies_is_reported_and_done_by_the_next(large, server, shell, tmp_path):
    """Follows the test before, which left all of it on the remote."""
    for attempt in range(5):
        clone = tmp_path / f"clone{attempt}"
        shell(tmp_path, "git", "clone", "-q", str(large), clone.name)
        pulling = shell.begin(clone, *PULL)
        wait_until(lambda clone=clone: bytes_in(clone / ".dvc/cache") > LARGE // 50, pulling)
        server.kill()
        if bytes_in(clone / ".dvc/cache") < LARGE:
            break
        pulling.communicate()  # on a busy machine all of it may be here before the kill: that was no kill in the middle
        server.start()
    else:
        raise AssertionError("five pulls were done before they could be disturbed")
    output, _ = pulling.communicate()
    error = the_error(pulling.returncode, output)
    assert "EndpointConnectionError" in error and "nothing is lost: run it again when the remote answers" in error
    assert corrupt_objects(clone) == [] and not (clone / "noise.bin").exists()

    server.start()
    assert "all here" in shell(clone, *PULL).stdout
    assert stages_run(shell(clone, "dvc", "repro").stdout) == set()
    assert contents(clone) == contents(large)
