"""Stage `doctor`: whether all settings are good, and this machine can do the profile's run. The first stage, and `make doctor`.

    python -m src.stages.doctor [--plan-only | --settings-only] [--json]

Reads   the machine; params.yaml and profiles/, whole: every edit of a setting runs this stage again, and no other by it
Writes  outputs/doctor.txt  always the same, so that the stages after it never run again because of it
        metrics/plan.json   what the profile needs and costs: a function of the profile's section `machine` alone
Params  profile: machine

What was found is printed only. Exit status 1 says that a setting is wrong or that the machine cannot do the run.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.files import require_file, write_text
from src.core.params import add_profile_argument, load_profile_section, profile_path
from src.core.records import to_json, write_metrics
from src.ops.checkout import find_identity, find_links, find_unused_profiles, is_in_workspace
from src.ops.machine import (
    Finding,
    find_cache_type,
    find_disk,
    find_engine_modules,
    find_gpus,
    find_hub,
    find_memory,
    find_packages,
    find_python,
    find_remote,
)
from src.ops.plan import MachineSettings, Plan, make_plan, plan_lines
from src.stages import run_stage
from src.stages.settings import Settings, hub_revisions, load_settings


@dataclass(frozen=True)
class Diagnosis:
    """What `--json` prints; no findings where nothing was looked at."""

    plan: Plan
    findings: tuple[Finding, ...] | None = None


def examine(settings: Settings, profile: Path) -> tuple[Finding, ...]:
    """All findings on the run by the settings of this profile's file.

    A remote and the cache's type matter to runs of hours, so runs without a GPU leave them out.
    """
    machine = settings.machine
    for file in ("requirements.txt", "requirements-gpu.txt"):
        require_file(Path(file), "restore it from Git")
    found = [find_python(), find_packages(Path("requirements.txt"))]
    if machine.gpus:
        found += [
            find_packages(Path("requirements-gpu.txt")),
            find_gpus(machine.gpus, machine.gpu_memory, machine.gpu_capability),
        ]
    else:
        found += find_engine_modules(settings.engine.name == "vllm", settings.engine.workers)
    found += [find_memory(machine.memory), find_disk(machine.disk, Path("."))]
    found += examine_checkout(profile)
    if revisions := hub_revisions(settings):
        found.append(find_hub(revisions))
    return (*found, *(examine_dvc() if machine.gpus else ()))


def examine_checkout(profile: Path) -> list[Finding]:
    """Findings on the checkout; the name of who commits matters to experiments alone, and to those who are about to make one."""
    in_experiment = is_in_workspace(os.environ)
    found = [find_links(Path("."))]
    if in_experiment or "DVC_STAGE" not in os.environ:
        found.append(find_identity(in_experiment, os.environ))
    return [*found, *find_unused_profiles(profile, os.environ.get("DVC_EXP_BASELINE_REV"))]


def examine_dvc() -> tuple[Finding, ...]:
    """Findings on DVC's own settings."""
    from dvc.config import Config  # a tenth of a second, and only a repository has one
    from dvc.exceptions import DvcException

    try:
        dvc_config = Config.from_cwd()
    except DvcException as error:
        raise InputError(f".dvc/config cannot be read ({error}); repair it, or restore it from Git") from error
    return find_cache_type(dvc_config, os.geteuid()), find_remote(dvc_config)


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


def diagnose(profile: Path, plan_only: bool, as_json: bool) -> Plan | None:
    """Print the plan and the findings; the plan of a run that this machine can do, None where it was not looked at."""
    settings = None if plan_only else load_settings(profile)
    plan = make_plan(load_profile_section("machine", MachineSettings, profile))
    if not as_json:
        print(plan_lines(plan), flush=True)
    findings = None if settings is None else examine(settings, profile)
    # Printed before an error can be, also where Python holds back what goes to a file.
    if as_json:
        print(json.dumps(to_json(Diagnosis(plan, findings)), indent=2), flush=True)
    elif findings is not None:
        print(findings_lines(findings), flush=True)
    if findings is None:
        return None
    check_findings(findings)
    return plan


def check_settings(profile: Path) -> None:
    """InputError for what no run can do, whatever the machine: faults of the settings, and folders that DVC fails at."""
    load_settings(profile)
    check_findings([find_links(Path("."))])


def main() -> None:
    parser = command_line("python -m src.stages.doctor", __doc__)
    parser.add_argument("--plan-only", action="store_true", help="print what the profile needs and costs; look at nothing")
    parser.add_argument("--settings-only", action="store_true", help="look at all settings and the folders of outputs, not more")
    parser.add_argument("--json", action="store_true", help="print the plan and the findings as JSON")
    add_profile_argument(parser)
    arguments = parser.parse_args()

    profile = profile_path(arguments.profile)
    if arguments.settings_only:
        check_settings(profile)
    elif plan := diagnose(profile, arguments.plan_only, arguments.json):
        write_metrics(Path("metrics/plan.json"), plan)
        write_text(Path("outputs/doctor.txt"), "The machine of this run can do it. `make doctor` checks the one at hand.\n")


if __name__ == "__main__":
    run_stage(main)
