"""The README against the repository: its commands exist, its files are there, its graph is dvc.yaml's."""

import json
import re
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.S)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = {line.split()[1] for line in shell_lines() if line.startswith("make ")}
    assert named and named <= targets


def test_every_parameter_that_a_command_sets_exists():
    for file, key in re.findall(r"-S '?(?:([\w/]+\.yaml):)?([a-z_.]+)=", "\n".join(shell_lines())):
        value = YAML(typ="safe").load((ROOT / (file or "params.yaml")).read_text())
        for part in key.split("."):
            assert part in value, f"{file}:{key}"
            value = value[part]


def test_every_stage_stands_in_the_table_and_no_other():
    table = README.split("| stage | reads | writes |")[1].split("\n\n")[0]
    cells = [row.split("|")[1].replace("eval@baseline, eval@coherence", "eval") for row in table.splitlines()[2:]]
    named = {name for cell in cells for name in cell.split()}
    assert named == set(STAGES)


def test_every_file_that_a_stage_writes_stands_in_the_table():
    for name, stage in STAGES.items():
        stage = stage.get("do", stage)
        for kind in ("outs", "metrics", "plots"):
            for out in stage.get(kind, []):
                path = out if isinstance(out, str) else next(iter(out))
                assert path.replace("${key}", "<policy>") in README, f"{name}: {path}"


def test_every_path_of_ours_that_it_names_exists():
    for path in re.findall(r"`((?:src|profiles|tests|bench)/[\w./]+)`", README):
        assert (ROOT / path).exists(), path


def test_the_change_that_it_shows_is_that_of_the_committed_run():
    shown = {row[1]: row[2:4] for line in README.splitlines() if (row := line.split()) and row[0] == "metrics/eval.json"}
    for index, policy in enumerate(("baseline", "coherence")):
        metrics = json.loads((ROOT / f"metrics/{policy}.json").read_text())
        for name in ("accuracy", "accuracy_low", "accuracy_high", "correct", "mean_tokens"):
            assert float(shown[name][index]) == round(metrics[name], 5), f"{policy}: {name}"


def test_the_sweeps_that_it_shows_are_of_the_committed_run():
    """Each has a row a point, and its point of the profile's own settings ends as the run did."""
    verdict = json.loads((ROOT / "metrics/verdict.json").read_text())
    for name, own in (("learning-rate", "5e-5"), ("scoring-weights", "all")):
        page = (ROOT / f"sweeps/{name}.md").read_text()
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")][2:]
        points = YAML(typ="safe").load((ROOT / f"sweeps/{name}.yaml").read_text())["points"]
        assert [row[0] for row in rows] == [point["name"] for point in points]
        [row] = [row for row in rows if row[0] == own]
        assert row[4] == f"{verdict['fixed']} / {verdict['broken']}"
        assert f"sweeps/{name}.md" in README and (ROOT / f"sweeps/{name}.svg").exists()
