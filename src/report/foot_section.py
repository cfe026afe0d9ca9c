"""The foot of report.html: what made the page, and the one command that makes it again."""

from collections.abc import Mapping
from dataclasses import dataclass

from src.core.shapes import FilledText, NonNegative
from src.report.pieces import Table, count


@dataclass(frozen=True)
class StageSeconds:
    """How long a stage took. `stage` is its name in dvc.yaml."""

    stage: FilledText
    seconds: NonNegative


@dataclass(frozen=True)
class Foot:
    """All that the foot shows.

    commit    of the code, with what is to be said of it, such as that files are edited
    command   that makes the page again, in a shell at the root of the checkout
    profile   its name
    machine   that made the run; plan: what the profile needs and costs, a line each
    seconds   none where they were not taken
    """

    commit: FilledText
    command: FilledText
    profile: FilledText
    params_text: str
    profile_text: str
    versions: Table
    machine: FilledText
    plan: tuple[str, ...]
    seconds: tuple[StageSeconds, ...] = ()

    @property
    def seconds_table(self) -> Table:
        """The stages in their order, and all of them together."""
        rows = [(item.stage, f"{item.seconds:,.1f}") for item in self.seconds]
        total = ("all", f"{sum(item.seconds for item in self.seconds):,.1f}")
        return Table("Seconds by stage", ("stage", "seconds"), (*rows, total))


def foot(
    *,
    commit: str,
    command: str,
    profile: str,
    params_text: str,
    profile_text: str,
    versions: Mapping[str, str],
    machine: str,
    plan: str,
    seconds: tuple[StageSeconds, ...] = (),
) -> Foot:
    """The foot from what stage report knows.

    params_text, profile_text  the files as they stand, comments included: those say what a value means
    versions                   of packages by name, as in versions.yaml
    plan                       a sentence a line, such as `plan_lines` of src/ops/plan.py gives
    """
    rows = tuple((name, version) for name, version in sorted(versions.items()))
    return Foot(
        commit=commit,
        command=command,
        profile=profile,
        params_text=params_text,
        profile_text=profile_text,
        versions=Table(f"{count(len(rows))} packages on which a result may depend", ("package", "version"), rows),
        machine=machine,
        plan=tuple(line.strip() for line in plan.splitlines() if line.strip()),
        seconds=seconds,
    )
