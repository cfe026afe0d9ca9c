"""Stage `doctor`: whether this machine can do the profile's run, and what the run costs. The first stage, and `make doctor`.

    python -m src.stages.doctor [--plan-only] [--json]

Reads   the machine
Writes  outputs/doctor.txt  always the same, so that the stages after it never run again because of it
        metrics/plan.json   what the profile needs and costs: a function of the params alone
Params  profile: machine, data, base (their sources)

What was found on the machine is printed only. Exit status 1 says that the machine cannot do the run.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.files import require_file, write_text
from src.core.params import add_profile_argument, load_profile_section, load_profile_value, profile_path
from src.core.records import to_json, write_metrics
from src.core.shapes import Count, NonNegative
from src.ops.machine import (
    Finding,
    find_cache_type,
    find_disk,
    find_gpus,
    find_hub,
    find_memory,
    find_packages,
    find_python,
    find_remote,
)
from src.stages import run_stage


@dataclass(frozen=True)
class Hours:
    """Hours of the whole machine, by what it does in them.

    install  packages, and at the end the push
    base     download and conversion, or training
    answer   both policies
    """

    install: NonNegative
    base: NonNegative
    sample: NonNegative
    train: NonNegative
    answer: NonNegative


@dataclass(frozen=True)
class MachineSettings:
    """The section `machine` of a profile.

    gpus              0 for a run on the CPU
    gpu_memory        GB that each GPU must have at least
    gpu_capability    compute capability that each GPU must have at least
    memory            GB
    disk              GB free on the file system of the checkout
    dollars_per_hour  of the whole machine
    """

    gpus: Count
    gpu_memory: NonNegative
    gpu_capability: NonNegative
    memory: NonNegative
    disk: NonNegative
    hours: Hours
    dollars_per_hour: NonNegative


@dataclass(frozen=True)
class Plan:
    """metrics/plan.json: what the profile needs (GB) and costs; GPU hours are those in which the GPUs work."""

    gpus: Count
    gpu_memory: NonNegative
    memory: NonNegative
    disk: NonNegative
    gpu_hours: NonNegative
    machine_hours: NonNegative
    dollars: NonNegative


@dataclass(frozen=True)
class Diagnosis:
    """What `--json` prints; no findings where nothing was looked at."""

    plan: Plan
    findings: tuple[Finding, ...] | None = None


def make_plan(settings: MachineSettings) -> Plan:
    """What the profile needs and costs."""
    hours = settings.hours
    machine_hours = hours.install + hours.base + hours.sample + hours.train + hours.answer
    return Plan(
        gpus=settings.gpus,
        gpu_memory=settings.gpu_memory,
        memory=settings.memory,
        disk=settings.disk,
        gpu_hours=round(settings.gpus * (hours.sample + hours.train + hours.answer), 2),
        machine_hours=round(machine_hours, 2),
        dollars=round(machine_hours * settings.dollars_per_hour, 2),
    )


def plan_lines(plan: Plan) -> str:
    """The plan in two lines to read."""
    gpus = f"{plan.gpus} GPUs of {plan.gpu_memory:g} GB" if plan.gpus else "no GPU"
    return (
        f"needs: {gpus}, {plan.memory:g} GB of memory, {plan.disk:g} GB of free disk\n"
        f"costs about: {plan.machine_hours:g} hours of the machine, {plan.gpu_hours:g} GPU hours, {plan.dollars:,.2f} "
        "dollars (estimates; the profile says from what)"
    )


def names_hub(sources: Sequence[str | None]) -> bool:
    """Whether any of data.source, base.source and base.adapter lies on the hub."""
    return any(source is not None and source.partition(":")[0] == "hub" for source in sources)


def load_sources(profile: Path) -> tuple[str | None, ...]:
    """Where the profile's data and models come from."""
    return (
        load_profile_value("data", "source", str, profile),
        load_profile_value("base", "source", str, profile),
        load_profile_value("base", "adapter", str | None, profile),
    )


def examine(settings: MachineSettings, sources: Sequence[str | None]) -> tuple[Finding, ...]:
    """All findings; `sources` is where data and models come from.

    A remote and the cache's type matter to runs of hours, so runs without a GPU leave them out.
    """
    for file in ("requirements.txt", "requirements-gpu.txt"):
        require_file(Path(file), "restore it from Git")
    found = [find_python(), find_packages(Path("requirements.txt"))]
    if settings.gpus:
        found += [
            find_packages(Path("requirements-gpu.txt")),
            find_gpus(settings.gpus, settings.gpu_memory, settings.gpu_capability),
        ]
    found += [find_memory(settings.memory), find_disk(settings.disk, Path("."))]
    if names_hub(sources):
        found.append(find_hub())
    if settings.gpus:
        from dvc.config import Config  # a tenth of a second, and only a repository has one
        from dvc.exceptions import DvcException

        try:
            dvc_config = Config.from_cwd()
        except DvcException as error:
            raise InputError(f".dvc/config cannot be read ({error}); repair it, or restore it from Git") from error
        found += [find_cache_type(dvc_config, os.geteuid()), find_remote(dvc_config)]
    return tuple(found)


def table(findings: Sequence[Finding]) -> str:
    """The findings in aligned columns."""
    rows = [("check", "wanted", "found", ""), *((item.check, item.wanted, item.found, item.verdict) for item in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(" | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def findings_lines(findings: Sequence[Finding]) -> str:
    """The table, and a line for each warning with its cure."""
    warnings = (item for item in findings if item.verdict == "warning")
    return "\n".join([table(findings), *(f"warning: {item.check}: {item.found}; {item.cure}" for item in warnings)])


def check_findings(findings: Sequence[Finding]) -> None:
    """InputError, with a line for each, if any of the findings is a FAIL."""
    if failed := [item for item in findings if item.verdict == "FAIL"]:
        lines = [f"- {item.check}: wanted {item.wanted}, found {item.found}; {item.cure}" for item in failed]
        raise InputError("\n".join([f"this machine cannot do the run of its profile ({len(failed)} of the checks):", *lines]))


def main() -> None:
    parser = command_line("python -m src.stages.doctor", __doc__)
    parser.add_argument("--plan-only", action="store_true", help="print what the profile needs and costs; look at nothing")
    parser.add_argument("--json", action="store_true", help="print the plan and the findings as JSON")
    add_profile_argument(parser)
    arguments = parser.parse_args()

    profile = profile_path(arguments.profile)
    settings = load_profile_section("machine", MachineSettings, profile)
    plan = make_plan(settings)
    if not arguments.json:
        print(plan_lines(plan), flush=True)
    findings = None if arguments.plan_only else examine(settings, load_sources(profile))
    # Printed before an error can be, also where Python holds back what goes to a file.
    if arguments.json:
        print(json.dumps(to_json(Diagnosis(plan, findings)), indent=2), flush=True)
    elif findings is not None:
        print(findings_lines(findings), flush=True)
    if findings is None:
        return
    check_findings(findings)
    write_metrics(Path("metrics/plan.json"), plan)
    write_text(Path("outputs/doctor.txt"), "The machine of this run can do it. `make doctor` checks the one at hand.\n")


if __name__ == "__main__":
    run_stage(main)
