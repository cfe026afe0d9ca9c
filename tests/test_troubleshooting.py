"""docs/troubleshooting.md against the code: its families are messages there, and every module that has messages is in one."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
VALUE = "\0"  # what an f-string fills in
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "src").rglob("*.py"))


@dataclass(frozen=True)
class Family:
    """A row of the page: words of its messages, `…` standing for what differs, and cause and cure."""

    messages: tuple[str, ...]
    cause: str
    cure: str


def families() -> list[Family]:
    rows = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    assert all(len(row) == 3 for row in rows)
    return [Family(tuple(re.findall(r"`([^`]+)`", row[0])), row[1].strip(), row[2].strip()) for row in rows]


def template(node: ast.expr) -> str | None:
    """A text of the code as one string, with VALUE for each value that it is filled with; None for what is no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) or VALUE for part in node.values)
    return None


@cache
def texts(module: str) -> frozenset[str]:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    found = (template(node) for node in ast.walk(tree) if isinstance(node, ast.expr))
    return frozenset(text for text in found if text)


@cache
def messages(module: str) -> frozenset[str]:
    """The texts of the module's own in what it gives to InputError; one that hands on another's message has none."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    raised = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "InputError"]
    inside = [node for call in raised for node in ast.walk(call)]
    parts = {id(part) for node in inside if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part is not node}
    found = (template(node) for node in inside if isinstance(node, ast.expr) and id(node) not in parts)
    return frozenset(text for text in found if text and re.search(r"[A-Za-z]+ [A-Za-z]+", text))


def stands_in(message: str, text: str) -> bool:
    """Whether the words of a message stand in a text in their order, with a value of the code for each `…` between them."""
    between = f".*{VALUE}.*"
    words = between.join(re.escape(part) for part in re.split(r"\s*…\s*", message))
    return re.search(words, text, flags=re.S) is not None


@pytest.mark.parametrize("message", [message for family in families() for message in family.messages])
def test_each_message_that_the_page_names_stands_in_the_code(message: str):
    assert any(stands_in(message, text) for module in MODULES for text in texts(module))


@pytest.mark.parametrize("module", [module for module in MODULES if messages(module)])
def test_each_module_that_has_messages_is_in_a_family(module: str):
    named = [message for family in families() for message in family.messages]
    assert any(stands_in(message, text) for message in named for text in messages(module)), (
        f"{module} raises InputError, and no row of docs/troubleshooting.md has its message; add its family, with cause and cure"
    )


def test_each_family_has_a_cause_and_a_cure():
    assert len(families()) > 50
    assert all(family.messages and family.cause and family.cure for family in families())


def test_no_message_stands_in_two_families():
    named = [message for family in families() for message in family.messages]
    assert len(set(named)) == len(named)
