"""Parameters: sections of params.yaml and of profiles/<profile>.yaml into frozen dataclasses.

params.yaml holds what belongs to the method, and names the profile; profiles/<profile>.yaml holds what
changes with the machine. A dataclass is the whole truth about its section: a key that it lacks is an
error, and so is a field without default that the section lacks. Files are read as YAML 1.2, as DVC
reads them: 1e-5 is a number, and `yes` is a text.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node

from src.errors import InputError, shown

PARAMS = Path("params.yaml")
MOST_NODES = 100_000  # of a file with its aliases written out; real ones have some hundreds
T = TypeVar("T")


# --- values ---


def _is_finite_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max  # which NaN is not


# What a plain type is called in messages, and which YAML values it takes. Types are compared exactly:
# bool is a subclass of int, and true is no number.
PLAIN_TYPES: dict[type, tuple[str, Any]] = {
    bool: ("true or false", lambda value: type(value) is bool),
    int: ("a whole number", lambda value: type(value) is int),
    float: ("a finite number", _is_finite_number),
    str: ("a text", lambda value: type(value) is str),
}


@dataclass(frozen=True)
class Range:
    """The numbers that a parameter may be: `words` finish the sentence "give ..."."""

    words: str
    holds: Callable[[float], bool]


AT_LEAST_0 = Range("0 or more", lambda value: value >= 0)
AT_LEAST_1 = Range("1 or more", lambda value: value >= 1)
ABOVE_0 = Range("more than 0", lambda value: value > 0)
PART = Range("more than 0 and at most 1", lambda value: 0 < value <= 1)
SHARE = Range("0 to 1", lambda value: 0 <= value <= 1)
CONFIDENCE = Range("more than 0 and at most 0.999999", lambda value: 0 < value <= 0.999999)
BETWEEN_0_AND_1 = Range("more than 0 and less than 1", lambda value: 0 < value < 1)


def require(settings: Any, allowed: Range, *names: str) -> None:
    """ValueError if a field of a dataclass of parameters is not as `allowed`, for its __post_init__; None is passed over."""
    values = ((name, getattr(settings, name)) for name in names)
    wrong = [f"{name} is {shown(value)}" for name, value in values if value is not None and not allowed.holds(value)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}; give {allowed.words}")


# The run's one seed: libraries refuse what is longer than 32 bits.
Seed = Annotated[int, Range("a whole number from 0 to 2**32 - 1", lambda value: 0 <= value < 2**32)]


def _nearest(key: Any, known: Iterable[str]) -> str:
    close = get_close_matches(key, list(known), n=1) if isinstance(key, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _name(key: Any) -> str:
    """A key as messages name it: in YAML it may be anything."""
    return key if isinstance(key, str) and len(key) <= 60 else shown(key)


def _mismatch(value: Any, where: str, expected: str) -> str:
    if value is None:
        return f"{where} is empty (null); it must be {expected}"
    return f"{where} is {shown(value)}, of type {type(value).__name__}; it must be {expected}"


def _is_required(item: Field) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _convert_dataclass(cls: type, value: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        keys = ", ".join(item.name for item in fields(cls))
        problems.append(_mismatch(value, where, f"a section with the keys {keys}"))
        return None
    problems_before = len(problems)
    known = {item.name: item for item in fields(cls)}
    for key in value:
        if key not in known:
            hint = _nearest(key, known.keys() - value.keys())
            problems.append(f"{where}.{_name(key)} is unknown{hint} (known: {', '.join(known)})")
    for name, item in known.items():
        if name not in value and _is_required(item):
            problems.append(f"{where}.{name} is missing; add it")

    types = get_type_hints(cls)
    given = {name: _convert(types[name], value[name], f"{where}.{name}", problems) for name in known if name in value}
    if len(problems) > problems_before:
        return None
    try:
        return cls(**given)
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return None


def _convert(wanted: Any, value: Any, where: str, problems: list[str]) -> Any:
    """`value` as the annotation `wanted`; what does not fit goes to `problems`, and voids the result."""
    if is_dataclass(wanted):
        return _convert_dataclass(wanted, value, where, problems)
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        inner, allowed = arguments
        number = _convert(inner, value, where, problems)
        if number is not None and not allowed.holds(number):
            problems.append(f"{where} is {shown(value)}; give {allowed.words}")
        return number
    if origin in (Union, UnionType) and NoneType in arguments and len(arguments) == 2:
        inner = next(argument for argument in arguments if argument is not NoneType)
        return None if value is None else _convert(inner, value, where, problems)
    if origin is Literal:
        if not any(type(value) is type(choice) and value == choice for choice in arguments):
            hint = _nearest(value, [str(choice) for choice in arguments])
            expected = f"one of {', '.join(repr(choice) for choice in arguments)}{hint}"
            problems.append(_mismatch(value, where, expected))
        return value
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        if not isinstance(value, list):
            problems.append(_mismatch(value, where, "a list"))
            return None
        return tuple(_convert(arguments[0], item, f"{where}[{i}]", problems) for i, item in enumerate(value))
    if wanted in PLAIN_TYPES:
        expected, fits = PLAIN_TYPES[wanted]
        if not fits(value):
            problems.append(_mismatch(value, where, expected))
            return None
        return float(value) if wanted is float else value
    raise TypeError(f"{where}: no parameter can have the annotation {wanted!r}; change the dataclass")


def _converted(wanted: Any, value: Any, where: str) -> Any:
    problems: list[str] = []
    result = _convert(wanted, value, where, problems)
    if problems:
        raise InputError("\n".join(problems))
    return result


def from_mapping(cls: type[T], mapping: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass `cls` from a section as YAML gives it.

    Fields may be bool, int, float, str, Literal[...], tuple[X, ...], X | None, or dataclasses again.
    A whole number does for a float; nothing else is converted, and a bool is no number.
    `where` begins the key path in messages, such as "params.yaml: arms".

    Raises InputError with all bad keys at once, a line each: unknown (with the known ones and the
    nearest), missing, of the wrong type, or refused by the dataclass's own __post_init__.
    """
    return _converted(cls, mapping, where)


# --- files ---


def _count_nodes(node: Node, counted: dict[int, int]) -> int:
    """The nodes of a YAML tree with its aliases written out; `counted` has those known by id, for no node is counted twice."""
    if id(node) not in counted:
        counted[id(node)] = 1  # of a node that holds itself
        parts = node.value if isinstance(node.value, list) else []
        inner = (part for item in parts for part in (item if isinstance(item, tuple) else (item,)))
        counted[id(node)] += sum(_count_nodes(part, counted) for part in inner)
    return counted[id(node)]


def _parse_yaml(path: Path, text: str) -> Any:
    try:
        # pure, so that one parser reads the files whether or not its C sibling is installed
        tree = YAML(typ="safe", pure=True).compose(text)
        if tree is not None and _count_nodes(tree, {}) > MOST_NODES:
            raise InputError(f"{path}: broken YAML: its aliases stand for more than {MOST_NODES:,} values; write them out")
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        # The parser's advice on duplicate keys is to allow them, which is no cure: leave its notes out.
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        cause = error.problem or error.context
        raise InputError(f"{path}{line}: broken YAML: {cause}; mend the line") from error
    except YAMLError as error:
        cause = ", ".join(line.strip() for line in str(error).splitlines())
        raise InputError(f"{path}: broken YAML: {cause}; mend that place") from error
    except RecursionError as error:
        raise InputError(f"{path}: broken YAML: brackets or sections are nested too deep to read; mend the file") from error
    except (ValueError, KeyError) as error:  # a date of month 13, a number of 5,000 digits, `!!bool maybe`
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: broken YAML: a value that cannot be read: {error}; mend it") from error


def _read_yaml(path: Path) -> dict:
    if not path.is_file():
        cause = "is no regular file" if path.exists() else f"does not exist (looked from {Path.cwd()})"
        raise InputError(f"{path} {cause}; run from the repository's root, and restore the file from Git")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start + 1}; save it as UTF-8") from error
    content = _parse_yaml(path, text)
    if content is None:
        raise InputError(f"{path} is empty; restore it from Git")
    if not isinstance(content, dict):
        raise InputError(f"{path} holds {type(content).__name__}, not sections by name; restore it from Git")
    return content


def _entry(content: dict, key: str, path: Path) -> Any:
    if key not in content:
        known = ", ".join(names := [_name(name) for name in content])
        raise InputError(f"{path}: {key!r} is missing{_nearest(key, names)} (the file has: {known}); add it")
    return content[key]


def load_section(section: str, dataclass_type: type[T], path: Path = PARAMS) -> T:
    """The section of `path` as `dataclass_type`. Raises InputError as `from_mapping` does, and for a
    file or section that is missing, empty or broken YAML (by line), duplicate keys among it."""
    return from_mapping(dataclass_type, _entry(_read_yaml(path), section, path), f"{path}: {section}")


def load_value(key: str, value_type: type[T], path: Path = PARAMS) -> T:
    """The value of a top-level key, such as `seed: 0`, checked as a field of that type would be."""
    return _converted(value_type, _entry(_read_yaml(path), key, path), f"{path}: {key}")


def profile_path(path: Path = PARAMS) -> Path:
    """profiles/<profile>.yaml beside `path`, which names the profile; InputError lists those there are."""
    profile = load_value("profile", str, path)
    folder = path.parent / "profiles"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if profile not in known:
        raise InputError(
            f"{path}: profile is {profile!r}, and {folder} has no {profile}.yaml{_nearest(profile, known)} "
            f"(there are: {', '.join(known) or 'none'}); name one of them"
        )
    return folder / f"{profile}.yaml"


def load_profile_section(section: str, dataclass_type: type[T], path: Path = PARAMS) -> T:
    """The section of the profile that `path` names, as `dataclass_type`. Raises as `load_section` does."""
    return load_section(section, dataclass_type, profile_path(path))


def load_profile_value(section: str, key: str, value_type: type[T], path: Path = PARAMS) -> T:
    """One value of a section of the profile, for a stage that is not the section's own and needs no more of it.

    A key that is not there counts as null. Raises InputError as `load_value` does.
    """
    file = profile_path(path)
    content = _entry(_read_yaml(file), section, file)
    value = content.get(key) if isinstance(content, Mapping) else None
    return _converted(value_type, value, f"{file}: {section}.{key}")
