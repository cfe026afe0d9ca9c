"""Which runs `make evidence` wants, in which order, by which settings, and what decides their results."""

import ast
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.core.errors import InputError
from src.core.files import read_bytes
from src.core.params import PARAMS, load_value, parse_yaml, profile_path, read_yaml
from src.core.processor import processor_name
from src.ops.deps import deps_of
from src.ops.sweep import Point, read_points

RECIPES = Path("sweeps/recipes.yaml")
VERSIONS = Path("versions.yaml")
FIRST_SEEDS = 3  # of the core, before anything else
# The stages whose results a cell shows; what compares them and reports can be edited and no cell is old.
STAGES = ("data", "base", "sample", "rollouts", "prefs", "train", "answer", "eval")
PARAMS_SECTIONS = ("seed", "scoring", "prefs", "dpo", "arms")
PROFILE_SECTIONS = ("data", "base", "engine", "sample", "train", "answer")
# A recipe may leave a world without a pair, which is a result: nothing is trained then.
REPORT_TOO_FEW = "train.too_few_pairs=report"
OF_PROFILE = "profile:"


# --- what is wanted ---


@dataclass(frozen=True)
class Plan:
    """What there is to run: worlds (profiles) and recipes in order; `core` are the names of those that go first."""

    worlds: tuple[str, ...]
    core: tuple[str, ...]
    recipes: tuple[Point, ...]

    def names(self) -> tuple[str, ...]:
        return tuple(recipe.name for recipe in self.recipes)

    def recipe(self, name: str) -> Point:
        return next(recipe for recipe in self.recipes if recipe.name == name)


@dataclass(frozen=True)
class Group:
    """Runs of one world and seed, one after the other, so that base and samples are made once."""

    world: str
    seed: int
    recipes: tuple[str, ...]


def read_plan(file: Path = RECIPES) -> Plan:
    """The plan as its file has it; InputError for a world without a profile, and a core that is no recipe."""
    plan = Plan(load_value("worlds", tuple[str, ...], file), load_value("core", tuple[str, ...], file), read_points(file))
    for key, given, known in (("worlds", plan.worlds, _profiles()), ("core", plan.core, plan.names())):
        _check_names(f"{file}: {key}", given, known)
    return plan


def chosen(where: str, given: str | None, known: Sequence[str]) -> tuple[str, ...]:
    """The names that the command line gives, with commas between; all for None. InputError for one that is not known."""
    if given is None:
        return tuple(known)
    names = tuple(given.split(","))
    _check_names(where, names, known)
    return names


def _profiles() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in Path("profiles").glob("*.yaml")))


def _check_names(where: str, given: Sequence[str], known: Sequence[str]) -> None:
    if not given or len(set(given)) < len(given):
        raise InputError(f"{where} is {', '.join(given) or 'empty'}; name each once (there are: {', '.join(known)})")
    for name in given:
        if name not in known:
            raise InputError(f"{where}: {name!r} is unknown (there are: {', '.join(known)}); correct it")


def groups(plan: Plan, seeds: int) -> tuple[Group, ...]:
    """All runs of a plan in their order: the core over the first seeds of all worlds, then over the others, then the rest."""
    core = tuple(name for name in plan.names() if name in plan.core)
    rest = tuple(name for name in plan.names() if name not in plan.core)
    first, later = range(min(seeds, FIRST_SEEDS)), range(FIRST_SEEDS, seeds)
    phases = ((first, core), (later, core), (range(seeds), rest))
    return tuple(Group(world, seed, names) for span, names in phases if names for seed in span for world in plan.worlds)


# --- the settings of a run ---


@dataclass(frozen=True)
class SettingsFiles:
    """The texts of params.yaml and of a profile's file, as JSON, which YAML has as a part of it."""

    params: str
    profile: str


def committed_settings(world: str) -> SettingsFiles:
    """The files at hand, before a recipe sets anything."""
    return SettingsFiles(_text(read_yaml(PARAMS)), _text(read_yaml(profile_path(world))))


def settings_of(files: SettingsFiles, world: str, seed: int, recipe: Point) -> SettingsFiles:
    """The settings of a run, from those at hand; InputError if the recipe sets what is not there."""
    of_profile = [item.removeprefix(OF_PROFILE) for item in recipe.set if item.startswith(OF_PROFILE)]
    of_params = [item for item in recipe.set if not item.startswith(OF_PROFILE)]
    where = f"{RECIPES}: {recipe.name}"
    return SettingsFiles(
        with_values(files.params, [f"profile={world}", f"seed={seed}", *of_params], f"{where}: {PARAMS}"),
        with_values(files.profile, [*of_profile, REPORT_TOO_FEW], f"{where}: profile {world}"),
    )


def with_values(text: str, settings: Sequence[str], where: str) -> str:
    """The text with values set, each given as `dotted.key=value`; InputError, with `where`, for a key that is not there."""
    content = json.loads(text)
    for setting in settings:
        keys, _, value = setting.partition("=")
        *sections, last = keys.split(".")
        section: Any = content
        for key in sections:
            section = section.get(key) if isinstance(section, dict) else None
        if not isinstance(section, dict) or last not in section:
            raise InputError(f"{where} has no {keys}; correct what the recipe sets")
        section[last] = parse_yaml(value)
    return _text(content)


def _text(content: Any) -> str:
    return json.dumps(content, indent=2) + "\n"


# --- what decides its result ---


@dataclass(frozen=True)
class Computing:
    """What computes all cells: digests of the code, and of the versions of the packages that it uses."""

    code: str
    versions: str


def computing() -> Computing:
    """Of the code and the versions at hand."""
    deps = [deps_of(stage) for stage in STAGES]
    files = sorted({file for stage in deps for file in stage.files})
    packages = sorted({package for stage in deps for package in stage.packages})
    versions = read_yaml(VERSIONS)
    return Computing(sha_of([[file, shape_of(file)] for file in files]), sha_of([[name, versions[name]] for name in packages]))


def digest_of(files: SettingsFiles, by: Computing) -> str:
    """SHA-256 of all that decides the result of a run but the processor: 64 hexadecimal digits."""
    params, profile = json.loads(files.params), json.loads(files.profile)
    return sha_of(
        [
            [[section, params[section]] for section in PARAMS_SECTIONS],
            [[section, profile[section]] for section in PROFILE_SECTIONS],
            [by.code, by.versions],
        ]
    )


def sha_of(value: Any) -> str:
    """SHA-256 of a value of JSON's types: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def shape_of(file: str) -> str:
    """What a module does, without its comments, its docstrings and its layout. The same in every version of Python."""
    return _shape(ast.parse(read_bytes(Path(file))))


def _shape(node: Any) -> str:
    """As `ast.dump`, which writes empty fields in some versions of Python and leaves them out in others."""
    if isinstance(node, list):
        return f"[{', '.join(map(_shape, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    inner = [
        (name, value[1:] if name == "body" and _has_docstring(node) else value)
        for name, value in ast.iter_fields(node)
        if value is not None and value != []
    ]
    return f"{type(node).__name__}({', '.join(f'{name}={_shape(value)}' for name, value in inner)})"


def _has_docstring(node: ast.AST) -> bool:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return ast.get_docstring(node, clean=False) is not None


def machine_kind(threads: int) -> str:
    """The kind of processor and how many threads compute: on both the last bits of a result depend."""
    return f"{processor_name()}, {threads} thread{'s' if threads > 1 else ''}"


# --- all runs ---


@dataclass(frozen=True)
class Wanted:
    """A run that is wanted: its settings, and the digest that its cell must have."""

    world: str
    seed: int
    recipe: str
    files: SettingsFiles
    digest: str

    def name(self) -> str:
        return f"{self.world}/{self.seed}/{self.recipe}"


def wanted_runs(plan: Plan, seeds: int) -> tuple[Wanted, ...]:
    """All runs of a plan by the files at hand, in their order; those of one world and seed in one phase stand together."""
    by = computing()
    files = {world: committed_settings(world) for world in plan.worlds}
    found = []
    for group in groups(plan, seeds):
        for name in group.recipes:
            own = settings_of(files[group.world], group.world, group.seed, plan.recipe(name))
            found.append(Wanted(group.world, group.seed, name, own, digest_of(own, by)))
    return tuple(found)
