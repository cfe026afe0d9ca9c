"""The doctor: a plan that follows from the params alone, and a machine that fails named all at once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from src.errors import InputError
from src.machine import Finding
from src.params import from_mapping
from src.stages.doctor import Hours, MachineSettings, make_plan, names_hub, table

ROOT = Path(__file__).parents[2]
EIGHT = MachineSettings(
    gpus=8,
    gpu_memory=80,
    gpu_capability=9.0,
    memory=200,
    disk=65,
    hours=Hours(install=0.25, base=0.25, sample=0.5, train=0.75, eval=0.25),
    dollars_per_hour=24,
)


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("params.yaml", "requirements.txt", "requirements-gpu.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    (tmp_path / ".dvc").mkdir()  # what makes a folder DVC's
    return tmp_path


def choose(folder: Path, profile: str, **changes: object) -> None:
    """Name the profile in params.yaml, with changes in its machine section."""
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("profile: sandbox", f"profile: {profile}"))
    file = folder / f"profiles/{profile}.yaml"
    yaml = YAML()
    content = yaml.load(file.read_text())
    content["machine"] |= changes
    with file.open("w") as out:
        yaml.dump(content, out)


def doctor(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "src.stages.doctor", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_plan_counts_gpu_hours_where_gpus_work_and_pays_for_all_hours():
    plan = make_plan(EIGHT)
    assert plan["gpu_hours"] == 8 * 1.5
    assert plan["machine_hours"] == 2.0
    assert plan["dollars"] == 48.0


@pytest.mark.parametrize("profile", sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml")))
def test_every_profile_of_the_repository_has_a_plan(folder, profile):
    choose(folder, profile)
    done = doctor(folder, "--plan-only")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("needs: ") and "costs about: " in done.stdout
    assert not (folder / "metrics").exists() and not (folder / "outputs").exists()


def test_a_machine_that_can_do_the_run_leaves_the_same_bytes_each_time(folder):
    choose(folder, "sandbox", memory=0.1, disk=0.001)
    written = []
    for _ in range(2):
        done = doctor(folder)
        assert done.returncode == 0, done.stderr
        written.append([(folder / name).read_bytes() for name in ("outputs/doctor.txt", "metrics/plan.json")])
    assert written[0] == written[1]
    assert json.loads(written[0][1])["gpus"] == 0
    assert "FAIL" not in done.stdout and "GPUs" not in done.stdout


def test_the_text_is_the_same_whatever_the_profile(folder):
    choose(folder, "sandbox", memory=0.1, disk=0.001)
    doctor(folder)
    first = (folder / "outputs/doctor.txt").read_bytes()
    choose(folder, "sandbox", memory=0.2, dollars_per_hour=3)
    doctor(folder)
    assert (folder / "outputs/doctor.txt").read_bytes() == first
    assert json.loads((folder / "metrics/plan.json").read_text())["dollars"] > 0


def test_all_that_fails_is_named_at_once_with_its_cure(folder):
    choose(folder, "sandbox", memory=1e6, disk=1e6)
    (folder / "requirements.txt").write_text("no-such-package==1.0\n")
    done = doctor(folder)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stdout.count("FAIL") == 3
    lines = done.stderr.splitlines()
    assert lines[0] == "error: this machine cannot do the run of its profile (3 of the checks):"
    assert [line.split(":")[0] for line in lines[1:]] == ["- requirements.txt", "- memory", "- free disk"]
    assert "pip install -r requirements.txt" in lines[1]
    assert not (folder / "metrics").exists() and not (folder / "outputs").exists()


def test_the_hub_is_asked_for_only_by_those_who_name_it():
    assert names_hub(["hub", "some/folder", None])
    assert names_hub(["some/folder", "hub:GAIR/Abel-7B-002@38efa25", None])
    assert names_hub(["sandbox", "some/folder", "hub:owner/sft@1234567"])
    assert not names_hub(["sandbox", "hubris", None])


@pytest.mark.slow
def test_a_machine_without_gpus_cannot_do_the_guides_run(folder):
    choose(folder, "abel")
    done = doctor(folder)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "- GPUs: wanted 8 of 80 GB, capability 9, found none" in done.stderr
    assert "warning: DVC remote: none; nothing is shared: make remote" in done.stdout
    assert "warning: hub: offline by choice" in done.stdout


def test_less_than_nothing_is_refused():
    section = YAML(typ="safe").load((ROOT / "profiles/abel.yaml").read_text())["machine"]
    section["hours"]["train"] = -1
    section["disk"] = -2
    with pytest.raises(InputError, match=r"abel: hours.train = -1.0, disk = -2.0; give 0 or more"):
        from_mapping(MachineSettings, section, "abel")


def test_the_table_is_aligned():
    lines = table([Finding("memory", "4 GB", "25.3 GB", "ok"), Finding("free disk", "1 GB", "0.5 GB", "FAIL", "free some")])
    assert lines.splitlines() == [
        "check     | wanted | found   |",
        "memory    | 4 GB   | 25.3 GB | ok",
        "free disk | 1 GB   | 0.5 GB  | FAIL",
    ]
