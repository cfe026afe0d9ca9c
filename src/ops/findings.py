"""What a look at a setting, a checkout or a machine found, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from src.core.errors import InputError


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table. `cure` says what to do about a warning or a FAIL, and is empty for ok."""

    check: str
    wanted: str
    found: str
    verdict: Literal["ok", "warning", "FAIL"]
    cure: str = ""


def judged(check: str, wanted: str, found: str, good: bool, cure: str) -> Finding:
    """An ok Finding, or a FAIL with its cure."""
    return Finding(check, wanted, found, "ok") if good else Finding(check, wanted, found, "FAIL", cure)


def table(findings: Sequence[Finding]) -> str:
    """The findings in aligned columns."""
    rows = [("check", "wanted", "found", ""), *((item.check, item.wanted, item.found, item.verdict) for item in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(" | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def warning_lines(findings: Sequence[Finding]) -> list[str]:
    """A line for each warning with its cure."""
    return [f"warning: {item.check}: {item.found}; {item.cure}" for item in findings if item.verdict == "warning"]


def check_findings(findings: Sequence[Finding], head: str) -> None:
    """InputError, `head` first and then a line for each, if any of the findings is a FAIL."""
    if failed := [item for item in findings if item.verdict == "FAIL"]:
        lines = [f"- {item.check}: wanted {item.wanted}, found {item.found}; {item.cure}" for item in failed]
        raise InputError("\n".join([f"{head} ({len(failed)} of the checks):", *lines]))
