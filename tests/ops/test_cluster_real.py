"""scripts/cluster/node.sh with the real Ray and the real training: two machines, here two processes, in one checkout."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.ops.cluster import ROOT, environment, write_program
from tests.training.test_launch import ADAPTER, assert_same, make_folder, read_result, train_here

pytestmark = pytest.mark.slow

# In place of DVC: before the pairs it counts the machines of the cluster as the engines do, and for training it runs the stage.
DVC = """
import sys
from pathlib import Path
if sys.argv[-1] == "prefs":
    from src.engines.workers import join_ray, resource_by_machine
    join_ray()
    Path("machines.txt").write_text(str(len(resource_by_machine("CPU"))))
elif sys.argv[-1] == "train":
    from src.stages.train import main
    sys.argv = ["python -m src.stages.train"]
    main()
"""


@pytest.fixture
def checkout(tmp_path, checkpoint, questions) -> Path:
    folder = make_folder(tmp_path / "checkout", checkpoint, questions, {})
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / ".venv/bin").mkdir(parents=True)
    write_program(folder / ".venv/bin/dvc", f"#!{sys.executable}\n{DVC}")
    return folder


def free_ports(count: int) -> list[str]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def start_machines(checkout: Path, log: Path) -> list[subprocess.Popen]:
    """Both machines of a run; what they print goes to a file of each."""
    training, ray = free_ports(2)
    address = socket.gethostbyname(socket.gethostname())
    place = {"NNODES": "2", "MASTER_ADDR": address, "MASTER_PORT": training, "RAY_PORT": ray, "RUN_ID": "real"}
    place |= {"OMP_NUM_THREADS": "1", "PATH": f"{checkout}/.venv/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return [
        subprocess.Popen(
            [checkout / "scripts/cluster/node.sh"],
            cwd=checkout,
            env=environment(checkout, **place, NODE_RANK=str(rank)),
            stdout=(log / f"{rank}.log").open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        for rank in range(2)
    ]


def end(machines: list[subprocess.Popen]) -> dict[int, list[str]]:
    """End what is left of the machines' processes after the minute that Ray's may take; returns the commands of those."""
    sessions, deadline = {machine.pid for machine in machines}, time.monotonic() + 90
    while (left := processes_of(sessions)) and time.monotonic() < deadline:
        time.sleep(0.5)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return left


def processes_of(sessions: set[int]) -> dict[int, list[str]]:
    """Those that run; an orphan that has ended may wait for the system to take note of it."""
    return {process.pid: process.cmdline() for process in psutil.process_iter() if is_of(process, sessions)}


def is_of(process: psutil.Process, sessions: set[int]) -> bool:
    try:
        return os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def test_two_machines_in_one_checkout_are_one_cluster_and_train_what_one_trains(checkout, tmp_path, checkpoint, questions):
    machines = start_machines(checkout, tmp_path)
    try:
        statuses = [machine.wait(timeout=400) for machine in machines]
    finally:
        left = end(machines)
    printed = [(tmp_path / f"{rank}.log").read_text() for rank in range(2)]
    assert statuses == [0, 0], "\n".join(printed)
    assert not left
    assert (checkout / "machines.txt").read_text() == "2"
    assert "machine 1: joins the training" in printed[1] and "machine 1: the run has ended" in printed[1]
    assert_same(train_here(tmp_path, checkpoint, questions, {}), read_result(checkout))
    assert sorted(path.name for path in (checkout / ADAPTER).iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
