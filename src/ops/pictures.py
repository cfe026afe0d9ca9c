"""Draw the picture of the run at hand that README.md shows.

    python -m src.ops.pictures        (make pictures)

Reads   plots/accuracy.csv, plots/train.csv, plots/arms.csv   as the stages write them, and Git keeps them
Writes  docs/run.svg                                          the same bytes for the same figures
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.files import require_file
from src.core.params import load_value, profile_path
from src.core.shapes import Seed
from src.report.figures import Estimate
from src.report.run_picture import Arm, Loss, draw_run

PLOTS, PICTURE = Path("plots"), Path("docs/run.svg")
BOUNDS = ("low", "accuracy", "high")


def read_rows(path: Path, columns: Sequence[str]) -> list[Mapping[str, str]]:
    """The rows of a table that a stage writes; InputError if it is not there, or lacks one of the columns."""
    require_file(path, "run `dvc repro`, or restore it from Git")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if lacking := set(columns) - set(reader.fieldnames or ()):
            raise InputError(f"{path} lacks the columns {', '.join(sorted(lacking))}; run the stage that draws it, or restore it")
        return list(reader)


def read_policies(path: Path) -> list[Estimate]:
    """Accuracy of each policy and its interval, in percent."""
    rows = read_rows(path, ("policy", "bound", "percent"))
    found = {(row["policy"], row["bound"]): float(row["percent"]) for row in rows}
    policies = dict.fromkeys(row["policy"] for row in rows)
    if lacking := [f"{policy} {bound}" for policy in policies for bound in BOUNDS if (policy, bound) not in found]:
        raise InputError(f"{path} lacks {lacking[0]}; run `dvc repro compare`, or restore it from Git")
    return [Estimate(name, found[name, "accuracy"], found[name, "low"], found[name, "high"]) for name in policies]


def read_losses(path: Path) -> list[Loss]:
    rows = read_rows(path, ("step", "epoch", "loss"))
    return [Loss(int(row["step"]), int(row["epoch"]), float(row["loss"])) for row in rows]


def read_arms(path: Path) -> list[Arm]:
    return [Arm(row["arm"], float(row["percent"])) for row in read_rows(path, ("arm", "percent"))]


def draw(picture: Path) -> None:
    """Draw the figures of the working folder."""
    title = f"Profile {profile_path().stem}, seed {load_value('seed', Seed)}"
    policies, losses = read_policies(PLOTS / "accuracy.csv"), read_losses(PLOTS / "train.csv")
    arms = read_arms(PLOTS / "arms.csv")
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw_run(title, policies, losses, arms, picture)


def main() -> None:
    command_line("python -m src.ops.pictures", __doc__).parse_args()
    draw(PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    run_command(main)
