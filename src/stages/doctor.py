"""Stage `doctor`: whether this machine can do the profile's run, and what the run costs; `make doctor` too.

    python -m src.stages.doctor [--plan-only] [--json]

Reads   the machine, and the settings that say what it must have
Writes  outputs/doctor.txt  always the same, so that the stages after it never run again because of it
        metrics/plan.json   what the profile needs and costs: a function of the profile's section `machine` alone
Params  profile: machine; data, base, engine, train (their sources, engines and GPUs)

What was found is printed only. Exit status 1 says that a setting is wrong or that the machine cannot do the run.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.files import require_file, write_text
from src.core.params import add_profile_argument, load_profile_section, profile_path
from src.core.records import to_json, write_metrics
from src.ops.checkout import find_checkout
from src.ops.findings import Finding, check_findings, table, warning_lines
from src.ops.machine import (
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
from src.stages.all_settings import Settings, check_sources, hub_revisions, load_settings


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
        if needs_gpu_packages(settings):
            found.append(find_packages(Path("requirements-gpu.txt")))
        found.append(find_gpus(machine.gpus, machine.gpu_memory, machine.gpu_capability))
    else:
        found += find_engine_modules(settings.engine.name == "vllm", settings.engine.workers)
    found += [find_memory(machine.memory), find_disk(machine.disk, Path(".")), *find_checkout(profile, os.environ)]
    if revisions := hub_revisions(settings):
        found.append(find_hub(revisions))
    return (*found, *(examine_dvc() if machine.gpus else ()))


def needs_gpu_packages(settings: Settings) -> bool:
    """Whether a run on GPUs needs requirements-gpu.txt: for vLLM, or for several engines side by side."""
    workers = settings.engine.workers
    return settings.engine.name == "vllm" or (settings.machine.gpus if workers is None else workers) > 1


def examine_dvc() -> tuple[Finding, ...]:
    """Findings on DVC's own settings."""
    from dvc.config import Config  # a tenth of a second, and only a repository has one
    from dvc.exceptions import DvcException

    try:
        dvc_config = Config.from_cwd()
    except DvcException as error:
        raise InputError(f".dvc/config cannot be read ({error}); repair it, or restore it from Git") from error
    return find_cache_type(dvc_config, os.geteuid()), find_remote(dvc_config)


def diagnose(profile: Path, plan_only: bool, as_json: bool) -> Plan | None:
    """Print the plan and the findings; the plan of a run that this machine can do, None where it was not looked at."""
    settings = None if plan_only else load_settings(profile)
    if settings is not None:
        check_sources(settings, profile)
    machine = load_profile_section("machine", MachineSettings, profile)
    plan = make_plan(machine)
    if not as_json:
        print(plan_lines(plan, machine), flush=True)
    findings = None if settings is None else examine(settings, profile)
    # Printed before an error can be, also where Python holds back what goes to a file.
    if as_json:
        print(json.dumps(to_json(Diagnosis(plan, findings)), indent=2), flush=True)
    elif findings is not None:
        print("\n".join([table(findings), *warning_lines(findings)]), flush=True)
    if findings is None:
        return None
    check_findings(findings, "this machine cannot do the run of its profile")
    return plan


def main() -> None:
    parser = command_line("python -m src.stages.doctor", __doc__)
    parser.add_argument("--plan-only", action="store_true", help="print what the profile needs and costs; look at nothing")
    parser.add_argument("--json", action="store_true", help="print the plan and the findings as JSON")
    add_profile_argument(parser)
    arguments = parser.parse_args()

    profile = profile_path(arguments.profile)
    if plan := diagnose(profile, arguments.plan_only, arguments.json):
        write_metrics(Path("metrics/plan.json"), plan)
        write_text(Path("outputs/doctor.txt"), "The machine of this run can do it. `make doctor` checks the one at hand.\n")


if __name__ == "__main__":
    run_stage(main)
