"""Machines of a cluster, played by processes of this one: Slurm's srun and scontrol, and what scripts/cluster starts on each.

What is played writes down how it was started, and reads the machines by the code that training reads them by.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORD = "record.jsonl"

# Starts the command once for each machine of the job; where one fails, --kill-on-bad-exit=1 ends the others.
SRUN = """
import itertools, os, subprocess, sys, time
options = list(itertools.takewhile(lambda argument: argument.startswith("--"), sys.argv[1:]))
command = sys.argv[1 + len(options) :]
count = int(os.environ["SLURM_JOB_NUM_NODES"])
tasks = [subprocess.Popen(command, env=os.environ | {"SLURM_NODEID": str(number)}) for number in range(count)]
while any(task.poll() is None for task in tasks):
    if "--kill-on-bad-exit=1" in options and any(task.poll() for task in tasks):
        for task in tasks:
            task.terminate()
    time.sleep(0.05)
sys.exit(max(abs(task.returncode) for task in tasks))
"""

# `scontrol show hostnames localhost,other` gives a line for each; nobody may read the others.
SCONTROL = """
import sys
assert sys.argv[1:3] == ["show", "hostnames"], sys.argv
sys.stdout.write("\\n".join(sys.argv[3].split(",")) + "\\n")
"""

# A head that answers on its port, or a machine that has joined one; both stay until they are ended.
RAY = """
import os, socket, sys, time
from tests.ops.cluster import write_down
write_down("ray")
options = dict(argument.lstrip("-").partition("=")[::2] for argument in sys.argv[2:])
if "head" in options:
    server = socket.create_server(("127.0.0.1", int(options["port"])))
    while True:
        server.accept()[0].close()
host, _, port = options["address"].rpartition(":")
socket.create_connection((host, int(port)))
print("Ray runtime started.", flush=True)
while True:
    time.sleep(1)
"""

# `dvc` and `python`: each does what the test has put into the environment as PLAY_<what was asked for>.
PLAYED = """
import os, sys
from tests.ops.cluster import write_down
name = os.path.basename(sys.argv[1])
del sys.argv[1]
write_down(name)
asked = "launch" if "src.training.launch" in sys.argv else sys.argv[-1]
os.execv("/bin/sh", ["sh", "-c", os.environ.get(f"PLAY_{asked}", "true")])
"""


@dataclass(frozen=True)
class Call:
    """A program as it was started.

    machines  count, rank, address and port as training reads them
    token     without which a Ray cluster does not answer; empty where none is asked for
    """

    program: str
    arguments: tuple[str, ...]
    machines: tuple[int, int, str | None, int]
    ray_address: str | None
    token: str

    def __str__(self) -> str:
        return f"{self.machines[1]}: {self.program} {' '.join(self.arguments)}"


def write_down(program: str) -> None:
    """Add to the record what this process was started as, and what its environment says to the code that reads it."""
    from src.training.launch import read_machines
    from tests.training.runs import training_settings

    machines = read_machines(training_settings())
    place = [machines.count, machines.rank, machines.address, machines.port]
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    asked = token.read_text() if os.environ["RAY_AUTH_MODE"] == "token" and token.exists() else ""
    call = [program, sys.argv[1:], place, os.environ.get("RAY_ADDRESS"), asked]
    with open(RECORD, "a") as file:
        file.write(json.dumps(call) + "\n")


def read_record(checkout: Path) -> list[Call]:
    """What was started, in turn."""
    calls = [json.loads(line) for line in (checkout / RECORD).read_text().splitlines()]
    return [Call(program, tuple(given), tuple(machines), ray, token) for program, given, machines, ray, token in calls]


def make_checkout(folder: Path) -> Path:
    """A folder with the scripts, an environment to activate, and the programs that are played, on its PATH."""
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f"export PATH={programs}:$PATH\n")
    for name, source in (("srun", SRUN), ("scontrol", SCONTROL), ("ray", RAY)):
        write_program(programs / name, f"#!{sys.executable}\n{source}")
    (programs / "played.py").write_text(PLAYED)
    for name in ("dvc", "python"):
        write_program(programs / name, f'#!/bin/sh\nexec {sys.executable} {programs}/played.py {name} "$@"\n')
    return folder


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def environment(checkout: Path, **variables: str) -> dict[str, str]:
    """Without what this process may have of a cluster."""
    of_cluster = ("SLURM_", "SKYPILOT_", "RAY_", "NNODES", "NODE_RANK", "MASTER_", "RUN_ID")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(of_cluster)}
    return kept | {"PATH": f"{checkout}/.venv/bin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)} | variables


def run_script(checkout: Path, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(checkout / "scripts/cluster" / script), *arguments]
    return subprocess.run(
        command, cwd=checkout, env=environment(checkout, **variables), capture_output=True, text=True, timeout=120
    )
