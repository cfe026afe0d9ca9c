"""What must hold of any input, at the four places where input comes in: answers, records, params, profiles.

Each check takes whatever it is given and raises AssertionError, or the error that should not have come. The
property tests draw input from descriptions of it; the fuzzer mutates bytes towards code not yet run.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import yaml

from src.core.errors import InputError
from src.core.params import load_overridden_section, load_profile_section, load_section, load_value, parse_yaml
from src.core.records import read_records, write_records
from src.regime_w.answers import canonical, cut, extract_answer, parse_number, reasoning
from src.regime_w.arms import ARM_NAMES, ArmName
from src.regime_w.evaluation import Evaluation
from src.regime_w.preferences import Pair
from src.regime_w.questions import Question
from src.regime_w.reading import tokens
from src.regime_w.scoring import GUIDE_SETTINGS, Rollout, score_question
from src.regime_w.texts import PolicyText, Trajectory
from src.regime_w.verdict import ChangedQuestion
from src.stages.all_settings import PARAMS_SECTIONS, PROFILE_SECTIONS
from src.training.dpo_settings import DpoSettings
from src.training.pairs import TrainingPair
from tests.profiles import PROFILE

KINDS = (Question, Trajectory, Rollout, Pair, TrainingPair, PolicyText, Evaluation, ChangedQuestion)
PARAMS = {section.name: section.shape for section in PARAMS_SECTIONS}
PROFILE_SHAPES = {section.name: section.shape for section in PROFILE_SECTIONS}
# The shipped profiles, and that of the tests, which overrides values of `dpo`.
PROFILES = {path.stem: parse_yaml(path.read_text()) for path in sorted(Path("profiles").glob("*.yaml"))} | {"tests": PROFILE}
DPO = parse_yaml(Path("params.yaml").read_text())["dpo"]


def places(section: Mapping, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The key path of every value of a section that is no section itself."""
    found = []
    for key, value in section.items():
        found += places(value, (*before, key)) if isinstance(value, Mapping) else [(*before, key)]
    return found


# Every value that stands in a profile: (profile, section, key, ...).
PROFILE_PLACES = [(name, *place) for name, profile in PROFILES.items() for place in places(profile)]


# --- answers and scores ---


def check_answers(text: str) -> None:
    """Any text has an exact answer or none, which can be written and read back; its scores are in range."""
    for number in (extract_answer(text), parse_number(text)):
        if number is not None:
            assert type(number) is Fraction
            written = canonical(number)
            assert written.isascii() and parse_number(written) == number == extract_answer(f"Answer: {written}")
    kept = cut(text)
    assert cut(kept) == kept and extract_answer(kept) == extract_answer(text)
    assert kept.startswith(reasoning(text))
    found = tokens(text)
    assert all(type(token) is str and token and not any(sign.isspace() for sign in token) for token in found)
    check_scores({ARM_NAMES[0]: text, ARM_NAMES[-1]: text})


def check_scores(texts: Mapping[ArmName, str]) -> None:
    """Scores of the eleven trajectories: `texts` by arm, one short text for the rest."""
    question = Question(id="q", question="2 + 2?", answer="#### 4", gold="4")
    trajectories = [
        Trajectory("q", arm, 0, 0.2, "2 + 2?", texts.get(arm, "2 + 2 = 4\nAnswer: 4"), n_tokens=9, finish_reason="stop")
        for arm in ARM_NAMES
    ]
    scores = score_question(question, trajectories, GUIDE_SETTINGS)
    assert 0 <= scores.s_end <= 1 and 0 <= scores.s_path <= 1 + 1e-12 and scores.s_cf in (0, 0.5, 1)
    for one in scores.trajectories:
        assert 0 <= one.conciseness <= 1 and 0 <= one.alignment <= 1 and 0 <= one.reward <= 1.2 + 1e-12
        assert one.correct == (one.answer == "4")


# --- records ---


def check_records(data: bytes, kind: type, path: Path) -> None:
    """Any bytes are records, which survive writing and reading, or an error that names the file and the line."""
    path.write_bytes(data)
    try:
        records = read_records(path, kind)
    except InputError as error:
        check_line_is_named(str(error), data, path)
        return
    assert all(type(record) is kind for record in records)
    write_records(path, kind, records)
    assert read_records(path, kind) == records


def check_line_is_named(message: str, data: bytes, path: Path) -> None:
    if not data:
        assert message.startswith(f"{path} is empty")
        return
    assert message.startswith(f"{path}:"), message[:200]
    line = message.removeprefix(f"{path}:").split(":")[0]
    assert line.isdecimal() and 1 <= int(line) <= len(data.split(b"\n")), message[:200]


# --- params and profiles ---


def fits(value: Any, annotation: Any) -> bool:
    """Whether a loaded value is of exactly the type that its dataclass declares."""
    arguments = get_args(annotation)
    if is_dataclass(annotation):
        hints = get_type_hints(annotation)
        return type(value) is annotation and all(fits(getattr(value, f.name), hints[f.name]) for f in fields(annotation))
    if get_origin(annotation) is Annotated:
        return fits(value, arguments[0])
    if get_origin(annotation) is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if get_origin(annotation) is tuple:
        return type(value) is tuple and all(fits(item, arguments[0]) for item in value)
    if arguments:  # X | None
        return any(fits(value, argument) for argument in arguments)
    if annotation is float:
        return type(value) is float and math.isfinite(value)
    return type(value) is (NoneType if annotation in (None, NoneType) else annotation)


def check_params(text: bytes, name: str, path: Path) -> None:
    """Any params.yaml gives a section or value of PARAMS its declared type, or an error that begins with the file."""
    path.write_bytes(text)
    annotation = PARAMS[name]
    load = load_section if is_dataclass(annotation) else load_value
    try:
        value = load(name, annotation, path)
    except InputError as error:
        check_message(str(error), path)
    else:
        assert fits(value, annotation), (name, value)


def check_message(message: str, path: Path) -> None:
    assert message.startswith(str(path)), message[:200]
    assert len(message) < 100_000, f"a message of {len(message)} characters"


def yaml_value(text: str) -> tuple[Any] | None:
    """(the value,) of a YAML text by the parser alone, or None where it refuses."""
    try:
        return (parse_yaml(text),)
    except (yaml.YAMLError, ValueError, KeyError, RecursionError):
        return None


def check_profile(place: tuple[str, ...], text: str, path: Path) -> None:
    """A profile with the YAML `text` for one value: taken with the right type, or an error that names the key.

    place  of PROFILE_PLACES: profile, section, key and so on
    path   a params.yaml to write; the profile is written beside it
    """
    name, section, *keys = place
    good = PROFILES[name][section]
    profile = path.parent / "profiles/this.yaml"
    profile.parent.mkdir(exist_ok=True)
    profile.write_text(f"{section}: {written(good, keys, text)}\n", encoding="utf-8", newline="")
    path.write_text(f"profile: this\ndpo: {json.dumps(DPO)}\n")
    annotation = PROFILE_SHAPES[section]
    try:
        if section == "train":
            value = load_profile_section(section, annotation, profile, overrides="dpo")
            overridden = load_overridden_section("dpo", DpoSettings, profile, holder=section, path=path)
            assert fits(overridden, DpoSettings), (place, text)
        else:
            value = load_profile_section(section, annotation, profile)
    except InputError as error:
        check_message(str(error), profile)
        # A text that breaks out of its place, as `1, max_length: 2` does, changes more than the one key.
        content = yaml_value(profile.read_bytes().decode("utf-8"))
        if content is not None and only_differs_at(content[0], section, good, keys):
            assert keys[-1] in str(error), (place, text, str(error))
    else:
        assert fits(value, annotation), (place, text, value)


def written(value: Any, keys: list[str], text: str) -> str:
    """A section as one line of YAML, with `text` for the value at the key path `keys`."""
    if not keys:
        return text
    parts = [f'"{key}": {written(item, keys[1:], text) if key == keys[0] else plain(item)}' for key, item in value.items()]
    return "{" + ", ".join(parts) + "}"


def plain(value: Any) -> str:
    """A value of a profile as one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}": {plain(item)}' for key, item in value.items()) + "}"
    if isinstance(value, str):
        return f'"{value}"'
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)


def only_differs_at(content: Any, section: str, good: Mapping, keys: list[str]) -> bool:
    def without(mapping: Any, path: list[str]) -> Any:
        if not isinstance(mapping, Mapping) or path[0] not in mapping:
            return mapping
        rest = {path[0]: without(mapping[path[0]], path[1:])} if path[1:] else {}
        return {key: item for key, item in mapping.items() if key != path[0]} | rest

    if not isinstance(content, Mapping) or list(content) != [section] or not isinstance(content[section], Mapping):
        return False
    return without(content[section], keys) == without(good, keys)


# --- the same from bytes, for the fuzzer; `path` is a file to write ---


def fuzz_answers(data: bytes, path: Path) -> None:
    check_answers(data.decode("utf-8", "surrogateescape"))


def fuzz_records(data: bytes, path: Path) -> None:
    """The first byte chooses the kind."""
    if data:
        check_records(data[1:], KINDS[data[0] % len(KINDS)], path)


def fuzz_params(data: bytes, path: Path) -> None:
    """The first byte chooses the section or value."""
    if data:
        check_params(data[1:], list(PARAMS)[data[0] % len(PARAMS)], path)


def fuzz_profiles(data: bytes, path: Path) -> None:
    """The first byte chooses the place, the others are the value's YAML."""
    if data:
        check_profile(PROFILE_PLACES[data[0] % len(PROFILE_PLACES)], data[1:].decode("utf-8", "replace"), path)
