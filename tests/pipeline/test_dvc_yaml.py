"""dvc.yaml against the code: DVC follows no imports and believes what a stage says that it reads, so these tests look."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
READERS = {"load_section": "params.yaml", "load_value": "params.yaml", "load_profile_section": "profiles/${profile}.yaml"}
READERS["load_profile_value"] = READERS["load_profile_section"]


def definition(name: str) -> dict:
    return STAGES[name].get("do", STAGES[name])


def code_behind(path: str) -> set[str]:
    """`path`, the package's own file, and our files that it reaches through `from src.x import y`, at any depth."""
    seen, todo = set(), [path, "src/__init__.py"]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("src."):
                todo.append(node.module.replace(".", "/") + ".py")
    return seen


def sections_read(path: str) -> set[tuple[str, str]]:
    """(file, section) of every parameter that a stage's module reads."""
    calls = [n for n in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(n, ast.Call)]
    return {
        (READERS[call.func.id], call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in READERS
    }


def sections_listed(name: str) -> set[tuple[str, str]]:
    listed = set()
    for entry in definition(name)["params"]:
        if isinstance(entry, str):
            listed.add(("params.yaml", entry))
        else:
            listed |= {(file, section) for file, sections in entry.items() for section in sections}
    return listed


@pytest.mark.parametrize("name", STAGES)
def test_stage_lists_exactly_the_code_it_runs(name):
    listed = {dep for dep in definition(name)["deps"] if dep.endswith(".py")}
    assert listed == code_behind(f"src/stages/{name}.py")


@pytest.mark.parametrize("name", STAGES)
def test_stage_lists_exactly_the_params_it_reads(name):
    assert sections_listed(name) == sections_read(f"src/stages/{name}.py")


@pytest.mark.parametrize("name", STAGES)
def test_stage_that_runs_a_model_depends_on_the_versions(name):
    uses_model = any(
        module in (ROOT / file).read_text()
        for file in code_behind(f"src/stages/{name}.py")
        for module in ("import torch", "import datasets")
    )
    if uses_model:
        assert "requirements.txt" in definition(name)["deps"]
    uses_gpu_engine = "src/engines/vllm_engine.py" in definition(name)["deps"]
    assert uses_gpu_engine <= ("requirements-gpu.txt" in definition(name)["deps"])


def test_every_stage_module_is_a_stage():
    assert {path.stem for path in (ROOT / "src/stages").glob("*.py")} == set(STAGES)


def test_the_method_imports_neither_torch_nor_files():
    for path in (ROOT / "src/regime_w").glob("*.py"):
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module if node.module.startswith("src") else node.module.split(".")[0])
        foreign = {m for m in imported if m.startswith("src") and not m.startswith("src.regime_w")}
        assert not foreign, f"{path.name} imports {foreign}"
        assert not imported & {"torch", "transformers", "pathlib", "os", "io", "time", "datetime"}, path.name
