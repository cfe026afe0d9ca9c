"""What this machine has of what a run needs: packages, GPUs, memory, disk, and the way to the hub and to the DVC remote.

Each `find_` function looks at one thing and returns a Finding; none changes anything. GB are 10^9 bytes throughout.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from src.core.errors import InputError
from src.ops.findings import Finding, judged

GB = 10**9
MIN_PYTHON = (3, 11)
TIMEOUT = 5  # seconds that a server has to answer
FULL_COMMIT = 40  # digits


@dataclass(frozen=True)
class Gpu:
    """One GPU: its memory in GB, and its compute capability as NVIDIA counts it (8.0 is an A100, 9.0 an H100)."""

    name: str
    memory: float
    capability: float


@dataclass(frozen=True)
class Gpus:
    """The GPUs that torch can use, and torch's version, which names the CUDA that it is built for."""

    gpus: tuple[Gpu, ...]
    torch_version: str


# --- software ---


def find_python(version: Sequence[int] = sys.version_info[:3]) -> Finding:
    """Whether the interpreter is new enough. `version` is major, minor and micro."""
    wanted = ".".join(map(str, MIN_PYTHON))
    good = tuple(version[:2]) >= MIN_PYTHON
    cure = f"make the environment anew by a newer one: rm -r .venv, then make PYTHON=python{wanted}"
    return judged("Python", f"{wanted} or newer", ".".join(map(str, version[:3])), good, cure)


def read_requirements(file: Path) -> list[Requirement]:
    """The requirements of a file of pip's; InputError, with the line, for what is none."""
    requirements = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 at byte {error.start + 1}; restore it from Git") from error
    for number, line in enumerate(lines, start=1):
        text = line.split(" #")[0].strip()
        if not text or text.startswith(("#", "-")):
            continue
        try:
            requirements.append(Requirement(text))
        except InvalidRequirement as error:
            cause = str(error).partition("\n")[0]
            raise InputError(f"{file}:{number}: {text!r} is no requirement: {cause}; restore it from Git") from error
    return requirements


def find_packages(file: Path) -> Finding:
    """Whether each requirement of `file` that is meant for this machine is installed at a version that it allows.

    Blank lines, comments and pip's own options (-r and its like) are passed over.
    """
    meant = [item for item in read_requirements(file) if item.marker is None or item.marker.evaluate()]
    wrong = [fault for item in meant if (fault := _fault_of(item)) is not None]
    found = ", ".join(wrong) or f"{len(meant)} so"
    return judged(file.name, f"{len(meant)} packages", found, not wrong, f"pip install -r {file} -c constraints.txt")


def _fault_of(requirement: Requirement) -> str | None:
    """What is wrong with the package that is installed, None where it is as required."""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{requirement.name} missing (wanted {requirement.specifier})"
    # prereleases: a pin may name one, and then it is wanted
    if requirement.specifier.contains(version, prereleases=True):
        return None
    return f"{requirement.name} {version} (wanted {requirement.specifier})"


def find_engine_modules(vllm: bool, workers: int | None) -> list[Finding]:
    """Whether the packages are installed that an engine needs beside those of every run; none for an engine without such.

    vllm      whether the engine is vLLM
    workers   engines side by side; None is as many as there are GPUs
    """
    wanted = [*(["vllm"] if vllm else []), *(["ray"] if workers is not None and workers > 1 else [])]
    cure = "pip install -r requirements-gpu.txt, or set engine.name to transformers and engine.workers to 1"
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    return [judged("engine", " and ".join(wanted), f"no {' and no '.join(missing)}", False, cure)] if missing else []


# --- hardware ---


def list_gpus() -> Gpus:
    """The GPUs that torch can use here."""
    import torch  # 2 s, which a profile without GPUs need not wait

    properties = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    gpus = tuple(Gpu(gpu.name, gpu.total_memory / GB, gpu.major + gpu.minor / 10) for gpu in properties)
    return Gpus(gpus, torch.__version__)


def find_gpus(count: int, memory: float, capability: float) -> Finding:
    """Whether torch sees at least `count` GPUs, each with `memory` GB and of compute capability `capability`."""
    return judge_gpus(list_gpus(), count, memory, capability)


def judge_gpus(there: Gpus, count: int, memory: float, capability: float) -> Finding:
    """Whether these are enough, for `find_gpus`."""
    gpus = there.gpus
    found = f"{len(gpus)} x {gpus[0].name}, {min(gpu.memory for gpu in gpus):.0f} GB" if gpus else "none"
    good = [gpu for gpu in gpus if gpu.memory >= memory and gpu.capability >= capability]
    return judged(
        "GPUs",
        f"{count} of {memory:g} GB, capability {capability:g}",
        f"{found} (torch {there.torch_version})",
        # all of them, because every GPU that is there gets a worker
        len(good) >= count and len(good) == len(gpus),
        "rent such a machine (docs/lambda.md), or name a profile for this one in params.yaml: profile: sandbox; if `nvidia-smi` "
        "lists the GPUs, torch is built for a CPU or for another driver; if some GPUs are too small, hide them by "
        "CUDA_VISIBLE_DEVICES",
    )


def find_memory(wanted: float) -> Finding:
    """Whether the machine has so many GB of memory, used or free."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GB
    cure = "take a machine with more, or a profile that needs less"
    return judged("memory", f"{wanted:g} GB", f"{found:.1f} GB", found >= wanted, cure)


def find_disk(wanted: float, folder: Path) -> Finding:
    """Whether so many GB are free on the file system of the folder."""
    found = shutil.disk_usage(folder).free / GB
    cure = f"free some on the file system of {folder.resolve()}; if an earlier run already holds part of it, lower machine.disk"
    return judged("free disk", f"{wanted:g} GB", f"{found:.1f} GB", found >= wanted, cure)


# --- DVC ---


def find_cache_type(dvc_config: Mapping[str, Any], user: int) -> Finding:
    """How DVC puts its cache's files into the checkout.

    dvc_config  of `dvc.config.Config`
    user        the user's number; 0 is root
    """
    kinds = dvc_config.get("cache", {}).get("type") or ["reflink", "copy"]  # the latter is what DVC does unless told
    found = ", ".join(kinds)
    linked = any(kind in ("hardlink", "symlink") for kind in kinds)
    if user == 0:
        if linked:
            cure = "root may write through a link into the cache and corrupt it: dvc config --local --unset cache.type"
            return Finding("DVC cache type", "copy, as root", found, "warning", cure)
        return Finding("DVC cache type", "copy, as root", found, "ok")
    if linked:
        return Finding("DVC cache type", "hardlink", found, "ok")
    cure = "each checkpoint takes its place on the disk twice: dvc config --local cache.type hardlink"
    return Finding("DVC cache type", "hardlink", found, "warning", cure)


@dataclass(frozen=True)
class S3Remote:
    """What DVC is told of a remote in a bucket, by its own names; None where the environment or a default decides."""

    url: str
    endpointurl: str | None = None
    region: str | None = None
    profile: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)


def find_remote(dvc_config: Mapping[str, Any]) -> Finding:
    """Whether the default DVC remote answers: a bucket is listed, of a folder the nearest part that is there is tried.

    dvc_config  of `dvc.config.Config`
    """
    name = dvc_config.get("core", {}).get("remote")
    if name is None:
        return Finding("DVC remote", "one", "none", "warning", "nothing is shared: make remote")
    settings = dvc_config.get("remote", {}).get(name)
    if settings is None:
        cure = f"core.remote names {name!r}, which is not set up: dvc remote add -d {name} s3://<bucket>"
        return Finding("DVC remote", "one", f"{name}: not set up", "FAIL", cure)
    url = settings["url"]
    scheme = urlsplit(url).scheme
    if scheme == "s3":
        return find_bucket(S3Remote(**{item.name: settings.get(item.name) for item in fields(S3Remote)}))
    if scheme:
        cure = "only buckets and folders are tried here; dvc status --cloud tries others"
        return Finding("DVC remote", "reachable", f"{url}: not tried", "warning", cure)
    there = next(folder for folder in (Path(url), *Path(url).parents) if folder.exists())
    good = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    cure = f"{there} is no folder that you may write; correct that, or name another: dvc remote modify {name} url"
    return judged("DVC remote", "a folder to write", url, good, cure)


def find_bucket(remote: S3Remote) -> Finding:
    """Whether the bucket of an S3 remote can be listed with the credentials at hand.

    That a listing is allowed does not prove that writing is. Nothing secret is in the Finding.
    """
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import Session

    where = urlsplit(remote.url)
    try:
        client = Session(profile=remote.profile).create_client(
            "s3",
            endpoint_url=remote.endpointurl,
            region_name=remote.region,
            aws_access_key_id=remote.access_key_id,
            aws_secret_access_key=remote.secret_access_key,
            aws_session_token=remote.session_token,
            config=Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 1}),
        )
        client.list_objects_v2(Bucket=where.netloc, Prefix=where.path.lstrip("/"), MaxKeys=1)
    except ClientError as error:
        cause = f"refused, {error.response['Error']['Code']}"
    except (BotoCoreError, ValueError) as error:  # the latter for an endpoint that is no URL
        cause = type(error).__name__
    else:
        return Finding("DVC remote", "reachable", remote.url, "ok")
    cure = (
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the bucket's name (DVC makes none), the remote's endpointurl with "
        "its http:// or https:// (dvc remote list, .dvc/config.local), and whether the server is up"
    )
    return Finding("DVC remote", "reachable", f"{remote.url}: {cause}", "FAIL", cure)


# --- the hub ---


@dataclass(frozen=True)
class HubRevision:
    """A repository of the hub at a commit, which may be shortened."""

    kind: Literal["model", "dataset"]
    name: str
    commit: str


def is_cached(wanted: HubRevision) -> bool:
    """Whether the caches of the hub's libraries hold the repository at that commit; how much of it is not looked at.

    A shortened commit can only be looked up at the hub, so it is not.
    """
    from huggingface_hub import constants

    if wanted.kind == "model":
        cached = Path(constants.HF_HUB_CACHE, f"models--{wanted.name.replace('/', '--')}", "snapshots", wanted.commit)
        return len(wanted.commit) == FULL_COMMIT and cached.is_dir()
    # What the library `datasets` has prepared: its own cache is all that it reads while offline.
    datasets = Path(os.environ.get("HF_DATASETS_CACHE", Path(constants.HF_HOME, "datasets")))
    return any(datasets.glob(f"{wanted.name.replace('/', '___')}/*/*/{wanted.commit}"))


def find_hub(revisions: Sequence[HubRevision]) -> Finding:
    """Whether the Hugging Face hub (or what HF_ENDPOINT names in its place) answers, or, offline, its cache has the revisions."""
    import httpx2  # what huggingface_hub itself asks by
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        lacking = [f"{item.name}@{item.commit[:12]}" for item in revisions if not is_cached(item)]
        cure = (
            "unset HF_HUB_OFFLINE, or fill the hub's cache (HF_HOME) on a machine with a network and give commits by all 40 "
            "digits; or give data.source and base.source paths of folders"
        )
        found = f"offline (HF_HUB_OFFLINE); the cache lacks {', '.join(lacking)}" if lacking else "offline, and cached"
        return judged("hub", "reachable or cached", found, not lacking, cure)
    try:
        status = get_session().head(constants.ENDPOINT, timeout=TIMEOUT).status_code
    except httpx2.HTTPError as error:
        found, good = f"{constants.ENDPOINT}: {type(error).__name__}", False
    else:
        found, good = f"{constants.ENDPOINT} ({status})", status < 500
    return judged(
        "hub",
        "reachable or cached",
        found,
        good,
        "check the network and its proxy; or give data.source and base.source paths of folders; or, if the hub's cache holds "
        "all files, set HF_HUB_OFFLINE=1",
    )
