"""Python commands, each in a process of its own that need not load DVC again: it is forked from one that has.

To load DVC takes half a second, and a test that kills it fifty times runs it two hundred times. The server process below
loads what its children have loaded, and nothing of src or tests; all else of a command, its folder, environment, files and
end by a signal, is as if it had been started anew.
"""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self, TextIO

# Never loaded by the server: a command runs those of its own folder.
OURS = ("src", "tests", "__main__", "__mp_main__")


@dataclass(frozen=True)
class Command:
    """arguments  after `python`: `-m module …` or `file …`."""

    arguments: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    stdout: str
    stderr: str
    loaded: str  # a file that gets the names of the modules that the command has loaded


class WarmPython:
    """Runs commands as subprocess.run does: `dvc …`, `python -m module …` and `python file …` warm, all else as ever."""

    def __enter__(self) -> Self:
        self.scratch = TemporaryDirectory()
        self.server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error: object) -> None:
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.close()  # which ends it
        self.server.wait()
        self.server.stdout.close()
        self.scratch.cleanup()

    def run(self, folder: Path, *command: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Returns when the command has ended; a negative status is the signal that ended it."""
        program, *arguments = command
        if program == "dvc":
            return self._run(folder, ["-m", "dvc", *arguments], environment)
        if program in ("python", sys.executable) and arguments[0] != "-c":
            return self._run(folder, arguments, environment)
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)

    def _run(self, folder: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        assert self.server.stdin is not None and self.server.stdout is not None
        stdout, stderr, loaded = (Path(self.scratch.name, name) for name in ("stdout", "stderr", "loaded"))
        command = Command(arguments, str(folder), dict(environment), str(stdout), str(stderr), str(loaded))
        self.server.stdin.write(json.dumps(asdict(command)) + "\n")
        self.server.stdin.flush()
        status = int(self.server.stdout.readline())
        done = subprocess.CompletedProcess(["python", *arguments], status, stdout.read_text(), stderr.read_text())
        stdout.unlink()  # a child that outlives a killed command must not write into the next one's
        stderr.unlink()
        return done


# --- the server ---


def serve(commands: TextIO, statuses: TextIO) -> None:
    """Run each command that comes in a child, write its status, and load what it has loaded."""
    for line in commands:
        command = Command(**json.loads(line))
        Path(command.loaded).unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            run_here(command)
        _, status = os.waitpid(child, 0)
        statuses.write(f"{os.waitstatus_to_exitcode(status)}\n")
        statuses.flush()
        if Path(command.loaded).exists():
            load(json.loads(Path(command.loaded).read_text()))


def load(names: Sequence[str]) -> None:
    for name in names:
        if name not in sys.modules and name.split(".")[0] not in OURS:
            try:
                import_module(name)
            except ImportError:
                pass  # no module of a file: what another made of itself


def run_here(command: Command) -> None:
    """Become the command. Does not return."""
    for number, path in ((1, command.stdout), (2, command.stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(command.folder)
    os.environ.clear()
    os.environ.update(command.environment)
    status = 1
    try:
        status = run_python(command.arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(command.loaded).write_text(json.dumps(list(sys.modules)))
        os._exit(status)


def run_python(arguments: Sequence[str]) -> int:
    """The exit status; what it ends with is printed as Python does."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    try:
        if arguments[0] == "-m":
            sys.argv, sys.path = list(arguments[1:]), [os.getcwd(), *paths, *sys.path[1:]]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv, sys.path = list(arguments), [str(Path(arguments[0]).parent), *paths, *sys.path[1:]]
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    statuses = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, statuses)
