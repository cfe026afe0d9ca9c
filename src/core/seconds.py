"""How long each stage took when it last ran in this checkout. Nothing here changes a result, and no result has it."""

import re
from dataclasses import dataclass
from pathlib import Path

from src.core.errors import InputError
from src.core.files import write_text

FOLDER = Path(".dvc/tmp/seconds")  # of this checkout alone: DVC keeps .dvc/tmp out of Git


@dataclass(frozen=True)
class StageSeconds:
    """A stage by its name in dvc.yaml, and its seconds."""

    stage: str
    seconds: float


def keep_seconds(taken: StageSeconds) -> None:
    """Write down what a stage that has done its work took."""
    write_text(FOLDER / f"{taken.stage}.txt", f"{taken.seconds:.2f}\n")


def read_seconds() -> tuple[StageSeconds, ...]:
    """Of every stage that has run here, in the order in which they last ran; those that DVC only fetched took none.

    InputError for a file that holds no number of seconds.
    """
    files = sorted(FOLDER.glob("*.txt"), key=lambda file: (file.stat().st_mtime_ns, file.name))
    return tuple(StageSeconds(file.stem, _seconds(file)) for file in files)


def _seconds(file: Path) -> float:
    text = file.read_bytes()
    if not re.fullmatch(rb"\d+\.\d+\n", text):
        raise InputError(f"{file}: holds {text[:40]!r}, no number of seconds; remove it, and the stage's next run writes it anew")
    return float(text)
