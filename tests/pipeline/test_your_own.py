"""docs/your-own.md followed word for word: from a model in a folder and a file of questions to a verdict."""

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from src.regime_w.arms import ARM_NAMES
from src.regime_w.questions import Question
from src.sources.sandbox.problems import make_split
from src.training.sandbox_model import train_sandbox_model
from tests.pipeline.conftest import ROOT, make_repository
from tests.pipeline.test_edits import stages_run
from tests.profiles import model_settings

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/your-own.md").read_text(encoding="utf-8")
# A model of the page's kind: Llama, byte-level BPE, and a chat template of its own.
MODEL = model_settings(first_question=0, epochs=4)
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] + '\\n\\n' }}{% endfor %}"
QUESTIONS = 48
# Smaller sizes than the profile comes with: what the file's comments let one change.
SIZES = (("max_tokens", "48"), ("max_length", "256"), ("min_pairs", "8"))


def commands() -> list[str]:
    """The page's first block of commands, without what they are for."""
    [block, *_] = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.S)
    return [line.partition("   #")[0].strip() for line in block.splitlines()]


def write_model(folder: Path, work: Path) -> None:
    folder.mkdir()
    train_sandbox_model(make_split("train", 400), MODEL, 0, folder, work)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


def write_questions(file: Path, questions: Sequence[Question]) -> None:
    file.write_text("".join(json.dumps({"question": row.question, "answer": row.answer}) + "\n" for row in questions))


@pytest.fixture(scope="module")
def followed(tmp_path_factory, run) -> tuple[Path, dict[str, str]]:
    """A copy of the repository in which the page's commands were given, and what each printed."""
    inputs = tmp_path_factory.mktemp("inputs")
    write_model(inputs / "model", inputs / "work")
    folder = make_repository(tmp_path_factory.mktemp("own") / "repository", run, "sandbox")
    write_questions(folder / "questions.jsonl", make_split("train", QUESTIONS))
    count_as_installed(folder)
    printed = {}
    for command in commands():
        printed[command] = run(folder, "bash", "-euc", command.replace("/home/you/model", str(inputs / "model"))).stdout
        if command.startswith("make profile"):
            make_small(folder / "profiles/mine.yaml")
    return folder, printed


def count_as_installed(folder: Path) -> None:
    """The environment that runs the tests stands in the place of the one that make would install."""
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/activate").touch()
    shutil.copy(ROOT / "constraints.txt", folder)
    (folder / ".venv/.installed").touch()


def make_small(profile: Path) -> None:
    text = profile.read_text()
    for key, value in SIZES:
        text, times = re.subn(rf"^  {key}: .*$", f"  {key}: {value}", text, flags=re.M)
        assert times
    profile.write_text(text)


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def test_the_commands_are_those_that_the_command_itself_names(followed):
    """What `make profile` prints as next is what the page has."""
    _, printed = followed
    [made] = [text for command, text in printed.items() if command.startswith("make profile")]
    named = [line.strip() for line in made.split("next, ")[1].splitlines()[1:]]
    assert len(named) == 3 and set(named) <= printed.keys()


def test_the_settings_are_good_and_the_machine_is_judged(followed):
    _, printed = followed
    assert printed["python -m src.stages.settings --check"] == ""
    doctor = printed["make doctor"]
    assert "needs: no GPU, 4 GB of memory, 1 GB of free disk" in doctor and "| ok" in doctor


def test_the_run_ends_in_a_verdict(followed):
    folder, printed = followed
    verdict = read(folder, "metrics/verdict.json")
    assert verdict["verdict"] in ("improved", "worse", "no evidence") and verdict["questions"] == QUESTIONS // 2
    assert verdict["verdict"] in printed["make show"]
    assert read(folder, "metrics/train.json")["trained"]
    assert "profile mine" in (folder / "report.md").read_text()


def test_every_question_was_asked_by_the_chat_template_of_the_model(followed):
    folder, _ = followed
    assert "  template: chat\n" in (folder / "profiles/mine.yaml").read_text()
    trajectories = [json.loads(line) for line in (folder / "data/trajectories.jsonl").open()]
    assert len(trajectories) == QUESTIONS // 2 * len(ARM_NAMES)
    assert all(trajectory["prompt"].endswith("\n\n") for trajectory in trajectories)


def test_an_edit_of_the_questions_is_seen_once_stage_data_is_forced(
    followed: tuple[Path, dict[str, str]], run: Callable[..., CompletedProcess[str]]
):
    folder, _ = followed
    questions = make_split("train", QUESTIONS)
    write_questions(folder / "questions.jsonl", [replace(row, question=f"{row.question} Say it.") for row in questions])
    assert stages_run(run(folder, "dvc", "repro").stdout) == set()
    forced = "dvc repro --force --single-item data"
    assert f"`{forced}`" in PAGE
    assert stages_run(run(folder, *forced.split()).stdout) == {"data"}
    assert (folder / "data/train.jsonl").read_text().count(" Say it.") == QUESTIONS // 2
    assert "sample" in run(folder, "dvc", "status").stdout
