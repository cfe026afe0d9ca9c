"""What the pipeline costs beside its work: a `dvc repro` that finds all done, and the import of what its stages need.

    python -m bench.pipeline

Needs a finished run, of which it makes a copy in a temporary folder. A figure is the median of its rounds; what is compared
takes turns, a process each.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.comparison import Comparison, table
from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.params import profile_path
from src.core.pipeline import all_entries

REPRO_ROUNDS, IMPORT_ROUNDS = 10, 3
DVC = (sys.executable, "-m", "dvc")
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.org")
TORCH, TRL = "torch and transformers alone", "trl, peft and datasets alone"
ALONE = {
    TORCH: "import torch; from transformers import AutoModelForCausalLM, AutoTokenizer",
    TRL: "import torch; from datasets import Dataset; from peft import LoraConfig, get_peft_model; "
    "from trl import DPOConfig, DPOTrainer",
}
# What a stage imports inside its functions, once it runs; stage base, where it trains the sandbox's model.
LOADED_BY = {
    "base": ("src.models.pretrained", "src.training.callbacks", "src.training.sandbox_model"),
    "sample": ("src.engines.runner",),
    "train": (
        "src.models.checkpoints",
        "src.training.preflight",
        "src.training.token_checks",
        "src.training.callbacks",
        "src.training.dpo",
        "peft",
    ),
    "answer": ("src.engines.runner", "peft"),
}


@dataclass(frozen=True)
class Process:
    """A command and the folder that it runs in."""

    command: Sequence[str]
    folder: Path


def medians(processes: Mapping[str, Process], rounds: int) -> dict[str, float]:
    """Seconds of each process from start to end, by name; they take turns, after one turn that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in processes}
    for round_ in range(rounds + 1):
        for name, process in processes.items():
            began = time.perf_counter()
            subprocess.run(process.command, cwd=process.folder, check=True, capture_output=True)
            if round_:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


# --- dvc repro ---


def compare_repro() -> Comparison:
    """A `dvc repro` that finds all done against one of as many empty stages."""
    profile = profile_path().stem
    count = len(all_entries(profile))
    with TemporaryDirectory() as scratch:
        finished, empty = Path(scratch, "finished"), Path(scratch, "empty")
        copy_run(finished, profile)
        make_empty(empty, count)
        processes = {name: Process((*DVC, "repro"), folder) for name, folder in (("ours", finished), ("empty", empty))}
        found = medians(processes, REPRO_ROUNDS)
    return Comparison(f"`dvc repro`, {count} stages done", "s", found["ours"], "DVC, empty stages", found["empty"], at_most=1.5)


def copy_run(folder: Path, profile: str) -> None:
    """A checkout of its own with the files that Git tracks, as they are now, and the outputs of all stages, all up to date.

    InputError where an output is missing.
    """
    tracked = subprocess.run(("git", "ls-files", "-z"), check=True, capture_output=True, text=True).stdout.split("\0")
    outs = [out for entry in all_entries(profile) for out in entry.outs]
    if missing := [out for out in outs if not Path(out).exists()]:
        raise InputError(f"no finished run: {missing[0]} is not there; run `make repro`")
    for path in map(Path, [*filter(None, tracked), *outs]):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, place, dirs_exist_ok=True)
        elif path.exists():  # and not removed from the working tree alone
            shutil.copy(path, place)
    file_under_dvc(folder)


def make_empty(folder: Path, count: int) -> None:
    """A checkout of so many stages that do nothing, each with one dependency and one output, all up to date."""
    (folder / ".dvc").mkdir(parents=True)
    shutil.copy(".dvc/config", folder / ".dvc/config")
    lines = ["stages:"]
    for number in range(count):
        for name in ("dep", "out"):
            (folder / f"{name}{number}").write_text(f"{number}\n")
        lines += [f"  stage{number}:", "    cmd: 'true'", f"    deps: [dep{number}]", f"    outs: [out{number}]"]
    (folder / "dvc.yaml").write_text("\n".join([*lines, ""]))
    file_under_dvc(folder)


def file_under_dvc(folder: Path) -> None:
    """Let Git and DVC know the files of a folder, which are taken for those that its stages have made."""
    subprocess.run(("git", "init", "--quiet"), cwd=folder, check=True)
    subprocess.run((*DVC, "commit", "--force", "--quiet"), cwd=folder, check=True, capture_output=True)
    subprocess.run(("git", "add", "--all"), cwd=folder, check=True, capture_output=True)
    subprocess.run((*GIT, "commit", "--quiet", "--message", "all"), cwd=folder, check=True)
    said = subprocess.run((*DVC, "repro", "--dry"), cwd=folder, check=True, capture_output=True, text=True).stdout
    if "Data and pipelines are up to date." not in said:
        raise InputError(f"a stage of the copy in {folder} is not up to date: {said}")


# --- imports ---


def stage_code(stage: str) -> str:
    """Python that imports what a stage imports while it runs, as the stage does it."""
    loaded = ", ".join(LOADED_BY[stage])
    return f"import src.stages.{stage}\nfrom src.models.loading import loading\nwith loading():\n    import {loaded}"


def compare_imports() -> list[Comparison]:
    """The import of each stage that runs a model against that of the libraries alone."""
    codes = ALONE | {stage: stage_code(stage) for stage in LOADED_BY}
    found = medians({name: Process((sys.executable, "-c", code), Path()) for name, code in codes.items()}, IMPORT_ROUNDS)
    ours = [Comparison(f"import, stage {stage}", "s", found[stage], TORCH, found[TORCH], at_most=1.3) for stage in LOADED_BY]
    return [*ours, Comparison("import, stage train", "s", found["train"], TRL, found[TRL])]


def compare() -> Sequence[Comparison]:
    os.environ.pop("DVC_STAGE", None)
    return [compare_repro(), *compare_imports()]


def main() -> None:
    command_line("python -m bench.pipeline", __doc__).parse_args()
    print(table(compare()))


if __name__ == "__main__":
    run_command(main)
