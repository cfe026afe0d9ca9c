"""`make deps`: what a stage depends on is found from the imports, and nothing else of dvc.yaml changes."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.ops.deps import NO_RESULT, NO_RESULT_PACKAGES, RESULT_PACKAGES, deps_of, imports_of, reached, with_deps

ROOT = Path(__file__).parents[2]

# By path: what a file imports decides, so they hold nothing else.
TREE = {
    "src/__init__.py": "",
    "src/core/errors.py": "from src.core.only_of_errors import words",
    "src/core/only_of_errors.py": "import tokenizers",
    "src/core/files.py": "import os\nfrom src.core.errors import InputError",
    "src/method/__init__.py": "",
    "src/method/scores.py": "from collections import Counter",
    "src/method/pages.py": "import jinja2, yaml",
    "src/method/types.py": "import torch",
    "src/method/unused.py": "import vllm",
    "src/stages/__init__.py": "from src.core.command import run_command",
    "src/stages/score.py": "from src.core.files import read\n\ndef main():\n    from src.method.scores import score",
    "src/stages/show.py": "import src.core.files\nfrom src.method import pages, Page",
}
PIPELINE = """\
# What there is to run.
stages:
  score:
    desc: "A stage."
    cmd: python -m src.stages.score ${key}
    params:
      - seed
    outs:
      - scores.jsonl   # kept by DVC
    deps:
      # Where the questions come from.
      - data/train.jsonl

  show:
    foreach: [one, other]
    do:
      cmd: python -m src.stages.show ${item}
      deps:
        - src/method/unused.py
        - scores.jsonl
        - src/pages.md.j2
      # All of it.
      params:
        - versions.yaml: [torch]
        - profiles/${profile}.yaml: [page]


# At the end.
plots:
  - loss:
      x: step
"""
WRITTEN = """\
# What there is to run.
stages:
  score:
    desc: "A stage."
    cmd: python -m src.stages.score ${key}
    params:
      - seed
    outs:
      - scores.jsonl   # kept by DVC
    deps:
      # Where the questions come from.
      - data/train.jsonl
      - src/core/files.py
      - src/method/__init__.py
      - src/method/scores.py
      - src/stages/score.py

  show:
    foreach: [one, other]
    do:
      cmd: python -m src.stages.show ${item}
      deps:
        - scores.jsonl
        - src/pages.md.j2
        - src/core/files.py
        - src/method/__init__.py
        - src/method/pages.py
        - src/stages/show.py
      # All of it.
      params:
        - profiles/${profile}.yaml: [page]
        - versions.yaml: [jinja2]


# At the end.
plots:
  - loss:
      x: step
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository as working folder; its dvc.yaml is stale."""
    for name, code in TREE.items():
        write(tmp_path / name, code)
    write(tmp_path / "dvc.yaml", PIPELINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run_deps(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # -P: the working folder has a src of its own, which is looked at and not run
    command = [sys.executable, "-P", "-m", "src.ops.deps", *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


# --- imports ---


@pytest.mark.parametrize(
    "code",
    [
        "from src.method.scores import score",
        "from src.method import scores",
        "import src.method.scores",
        "import src.method.scores as s, os",
        "def main():\n    from src.method.scores import score",
        "try:\n    from src.method.scores import score\nexcept ImportError:\n    score = None",
        "if TYPE_CHECKING:\n    import torch\nelse:\n    from src.method.scores import score",
    ],
)
def test_an_import_is_found_wherever_it_stands_and_however_it_is_written(tree, code):
    write(tree / "src/stages/score.py", code)
    assert "src/method/scores.py" in reached("src/stages/score.py")


@pytest.mark.parametrize("condition", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_what_is_imported_for_types_alone_is_never_run(tree, condition):
    write(
        tree / "src/stages/score.py", f"import typing\nif {condition}:\n    import torch\n    from src.method.types import Type"
    )
    assert deps_of("score").files == ("src/stages/score.py",)
    assert deps_of("score").packages == ()


def test_a_file_that_changes_no_result_is_left_out_with_all_that_it_alone_imports(tree):
    assert "src/core/errors.py" in imports_of("src/core/files.py").ours
    assert "src/core/errors.py" in NO_RESULT
    deps = deps_of("score")
    assert {"src/core/errors.py", "src/core/only_of_errors.py"} & set(deps.files) == set()
    assert "tokenizers" not in deps.packages


def test_packages_are_those_that_can_change_a_result(tree):
    assert deps_of("score").packages == ()
    assert deps_of("show").packages == ("jinja2",), "yaml only reads params"
    write(tree / "src/method/scores.py", "import torch\nfrom transformers.generation import Streamer")
    assert deps_of("score").packages == ("safetensors", "tokenizers", "torch", "transformers")


def test_an_edit_of_an_import_is_seen_at_once(tree):
    before = deps_of("score").files
    write(tree / "src/method/scores.py", "from src.method.types import Type")
    assert set(deps_of("score").files) == {*before, "src/method/types.py"}


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("score", "import pandas", ["src/stages/score.py imports pandas: can its version change a result?", "RESULT_PACKAGES"]),
        ("score", "from src.method.absent import x", ["src/stages/score.py imports src.method.absent", "no such file"]),
        ("score", "from .other import x", ["src/stages/score.py imports .other", "name a module of src"]),
        ("score", "\n\nimport (", ["src/stages/score.py:3: no Python"]),
    ],
)
def test_an_import_that_cannot_be_followed_is_one_error(tree, name, code, words):
    write(tree / f"src/stages/{name}.py", code)
    with pytest.raises(InputError) as error:
        deps_of(name)
    assert all(part in str(error.value) for part in words)


# --- dvc.yaml ---


def test_only_the_lines_of_our_files_and_packages_change(tree):
    assert with_deps(PIPELINE) == WRITTEN
    assert with_deps(WRITTEN) == WRITTEN


def test_without_plots_and_without_a_last_line_end_all_else_stays(tree):
    cut = PIPELINE[: PIPELINE.index("\n\n\n# At the end.")]
    assert with_deps(cut) == WRITTEN[: WRITTEN.index("\n\n\n# At the end.")]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  show:\n", "  absent:\n", "stage absent: there is no src/stages/absent.py"),
        ("      params:\n", "      parameters:\n", "stage show has 0 lines `params:`"),
        ("    deps:\n      #", "    deps: [data/train.jsonl]\n      #", "stage score has 0 lines `deps:`"),
        ("stages:\n", "phases:\n", "has no line `stages:`"),
    ],
)
def test_a_pipeline_that_cannot_be_written_to_is_one_error(tree, old, new, words):
    assert PIPELINE.count(old) == 1
    with pytest.raises(InputError, match=words):
        with_deps(PIPELINE.replace(old, new))


def test_check_says_what_is_stale_and_changes_nothing(tree):
    stale = run_deps(tree, "--check")
    assert stale.returncode == 1 and stale.stderr.startswith("error: dvc.yaml is not as the imports of the stages have it")
    assert "run `make deps`" in stale.stderr
    assert "-         - src/method/unused.py" in stale.stderr and "+       - src/method/scores.py" in stale.stderr
    assert (tree / "dvc.yaml").read_text() == PIPELINE

    assert run_deps(tree).returncode == 0
    assert (tree / "dvc.yaml").read_text() == WRITTEN
    again = run_deps(tree, "--check")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


# --- the lists ---


def every_import() -> set[str]:
    return {name for path in (ROOT / "src").rglob("*.py") for name in imports_of(path.relative_to(ROOT).as_posix()).others}


def test_every_package_that_src_imports_is_in_one_of_the_lists_and_in_no_more(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert every_import() <= RESULT_PACKAGES.keys() | NO_RESULT_PACKAGES.keys()
    assert RESULT_PACKAGES.keys() & NO_RESULT_PACKAGES.keys() == set()


def test_a_file_that_changes_no_result_is_there_and_has_its_reason():
    assert all((ROOT / name).is_file() and reason for name, reason in NO_RESULT.items())
    of_all = ast.parse((ROOT / "src/__init__.py").read_text())
    assert [ast.unparse(node) for node in of_all.body[1:]] == ["import time", "BEGAN = time.time()"]


def test_src_imports_nothing_in_a_way_that_cannot_be_followed():
    """A module whose name is a text would be in no list of deps."""
    for path in (ROOT / "src").rglob("*.py"):
        names = [node.id if isinstance(node, ast.Name) else node.attr for node in ast.walk(ast.parse(path.read_text()))
                 if isinstance(node, ast.Name | ast.Attribute)]  # fmt: skip
        assert not {"import_module", "__import__", "exec"} & set(names), path
