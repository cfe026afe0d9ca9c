"""What a value may be: the annotated types of records, metrics and params, and the one check of them.

A shape is a standard dataclass whose fields are annotated with the types below. pydantic reads the annotations, and this
module turns what it finds into the words of our messages. Nothing here opens a file.
"""

import json
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from src.core.errors import shown

# Nothing is converted but a whole number to a float; a key that no field has is a fault; NaN and infinity are none of ours.
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


# --- types ---


def _check_filled(text: str) -> str:
    if not text.strip():
        raise ValueError("it must not be blank")
    return text


FilledText = Annotated[str, AfterValidator(_check_filled)]
# A number as `canonical` of src/regime_w/answers.py writes it: 18, -0.25, 1/3.
NUMBER_TEXT = r"^-?[0-9]{1,500}(\.[0-9]{1,500}|/[1-9][0-9]{0,499})?$"
NumberText = Annotated[str, Field(pattern=NUMBER_TEXT)]

# Other languages and libraries read whole numbers of 64 bits.
Integer = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
PositiveCount = Annotated[int, Field(ge=1, lt=2**63)]
# Libraries refuse a seed that is longer than 32 bits.
Seed = Annotated[int, Field(ge=0, lt=2**32)]

Share = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
# A level of a test: more than 0 and less than 1.
Level = Annotated[float, Field(gt=0, lt=1)]
# Above this no interval of a test set of any size is narrower than the whole range.
Confidence = Annotated[float, Field(gt=0, le=0.999999)]


# --- the check ---


@dataclass(frozen=True)
class Fault:
    """What is wrong with one value. `path` leads to it (`lora.r`, `levels[1]`, empty for the whole); `words` go on from there."""

    path: str
    words: str


class Faults(ValueError):
    """All faults of one value at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.path} {fault.words}".strip() for fault in faults))
        self.faults = tuple(faults)


@cache
def _adapter(wanted: Any) -> TypeAdapter:
    _check_annotation(wanted)
    # pydantic takes a configuration for a tuple that holds the dataclass, not for the dataclass itself.
    return TypeAdapter(tuple[wanted], config=STRICT)


def _check_annotation(annotation: Any) -> None:
    """TypeError unless values of this type are frozen throughout and have one reading: no dict, no list, no other union."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    inner: Sequence[Any]
    if is_dataclass(annotation):
        types = get_type_hints(annotation, include_extras=True)
        inner = [types[item.name] for item in fields(annotation)]
    elif origin is Annotated:
        inner = arguments[:1]
    elif origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        inner = arguments[:1]
    elif origin in (Union, UnionType) and len(arguments) == 2 and NoneType in arguments:
        inner = [argument for argument in arguments if argument is not NoneType]
    elif origin is Literal or annotation in (bool, int, float, str):
        inner = []
    else:
        raise TypeError(f"no value of a file can have the type {annotation!r}; change the dataclass")
    for argument in inner:
        _check_annotation(argument)


def check_json(wanted: Any, text: str | bytes) -> Any:
    """The value of JSON `text` as `wanted`: a dataclass, or any type that a field may have. Raises Faults."""
    try:
        # JSON has lists and objects where the dataclasses have tuples and dataclasses; all else must be of the exact type.
        return _adapter(wanted).validate_json(b"[" + (text.encode() if isinstance(text, str) else text) + b"]")[0]
    except ValidationError as error:
        details = error.errors(include_url=False)
        halves = _half_characters(text) if details[0]["type"] == "json_invalid" else []
        raise Faults(halves or [_fault(wanted, detail) for detail in details]) from error


def check_value(wanted: Any, value: Any) -> Any:
    """A value of JSON's types (as json.loads or YAML gives it) as `wanted`. Raises Faults."""
    return check_json(wanted, json.dumps(value))


HALF = "half a surrogate pair is no character"  # no tokenizer reads it and no file can hold it


def _is_half(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _half_characters(text: str | bytes) -> list[Fault]:
    """The keys and texts, at any depth of JSON, that hold half a surrogate pair: pydantic does not say where they stand."""
    faults: list[Fault] = []
    try:
        waiting: deque[tuple[tuple[int | str, ...], Any]] = deque([((), json.loads(text))])
    except RecursionError:  # brackets are nested too deep, which is fault enough
        return []
    while waiting:
        keys, value = waiting.popleft()
        if isinstance(value, dict):
            faults += [Fault(_path((*keys, shown(key))), f"is no key: {HALF}") for key in value if _is_half(key)]
            waiting += [((*keys, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*keys, place), inner) for place, inner in enumerate(value)]
        elif isinstance(value, str) and _is_half(value):
            faults.append(Fault(_path(keys), f"is {shown(value)}: {HALF}"))
    return faults


def _fault(wanted: Any, detail: ErrorDetails) -> Fault:
    keys, kind, value = detail["loc"][1:], detail["type"], detail["input"]
    path = _path(keys)
    if kind == "json_invalid":
        cause = str(detail["ctx"]["error"]).partition(" at line")[0]
        return Fault("", f"holds text that cannot be read: {cause}")
    if kind == "missing":
        return Fault(path, "is missing; add it")
    if kind == "unexpected_keyword_argument":
        known = [item.name for item in fields(_dataclass_at(wanted, keys[:-1]))]
        close = get_close_matches(str(keys[-1]), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return Fault(_path((*keys[:-1], shown_key(keys[-1]))), f"is unknown{hint} (known: {', '.join(known)})")
    if kind == "value_error":  # of a check of ours: of one value, or of a whole dataclass (__post_init__)
        told = str(detail["ctx"]["error"])
        return Fault(path, f"is refused: {told}" if isinstance(value, dict) else f"is {_shown(value)}: {told}")
    return Fault(path, f"is {_shown(value)}: {_words(wanted, detail)}")


def _words(wanted: Any, detail: ErrorDetails) -> str:
    if detail["type"] == "dataclass_type":
        names = ", ".join(item.name for item in fields(_dataclass_at(wanted, detail["loc"][1:])))
        return f"it must be an object with the keys {names}"
    message = re.sub(r"^\w+ should", "it must", detail["msg"]).replace(" after validation", "")
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        close = get_close_matches(detail["input"], re.findall(r"'([^']*)'", detail["ctx"]["expected"]), n=1)
        message += f"; did you mean {close[0]!r}?" if close else ""
    return message


def _shown(value: Any) -> str:
    return "null" if value is None else shown(value)


def shown_key(key: Any) -> str:
    """A key as messages name it: in YAML it may be anything."""
    return key if isinstance(key, str) and len(key) <= 60 else shown(key)


def _path(keys: Sequence[int | str]) -> str:
    """`lora.r` of ("lora", "r"), `levels[1]` of ("levels", 1)."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def _dataclass_at(wanted: Any, keys: Sequence[int | str]) -> Any:
    """The dataclass to which the keys lead from `wanted`."""
    for key in keys:
        if isinstance(key, str):
            wanted = get_type_hints(_dataclass_in(wanted))[key]
    return _dataclass_in(wanted)


def _dataclass_in(annotation: Any) -> Any:
    """The dataclass of `X`, `X | None`, `tuple[X, ...]`."""
    if is_dataclass(annotation):
        return annotation
    found = (_dataclass_in(argument) for argument in get_args(annotation))
    return next((item for item in found if item is not None), None)


def is_optional(item: Any) -> bool:
    """Whether a dataclass's field may be missing from a file: it has None for its default, and is not written then."""
    return item.default is None and item.default is not MISSING
