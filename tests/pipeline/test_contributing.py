"""The recipes of CONTRIBUTING.md, followed to the letter in copies of a finished run: each holds what it promises."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RUFF = Path(sys.executable).with_name("ruff")


@dataclass(frozen=True)
class Recipe:
    """The blocks of one section: what is to be changed, and what then shows that it works."""

    diffs: tuple[str, ...]
    commands: str


@dataclass(frozen=True)
class Walk:
    """A copy of the finished run in which a recipe was followed, the run itself, and what the commands printed."""

    folder: Path
    before: Path
    printed: str

    def stages_run(self) -> set[str]:
        return set(re.findall(r"Running stage '([^']+)'", self.printed))

    def changed_code(self, run: Callable[..., subprocess.CompletedProcess]) -> list[str]:
        listed = run(self.folder, "git", "status", "--porcelain", "--untracked-files=all", "--", "src").stdout
        return [line[3:] for line in listed.splitlines() if line.endswith(".py")]


def read_recipes() -> dict[str, Recipe]:
    """By title."""
    _, *sections = re.split(r"^### (?=An? )", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.M)
    return {
        section.partition("\n")[0]: Recipe(
            diffs=tuple(re.findall(r"^```diff\n(.*?)^```$", section, flags=re.M | re.S)),
            commands="".join(re.findall(r"^```sh\n(.*?)^```$", section, flags=re.M | re.S)),
        )
        for section in sections
    }


RECIPES = read_recipes()


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.open()]


def read_metrics(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def walk(finished, tmp_path_factory: pytest.TempPathFactory, run) -> Callable[[str], Walk]:
    """Follows a recipe, each once. The copies' profile is `tiny`, so commands that set one of the sandbox's values set tiny's."""
    walked: dict[str, Walk] = {}

    def follow(title: str) -> Walk:
        if title not in walked:
            folder = tmp_path_factory.mktemp("recipe") / "repository"
            shutil.copytree(finished[0], folder, symlinks=True)
            for number, diff in enumerate(RECIPES[title].diffs):
                patch = folder.with_name(f"{number}.diff")
                patch.write_text(diff)
                run(folder, "git", "apply", str(patch))
            commands = RECIPES[title].commands.replace("profiles/sandbox.yaml", "profiles/tiny.yaml")
            walked[title] = Walk(folder, finished[0], run(folder, "bash", "-euo", "pipefail", "-c", commands).stdout)
        return walked[title]

    return follow


# --- every recipe ---


def test_there_are_five_recipes_and_each_has_changes_and_commands():
    assert list(RECIPES) == ["An arm", "A score", "An engine", "A data source", "A parameter"]
    assert all(recipe.diffs and recipe.commands for recipe in RECIPES.values())


@pytest.mark.parametrize("title", RECIPES)
def test_the_changes_fit_the_code_as_it_stands(title, tmp_path):
    patch = tmp_path / "recipe.diff"
    patch.write_text("".join(RECIPES[title].diffs))
    done = subprocess.run(["git", "apply", "--check", str(patch)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"CONTRIBUTING.md, recipe {title!r}: write its diff again:\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("title", RECIPES)
def test_the_changed_code_passes_lint_and_format(walk, run, title):
    walked = walk(title)
    files = walked.changed_code(run)
    assert files
    configuration = ("--config", str(ROOT / "pyproject.toml"))
    run(walked.folder, str(RUFF), "check", *configuration, *files)
    run(walked.folder, str(RUFF), "format", "--check", *configuration, *files)


@pytest.mark.slow
@pytest.mark.parametrize("title", RECIPES)
def test_dvc_yaml_has_the_dependencies_of_the_changed_code(walk, run, title):
    run(walk(title).folder, "python", "-m", "src.ops.deps", "--check")


# --- what each promises ---


@pytest.mark.slow
def test_an_arm(walk):
    walked = walk("An arm")
    arms_of: dict[str, list[str]] = {}
    for trajectory in read_jsonl(walked.folder / "data/trajectories.jsonl"):
        arms_of.setdefault(trajectory["question_id"], []).append(trajectory["arm_name"])
    assert len(arms_of) == 24
    assert all(len(set(arms)) == len(arms) == 12 and arms[-1] == "maudlin_standard" for arms in arms_of.values())
    assert len(list(csv.reader((walked.folder / "plots/arms.csv").open()))) == 1 + 12

    # The other texts are those of before, and were kept.
    old = [line for line in (walked.folder / "data/trajectories.jsonl").open() if '"maudlin_standard"' not in line]
    assert old == list((walked.before / "data/trajectories.jsonl").open())
    asked = [kept_texts(folder) for folder in (walked.before, walked.folder)]
    assert asked[1] - asked[0] == 24


def kept_texts(folder: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in folder.glob(".work/sample/*/texts.jsonl"))


@pytest.mark.slow
def test_a_score(walk):
    walked = walk("A score")
    scores = [rollout["s_answered"] for rollout in read_jsonl(walked.folder / "data/regime_w_rollouts.jsonl")]
    assert len(scores) == 24
    assert all(score * 8 in range(9) for score in scores)
    found = read_metrics(walked.folder / "metrics/rollouts.json")["s_answered"]
    assert 0 <= found["min"] < found["mean"] < found["max"] <= 1 and found["std"] > 0
    assert f"| s_answered | {found['mean']:.3f} |" in walked.printed
    assert walked.stages_run() == {"rollouts", "prefs", "report"}


@pytest.mark.slow
def test_an_engine(walk):
    walked = walk("An engine")
    texts = [trajectory["text"] for trajectory in read_jsonl(walked.folder / "data/trajectories.jsonl")]
    assert len(texts) == 24 * 11
    assert all(re.fullmatch(r"Answer: \d+(\.\d+)?", text) for text in texts)
    assert len(set(texts)) > 1
    for evaluation in read_jsonl(walked.folder / "outputs/baseline_eval.jsonl"):
        numbers = re.findall(r"\d+", evaluation["question"])
        assert evaluation["text"] == f"Answer: {numbers[-1]}"
    assert walked.stages_run() == {"settings", "doctor", "sample", "rollouts", "answer@baseline", "eval@baseline"}
    assert '"accuracy"' in walked.printed
    assert (walked.folder / "dvc.yaml").read_text().count("- src/engines/guess_engine.py\n") == 2


@pytest.mark.slow
def test_a_data_source(walk):
    walked = walk("A data source")
    for name, count in (("train", 700), ("test", 30)):
        before, after = (
            [
                (question["question"], question["answer"], question["gold"])
                for question in read_jsonl(folder / f"data/{name}.jsonl")
            ]
            for folder in (walked.before, walked.folder)
        )
        assert len(after) == count
        assert after == before
    assert json.loads(walked.printed.splitlines()[-1])["id"] == "questions-00000"
    assert walked.stages_run() == {"settings", "doctor", "data"}  # all read the section


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('question,answer\nHow many?,#### 4\n"How', "questions.csv: not a whole CSV file"),
        ("question,answer\nHow many?\n", "questions.csv:2: `answer` is None"),
        ("question\nHow many?\n", "questions.csv:2: `answer` is None"),
        ("question,answer\nHow many, then?,#### 4\n", "questions.csv:2: more cells than columns"),
        ("question,answer\nHow many?,some\n", "questions.csv:2: no gold number"),
        (b"question,answer\n\xff,1\n", "questions.csv: not a whole CSV file"),
    ],
)
def test_a_data_source_that_is_malformed_gives_one_error(walk, run, content, fault):
    folder = walk("A data source").folder
    path = folder / "questions.csv"
    before = path.read_bytes()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run(folder, "python", "-m", "src.stages.data", check=False)
    path.write_bytes(before)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {fault}"), done.stderr


@pytest.mark.slow
def test_a_parameter(walk, run):
    walked = walk("A parameter")
    before, after = (read_metrics(folder / "metrics/prefs.json") for folder in (walked.before, walked.folder))
    lost = before["pairs_rejected_without_answer"]
    assert lost > 0, "the tiny run has such pairs, or this shows nothing"
    assert after["pairs_rejected_without_answer"] == 0
    assert after["coherence_pairs"] == before["coherence_pairs"]
    assert re.search(rf"pairs_rejected_without_answer +{lost} +0 ", walked.printed)
    assert walked.stages_run() == {"settings", "prefs"}  # the first looks at every edit of a setting

    # The value that it has at first changes no pair; DVC's run cache has that run.
    params = walked.folder / "params.yaml"
    params.write_text(params.read_text().replace("reject_unanswered: false", "reject_unanswered: true"))
    run(walked.folder, "dvc", "repro", "prefs")
    pairs = [(folder / "data/coherence_preferences.jsonl").read_bytes() for folder in (walked.before, walked.folder)]
    assert pairs[0] == pairs[1]
