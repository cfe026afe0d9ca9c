"""Every command answers `--help` at once and refuses what it does not know, and does nothing else then."""

import os
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_SECONDS = 2.0  # of the processor, so that it does not matter what else runs
# What a command needs beside the argument that it does not know.
NEEDED = {
    "src.stages.answer": ("baseline",),
    "src.stages.eval": ("baseline",),
    "src.inspect": ("0",),
    "src.ops.export": ("parquet",),
    "src.ops.new_profile": ("mine", "--model", "hub:owner/name@0123456", "--data", "questions.jsonl"),
    "src.ops.publish": ("owner/name",),
    "src.ops.remote": ("push",),
    "src.ops.sweep": ("learning-rate",),
}
# What a script could call; each leaves its name in the folder if it is called.
CALLED_BY_SCRIPTS = ("apt-get", "curl", "dvc", "git", "make", "nohup", "nvidia-smi", "pip", "python", "python3", "setsid", "sudo")

# Python reads this when it starts: a command that imports torch ends at once, whatever it catches.
WITHOUT_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            sys.exit("torch is imported")

sys.meta_path.insert(0, NoTorch())
"""


def modules() -> list[str]:
    """Every stage, every other module that can be run, and the commands beside src."""
    ours = [path for folder in ("src", "bench") for path in (ROOT / folder).rglob("*.py")]
    with_main = [path for path in ours if '__name__ == "__main__"' in path.read_text(encoding="utf-8")]
    stages = [path for path in (ROOT / "src/stages").glob("*.py") if path.stem not in ("__init__", "all_settings")]
    others = [ROOT / "tests/faults/campaign.py", ROOT / "tests/faults/fuzz.py"]
    paths = {path.relative_to(ROOT).with_suffix("") for path in (*stages, *with_main, *others)}
    return sorted(".".join(path.parts).removesuffix(".__main__") for path in paths)


SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.sh"))


@dataclass(frozen=True)
class Command:
    """A command in a folder of its own, which holds nothing but what the command itself needs."""

    arguments: list[str]
    folder: Path
    environment: dict[str, str]
    usage: str
    left_before: set[Path]

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        environment = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"} | self.environment
        return subprocess.run(
            [*self.arguments, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def left(self) -> set[Path]:
        """What the command has left in its folder."""
        return set(self.folder.rglob("*")) - self.left_before


def module_command(module: str, tmp_path: Path) -> Command:
    hook, folder = tmp_path / "hook", tmp_path / "empty"
    hook.mkdir()
    folder.mkdir()
    (hook / "sitecustomize.py").write_text(WITHOUT_TORCH)
    if module == "src.ops.sweep":  # which knows the sweeps of its folder alone
        shutil.copytree(ROOT / "sweeps", folder / "sweeps")
    path = os.pathsep.join([str(hook), str(ROOT)])
    left_before = set(folder.rglob("*"))
    return Command([sys.executable, "-m", module], folder, {"PYTHONPATH": path}, f"usage: python -m {module}", left_before)


def script_command(script: str, tmp_path: Path) -> Command:
    """The script in a checkout that has nothing else, with traps for whatever it could call."""
    checkout, traps = tmp_path / "checkout", tmp_path / "traps"
    (checkout / "scripts").mkdir(parents=True)
    traps.mkdir()
    shutil.copy(ROOT / "scripts" / script, checkout / "scripts" / script)
    for name in CALLED_BY_SCRIPTS:
        (traps / name).write_text(f"#!/bin/sh\ntouch {checkout / name}\nexit 99\n")
        (traps / name).chmod(0o755)
    environment = {"PATH": f"{traps}{os.pathsep}{os.environ['PATH']}"}
    return Command([f"scripts/{script}"], checkout, environment, f"usage: scripts/{script}", set(checkout.rglob("*")))


@pytest.fixture(params=[*modules(), *SCRIPTS])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def command(name: str, tmp_path: Path) -> Command:
    return script_command(name, tmp_path) if name in SCRIPTS else module_command(name, tmp_path)


def processor_seconds() -> float:
    """Of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_commands_are_found():
    some = {"src.stages.train", "src.ops.repair", "src.training.launch", "bench", "bench.sampling", "tests.faults.fuzz"}
    assert some <= set(modules())
    assert SCRIPTS


def test_help_prints_how_to_use_it_and_does_nothing_else(command: Command):
    before = processor_seconds()
    done = command.run("--help")
    took = processor_seconds() - before
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith(command.usage)
    assert len(done.stdout.splitlines()) > 3, "the help says no more than the usage"
    assert took < MAX_SECONDS
    assert not command.left()


def test_an_argument_that_is_not_known_ends_with_status_2_and_does_nothing_else(command: Command, name: str):
    done = command.run(*NEEDED.get(name, ()), "--no-such-option")
    assert done.returncode == 2, done.stderr
    assert command.usage in done.stderr and "--no-such-option" in done.stderr
    assert done.stdout == "" and not command.left()
