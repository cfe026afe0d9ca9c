"""Records of a commit or an experiment out of DVC's cache: in a real repository, with the workspace left alone."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from src import inspect
from src.core.errors import InputError
from src.core.records import write_records
from src.ops.run_files import RunFiles, files_of_revisions
from src.regime_w.evaluation import Evaluation
from src.regime_w.questions import Question
from tests.ops.small_records import TEST, evaluations, write_small_records
from tests.pipeline.conftest import dvc_environment
from tests.warm_python import WarmPython

EVAL = "outputs/baseline_eval.jsonl"
STAGE = """
stages:
  all:
    cmd: "true"
    outs: [{outs}]
"""
OUTS = (
    *(f"data/{name}.jsonl" for name in ("train", "test", "regime_w_rollouts", "coherence_preferences")),
    *(f"outputs/{policy}_eval.jsonl" for policy in ("baseline", "coherence")),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two commits: in the first the baseline's first answer is right, in the second, `marked-wrong`, it is not."""
    folder = tmp_path_factory.mktemp("two") / "repository"
    folder.mkdir()
    environment = dvc_environment(folder.parent / "dvc")
    with WarmPython() as python:

        def run(command: str) -> None:
            done = python.run(folder, *command.split(), environment=environment)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

        def commit(tag: str) -> None:
            for command in ("dvc commit -q --force", "git add dvc.yaml dvc.lock", f"git commit -qm {tag}", f"git tag {tag}"):
                run(command)

        run("git init -q")
        run("dvc init -q")
        (folder / "dvc.yaml").write_text(STAGE.format(outs=", ".join(OUTS)))
        write_small_records(folder)
        commit("right")
        changed = [replace(one, answer="6", correct=False) for one in evaluations("baseline")]
        write_records(folder / EVAL, Evaluation, changed)
        commit("marked-wrong")
        run(f"git update-ref refs/exps/00/{'0' * 38}/some-experiment marked-wrong")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SITE_CACHE_DIR"):
            patch.setenv(name, environment[name])
        yield folder


@pytest.fixture
def repository(made: Path, tmp_path, monkeypatch) -> Path:
    """A copy of it that the test may change, as the folder to work in."""
    folder = tmp_path / "repository"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


def marks(files: RunFiles) -> list[bool]:
    return [one.correct for one in files.stream(EVAL, Evaluation)]


def test_each_revision_has_its_own_records_and_the_workspace_is_left_alone(repository, monkeypatch, capsys):
    write_records(repository / EVAL, Evaluation, [replace(one, correct=True) for one in evaluations("baseline")])
    before = (repository / EVAL).read_bytes()
    first, second, third = files_of_revisions(["right", "HEAD", "some-experiment"])
    assert [marks(files) for files in (first, second, third)] == [[True, False], [False, False], [False, False]]
    assert list(first.stream("data/test.jsonl", Question)) == list(TEST)
    assert (repository / EVAL).read_bytes() == before

    monkeypatch.setattr("sys.argv", ["inspect", "test", "0", "--rev", "right", "--rev", "marked-wrong"])
    inspect.main()
    both = capsys.readouterr().out.split("== ")[1:]
    assert [text.split("\n")[0] for text in both] == ["right", "marked-wrong"]
    assert "unchanged: both are right" in both[0] and "fixed: only coherence is right" in both[1]


def test_what_cannot_be_read_says_why(repository):
    with pytest.raises(InputError, match="--rev 'no-such': .*; give a commit, a branch, a tag or an experiment"):
        files_of_revisions(["no-such"])
    [files] = files_of_revisions(["right"])
    assert "is no output of revision right" in (files.lacks("data/other.jsonl") or "")
    shutil.rmtree(repository / ".dvc/cache")
    with pytest.raises(InputError, match=f"cache lacks {EVAL} of revision right; fetch it"):
        marks(files)


def test_a_folder_without_dvc_is_one_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is in no repository of DVC"):
        files_of_revisions(["HEAD"])
