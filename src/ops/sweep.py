"""One experiment for each point of a sweep, and a table and a picture of what came out.

    python -m src.ops.sweep NAME [--point POINT]        (make sweep-NAME)

Reads   sweeps/<name>.yaml   title and points; a point sets parameters
Writes  sweeps/<name>.md     the table
        sweeps/<name>.svg    the picture
        a DVC experiment <name>-<point> each

Every experiment runs in a folder of its own (`dvc exp run --temp`): the checkout stays as it is, and what no point
changes, sampling before all, comes from DVC's cache. After an interruption the same command goes on with the point
that was running.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.files import write_text
from src.core.params import load_value, profile_path
from src.core.shapes import Faults, check_json
from src.ops.git import git
from src.regime_w.pair_metrics import PairMetrics
from src.regime_w.statistics import holm
from src.regime_w.verdict import RunVerdict
from src.report.figures import Estimate, draw_estimates
from src.report.rendering import template

FOLDER = Path("sweeps")
# What no experiment may be called: Git and DVC make names of branches of it.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
M = TypeVar("M")


@dataclass(frozen=True)
class Point:
    """A point of a sweep: `set` has `key=value` for params.yaml, or `profile:key=value` for the profile's file."""

    name: str
    set: tuple[str, ...]

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r}: give letters, digits, dots and hyphens")
        for item in self.set:
            if "=" not in item:
                raise ValueError(f"set {item!r}: give key=value, such as dpo.learning_rate=5e-5")


@dataclass(frozen=True)
class Outcome:
    """What the experiment of one point ended with. `holm_p_value` is corrected for the number of points."""

    point: str
    pairs: int
    verdict: RunVerdict
    holm_p_value: float


# --- the experiments ---


def run_experiment(name: str, settings: Sequence[str], profile: Path) -> None:
    """Run one experiment in a folder of its own; it replaces one of that name of an earlier sweep. InputError if it fails."""
    remove_experiment(name)
    # Tied to this process: a sweep that SIGKILL ends would leave an experiment that goes on.
    command = [sys.executable, "-m", "src.ops.with_parent", "dvc", "exp", "run", "--temp", "--name", name]
    for item in settings:
        command += ["--set-param", re.sub("^profile:", f"{profile}:", item)]
    if status := subprocess.run(command).returncode:
        raise InputError(
            f"experiment {name} ended with status {status}; the cause stands above. The experiments before it are kept: "
            "remove it and give the same command again"
        )


def remove_experiment(name: str) -> None:
    """Forget the experiments of that name, of all commits: from a third commit DVC cannot tell two of one name apart."""
    refs = git(Path(), "for-each-ref", "--format=delete %(refname)", f"refs/exps/**/{name}")
    git(Path(), "update-ref", "--stdin", read=refs)


def read_experiment(experiment: str, file: str, wanted: type[M]) -> M:
    """The metrics in a file of an experiment, typed. InputError if they are not of that type."""
    commit = git(Path(), "for-each-ref", "--format=%(objectname)", f"refs/exps/**/{experiment}").strip()
    try:
        return check_json(wanted, git(Path(), "show", f"{commit}:{file}"))
    except Faults as faults:
        raise InputError(f"experiment {experiment}: {file}: {faults}; run the sweep again") from faults


# --- what came out ---


def collect(name: str, points: Sequence[Point]) -> list[Outcome]:
    """The outcome of every point, from the experiments' own metrics."""
    experiments = [f"{name}-{point.name}" for point in points]
    verdicts = [read_experiment(experiment, "metrics/verdict.json", RunVerdict) for experiment in experiments]
    corrected = holm([verdict.p_value for verdict in verdicts])
    pairs = [read_experiment(experiment, "metrics/prefs.json", PairMetrics).pairs for experiment in experiments]
    return [
        Outcome(point=point.name, pairs=count, verdict=verdict, holm_p_value=p_value)
        for point, count, verdict, p_value in zip(points, pairs, verdicts, corrected, strict=True)
    ]


def page(title: str, about: str, outcomes: Sequence[Outcome], picture: str) -> str:
    """The Markdown page of a sweep. `about` says of which run it is, `picture` is a file beside the page."""
    # Every point starts from the same base, so that the baseline is one.
    baseline_accuracy = outcomes[0].verdict.baseline_accuracy
    return template("sweep.md.j2").render(
        title=title, about=about, baseline_accuracy=baseline_accuracy, outcomes=outcomes, picture=picture
    )


def draw(title: str, outcomes: Sequence[Outcome], path: Path) -> None:
    """The difference of every point with its interval; the same outcomes give the same bytes."""
    verdicts = [outcome.verdict for outcome in outcomes]
    estimates = [
        Estimate(outcome.point, 100 * verdict.difference, 100 * verdict.ci_low, 100 * verdict.ci_high)
        for outcome, verdict in zip(outcomes, verdicts, strict=True)
    ]
    draw_estimates(title, "accuracy of coherence minus baseline, points, with its interval", estimates, path)


def read_points(file: Path) -> tuple[Point, ...]:
    """The points of a sweep's file, at least one, each with a name of its own; InputError otherwise."""
    points = load_value("points", tuple[Point, ...], file)
    if len({point.name for point in points}) != len(points) or not points:
        raise InputError(f"{file}: points are {', '.join(point.name for point in points) or 'none'}; give each a name of its own")
    return points


def named(points: Sequence[Point], name: str, file: Path) -> Point:
    """The point of that name; InputError if the file has none."""
    for point in points:
        if point.name == name:
            return point
    raise InputError(f"--point is {name!r}, and {file} has no such point (it has {', '.join(point.name for point in points)})")


def main() -> None:
    parser = command_line("python -m src.ops.sweep", __doc__)
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    parser.add_argument("name", choices=known, help="a file of sweeps/, without .yaml")
    parser.add_argument("--point", metavar="POINT", help="run this point alone, and write no table")
    given = parser.parse_args()
    name = given.name
    file = FOLDER / f"{name}.yaml"
    title, points = load_value("title", str, file), read_points(file)
    profile, seed = profile_path(), load_value("seed", int)
    if given.point is not None:
        run_experiment(f"{name}-{given.point}", named(points, given.point, file).set, profile)
        return
    for number, point in enumerate(points, start=1):
        print(f"== {name}: {point.name} ({number} of {len(points)})", flush=True)
        run_experiment(f"{name}-{point.name}", point.set, profile)
    outcomes = collect(name, points)
    picture = file.with_suffix(".svg")
    draw(title, outcomes, picture)
    text = page(title, f"Profile {profile.stem}, seed {seed}", outcomes, picture.name)
    write_text(file.with_suffix(".md"), text)
    print(text)


if __name__ == "__main__":
    run_command(main)
