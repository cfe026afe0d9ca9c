"""What a change reruns, seen in what a real `dvc repro` runs. The tests share one repository and follow in order."""

import json
import re

import pytest

pytestmark = pytest.mark.slow

ALL = {
    "settings", "doctor", "data", "base", "sample", "rollouts", "prefs", "train", "answer@baseline", "answer@coherence",
    "eval@baseline", "eval@coherence", "compare", "report",
}  # fmt: skip


def stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


def set_param(repository, old: str, new: str) -> None:
    path = repository / "params.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_the_first_repro_runs_every_stage(finished):
    assert stages_run(finished[1]) == ALL


def test_a_second_repro_runs_nothing(reproduced, run):
    done = run(reproduced, "dvc", "repro")
    assert stages_run(done.stdout) == set()
    assert "Data and pipelines are up to date" in done.stdout


def test_every_declared_figure_is_there(reproduced, run):
    shown = run(reproduced, "dvc", "metrics", "show", "--json", "metrics").stdout
    for key in ("accuracy", "difference", "ci_low", "ci_high", "p_value", "correctness_pairs", "coherence_pairs", "hold"):
        assert f'"{key}"' in shown
    rollouts = json.loads((reproduced / "metrics/rollouts.json").read_text())
    assert set(rollouts["s_cf"]) == {"mean", "std", "min", "max"}
    assert json.loads((reproduced / "metrics/prefs.json").read_text())["pairs"] > 0
    assert (reproduced / "report.md").read_text().startswith("# Regime W: profile tiny, seed 0")


def test_a_weight_reruns_only_what_depends_on_it_and_setting_it_back_runs_nothing(reproduced, run):
    set_param(reproduced, "quality: 0.4}", "quality: 0.0}")
    done = run(reproduced, "dvc", "repro")
    assert stages_run(done.stdout) == {
        "settings", "rollouts", "prefs", "train", "answer@coherence", "eval@coherence", "compare", "report",
    }  # fmt: skip
    set_param(reproduced, "quality: 0.0}", "quality: 0.4}")
    back = run(reproduced, "dvc", "repro")
    assert stages_run(back.stdout) == set()
    assert "is cached - skipping run" in back.stdout


def test_the_metrics_that_dvc_shows_are_few_and_flat(reproduced, run):
    shown = json.loads(run(reproduced, "dvc", "metrics", "show", "--json").stdout)[""]["data"]
    [(name, headline)] = shown.items()
    assert name == "metrics/eval.json" and len(headline["data"]) == 8
    assert not any(isinstance(value, dict | list) for value in headline["data"].values())


def test_the_policy_reruns_the_report_and_no_other_but_stage_settings(reproduced, run):
    set_param(reproduced, "policy: coherence", "policy: baseline")
    assert stages_run(run(reproduced, "dvc", "repro").stdout) == {"settings", "report"}
    assert '"policy": "baseline"' in (reproduced / "metrics/eval.json").read_text()
    set_param(reproduced, "policy: baseline", "policy: coherence")
    assert stages_run(run(reproduced, "dvc", "repro").stdout) == set()


def test_a_wrong_profile_names_the_file(reproduced, run):
    set_param(reproduced, "profile: tiny", "profile: tinny")
    done = run(reproduced, "dvc", "repro", check=False)
    set_param(reproduced, "profile: tinny", "profile: tiny")
    assert done.returncode != 0
    assert "error: params.yaml: profile is 'tinny', and profiles has no tinny.yaml; did you mean 'tiny'?" in done.stderr
