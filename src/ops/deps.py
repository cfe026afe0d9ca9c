"""Write into dvc.yaml what each stage depends on: files of ours and packages that can change its result.

    python -m src.ops.deps [--check]        (make deps)

DVC follows no imports, so they are followed here: from a stage's module through every `import` and `from … import …` of src,
wherever it stands, but in `if TYPE_CHECKING:`. Left out are the files of NO_RESULT, with what only they import, and the
packages of NO_RESULT_PACKAGES. `--check` changes nothing and ends with status 1 where dvc.yaml is not as it would be written.
"""

import ast
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.files import write_text

PIPELINE = Path("dvc.yaml")
VERSIONS = "versions.yaml"

# Files that can change no result, and why.
NO_RESULT = {
    "src/__init__.py": "when a process began",
    "src/core/command.py": "how a command begins and ends",
    "src/core/errors.py": "the words of errors",
    "src/core/made.py": "tells what a stage made",
    "src/core/pipeline.py": "which files a stage is to find unchanged",
    "src/core/progress.py": "shows how far a stage has come",
    "src/core/seconds.py": "keeps how long a stage took",
    "src/core/unchanged.py": "refuses, where what a stage reads was edited",
    "src/core/limits.py": "how full disks and memory are reported",
    "src/engines/lengths.py": "refuses what a model cannot read",
    "src/models/loading.py": "how libraries are loaded",
    "src/models/positions.py": "how long a text a model can read",
    "src/stages/__init__.py": "how a stage's process begins",
    "src/stages/all_settings.py": "reads all settings for two stages, whose outputs are the same whatever it finds",
}
# By the name that is imported: the distributions whose versions can change a result.
RESULT_PACKAGES = {
    "accelerate": ("accelerate",),
    "datasets": ("datasets",),
    "jinja2": ("jinja2",),
    "matplotlib": ("matplotlib",),
    "numpy": ("numpy",),
    "peft": ("peft",),
    "pyarrow": ("pyarrow",),
    "scipy": ("scipy",),
    "statsmodels": ("statsmodels",),
    "tokenizers": ("tokenizers",),
    "torch": ("torch",),
    "transformers": ("transformers", "tokenizers", "safetensors"),
    "trl": ("trl",),
    "vllm": ("vllm",),
}
# By the name that is imported: packages that can change no result, and why.
NO_RESULT_PACKAGES = {
    "aiohttp": "carries files",
    "botocore": "carries files",
    "dvc": "runs the stages",
    "dvc_data": "carries files",
    "httpx2": "carries files",
    "huggingface_hub": "carries files, at a pinned revision",
    "packaging": "reads requirements",
    "psutil": "tells one run of DVC from another",
    "pydantic": "checks values",
    "pydantic_core": "checks values",
    "ray": "carries requests and texts",
    "safetensors": "carries weights; counts with transformers, which writes them",
    "tqdm": "shows progress",
    "vl_convert": "draws plots that no stage writes",
    "yaml": "reads params",
}


# --- imports ---


@dataclass(frozen=True)
class Imports:
    """What a file imports: files of ours, and the first names of all else but Python's own."""

    ours: frozenset[str]
    others: frozenset[str]


def imports_of(path: str) -> Imports:
    """The imports anywhere in a file of ours, those inside functions among them. InputError if one of ours is not there."""
    try:
        modules = _modules(Path(path).read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise InputError(f"{path}:{error.lineno}: no Python: {error.msg}; correct it") from error
    # The name of a relative import begins with a dot.
    ours = {file for module in modules if module.name.split(".")[0] in ("src", "") for file in _files_of(module, path)}
    others = {first for module in modules if (first := module.name.split(".")[0]) not in {"src", "", *sys.stdlib_module_names}}
    return Imports(frozenset(ours), frozenset(others))


@dataclass(frozen=True)
class _Module:
    """A module that an import names, and the names that are imported from it, which may be modules themselves."""

    name: str
    members: tuple[str, ...]


@cache  # most files are reached by several stages
def _modules(code: str) -> tuple[_Module, ...]:
    found: list[_Module] = []
    waiting: list[ast.AST] = [ast.parse(code)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            waiting += node.orelse  # the rest is never run
            continue
        if isinstance(node, ast.ImportFrom):
            found.append(_Module("." * node.level + (node.module or ""), tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.Import):
            found += (_Module(alias.name, ()) for alias in node.names)
        waiting += ast.iter_child_nodes(node)
    return tuple(found)


def _files_of(module: _Module, importer: str) -> set[str]:
    """The files that run when a module of ours is imported: its own, of the packages around it, of members that are modules."""
    parts = module.name.split(".")
    packages = {file for depth in range(1, len(parts) + 1) if (file := Path(*parts[:depth], "__init__.py")).is_file()}
    own = {file for file in (Path(*parts).with_suffix(".py"),) if file.is_file()}
    members = {file for name in module.members if (file := Path(*parts, f"{name}.py")).is_file()}
    if not (own or members or Path(*parts, "__init__.py") in packages):
        raise InputError(f"{importer} imports {module.name}, and there is no such file; name a module of src")
    return {file.as_posix() for file in packages | own | members}


def reached(stage_module: str) -> set[str]:
    """The module of a stage and our files that it reaches by imports, at any depth, and that can change a result."""
    found: set[str] = set()
    waiting = [stage_module]
    while waiting:
        path = waiting.pop()
        if path not in found | NO_RESULT.keys():
            found.add(path)
            waiting += imports_of(path).ours
    return found


# --- what a stage depends on ---


@dataclass(frozen=True)
class StageDeps:
    """Files of ours and distributions that can change a stage's result, each sorted."""

    files: tuple[str, ...]
    packages: tuple[str, ...]


def deps_of(stage: str) -> StageDeps:
    """What can change the result of src/stages/<stage>.py; data files and params stand in dvc.yaml itself.

    InputError if there is no such module, or a package that is imported is in neither list above.
    """
    module = f"src/stages/{stage}.py"
    if not Path(module).is_file():
        raise InputError(f"{PIPELINE}: stage {stage}: there is no {module}; name the module as the stage")
    files = reached(module)
    packages = {package for file in files for name in imports_of(file).others for package in _distributions(name, file)}
    return StageDeps(tuple(sorted(files)), tuple(sorted(packages)))


def _distributions(name: str, importer: str) -> Iterable[str]:
    if name not in RESULT_PACKAGES.keys() | NO_RESULT_PACKAGES.keys():
        raise InputError(
            f"{importer} imports {name}: can its version change a result? Add it to RESULT_PACKAGES or to NO_RESULT_PACKAGES of "
            "src/ops/deps.py"
        )
    return RESULT_PACKAGES.get(name, ())


# --- dvc.yaml ---


def with_deps(pipeline: str) -> str:
    """The text of dvc.yaml with the dependencies of every stage as the imports have them; all else stays to the letter.

    InputError where a stage has no list that they could be added to.
    """
    lines = pipeline.split("\n")
    if "stages:" not in lines:
        raise InputError(f"{PIPELINE} has no line `stages:`; restore it from Git")
    begin = lines.index("stages:") + 1
    end = next((place for place in range(begin, len(lines)) if re.match(r"[^\s#]", lines[place])), len(lines))
    starts = [place for place in range(begin, end) if re.fullmatch(r"  [\w-]+:\s*", lines[place])]
    stages = [lines[start:stop] for start, stop in zip(starts, [*starts[1:], end], strict=True)]
    return "\n".join(
        [*lines[: starts[0] if starts else end], *(line for stage in stages for line in _with_deps(stage)), *lines[end:]]
    )


def _with_deps(lines: Sequence[str]) -> list[str]:
    """One stage's lines: files at the end of its list `deps`, packages at the end of its list `params`."""
    stage = lines[0].strip().rstrip(":")
    wanted = deps_of(stage)
    kept = [line for line in lines if not re.fullmatch(rf"\s+- (src/\S+\.py|{re.escape(VERSIONS)}: .*)", line)]
    with_files = _added(kept, stage, "deps", wanted.files)
    return _added(with_files, stage, "params", [f"{VERSIONS}: [{', '.join(wanted.packages)}]"] if wanted.packages else [])


def _added(lines: Sequence[str], stage: str, key: str, items: Sequence[str]) -> list[str]:
    """The lines of a stage with items at the end of the list under a key."""
    if not items:
        return list(lines)
    places = [place for place, line in enumerate(lines) if line.strip() == f"{key}:"]
    if len(places) != 1:
        raise InputError(
            f"{PIPELINE}: stage {stage} has {len(places)} lines `{key}:`; give it one, and a list under it, an item a line"
        )
    indent = " " * (len(lines[places[0]]) - len(lines[places[0]].lstrip()) + 2)
    end = next((place for place in range(places[0] + 1, len(lines)) if not lines[place].startswith(indent)), len(lines))
    return [*lines[:end], *(f"{indent}- {item}" for item in items), *lines[end:]]


def main() -> None:
    parser = command_line("python -m src.ops.deps", __doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 where dvc.yaml is stale")
    check = parser.parse_args().check
    pipeline = PIPELINE.read_text(encoding="utf-8")
    wanted = with_deps(pipeline)
    if wanted == pipeline:
        return
    if check:
        changes = [line for line in difflib.ndiff(pipeline.splitlines(), wanted.splitlines()) if line.startswith(("- ", "+ "))]
        raise InputError("\n".join([f"{PIPELINE} is not as the imports of the stages have it; run `make deps`:", *changes]))
    write_text(PIPELINE, wanted)
    print(f"{PIPELINE}: dependencies written")


if __name__ == "__main__":
    run_command(main)
