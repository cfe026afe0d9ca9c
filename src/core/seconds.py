"""How long each stage took when it last ran in this checkout. Nothing here changes a result, and no result has it."""

from dataclasses import dataclass
from pathlib import Path

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
    """Of every stage that has run here, in the order in which they last ran; those that DVC only fetched took none."""
    files = sorted(FOLDER.glob("*.txt"), key=lambda file: (file.stat().st_mtime_ns, file.name))
    return tuple(StageSeconds(file.stem, float(file.read_text(encoding="utf-8"))) for file in files)
