"""Ways to break a file, and what a case of malformed input says of itself."""

import json
import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from src.core.params import parse_yaml

Break = Callable[[Path], None]  # changes one thing in a folder
PROFILE = "profiles/small.yaml"


class Lacking:
    """As a key's new value: without the key."""

    def __repr__(self) -> str:  # stands in the names of tests, which must be the same in all processes
        return "lacking"


LACKING = Lacking()


@dataclass(frozen=True)
class Case:
    name: str
    stage: str  # and its argument, as on the command line
    breaks: Break
    place: str  # file, line or key
    cause: str
    cure: str


RUN = "run the stage that writes it"
NOT_READABLE = "repair it, or run the stage that writes the file again"


# --- ways to break a file ---


def overwritten(path: str, content: bytes) -> Break:
    """The file with other content."""

    def breaks(folder: Path) -> None:
        (folder / path).write_bytes(content)

    return breaks


def changed(path: str, change: Callable[[bytes], bytes]) -> Break:
    def breaks(folder: Path) -> None:
        before = (folder / path).read_bytes()
        after = change(before)
        assert after != before, f"nothing changes in {path}"
        (folder / path).write_bytes(after)

    return breaks


def replaced(path: str, old: bytes, new: bytes) -> Break:
    return changed(path, lambda content: content.replace(old, new, 1))


def without(path: str) -> Break:
    return lambda folder: (folder / path).unlink()


def folder_instead(path: str) -> Break:
    def breaks(folder: Path) -> None:
        (folder / path).unlink()
        (folder / path).mkdir()

    return breaks


def pipe_instead(path: str) -> Break:
    def breaks(folder: Path) -> None:
        (folder / path).unlink()
        os.mkfifo(folder / path)

    return breaks


def link_instead(path: str, target: str) -> Break:
    def breaks(folder: Path) -> None:
        (folder / path).unlink()
        (folder / path).symlink_to(target)

    return breaks


def line(path: str, number: int, change: Callable[[bytes], bytes]) -> Break:
    """The line of that number, from 1, changed."""

    def change_line(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        lines[number - 1] = change(lines[number - 1].rstrip(b"\n")) + b"\n"
        return b"".join(lines)

    return changed(path, change_line)


def record(path: str, number: int, **changes: Any) -> Break:
    """The record on that line with other values; LACKING takes a key away."""

    def change(text: bytes) -> bytes:
        kept = json.loads(text) | changes
        return json.dumps({key: value for key, value in kept.items() if value is not LACKING}).encode()

    return line(path, number, change)


def at(*keys: str | int, value: Any = LACKING) -> Callable[[bytes], bytes]:
    """JSON in which the value at those keys is another, or is gone."""

    def change(content: bytes) -> bytes:
        root = inner = json.loads(content)
        for key in keys[:-1]:
            inner = inner[key]
        if value is LACKING:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = value
        return json.dumps(root).encode()

    return change


def metric(path: str, *keys: str | int, value: Any = LACKING) -> Break:
    """A JSON file in which the value at those keys is another, or is gone."""
    return changed(path, at(*keys, value=value))


@cache
def parsed(text: str) -> Any:
    """The value of a YAML text; most cases begin with the same."""
    return parse_yaml(text)


def setting(path: str, key: str, text: str | None) -> Break:
    """A YAML file in which the value at a dotted key is what `text` says in YAML; None takes the key away."""

    def breaks(folder: Path) -> None:
        content = deepcopy(parsed((folder / path).read_text()))
        *sections, last = key.split(".")
        section = content
        for name in sections:
            section = section[name]
        section[last] = "PUT IT HERE"
        if text is None:
            del section[last]
        written = yaml.safe_dump(content, sort_keys=False)
        (folder / path).write_text(written.replace("PUT IT HERE", text or ""))

    return breaks


def both(*breaks: Break) -> Break:
    def all_of_them(folder: Path) -> None:
        for one in breaks:
            one(folder)

    return all_of_them
