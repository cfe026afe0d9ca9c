"""scripts/cluster: one run on several machines, as far as one machine can show it.

That several workers of a Ray cluster write the texts of one engine, and two machines train what one trains, is held by
tests/engines/test_workers.py and tests/training/test_launch.py; here is what starts them.
"""

import os
import re
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import psutil
import pytest
import yaml

from tests.ops.cluster import RECORD, ROOT, environment, make_checkout, read_record, run_script, write_program

SCRIPTS = ("node.sh", "slurm.sh")
JOB = os.getpid()  # so that two runs of these tests take other ports
PORT, RAY = 20000 + JOB % 5000, f"localhost:{25000 + JOB % 5000}"
MACHINE = {"NNODES": "2", "NODE_RANK": "0", "MASTER_ADDR": "localhost", "RUN_ID": "one"}


@pytest.fixture
def checkout(tmp_path: Path):
    yield make_checkout(tmp_path)
    left = [
        process.info["cmdline"] for process in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(process.info["cmdline"])
    ]
    assert not left


def slurm(checkout: Path, nodes: int = 2, **variables: str) -> subprocess.CompletedProcess[str]:
    """The job as Slurm starts it: a copy of the script, from a folder of its own.

    Training ends only when the others have joined it, as a real one does: else a slow machine would find a run that has ended.
    """
    spool = checkout / "spool"
    spool.mkdir()
    shutil.copy(checkout / "scripts/cluster/slurm.sh", spool / "slurm_script")
    of_job = {
        "SLURM_JOB_ID": str(JOB),
        "SLURM_JOB_NUM_NODES": str(nodes),
        "SLURM_JOB_NODELIST": ",".join(["localhost", "another", "a-third"][:nodes]),
        "SLURM_SUBMIT_DIR": str(checkout),
        "PLAY_train": f'until [ "$(grep -c src.training.launch {RECORD})" -ge {nodes - 1} ]; do sleep 0.1; done',
    }
    given = environment(checkout, **(of_job | variables))
    return subprocess.run(["bash", spool / "slurm_script"], cwd=spool, env=given, capture_output=True, text=True, timeout=120)


# --- as they stand ---


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_is_sound_bash_and_may_be_run(name):
    path = ROOT / "scripts/cluster" / name
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_is_shown_and_unknown_arguments_are_refused(checkout, name):
    shown, refused = run_script(checkout, name, "--help"), run_script(checkout, name, "--help", "--fast")
    assert shown.returncode == 0 and shown.stdout.startswith(f"usage: scripts/cluster/{name} ") and not shown.stderr
    assert refused.returncode == 2 and refused.stderr.endswith("error: unknown arguments: --help --fast\n")
    assert not (checkout / ".work").exists() and not (checkout / "record.jsonl").exists()


def test_help_of_a_machine_names_every_setting_that_it_reads(checkout):
    text = (checkout / "scripts/cluster/node.sh").read_text()
    read = set(re.findall(r"\b[A-Z]+_[A-Z]+\b|\bNNODES\b", text)) - {
        "RAY_ADDRESS",
        "RAY_AUTH_MODE",
        "RAY_AUTH_TOKEN_PATH",
        "BASH_SOURCE",
    }
    shown = run_script(checkout, "node.sh", "--help").stdout
    assert {"MASTER_PORT", "WAIT_SECONDS"} < read and not [name for name in read if name not in shown]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"NNODES": ""}, "NNODES is not set (--help lists all settings)"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR is not set"),
        ({"NNODES": "two"}, "NNODES is 'two', where a number of machines is wanted"),
        ({"NODE_RANK": "2"}, "NODE_RANK is '2', where a number from 0 to 1 is wanted"),
        ({"RUN_ID": "../up"}, "RUN_ID is '../up', where a word"),
    ],
)
def test_settings_that_are_wrong_end_it_before_it_starts_anything(checkout, changes, words):
    done = run_script(checkout, "node.sh", **(MACHINE | changes))
    assert done.returncode == 1 and f"error: {words}" in done.stderr
    assert not (checkout / "record.jsonl").exists()


# --- Slurm ---


def test_a_job_of_two_machines_samples_as_one_ray_cluster_and_trains_together(checkout):
    done = slurm(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    calls = read_record(checkout)
    assert [str(call) for call in calls if call.program == "ray"] == [
        f"0: ray start --block --disable-usage-stats --head --port={RAY.rpartition(':')[2]} --include-dashboard=false",
        f"1: ray start --block --disable-usage-stats --address={RAY}",
    ]
    assert [str(call) for call in calls if call.program == "dvc"] == ["0: dvc repro prefs", "0: dvc repro train", "0: dvc repro"]
    assert [str(call) for call in calls if call.program == "python"] == ["1: python -m src.training.launch"]
    assert {call.machines for call in calls} == {(2, 0, "localhost", PORT), (2, 1, "localhost", PORT)}
    assert {call.ray_address for call in calls if call.program == "dvc"} == {RAY}
    assert len({call.token for call in calls}) == 1 and len(calls[0].token) == 64
    token = checkout / f".work/cluster/slurm-{JOB}-0/token"
    assert stat.filemode(token.stat().st_mode) == "-rw-------"


def test_the_others_join_the_training_only_when_there_are_pairs(checkout):
    slurm(checkout, PLAY_prefs="sleep 3; touch pairs", PLAY_launch="test -e pairs || exit 9")
    assert (checkout / "pairs").exists() and (checkout / f".work/cluster/slurm-{JOB}-0/end").read_text() == "0\n"


@pytest.mark.slow
def test_a_job_of_three_machines_has_each_by_its_number(checkout):
    assert slurm(checkout, nodes=3).returncode == 0
    joined = [call.machines for call in read_record(checkout) if call.program == "python"]
    assert sorted(joined) == [(3, 1, "localhost", PORT), (3, 2, "localhost", PORT)]


def test_a_job_of_one_machine_is_dvc_alone(checkout):
    assert slurm(checkout, nodes=1).returncode == 0
    assert [str(call) for call in read_record(checkout)] == ["0: dvc repro"]


def test_a_stage_that_fails_ends_all_machines(checkout):
    assert slurm(checkout, PLAY_train="exit 3").returncode != 0
    assert (checkout / f".work/cluster/slurm-{JOB}-0/end").read_text() == "3\n"
    assert [str(call) for call in read_record(checkout) if call.program == "dvc"] == ["0: dvc repro prefs", "0: dvc repro train"]


@pytest.mark.slow
def test_a_machine_that_fails_in_training_ends_the_job(checkout):
    done = slurm(checkout, PLAY_launch="exit 5", PLAY_train="exec sleep 20")
    assert done.returncode != 0 and "error: training failed on this machine" in done.stderr
    assert "0: dvc repro" not in [str(call) for call in read_record(checkout)]


@pytest.mark.slow
def test_where_there_is_nothing_to_train_the_others_do_not_wait_for_it(checkout):
    done = slurm(checkout, PLAY_launch="exec sleep 100")
    assert done.returncode == 0, done.stderr
    assert "1: python -m src.training.launch" in [str(call) for call in read_record(checkout)]


def test_without_slurm_it_says_how_to_submit_it(checkout):
    done = run_script(checkout, "slurm.sh")
    assert done.returncode == 1 and "submit it: sbatch scripts/cluster/slurm.sh" in done.stderr


# --- machines that do not come ---


def test_machines_that_do_not_come_end_the_run_with_what_they_must_see(checkout):
    done = run_script(checkout, "node.sh", **MACHINE, RAY_PORT=free_port(), WAIT_SECONDS="8")
    assert done.returncode == 1 and "error: not all of 2 machines came within 8 s; they must see" in done.stderr
    assert [call.program for call in read_record(checkout)] == ["ray"]


def test_a_machine_without_a_head_says_where_it_looked(checkout):
    port = free_port()
    done = run_script(checkout, "node.sh", **(MACHINE | {"NODE_RANK": "1"}), RAY_PORT=port, WAIT_SECONDS="2")
    assert done.returncode == 1 and f"error: no Ray answers at localhost:{port} within 2 s" in done.stderr


def test_a_run_that_has_ended_is_not_taken_for_a_new_one(checkout):
    (checkout / ".work/cluster/one").mkdir(parents=True)
    (checkout / ".work/cluster/one/end").write_text("0\n")
    done = run_script(checkout, "node.sh", **MACHINE)
    assert done.returncode == 1 and "a run named one has ended here already; give RUN_ID another word" in done.stderr


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


# --- SkyPilot ---

TASK = yaml.safe_load((ROOT / "scripts/cluster/skypilot.yaml").read_text())
# Keys of a task and of its resources in SkyPilot 0.14 (sky/utils/schemas.py); any other is refused there.
TASK_KEYS = {"name", "workdir", "num_nodes", "resources", "volumes", "file_mounts", "envs", "secrets", "setup", "run"}
RESOURCE_KEYS = {"infra", "accelerators", "cpus", "memory", "disk_size", "disk_tier", "use_spot", "image_id", "ports", "autostop"}


def test_the_task_has_the_keys_and_types_that_skypilot_knows():
    assert TASK.keys() <= TASK_KEYS and TASK["resources"].keys() <= RESOURCE_KEYS
    assert isinstance(TASK["num_nodes"], int) and isinstance(TASK["run"], str)
    assert all(isinstance(count, int) for count in TASK["resources"]["accelerators"].values())
    assert all(value is None or isinstance(value, str) for value in (TASK["envs"] | TASK["secrets"]).values())
    assert set(TASK["secrets"].values()) == {None}  # none of them stands in the file
    assert (ROOT / f"profiles/{TASK['envs']['PROFILE']}.yaml").exists()


def test_the_task_s_machine_has_what_its_profile_needs():
    machine = yaml.safe_load((ROOT / f"profiles/{TASK['envs']['PROFILE']}.yaml").read_text())["machine"]
    assert int(TASK["resources"]["memory"].rstrip("+")) >= machine["memory"]
    assert TASK["resources"]["disk_size"] >= machine["disk"] + 15
    assert set(TASK["resources"]["accelerators"].values()) == {machine["gpus"]}


def run_task(checkout: Path, **variables: str) -> list[str]:
    """What the task runs on a machine: the script, and the settings that it gets."""
    for name in ("lambda.sh", "cluster/node.sh"):
        settings = "$PROFILE $NNODES $NODE_RANK $MASTER_ADDR $RUN_ID"
        write_program(checkout / "scripts" / name, f'#!/bin/sh\necho "$0 $@ {settings}" >{checkout}/started\n')
    given = environment(checkout, PROFILE="qwen", SHARED=str(checkout), **variables)
    done = subprocess.run(["bash", "-c", TASK["run"]], cwd=checkout, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    script, *settings = (checkout / "started").read_text().split()
    return [script.removeprefix(f"{checkout}/"), *settings]


def test_the_task_on_one_machine_is_the_script_that_prepares_it_and_pushes(checkout):
    assert run_task(checkout, SKYPILOT_NUM_NODES="1") == ["scripts/lambda.sh", "--foreground", "qwen"]


def test_the_task_on_several_machines_tells_each_its_place(checkout):
    of_task = {"SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_TASK_ID": "sky-2026-01-01_regime-w-1"}
    started = run_task(checkout, SKYPILOT_NUM_NODES="2", SKYPILOT_NODE_RANK="1", **of_task)
    assert started == ["scripts/cluster/node.sh", "qwen", "2", "1", "10.0.0.1", of_task["SKYPILOT_TASK_ID"]]
