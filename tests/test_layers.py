"""Who may import whom: the method is pure, no stage knows another, and the import of a module does nothing."""

import ast
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "src").rglob("*.py"))
# The sections of all stages together, which the first stage reads: it knows the stages, and is none.
SETTINGS = "src/stages/all_settings.py"
STAGES = [path for path in FILES if path.startswith("src/stages/") and not path.endswith("__init__.py") and path != SETTINGS]
# What reads or writes files, knows the time or starts something; and what a model needs.
IMPURE = {
    *{"pathlib", "os", "io", "shutil", "tempfile", "glob", "csv", "sqlite3", "subprocess", "socket", "urllib", "threading"},
    *{"time", "datetime", "secrets", "yaml", "torch", "transformers", "trl", "datasets", "vllm", "ray"},
}


@dataclass(frozen=True)
class Imports:
    """The modules that a file imports anywhere: files of ours by their path, all else by its first name."""

    ours: frozenset[str]
    others: frozenset[str]


def parsed(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def imports_of(path: str) -> Imports:
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path} imports by a relative name"
            # `from src.core import errors` names a module, `from src.core.errors import shown` a thing in one.
            names |= {f"{node.module}.{alias.name}" if file_of(node.module) is None else node.module for alias in node.names}
    ours = {name for name in names if name.partition(".")[0] == "src"}
    files = {name: file_of(name) for name in ours}
    assert None not in files.values(), f"{path} imports {[name for name, file in files.items() if file is None]}"
    return Imports(frozenset(file for file in files.values() if file), frozenset(name.partition(".")[0] for name in names - ours))


def file_of(module: str) -> str | None:
    """The file of a module of ours: that of a package is its `__init__.py`, if it has one."""
    path = module.replace(".", "/")
    return next((file for file in (f"{path}.py", f"{path}/__init__.py") if (ROOT / file).is_file()), None)


def reached(*paths: str) -> set[str]:
    """These files and all of ours that they import, at any depth."""
    found, waiting = set(), list(paths)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imports_of(path).ours
    return found


def layer(*folders: str) -> list[str]:
    return [path for path in FILES if path.startswith(tuple(f"src/{folder}/" for folder in folders))]


# --- layers ---


@pytest.mark.parametrize("path", layer("regime_w"))
def test_the_method_imports_itself_and_the_shapes_of_values_alone(path):
    foreign = {file for file in imports_of(path).ours if not file.startswith("src/regime_w/")}
    assert foreign <= {"src/core/shapes.py"}, f"{path} imports {foreign}"


@pytest.mark.parametrize("path", sorted(reached(*layer("regime_w"))))
def test_the_method_imports_neither_torch_nor_files(path):
    assert not imports_of(path).others & IMPURE, path
    called = {node.func.id for node in ast.walk(parsed(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}, path


@pytest.mark.parametrize("path", layer("core"))
def test_the_core_imports_itself_alone(path):
    assert all(file.startswith("src/core/") for file in imports_of(path).ours)


@pytest.mark.parametrize("path", [path for path in FILES if path not in (*STAGES, SETTINGS)])
def test_nothing_but_a_stage_imports_from_the_stages(path):
    assert not any(file.startswith("src/stages/") for file in imports_of(path).ours - {path})


@pytest.mark.parametrize("path", STAGES)
def test_a_stage_imports_no_other_stage(path):
    allowed = {"src/stages/__init__.py"} | ({SETTINGS} if path in ("src/stages/settings.py", "src/stages/doctor.py") else set())
    assert {file for file in imports_of(path).ours if file.startswith("src/stages/")} <= allowed


@pytest.mark.parametrize("path", layer("engines"))
def test_an_engine_does_not_know_what_a_question_is(path):
    assert not any(file.startswith("src/regime_w/") for file in reached(path))


@pytest.mark.parametrize("stage", ["base", "sample", "train", "answer"])
def test_no_stage_that_runs_a_model_reaches_what_reads_or_scores_an_answer(stage):
    """So a fix of the answers' parser, or of a score, trains and samples nothing again."""
    scoring = {f"src/regime_w/{name}.py" for name in ("answers", "scoring", "preferences", "evaluation")}
    assert not reached(f"src/stages/{stage}.py") & scoring


@pytest.mark.parametrize("path", FILES)
def test_no_file_imports_itself_by_way_of_others(path):
    assert all(path not in reached(file) for file in imports_of(path).ours - {path})


# --- the import of a module ---


def is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'" and not node.orelse


def is_for_the_type_checker(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and ast.unparse(node.test) == "TYPE_CHECKING"
        and all(isinstance(inner, ast.Import | ast.ImportFrom) for inner in node.body)
        and not node.orelse
    )


def does_nothing(node: ast.stmt) -> bool:
    """Whether a statement at a module's level only names something: an import, a definition, a constant, a docstring."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [name for target in targets for name in (target.elts if isinstance(target, ast.Tuple) else [target])]
        return all(isinstance(name, ast.Name) for name in names)  # os.environ["X"] = 1 is no name
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    named = isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return named or is_text or is_main(node) or is_for_the_type_checker(node)


@pytest.mark.parametrize("path", FILES)
def test_a_module_only_names_things(path):
    doing = [f"{path}:{node.lineno}: {ast.unparse(node)[:80]}" for node in parsed(path).body if not does_nothing(node)]
    assert not doing, doing


IMPORT_ALL = """
import os, sys, threading
before = dict(os.environ)
for name in sys.argv[1:]:
    __import__(name)
assert dict(os.environ) == before, "the environment is another"
assert threading.active_count() == 1, "a thread runs"
heavy = {"torch", "transformers", "trl", "scipy", "matplotlib", "dvc", "datasets", "ray", "vllm"} & set(sys.modules)
assert not heavy, f"{heavy} are loaded"
"""


def test_the_import_of_all_stages_does_nothing_and_loads_no_heavy_library(tmp_path):
    modules = [path.removesuffix(".py").replace("/", ".") for path in STAGES]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *modules],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "DVC_STAGE": "sample"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
