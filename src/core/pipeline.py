"""What dvc.yaml says of one stage, for the stage's own process: DVC tells it its name alone, and takes a second to load."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.core.errors import InputError
from src.core.params import PARAMS, read_yaml

PIPELINE = Path("dvc.yaml")


@dataclass(frozen=True)
class Param:
    """One section or value of a file of params, by its key there (`dpo`, `base.source`)."""

    file: str
    key: str


@dataclass(frozen=True)
class StageEntry:
    """What a stage depends on and what it makes: paths from the repository's root."""

    deps: tuple[str, ...]
    params: tuple[Param, ...]
    outs: tuple[str, ...]


def stage_entry(stage: str, profile: str | None, pipeline: Path = PIPELINE) -> StageEntry:
    """The entry of a stage, each `${…}` filled in as DVC fills it.

    stage     as DVC names it in the environment variable DVC_STAGE: `train`, `answer@baseline`, `../dvc.yaml:train`
    profile   for `${profile}`; None for a stage whose entry does not name it
    Raises InputError for a stage that is not there, and for a `${…}` that is not known.
    """
    return _entries(stage.rpartition(":")[2], profile, pipeline)[0]


def all_entries(profile: str | None, pipeline: Path = PIPELINE) -> tuple[StageEntry, ...]:
    """The entries of all stages, in the file's order. Raises InputError as `stage_entry` does."""
    return _entries(None, profile, pipeline)


def _entries(wanted: str | None, profile: str | None, pipeline: Path) -> tuple[StageEntry, ...]:
    stages = read_yaml(pipeline).get("stages")
    # DVC has read a good file when it began; this one may be half saved by an editor.
    if not isinstance(stages, dict) or not all(isinstance(definition, dict) for definition in stages.values()):
        raise InputError(f"{pipeline} holds no stages by name; it was edited while DVC ran: repair it, and run `dvc repro` again")
    found = tuple(
        _filled_entry(name, entry, {"profile": profile, **values})
        for stage, definition in stages.items()
        for name, entry, values in _instances(stage, definition)
        if wanted in (None, name)
    )
    if not found:
        raise InputError(f"{pipeline} has no stage {wanted!r}; restore it from Git, or run the stage by `dvc repro`")
    return found


def _instances(stage: str, definition: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """The names of a stage's instances, the entry that they share, and what `${key}` and `${item}` stand for in each."""
    items = definition.get("foreach")
    if items is None:
        yield stage, definition, {}
    elif isinstance(items, list):
        for item in items:
            yield f"{stage}@{item}", definition["do"], {"item": item}
    else:
        for key, item in items.items():
            yield f"{stage}@{key}", definition["do"], {"key": key, "item": item}


def _filled_entry(name: str, entry: Mapping[str, Any], values: Mapping[str, Any]) -> StageEntry:
    def filled(text: str) -> str:
        return re.sub(r"\$\{([^}]+)\}", lambda match: str(_value(match[1], values, name)), text)

    params: list[Param] = []
    for item in entry.get("params", ()):
        files = item.items() if isinstance(item, dict) else [(str(PARAMS), [item])]
        params += [Param(filled(file), filled(key)) for file, keys in files for key in keys]
    outs = [filled(path) for kind in ("outs", "metrics", "plots") for path in _paths(entry.get(kind, ()))]
    # A dependency may be named twice, by two keys that stand for one path.
    deps = dict.fromkeys(filled(path) for path in entry.get("deps", ()))
    return StageEntry(tuple(deps), tuple(params), tuple(outs))


def _paths(outs: Sequence[str | Mapping[str, Any]]) -> Iterator[str]:
    for out in outs:
        yield from [out] if isinstance(out, str) else out


def _value(keys: str, values: Mapping[str, Any], stage: str) -> Any:
    """What `${keys}` stands for: `profile`, `key`, `item`, `item.checkpoint`."""
    found: Any = values
    for key in keys.split("."):
        if not isinstance(found, Mapping) or found.get(key) is None:
            raise InputError(f"{PIPELINE}: stage {stage}: ${{{keys}}} stands for nothing; correct it, or give --profile")
        found = found[key]
    return found
