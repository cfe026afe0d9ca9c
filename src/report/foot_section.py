"""The foot of report.html: what made the page, and the one command that makes it again."""

from collections.abc import Mapping
from dataclasses import dataclass

from src.core.shapes import FilledText
from src.report.pieces import Table, count


@dataclass(frozen=True)
class Foot:
    """All that the foot shows.

    commit                     of the code, with what is to be said of it, such as that files are edited
    command                    that makes the page again, in a shell at the root of the checkout
    profile                    its name
    params_text, profile_text  the files as they stand, comments included: those say what a value means
    machine                    that made the page
    """

    commit: FilledText
    command: FilledText
    profile: FilledText
    params_text: str
    profile_text: str
    versions: Table
    machine: FilledText


def versions_table(versions: Mapping[str, str]) -> Table:
    """The versions of packages by name, as in versions.yaml."""
    rows = tuple((name, version) for name, version in sorted(versions.items()))
    return Table(f"{count(len(rows))} packages on which a result may depend", ("package", "version"), rows)
