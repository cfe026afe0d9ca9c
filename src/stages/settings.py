"""Stage `settings`: whether all settings are good, before anything expensive begins. The first stage of all.

    python -m src.stages.settings [--check]

Reads   params.yaml and profiles/, whole: every edit of a setting runs this stage again, and no other because of it
Writes  outputs/settings.txt  always the same, for that reason

What a machine must have is no matter here (see stage `doctor`), so that figures of another machine can be weighed and reported
on any. `--check` writes nothing.
"""

import os
from pathlib import Path

from src.core.command import command_line
from src.core.files import write_text
from src.core.params import add_profile_argument, profile_path
from src.ops.checkout import find_checkout
from src.ops.findings import check_findings, warning_lines
from src.stages import run_stage
from src.stages.all_settings import load_settings


def main() -> None:
    parser = command_line("python -m src.stages.settings", __doc__)
    parser.add_argument("--check", action="store_true", help="look at everything, and write nothing")
    add_profile_argument(parser)
    arguments = parser.parse_args()
    profile = profile_path(arguments.profile)
    load_settings(profile)
    findings = find_checkout(profile, os.environ)
    for line in warning_lines(findings):
        print(line, flush=True)
    check_findings(findings, "no run can be done in this checkout")
    if not arguments.check:
        write_text(Path("outputs/settings.txt"), "The settings of this run are good. `make doctor` checks those at hand.\n")


if __name__ == "__main__":
    run_stage(main)
