"""Params: sections of params.yaml and of profiles/<profile>.yaml as frozen dataclasses.

params.yaml holds what belongs to the method, and names the profile; profiles/<profile>.yaml holds what changes with the
machine and the model. A dataclass is the whole truth about its section: a key that it lacks is an error, and so is a field
without default that the section lacks. Scalars are read as DVC reads them, which has YAML 1.2: 1e-5 is a number, `yes` a text.
"""

import re
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml

from src.core.errors import InputError, shown
from src.core.shapes import Faults, check_value, shown_key

PARAMS = Path("params.yaml")
MAX_NODES = 100_000  # of a file with its aliases written out; real ones have some hundreds
MAX_BITS = 10_000  # of a whole number; Python writes none of much more in digits
T = TypeVar("T")


# --- YAML ---

# Scalars without quotes as DVC reads them, so that its dvc.lock and the code agree about a value: YAML 1.2, and underscores
# between digits. Tag, pattern and the characters that a scalar of the tag may begin with; the first that matches decides.
_PLAIN_SCALARS = (
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", tuple("tTfF")),
    ("int", r"[-+]?(?:0b[01_]+|0o?[0-7_]+|[0-9_]+|0x[0-9a-fA-F_]+)", tuple("-+0123456789")),
    (
        "float",
        r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        tuple("-+.0123456789"),
    ),
    (
        "timestamp",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
        r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?",
        tuple("0123456789"),
    ),
    ("merge", r"<<", ("<",)),
)
_TAG = "tag:yaml.org,2002:"


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """The tags of plain scalars and their patterns, by the first character of a scalar; PyYAML's own are those of YAML 1.1."""
    of_first: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for tag, pattern, beginnings in _PLAIN_SCALARS:
        for first in beginnings:
            of_first.setdefault(first, []).append((_TAG + tag, re.compile(rf"(?:{pattern})\Z")))
    return of_first


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with DVC's scalars, and without a key that stands twice."""

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():  # `!!set [a]` is refused below
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise yaml.constructor.ConstructorError(None, None, f'found duplicate key "{key.value}"', key.start_mark)
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep=deep)

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        text = self.construct_scalar(node).replace("_", "")
        return int(text, 0) if re.match("[-+]?0[box]", text) else int(text)  # 010 is ten, as in YAML 1.2

    def construct_timestamp(self, node: yaml.ScalarNode) -> date:
        if not self.timestamp_regexp.match(self.construct_scalar(node)):
            raise ValueError(f"{node.value!r} is no date")  # of !!timestamp, for which PyYAML has no error
        return self.construct_yaml_timestamp(node)

    yaml_implicit_resolvers = _resolvers()
    yaml_constructors = {
        **yaml.SafeLoader.yaml_constructors,
        f"{_TAG}int": construct_whole_number,
        f"{_TAG}timestamp": construct_timestamp,
    }


def _count_nodes(node: yaml.Node, counted: dict[int, int]) -> int:
    """The nodes of a YAML tree with its aliases written out; `counted` has those known by id, for no node is counted twice.

    Raises yaml.YAMLError for a node that holds itself.
    """
    if id(node) not in counted:
        counted[id(node)] = 0  # not known before its parts are
        parts = node.value if isinstance(node.value, list) else []
        inner = (part for item in parts for part in (item if isinstance(item, tuple) else (item,)))
        counted[id(node)] = 1 + sum(_count_nodes(part, counted) for part in inner)
    if not counted[id(node)]:
        raise yaml.composer.ComposerError(None, None, "an alias stands inside what it stands for", node.start_mark)
    return counted[id(node)]


def parse_yaml(text: str) -> Any:
    """The value of a YAML text; a text without any gives None. Raises yaml.YAMLError, ValueError, LookupError, RecursionError."""
    loader = _Loader(text)
    try:
        tree = loader.get_single_node()
        if tree is None:
            return None
        if _count_nodes(tree, {}) > MAX_NODES:
            raise yaml.YAMLError(f"its aliases stand for more than {MAX_NODES:,} values; write them out")
        return loader.construct_document(tree)
    finally:
        loader.dispose()


def _parse(path: Path, text: str) -> Any:
    try:
        return parse_yaml(text)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line}: broken YAML: {error.problem or error.context}; repair the line") from error
    except yaml.YAMLError as error:
        cause = ", ".join(line.strip() for line in str(error).splitlines())
        raise InputError(f"{path}: broken YAML: {cause}; repair that place") from error
    except RecursionError as error:
        raise InputError(f"{path}: broken YAML: brackets or sections are nested too deep to read; repair the file") from error
    except (ValueError, LookupError) as error:  # a date of month 13, a number of 5,000 digits, `!!bool maybe`, `!!float ""`
        raise InputError(f"{path}: broken YAML: a value that cannot be read: {error}; repair it") from error


def read_yaml(path: Path) -> dict:
    """The sections of a file of params. InputError, by line, for a file that is missing, empty, broken YAML or not UTF-8."""
    if not path.is_file():
        cause = "is no regular file" if path.exists() else f"does not exist (looked from {Path.cwd()})"
        raise InputError(f"{path} {cause}; run from the repository's root, and restore the file from Git")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start + 1}; save it as UTF-8") from error
    content = _parse(path, text)
    if content is None:
        raise InputError(f"{path} is empty; restore it from Git")
    if not isinstance(content, dict):
        raise InputError(f"{path} holds {type(content).__name__}, not sections by name; restore it from Git")
    return content


# --- sections and values ---


def _nearest(key: Any, known: Iterable[str]) -> str:
    close = get_close_matches(key, list(known), n=1) if isinstance(key, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _entry(content: dict, key: str, path: Path) -> Any:
    if key not in content:
        known = ", ".join(names := [shown_key(name) for name in content])
        raise InputError(f"{path}: {key!r} is missing{_nearest(key, names)} (the file has: {known}); add it")
    return content[key]


def _plain(value: Any, where: str) -> Any:
    """The value if it is of JSON's types throughout; YAML has dates, bytes and sets beside them."""
    if isinstance(value, dict):
        return {str(shown_key(key)): _plain(inner, f"{where}.{shown_key(key)}") for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, f"{where}[{place}]") for place, inner in enumerate(value)]
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise InputError(f"{where} is {shown(value)}, longer than any number here: give a shorter one")
    if not isinstance(value, str | int | float | None):
        raise InputError(f"{where} is {shown(value)}, of type {type(value).__name__}: it must be a text, a number or a list")
    return value


def from_value(wanted: Any, value: Any, where: str) -> Any:
    """A value as YAML gives it as `wanted`: a dataclass, or any type that one of its fields may have.

    A whole number does for a float; nothing else is converted, and a bool is no number. `where` begins the key path in
    messages, such as "params.yaml: arms".

    Raises InputError with all bad keys at once, a line each: unknown (with the known ones and the nearest), missing, of the
    wrong type or range, or refused by the dataclass's own __post_init__.
    """
    try:
        return check_value(wanted, _plain(value, where))
    except Faults as faults:
        lines = (f"{where}{'' if f.path.startswith(('[', ':')) or not f.path else '.'}{f.path} {f.words}" for f in faults.faults)
        raise InputError("\n".join(lines)) from faults


@dataclass(frozen=True)
class Section:
    """A key at the top of params.yaml or of a profile.

    shape      the dataclass or the type as which its stage reads it
    overrides  a key of it that is no part of `shape`: it holds values for the section of that name in params.yaml
    """

    name: str
    shape: Any
    overrides: str | None = None


def _section_of(content: dict, section: Section, path: Path) -> Any:
    entry = _entry(content, section.name, path)
    if isinstance(entry, dict) and section.overrides is not None:
        entry = {key: value for key, value in entry.items() if key != section.overrides}
    return from_value(section.shape, entry, f"{path}: {section.name}")


def section_faults(path: Path, sections: Sequence[Section], others: Sequence[Section], other_file: Path) -> list[str]:
    """All that is wrong with the sections of a file: unknown, missing, or not as their stages read them. Empty for a good file.

    sections     those that the file must have
    others       those that belong in `other_file` instead
    """
    try:
        content = read_yaml(path)
    except InputError as error:
        return [str(error)]
    faults = [_unknown(key, path, sections, others, other_file) for key in content if key not in {item.name for item in sections}]
    for section in sections:
        try:
            _section_of(content, section, path)
        except InputError as error:
            faults.append(str(error))
    return faults


def _unknown(key: Any, path: Path, sections: Sequence[Section], others: Sequence[Section], other_file: Path) -> str:
    if key in {item.name for item in others}:
        overridden = [f"; a profile overrides values of it in {item.name}.{key}" for item in sections if item.overrides == key]
        return f"{path}: {key} belongs in {other_file}: move it there{''.join(overridden)}"
    known = [item.name for item in sections]
    return f"{path}: {shown_key(key)} is unknown{_nearest(key, known)} (known: {', '.join(known)}); correct it or remove it"


def load_section(section: str, dataclass_type: type[T], path: Path = PARAMS) -> T:
    """The section of `path` as `dataclass_type`. Raises InputError as `from_value` does, and for a
    file or section that is missing, empty or broken YAML (by line), duplicate keys among it."""
    return from_value(dataclass_type, _entry(read_yaml(path), section, path), f"{path}: {section}")


def load_value(key: str, value_type: Any, path: Path = PARAMS) -> Any:
    """The value of a top-level key, such as `seed: 0`, checked as a field of that type would be."""
    return from_value(value_type, _entry(read_yaml(path), key, path), f"{path}: {key}")


# --- profiles ---


def add_profile_argument(parser: ArgumentParser) -> None:
    """`--profile`, by which DVC gives a stage the profile that it has resolved: params.yaml may name another by then."""
    parser.add_argument("--profile", metavar="NAME", help="a file of profiles/, without .yaml (default: what params.yaml names)")


def profile_path(given: str | None = None, path: Path = PARAMS) -> Path:
    """profiles/<profile>.yaml beside `path`; InputError lists those there are.

    given   the name on the command line; None is what `path` names
    """
    profile = load_value("profile", str, path) if given is None else given
    folder = path.parent / "profiles"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if profile not in known:
        where = f"{path}: profile" if profile == load_value("profile", str, path) else "--profile"
        raise InputError(
            f"{where} is {profile!r}, and {folder} has no {profile}.yaml{_nearest(profile, known)} "
            f"(there are: {', '.join(known) or 'none'}); name one of them"
        )
    return folder / f"{profile}.yaml"


def load_profile_section(section: str, dataclass_type: type[T], profile: Path, overrides: str | None = None) -> T:
    """The section of a profile's file as `dataclass_type`. Raises as `load_section` does.

    overrides   a key of it that is left out here: it holds values for a section of params.yaml (see load_overridden_section)
    """
    return _section_of(read_yaml(profile), Section(section, dataclass_type, overrides), profile)


def load_overridden_section(section: str, dataclass_type: type[T], profile: Path, holder: str, path: Path = PARAMS) -> T:
    """The section of `path`, with the values that the profile sets in the key `section` of its own section `holder`.

    What the section lacks is an error, whether or not the profile sets it. Raises as `load_section` does.
    """
    settings = load_section(section, dataclass_type, path)
    held = _entry(read_yaml(profile), holder, profile)
    if not isinstance(held, dict) or section not in held:
        return settings
    merged = _merged(_entry(read_yaml(path), section, path), held[section])
    return from_value(dataclass_type, merged, f"{profile}: {holder}.{section}")


def _merged(value: Any, override: Any) -> Any:
    if not (isinstance(value, Mapping) and isinstance(override, Mapping)):
        return override
    return {**value, **{key: _merged(value.get(key), inner) for key, inner in override.items()}}
