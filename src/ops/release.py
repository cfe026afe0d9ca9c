"""Put the adapter, its card and its results into the folder release/: ready to be loaded, looked at, or published.

    python -m src.ops.release        (make release)

Reads   checkpoints/dpo_coherence_lora, checkpoints/base   weights and settings as the pipeline made them
        metrics/, params.yaml, the profile                 what the card says
Writes  release/README.md              the model card
        release/.eval_results/*.yaml   results on benchmarks of the hub, in the form that it reads
        release/eval_results.yaml      results on other questions, in the same form
        release/adapter_*              the adapter
        release/base                   the base, where it was trained here and nobody else has it

What is out of date is refused: `dvc status` must have nothing to say. docs/publish.md says how to go on.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.files import atomic_folder, read_json, require_file, write_json, write_text
from src.ops.card_facts import collect
from src.report.card import BaseModel, Card, render, results_files

RELEASE = Path("release")
ADAPTER, BASE = Path("checkpoints/dpo_coherence_lora"), Path("checkpoints/base")
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# Data, in forms that run no code as they are read.
ALLOWED = (".safetensors", ".json")
PEFT_CARD = "README.md"  # an empty form, in place of which ours comes


def check_current() -> None:
    """InputError unless outputs, code and settings of all stages are those by which the run at hand was made."""
    done = subprocess.run([sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise InputError(f"`dvc status` ended with {done.returncode}: {last}; run `make repair`, and then this again")
    if changed := sorted(json.loads(done.stdout or "{}")):
        raise InputError(
            f"the results of {', '.join(changed)} are not of the code and settings at hand, or not here: run `dvc repro`, or "
            "`make pull` where a remote has them, so that the card says what the adapter is"
        )


def files_to_copy(folder: Path) -> list[Path]:
    """The files of a checkpoint. InputError for a file that is neither safetensors nor JSON: it could run code as it is read."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such checkpoint; run `dvc repro`")
    files = [path for path in sorted(folder.rglob("*")) if path.name != PEFT_CARD and not path.is_dir()]
    if strange := [path for path in files if path.suffix not in ALLOWED]:
        raise InputError(
            f"{strange[0]} is neither safetensors nor JSON, and nothing else is released: it could run code as it is read; move "
            "it away, or make the checkpoint again by `dvc repro`"
        )
    return files


def copy_checkpoint(folder: Path, to: Path) -> None:
    for file in files_to_copy(folder):
        target = to / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def name_base(config: Path, base: BaseModel) -> None:
    """Let the adapter name its base as others have it. A path of ours would be looked for on the hub, where it is anybody's."""
    content = read_json(config)
    write_json(config, content | {"base_model_name_or_path": base.name, "revision": base.commit})


def write_release(card: Card, folder: Path) -> None:
    """Write the folder, whole or not at all. InputError if the adapter lacks a file or has another than it must have."""
    for name in (CONFIG, WEIGHTS):
        require_file(ADAPTER / name, "run `dvc repro train`")
    with atomic_folder(folder) as new:
        copy_checkpoint(ADAPTER, new)
        if card.base.kind == "shipped":
            copy_checkpoint(BASE, new / "base")
        name_base(new / CONFIG, card.base)
        write_text(new / "README.md", render(card))
        for file in results_files(card):
            write_text(new / file.path, file.text)


def make_release(repo: str | None) -> list[Path]:
    """Make release/ anew, and return its files. Raises InputError as the functions above do.

    repo  of the hub, which the card loads; None for a card that loads the folder
    """
    check_current()
    write_release(collect(repo or str(RELEASE), repo is not None, Path.cwd()), RELEASE)
    return sorted(path for path in RELEASE.rglob("*") if path.is_file())


def main() -> None:
    command_line("python -m src.ops.release", __doc__).parse_args()
    for path in make_release(None):
        print(path)


if __name__ == "__main__":
    run_command(main)
