"""The doctor: a plan that follows from the params alone, and a machine that fails named all at once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from src.core.errors import InputError
from src.core.params import from_value, parse_yaml
from src.core.records import read_metrics
from src.ops.findings import Finding, table
from src.ops.machine import HubRevision
from src.ops.plan import Cost, Hours, MachineSettings, Plan, cost_of_study, make_plan
from src.sources.gsm8k import PLATINUM, TRAIN
from src.stages.all_settings import hub_revisions, load_settings

ROOT = Path(__file__).parents[2]
IDENTITY = {"GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.org"}
EIGHT = MachineSettings(
    gpus=8,
    gpu_memory=80,
    gpu_capability=9.0,
    memory=200,
    disk=65,
    hours=Hours(install=0.25, base=0.25, sample=0.5, train=0.75, answer=0.25),
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
    content = parse_yaml(file.read_text())
    content["machine"] |= changes
    file.write_text(yaml.safe_dump(content))


def doctor(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""} | IDENTITY
    command = [sys.executable, "-m", "src.stages.doctor", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_plan_counts_gpu_hours_where_gpus_work_and_pays_for_all_hours():
    plan = make_plan(EIGHT)
    assert plan.gpu_hours == 8 * 1.5
    assert plan.machine_hours == 2.0
    assert plan.dollars == 48.0


def test_a_study_makes_base_and_samples_once_a_seed_and_trains_once_a_run():
    """2 seeds of 0.25 + 0.5 + 0.125 hours, and 16 runs of 0.75 + 0.125."""
    assert cost_of_study(EIGHT, 2, 16) == Cost(hours=15.75, dollars=378.0)


@pytest.mark.parametrize("profile", sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml")))
def test_every_profile_of_the_repository_has_a_plan(folder, profile):
    choose(folder, profile)
    done = doctor(folder, "--plan-only")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("needs: ") and "costs about: " in done.stdout
    assert "for each recipe on it" in done.stdout
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


@pytest.mark.parametrize(
    ("engine", "workers", "needed"),
    [("vllm", 1, True), ("transformers", 1, False), ("transformers", 4, True), ("transformers", None, True)],
)
def test_packages_for_gpus_are_those_of_vllm_and_of_several_engines(folder, engine, workers, needed):
    """Null is an engine for each of the two GPUs."""
    choose(folder, "qwen", gpus=2, memory=0.1, disk=0.001)
    file = folder / "profiles/qwen.yaml"
    content = parse_yaml(file.read_text())
    content["engine"] |= {"name": engine, "workers": workers, "vllm": content["engine"]["vllm"] if engine == "vllm" else None}
    file.write_text(yaml.safe_dump(content))
    done = doctor(folder)
    assert "- GPUs: wanted 2" in done.stderr
    assert ("requirements-gpu.txt" in done.stdout) == needed


# --- for programs ---


def test_json_has_the_plan_alone_where_nothing_is_looked_at(folder):
    choose(folder, "abel")
    done = doctor(folder, "--plan-only", "--json")
    printed = json.loads(done.stdout)
    assert done.returncode == 0 and printed.keys() == {"plan"}
    assert (printed["plan"]["gpus"], printed["plan"]["gpu_memory"]) == (8, 80.0)
    assert not (folder / "metrics").exists() and not (folder / "outputs").exists()


def test_json_has_what_the_page_for_people_has_and_the_same_files_are_written(folder):
    choose(folder, "sandbox", memory=0.1, disk=0.001)
    done = doctor(folder, "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert from_value(Plan, printed["plan"], "plan") == read_metrics(folder / "metrics/plan.json", Plan)
    findings = [from_value(Finding, finding, "finding") for finding in printed["findings"]]
    assert [finding.check for finding in findings] == [
        "Python",
        "requirements.txt",
        "memory",
        "free disk",
        "folders",
        "Git identity",
    ]
    assert {finding.verdict for finding in findings} == {"ok"}
    assert (folder / "outputs/doctor.txt").exists()


def test_json_of_a_machine_that_cannot_do_it_is_complete_and_the_exit_status_says_so(folder):
    choose(folder, "sandbox", memory=1e6, disk=0.001)
    done = doctor(folder, "--json")
    verdicts = {finding["check"]: finding["verdict"] for finding in json.loads(done.stdout)["findings"]}
    assert (verdicts["memory"], verdicts["free disk"]) == ("FAIL", "ok")
    assert done.returncode == 1 and done.stderr.startswith(
        "error: this machine cannot do the run of its profile (1 of the checks)"
    )
    assert not (folder / "metrics").exists() and not (folder / "outputs").exists()


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("--plan", 2), ("now", 2)])
def test_help_and_unknown_arguments_look_at_nothing(tmp_path, argument, status):
    done = doctor(tmp_path, argument)  # where there are no params
    assert done.returncode == status
    assert (done.stdout if status == 0 else done.stderr).startswith("usage: python -m src.stages.doctor")
    assert list(tmp_path.iterdir()) == []


# --- the parts ---


def test_the_hub_is_asked_for_only_by_those_who_name_it(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert hub_revisions(load_settings(Path("profiles/sandbox.yaml"))) == ()
    abel = (HubRevision("model", "GAIR/Abel-7B-002", "38efa25"),)
    sets = tuple(HubRevision("dataset", published.name, published.commit) for published in (TRAIN, PLATINUM))
    assert hub_revisions(load_settings(Path("profiles/abel.yaml"))) == abel + sets
    content = parse_yaml((folder / "profiles/abel.yaml").read_text())
    (folder / "hubris").mkdir()
    (folder / "hubris/config.json").write_text("{}")
    (folder / "hubris/model.safetensors").write_text("")
    content["base"] |= {"source": "hubris", "adapter": f"hub:owner/sft@{'1' * 40}"}
    content["data"] |= {"source": "sandbox", "test_set": None, "train_questions": 600, "test_questions": 3}
    (folder / "profiles/abel.yaml").write_text(yaml.safe_dump(content))
    assert hub_revisions(load_settings(Path("profiles/abel.yaml"))) == (HubRevision("model", "owner/sft", "1" * 40),)


@pytest.mark.slow
def test_a_machine_without_gpus_cannot_do_the_guides_run(folder):
    choose(folder, "abel")
    done = doctor(folder)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "- GPUs: wanted 8 of 80 GB, capability 9, found none" in done.stderr
    assert "warning: DVC remote: none; nothing is shared: make remote" in done.stdout
    assert (
        "- hub: wanted reachable or cached, found offline (HF_HUB_OFFLINE); the cache lacks GAIR/Abel-7B-002@38efa25"
        in done.stderr
    )


def test_less_than_nothing_is_refused():
    section = parse_yaml((ROOT / "profiles/abel.yaml").read_text())["machine"]
    section["hours"]["train"] = -1
    section["disk"] = -2
    with pytest.raises(InputError) as error:
        from_value(MachineSettings, section, "abel: machine")
    assert sorted(str(error.value).splitlines()) == [
        "abel: machine.disk is -2: it must be greater than or equal to 0",
        "abel: machine.hours.train is -1: it must be greater than or equal to 0",
    ]


@pytest.mark.parametrize(("section", "key"), [("data", "source"), ("base", "source"), ("base", "adapter"), ("machine", "disk")])
def test_a_key_that_is_missing_is_an_error_with_its_name(folder, section, key):
    file = folder / "profiles/sandbox.yaml"
    content = parse_yaml(file.read_text())
    del content[section][key]
    file.write_text(yaml.safe_dump(content))
    done = doctor(folder)
    assert done.returncode == 1
    assert f"error: profiles/sandbox.yaml: {section}.{key} is missing; add it" in done.stderr
    assert not (folder / "metrics").exists() and not (folder / "outputs").exists()


def test_the_table_is_aligned():
    lines = table([Finding("memory", "4 GB", "25.3 GB", "ok"), Finding("free disk", "1 GB", "0.5 GB", "FAIL", "free some")])
    assert lines.splitlines() == [
        "check     | wanted | found   |",
        "memory    | 4 GB   | 25.3 GB | ok",
        "free disk | 1 GB   | 0.5 GB  | FAIL",
    ]
