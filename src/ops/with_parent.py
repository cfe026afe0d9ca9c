"""Run a command that ends when what started it ends, however that was ended.

    python -m src.ops.with_parent COMMAND [ARGUMENT ...]

A sweep or a script that SIGKILL has ended can end nothing any more, so the kernel ends the command for it (on Linux), and
a stage ends with its DVC. The setting outlives the exec by which this process becomes the command.
"""

import argparse
import os
import sys

from src.core.command import command_line, end_with_parent, is_orphan, run_command
from src.core.errors import InputError


def main() -> None:
    parser = command_line("python -m src.ops.with_parent", __doc__)
    parser.add_argument("command", help="a program on PATH, and what it is given", nargs=argparse.REMAINDER)
    command = parser.parse_args().command
    if not command or command[0].startswith("-"):
        parser.error(f"unrecognized arguments: {command[0]}" if command else "name the command")
    end_with_parent()
    if is_orphan():  # what started it had ended before this process was tied to it
        sys.exit(1)
    try:
        os.execvp(command[0], command)
    except FileNotFoundError as error:
        raise InputError(f"{command[0]} is not on PATH: run it by make, or activate .venv") from error


if __name__ == "__main__":
    run_command(main)
