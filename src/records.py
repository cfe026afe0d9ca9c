"""Records: JSON Lines files, checked at the door, and small JSON files.

A file of records holds one JSON object a line, UTF-8; what is written here is escaped to ASCII. Every
record is of a *kind*, whose schema says which keys it has and what their values must be. Reading and
writing check the same schema, so a broken file is found where it is made or first read, by line number.
"""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

from src.errors import InputError, shown
from src.regime_w.answers import parse_number
from src.regime_w.arms import ARM_NAMES

Kind = Literal["question", "trajectory", "rollouts", "preference", "evaluation", "change"]
Check = Callable[[Any], str | None]  # what is wrong with a value, or None

SURROGATE = re.compile("[\ud800-\udfff]")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LARGEST_INTEGER = 2**63 - 1  # of what libraries and other languages read as a whole number


# --- what a value may be ---


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return f"is {shown(value)}, not a text"
    if SURROGATE.search(value):
        return f"is {shown(value)}: half a surrogate pair is no character, and no tokenizer reads it"
    return None


def _filled_text(value: Any) -> str | None:
    return _text(value) or (None if value.strip() else f"is blank ({value!r})")


def _gold(value: Any) -> str | None:
    return _text(value) or (None if parse_number(value) is not None else f"is {shown(value)}, no number")


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"is {shown(value)}, not true or false"


def _integer(value: Any) -> str | None:
    # bool is a subclass of int, and true is no count.
    good = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER
    return None if good else f"is {shown(value)}, not a whole number of at most 64 bits"


def _count(value: Any) -> str | None:
    return _integer(value) or (f"is {value}, less than 0" if value < 0 else None)


def _number(value: Any) -> str | None:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    finite = good and abs(value) <= sys.float_info.max  # which NaN is not
    return None if finite else f"is {shown(value)}, not a finite number"


def _temperature(value: Any) -> str | None:
    return _number(value) or (f"is {value}, less than 0" if value < 0 else None)


def _share(value: Any) -> str | None:
    return _number(value) or (None if 0 <= value <= 1 else f"is {value}, not within 0 and 1")


def _one_of(*choices: str) -> Check:
    return lambda value: None if value in choices else f"is {shown(value)}, not one of {', '.join(choices)}"


def _or_null(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


# --- what a record may be ---


@dataclass(frozen=True)
class Schema:
    """A check for each key; a key in neither table is an error.

    identity  the keys whose values no two records share
    together  the optional keys that all records of a file have, or none
    """

    required: dict[str, Check]
    optional: dict[str, Check] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    together: tuple[str, ...] = ()

    def complaints(self, record: Any) -> list[str]:
        """All that is wrong with one record, a phrase each, without its place."""
        if not isinstance(record, dict):
            return [f"holds {shown(record)}, not a JSON object"]
        checks = self.required | self.optional
        missing = [f"key {key!r} is missing" for key in self.required if key not in record]
        unknown = [f"key {key!r} is unknown (known: {', '.join(checks)})" for key in record if key not in checks]
        values = ((key, check(record[key])) for key, check in checks.items() if key in record)
        return missing + unknown + [f"key {key!r} {complaint}" for key, complaint in values if complaint]


SCORED_TRAJECTORY = Schema(
    required={
        "arm_name": _one_of(*ARM_NAMES),
        "prompt": _text,
        "text": _text,
        "answer": _or_null(_text),
        "correct": _flag,
        "conciseness": _share,
        "alignment": _share,
        "quality": _number,
        "reward": _number,
        "seed": _integer,
        "temperature": _temperature,
        "n_tokens": _count,
        "finish_reason": _one_of("stop", "length"),
    }
)


def _eleven_trajectories(value: Any) -> str | None:
    if not isinstance(value, list):
        return f"is {shown(value)}, not a list"
    wrong = [f"[{i}]: {c}" for i, item in enumerate(value) for c in SCORED_TRAJECTORY.complaints(item)]
    if wrong:
        return "; ".join(wrong[:5])
    if (names := [item["arm_name"] for item in value]) != list(ARM_NAMES):
        return (
            f"has {len(names)} trajectories, by {', '.join(names) or 'none'}; "
            f"it must be the {len(ARM_NAMES)} arms in this order: {', '.join(ARM_NAMES)}"
        )
    return None


SCHEMAS: dict[Kind, Schema] = {
    "question": Schema(
        required={"id": _filled_text, "question": _filled_text, "answer": _text, "gold": _gold},
        optional={
            "kind": _filled_text,  # of an embedded word problem, with the tellings after it
            "restated": _text,
            "altered": _text,
            "altered_answer": _text,
            "cleaning_status": _or_null(_text),  # of GSM8K-Platinum
            "gsm8k_gold": _gold,  # by GSM8K's own test, where a question is scored on both sets; `gold` is Platinum's
            "in_platinum": _flag,
        },
        identity=("id",),
        together=("gsm8k_gold", "in_platinum"),
    ),
    "trajectory": Schema(
        required={
            "question_id": _filled_text,
            "arm_name": _one_of(*ARM_NAMES),
            "seed": _integer,
            "temperature": _temperature,
            "prompt": _text,
            "text": _text,
            "n_tokens": _count,
            "finish_reason": _one_of("stop", "length"),
        },
        identity=("question_id", "arm_name"),
    ),
    "rollouts": Schema(
        required={
            "question_id": _filled_text,
            "question": _filled_text,
            "gold": _gold,
            "s_end": _share,
            "s_path": _number,  # its weights are parameters, so its range is too
            "s_cf": _share,
            "consensus": _or_null(_text),
            "trajectories": _eleven_trajectories,
        },
        identity=("question_id",),
    ),
    "preference": Schema(
        required={
            "question_id": _filled_text,
            "question": _filled_text,
            "prompt": _filled_text,
            "chosen": _text,
            "rejected": _text,
            "pair_type": _one_of("correctness", "coherence"),
            "chosen_arm": _one_of(*ARM_NAMES),
            "rejected_arm": _one_of(*ARM_NAMES),
            "chosen_reward": _number,
            "rejected_reward": _number,
        },
        identity=("question_id", "chosen_arm", "rejected_arm"),
    ),
    "evaluation": Schema(
        required={
            "id": _filled_text,
            "question": _filled_text,
            "gold": _gold,
            "text": _text,
            "answer": _or_null(_text),
            "correct": _flag,
            "n_tokens": _count,
            "finish_reason": _one_of("stop", "length"),
        },
        optional={"gsm8k_correct": _flag, "in_platinum": _flag},
        identity=("id",),
        together=("gsm8k_correct", "in_platinum"),
    ),
    "change": Schema(
        required={
            "id": _filled_text,
            "change": _one_of("fixed", "broken"),
            "question": _filled_text,
            "gold": _gold,
            "baseline_text": _text,
            "coherence_text": _text,
        },
        identity=("id",),
    ),
}

# A base that is right about all or nothing gives no pair, and two policies may agree on everything.
MAY_BE_EMPTY: tuple[Kind, ...] = ("preference", "change")


def _checked(records: Iterable[tuple[int, Any]], path: Path, kind: Kind, cure: str) -> Iterator[dict]:
    """The records of (line number, record), each checked alone and against the identities before it."""
    schema = SCHEMAS[kind]
    line_of: dict[tuple, int] = {}
    held_by_all: set[str] | None = None
    for line, record in records:
        if complaints := schema.complaints(record):
            raise InputError(f"{path}:{line}: {'; '.join(complaints)}. As a record of kind {kind!r} {cure}")
        held = record.keys() & set(schema.together)
        if held not in (set(), set(schema.together)) or held_by_all not in (None, held):
            raise InputError(
                f"{path}:{line}: of the keys {', '.join(schema.together)} it has {', '.join(sorted(held)) or 'none'}, but all "
                f"records of the file must have all of them, or none. As a record of kind {kind!r} {cure}"
            )
        held_by_all = held
        identity = tuple(record[key] for key in schema.identity)
        if identity in line_of:
            keys = ", ".join(f"{key} {record[key]!r}" for key in schema.identity)
            raise InputError(
                f"{path}:{line}: {keys} stands on line {line_of[identity]} already, "
                f"and a record of kind {kind!r} may stand only once; {cure}"
            )
        line_of[identity] = line
        yield record


# --- the metrics that stage `report` reads ---


def _object(**checks: Check) -> Check:
    """A JSON object that has at least these keys."""

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"is {shown(value)}, not an object with the keys {', '.join(checks)}"
        missing = [f"key {key!r} is missing" for key in checks if key not in value]
        wrong = [f"key {key!r} {complaint}" for key in checks if key in value and (complaint := checks[key](value[key]))]
        return f"is an object in which {'; '.join(missing + wrong)}" if missing or wrong else None

    return check


def _each(check: Check, key_check: Check = _text) -> Check:
    """A JSON object of any keys, at least one, whose values are alike."""

    def check_all(value: Any) -> str | None:
        if not isinstance(value, dict) or not value:
            return f"is {shown(value)}, not an object with something in it"
        wrong = [f"key {key!r} {c}" for key, item in value.items() if (c := key_check(key) or check(item))]
        return f"is an object in which {'; '.join(wrong[:5])}" if wrong else None

    return check_all


def _epoch(value: str) -> str | None:
    return None if value.isdecimal() else "is no number of an epoch"


_VERDICT = _one_of("improved", "worse", "no evidence")
_SPREAD = _object(mean=_number, spread=_number, least=_number, greatest=_number)
_OTHER_VERDICT = _object(
    verdict=_VERDICT, questions=_count, baseline_accuracy=_share, coherence_accuracy=_share, p_value=_share
)
_TRAINED = _object(
    steps=_count,
    epochs=_each(_object(first_loss=_number, last_loss=_number, mean_loss=_number), _epoch),
    gradient_norm=_object(least=_number, greatest=_number),
    logp_chosen_fall=_number,
)


def _training(value: Any) -> str | None:
    complaint = _object(trained=_flag)(value)
    return complaint or (_TRAINED if value["trained"] else _object(reason=_text))(value)


def _verdict(value: Any) -> str | None:
    complaint = _object(
        verdict=_VERDICT,
        questions=_count,
        difference=_number,
        difference_low=_number,
        difference_high=_number,
        p_value=_share,
        fixed=_count,
        broken=_count,
        smallest_detectable_difference=_or_null(_number),
        difference_at_power=_or_null(_number),
    )(value)
    if complaint or "gsm8k" not in value:
        return complaint
    return _object(gsm8k=_OTHER_VERDICT)(value)


def _pairs(value: Any) -> str | None:
    return _object(pairs=_count, correctness_pairs=_count)(value) or _each(_number)(value)


Metrics = Literal["policy", "rollouts", "prefs", "train", "verdict"]
METRICS: dict[Metrics, Check] = {
    "policy": _object(
        correct=_count,
        questions=_count,
        accuracy=_share,
        accuracy_low=_share,
        accuracy_high=_share,
        no_answer=_count,
        cut_off=_count,
        mean_tokens=_number,
    ),
    "rollouts": _object(
        questions=_count, trajectories=_count, s_end=_SPREAD, s_path=_SPREAD, s_cf=_SPREAD, accuracy_by_arm=_each(_share)
    ),
    "prefs": _pairs,
    "train": _training,
    "verdict": _verdict,
}


# --- files ---


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON knows")


def _refuse_double_key(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        double = next(key for key in record if counts[key] > 1)
        raise ValueError(f"key {double!r} stands twice in one object")
    return record


def _whole_number(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as error:  # a limit of Python's, whose advice is to lift it
        raise ValueError(f"a number of {len(digits)} digits is longer than any here") from error


def parse_json(data: bytes) -> Any:
    """The value of JSON in UTF-8; ValueError says what is wrong with it and where."""
    if data.startswith(BYTE_ORDER_MARK):
        raise ValueError("it begins with a byte order mark; save it as UTF-8 without one")
    try:
        return json.loads(
            data.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
            object_pairs_hook=_refuse_double_key,
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start + 1} is 0x{data[error.start]:02x}") from error
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if b"\n" in data else ""
        raise ValueError(f"not JSON: {error.msg} at {line}column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("not a record: brackets are nested too deep to read") from error


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Gives the system's errors that say nothing of a file, such as a full disk while writing, the name of this one."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def require_file(path: Path, cure: str) -> None:
    """InputError with `cure` unless `path` is a regular file: a pipe could keep a stage waiting for ever."""
    if not path.is_file():
        if path.is_dir():
            cause = "is a folder, not a file"
        elif path.exists():
            cause = "is no regular file"
        elif path.is_symlink():
            cause = f"is a link to {os.readlink(path)}, which leads to no file"
        else:
            cause = f"does not exist (looked from {Path.cwd()})"
        raise InputError(f"{path} {cause}; {cure}")


def _read_file(path: Path) -> bytes:
    require_file(path, "run the stage that writes it, from the repository's root")
    with naming(path):
        return path.read_bytes()


def _parsed_lines(path: Path, data: bytes) -> Iterator[tuple[int, Any]]:
    # Split at b"\n" alone: U+2028 and its like may stand inside a text.
    lines = data.split(b"\n")
    for number, line in enumerate(lines if lines[-1] else lines[:-1], start=1):
        try:
            yield number, parse_json(line.rstrip(b"\r"))
        except ValueError as error:
            cause = "the line is blank" if not line.strip() else str(error)
            raise InputError(
                f"{path}:{number}: {cause}. A line is one whole JSON object; one cut short is left by a "
                "writer that was stopped. Mend the line, or run the stage that writes the file again"
            ) from error


def read_records(path: Path, kind: Kind) -> list[dict]:
    """The records of a JSON Lines file, in file order, each as the schema of `kind` says.

    Raises InputError, with file, line and key, for a missing file, an empty one (but of MAY_BE_EMPTY), a line that is no JSON
    object or not UTF-8, a key that is missing, unknown or twice there, a value of the wrong type or
    range (NaN too), and for a record whose identity stands on an earlier line.
    """
    data = _read_file(path)
    cure = "it is not readable; mend it, or run the stage that writes the file again"
    records = list(_checked(_parsed_lines(path, data), path, kind, cure))
    if not records and kind not in MAY_BE_EMPTY:
        raise InputError(f"{path} is empty; run the stage that writes it again")
    return records


@contextmanager
def _put_in_place(path: Path) -> Iterator[TextIO]:
    """A file to write, beside `path`; it takes the place of `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        with naming(path), part.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the new name with no content
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_records(path: Path, kind: Kind, records: Iterable[dict]) -> None:
    """Write records of `kind`, one a line, whole or not at all; parent folders are made.

    Raises InputError as `read_records` does, before anything stands at `path`.
    """
    cure = "it cannot be written; the stage that made it is at fault"
    written = 0
    with _put_in_place(path) as file:
        for record in _checked(enumerate(records, start=1), path, kind, cure):
            file.write(json.dumps(record, allow_nan=False) + "\n")
            written += 1
        if not written and kind not in MAY_BE_EMPTY:
            raise InputError(f"there are no records of kind {kind!r} to write to {path}")


def write_json(path: Path, value: Any) -> None:
    """Write one JSON value, keys in the given order, whole or not at all. InputError for NaN or infinity."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError as error:
        raise InputError(f"{path} cannot be written: {error}; every number in it must be finite") from error
    with _put_in_place(path) as file:
        file.write(text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all."""
    with _put_in_place(path) as file:
        file.write(text)


def read_json(path: Path) -> Any:
    """The one JSON value of a file. InputError, with the file's name, if it is missing or not JSON."""
    data = _read_file(path)
    try:
        return parse_json(data)
    except ValueError as error:
        raise InputError(f"{path}: {error}; run the stage that writes it again") from error


def read_metrics(path: Path, metrics: Metrics) -> dict:
    """The metrics of one file, with all that stage `report` shows of them; InputError names file and key."""
    value = read_json(path)
    if complaint := METRICS[metrics](value):
        raise InputError(f"{path}: it {complaint}; run the stage that writes it again")
    return value
