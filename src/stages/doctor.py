"""Stage `doctor`: whether this machine can do the profile's run, and what the run costs. The first stage, and `make doctor`.

Reads   the machine
Writes  outputs/doctor.txt  always the same, so that the stages after it never run again because of it
        metrics/plan.json   what the profile needs and costs: a function of the params alone
Params  profile: machine, data, base (their sources)

What was found on the machine is printed only. `--plan-only` prints the plan, looks at nothing and writes nothing.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from src.errors import InputError, run_stage
from src.machine import (
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
from src.params import load_profile_section, load_profile_value
from src.records import require_file, write_json, write_text


@dataclass(frozen=True)
class Hours:
    """Hours of the whole machine, by what it does in them."""

    install: float  # packages, and at the end the push
    base: float  # download and conversion, or training
    sample: float
    train: float
    eval: float  # both policies


@dataclass(frozen=True)
class MachineSettings:
    gpus: int  # 0 for a run on the CPU
    gpu_memory: float  # GB, the least that each GPU must have
    gpu_capability: float  # least compute capability of each GPU
    memory: float  # GB
    disk: float  # GB free on the file system of the checkout
    hours: Hours
    dollars_per_hour: float  # of the whole machine

    def __post_init__(self) -> None:
        numbers = {f"hours.{key}": value for key, value in asdict(self.hours).items()}
        numbers |= {item.name: getattr(self, item.name) for item in fields(self) if item.name != "hours"}
        if below := [f"{name} = {value}" for name, value in numbers.items() if value < 0]:
            raise ValueError(f"{', '.join(below)}; give 0 or more")


def make_plan(settings: MachineSettings) -> dict[str, float]:
    """What the profile needs (GB) and costs (hours, dollars); GPU hours are those in which the GPUs work."""
    hours = settings.hours
    machine_hours = hours.install + hours.base + hours.sample + hours.train + hours.eval
    return {
        "gpus": settings.gpus,
        "gpu_memory": settings.gpu_memory,
        "memory": settings.memory,
        "disk": settings.disk,
        "gpu_hours": round(settings.gpus * (hours.sample + hours.train + hours.eval), 2),
        "machine_hours": round(machine_hours, 2),
        "dollars": round(machine_hours * settings.dollars_per_hour, 2),
    }


def plan_lines(plan: dict[str, float]) -> str:
    gpus = f"{plan['gpus']} GPUs of {plan['gpu_memory']:g} GB" if plan["gpus"] else "no GPU"
    return (
        f"needs: {gpus}, {plan['memory']:g} GB of memory, {plan['disk']:g} GB of free disk\n"
        f"costs about: {plan['machine_hours']:g} hours of the machine, {plan['gpu_hours']:g} GPU hours, {plan['dollars']:,.2f} "
        "dollars (estimates; the profile says from what)"
    )


def names_hub(sources: Sequence[str | None]) -> bool:
    """Whether any of data.source, base.source and base.adapter lies on the hub."""
    return any(source is not None and source.partition(":")[0] == "hub" for source in sources)


def examine(settings: MachineSettings, sources: Sequence[str | None]) -> list[Finding]:
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
            raise InputError(f".dvc/config cannot be read ({error}); mend it, or restore it from Git") from error
        found += [find_cache_type(dvc_config, os.geteuid()), find_remote(dvc_config)]
    return found


def table(findings: Sequence[Finding]) -> str:
    rows = [("check", "wanted", "found", ""), *((item.check, item.wanted, item.found, item.verdict) for item in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(" | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m src.stages.doctor", description="Can this machine do the profile's run?")
    parser.add_argument("--plan-only", action="store_true", help="print what the profile needs and costs; check nothing")
    plan_only = parser.parse_args().plan_only

    settings = load_profile_section("machine", MachineSettings)
    plan = make_plan(settings)
    print(plan_lines(plan))
    if plan_only:
        return
    sources = (
        load_profile_value("data", "source", str),
        load_profile_value("base", "source", str),
        load_profile_value("base", "adapter", str | None),
    )
    findings = examine(settings, sources)
    # Printed before an error can be, also where Python holds back what goes to a file.
    print(table(findings), flush=True)
    for item in findings:
        if item.verdict == "warning":
            print(f"warning: {item.check}: {item.found}; {item.cure}", flush=True)
    if failed := [item for item in findings if item.verdict == "FAIL"]:
        lines = [f"- {item.check}: wanted {item.wanted}, found {item.found}; {item.cure}" for item in failed]
        raise InputError("\n".join([f"this machine cannot do the run of its profile ({len(failed)} of the checks):", *lines]))
    write_json(Path("metrics/plan.json"), plan)
    write_text(Path("outputs/doctor.txt"), "The machine of this run can do it. `make doctor` checks the one at hand.\n")


if __name__ == "__main__":
    run_stage(main)
