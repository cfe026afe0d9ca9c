"""dvc.yaml against the code: DVC follows no imports and believes what a stage says that it reads, so these tests look.

What `make deps` writes is found here a second time, by other code.
"""

import ast
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from src.ops.checkout import FOLDERS
from src.ops.deps import NO_RESULT, RESULT_PACKAGES, with_deps
from src.stages.all_settings import PARAMS_SECTIONS, PROFILE_SECTIONS

ROOT = Path(__file__).parents[2]
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
VERSIONS = "versions.yaml"
PARAMS, PROFILE = "params.yaml", "profiles/${profile}.yaml"
# Where each reader of params finds the section that is its first argument.
READERS = {
    "load_section": PARAMS,
    "load_value": PARAMS,
    "load_profile_section": PROFILE,
    "load_overridden_section": PARAMS,  # and its holder in the profile
}


def definition(name: str) -> dict[str, Any]:
    return STAGES[name].get("do", STAGES[name])


# --- what the code says ---


class Runs(ast.NodeVisitor):
    """The imports and calls of a file that can run: all but those for types alone."""

    def __init__(self) -> None:
        self.imports: list[str] = []
        self.calls: list[ast.Call] = []

    def visit_If(self, node: ast.If) -> None:  # the name that ast calls
        for part in node.orelse if "TYPE_CHECKING" in ast.dump(node.test) else [node.test, *node.body, *node.orelse]:
            self.visit(part)

    def visit_Import(self, node: ast.Import) -> None:
        self.imports += [alias.name for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imports.append(node.module or "")

    def visit_Call(self, node: ast.Call) -> None:
        self.calls.append(node)
        self.generic_visit(node)


def runs(path: str) -> Runs:
    visitor = Runs()
    visitor.visit(ast.parse((ROOT / path).read_text()))
    return visitor


def code_behind(path: str) -> set[str]:
    """`path` and our files that it reaches through `from src.x import y`, at any depth, but those that change no result."""
    found: set[str] = set()
    todo = [path]
    while todo:
        path = todo.pop()
        if path in found | NO_RESULT.keys():
            continue
        found.add(path)
        for name in runs(path).imports:
            if name.startswith("src."):
                module = name.replace(".", "/")
                todo.append(f"{module}.py" if (ROOT / f"{module}.py").exists() else f"{module}/__init__.py")
    return found


def packages_behind(path: str) -> set[str]:
    names = {name.split(".")[0] for file in code_behind(path) for name in runs(file).imports}
    return {package for name in names for package in RESULT_PACKAGES.get(name, ())}


def sections_read(path: str) -> set[tuple[str, str]]:
    """(file, section) of every parameter that a stage's module reads, itself or by what it reaches.

    Not `profile`, which the readers of a profile read: dvc.yaml has it in the names of the profile's file.
    """
    sections = set()
    for call in (call for file in code_behind(path) - {"src/core/params.py"} for call in runs(file).calls):
        if isinstance(call.func, ast.Name) and call.func.id in READERS and isinstance(call.args[0], ast.Constant):
            sections.add((READERS[call.func.id], call.args[0].value))
            sections |= {(PROFILE, keyword.value.value) for keyword in call.keywords if keyword.arg == "holder"}
    return sections


# --- what dvc.yaml says ---


def listed(name: str) -> dict[str, set[str]]:
    """By file: the sections that a stage lists as params."""
    sections: dict[str, set[str]] = {}
    for entry in definition(name).get("params", ()):
        for file, keys in entry.items() if isinstance(entry, dict) else [(PARAMS, [entry])]:
            sections.setdefault(file, set()).update(keys)
    return sections


def sections_listed(name: str) -> set[tuple[str, str]]:
    return {(file, section) for file, sections in listed(name).items() if file != VERSIONS for section in sections}


@pytest.mark.parametrize("name", STAGES)
def test_stage_lists_exactly_the_code_it_runs(name):
    files = {dep for dep in definition(name)["deps"] if dep.endswith(".py")}
    assert files == code_behind(f"src/stages/{name}.py")


@pytest.mark.parametrize("name", STAGES)
def test_stage_lists_exactly_the_params_it_reads(name):
    # By src/stages/all_settings.py, through which no dependency is followed: where its data, models and GPUs come from.
    of_doctor = {(PROFILE, section) for section in ("data", "base", "engine", "train")} if name == "doctor" else set()
    assert sections_listed(name) == sections_read(f"src/stages/{name}.py") | of_doctor


@pytest.mark.parametrize("name", STAGES)
def test_stage_lists_exactly_the_packages_that_it_computes_by(name):
    assert listed(name).get(VERSIONS, set()) == packages_behind(f"src/stages/{name}.py")


@pytest.mark.parametrize("name", STAGES)
def test_stage_that_runs_a_model_depends_on_the_versions(name):
    code = [(ROOT / file).read_text() for file in code_behind(f"src/stages/{name}.py")]
    for package in ("torch", "datasets"):
        if any(f"import {package}" in text for text in code):
            assert package in listed(name)[VERSIONS]
    if "src/engines/vllm_engine.py" in definition(name)["deps"]:
        assert "vllm" in listed(name)[VERSIONS]


def test_stages_have_the_packages_that_they_are_known_to_compute_by():
    every = {name: listed(name).get(VERSIONS, set()) for name in STAGES}
    assert every["train"] >= {"torch", "transformers", "tokenizers", "trl", "peft", "accelerate", "datasets"}
    assert every["sample"] == every["answer"] >= {"torch", "transformers", "tokenizers", "peft", "vllm"}
    assert every["rollouts"] == {"numpy"} and every["prefs"] == set()
    assert {name for name, packages in every.items() if "jinja2" in packages} == {"report"}
    assert not any("torch" in every[name] for name in ("data", "rollouts", "prefs", "eval", "compare", "report"))


def test_no_model_is_asked_again_after_a_change_of_parser_scores_or_verdict():
    method = {f"src/regime_w/{name}.py" for name in ("answers", "scoring", "preferences", "evaluation", "verdict", "criteria")}
    for name in ("base", "sample", "train", "answer"):
        assert not method & set(definition(name)["deps"]), name


def test_every_package_that_a_stage_lists_has_its_version():
    versions = yaml.safe_load((ROOT / VERSIONS).read_text())
    assert {package for packages in RESULT_PACKAGES.values() for package in packages} <= versions.keys()


def test_make_deps_has_nothing_to_write(monkeypatch):
    monkeypatch.chdir(ROOT)
    pipeline = (ROOT / "dvc.yaml").read_text()
    assert with_deps(pipeline) == pipeline


def test_every_file_that_a_stage_names_in_src_is_there():
    for name in STAGES:
        assert all((ROOT / dep).is_file() for dep in definition(name)["deps"] if dep.startswith("src/")), name


def test_the_report_lists_every_template_of_its_pages():
    templates = ROOT / "src/report/templates"
    wanted = {*(templates / "html").iterdir(), templates / "words.j2", templates / "report.md.j2"}
    listed = {dep for dep in definition("report")["deps"] if dep.startswith("src/report/templates/")}
    assert listed == {path.relative_to(ROOT).as_posix() for path in wanted}


def test_every_stage_module_is_a_stage():
    assert {path.stem for path in (ROOT / "src/stages").glob("*.py")} - {"__init__", "all_settings"} == set(STAGES)


def test_the_shell_that_dvc_asks_becomes_the_stage():
    """Else a shell that stays in between (dash) keeps the stage alive when DVC is killed."""
    for name in STAGES:
        assert definition(name)["cmd"].startswith(f"exec python -m src.stages.{name}"), name


def test_every_edit_of_a_setting_runs_stage_settings_and_every_other_stage_comes_after_it():
    assert {"params.yaml", "profiles"} <= set(definition("settings")["deps"])
    assert "outputs/settings.txt" in definition("doctor")["deps"]
    assert "outputs/doctor.txt" in definition("data")["deps"]


def test_a_section_that_a_stage_lists_is_read_by_stage_settings_too():
    known = {(PARAMS, section.name) for section in PARAMS_SECTIONS} | {(PROFILE, section.name) for section in PROFILE_SECTIONS}
    assert {section for name in STAGES for section in sections_listed(name)} | {(PARAMS, "profile")} == known


def test_dvc_writes_params_yaml_as_it_stands(tmp_path):
    """Else each experiment rewrote lines that it does not set: DVC breaks lists up, empties `null` and loses comments."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    apply_overrides(tmp_path / "params.yaml", ["policy=baseline", "policy=coherence"])
    assert (tmp_path / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()


def test_the_folders_that_must_be_no_links_are_those_of_the_outputs():
    outs = [out if isinstance(out, str) else next(iter(out)) for name in STAGES for out in outputs(definition(name))]
    assert {Path(out).parts[0] for out in outs if "/" in out} == set(FOLDERS)
    assert all(len(Path(out).parts) <= 2 for out in outs)


def outputs(stage: dict[str, Any]) -> list[Any]:
    return [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]


# --- the layers ---


def test_the_method_imports_neither_torch_nor_files():
    for path in (ROOT / "src/regime_w").glob("*.py"):
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module if node.module.startswith("src") else node.module.split(".")[0])
        foreign = {m for m in imported if m.startswith("src") and not m.startswith("src.regime_w")} - {"src.core.shapes"}
        assert not foreign, f"{path.name} imports {foreign}"
        assert not imported & {"torch", "transformers", "pathlib", "os", "io", "time", "datetime"}, path.name


def test_nothing_imports_a_layer_above_its_own():
    layers = [{"core"}, {"regime_w"}, {"models", "sources", "engines", "training", "ops", "report"}, {"stages"}]
    height = {package: place for place, packages in enumerate(layers) for package in packages}
    for path in (ROOT / "src").rglob("*.py"):
        own = path.relative_to(ROOT / "src").parts[0]
        for name in runs(path.relative_to(ROOT).as_posix()).imports:
            if name.startswith("src.") and own in height:
                assert height[name.split(".")[1]] <= height[own], f"{path} imports {name}"


def test_no_stage_imports_another():
    for name in STAGES:
        others = {module for module in runs(f"src/stages/{name}.py").imports if module.startswith("src.stages.")}
        assert others <= ({"src.stages.all_settings"} if name in ("settings", "doctor") else set()), name
