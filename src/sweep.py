"""One experiment for each point of a sweep, and a table and a picture of what came out.

Reads   sweeps/<name>.yaml   title and points; a point sets parameters
Writes  sweeps/<name>.md     the table
        sweeps/<name>.svg    the picture
        a DVC experiment <name>-<point> each

Every experiment runs in a folder of its own (`dvc exp run --temp`): the checkout stays as it is, and what no point
changes, sampling before all, comes from DVC's cache. After an interruption the same command goes on with the point
that was running.
"""

import argparse
import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.errors import InputError, run_stage
from src.params import load_value, profile_path
from src.records import write_text

FOLDER = Path("sweeps")
# What no experiment may be called: Git and DVC make names of branches of it.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


@dataclass(frozen=True)
class Point:
    name: str
    set: tuple[str, ...]  # `key=value` of params.yaml, or `profile:key=value` of the profile's file

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r}: give letters, digits, dots and hyphens")
        for item in self.set:
            if "=" not in item:
                raise ValueError(f"set {item!r}: give key=value, such as profile:train.learning_rate=5e-5")


@dataclass(frozen=True)
class Outcome:
    """What one experiment ended with. Accuracies and differences are shares, 0.02 is two points."""

    point: str
    pairs: int
    coherence_accuracy: float
    difference: float
    difference_low: float
    difference_high: float
    fixed: int
    broken: int
    p_value: float
    holm_p_value: float


# --- the experiments ---


def run_experiment(name: str, settings: Sequence[str], profile: Path) -> None:
    """Run one experiment in a folder of its own; one of that name of an earlier sweep gives way."""
    remove_experiment(name)
    command = ["dvc", "exp", "run", "--temp", "--name", name]
    for item in settings:
        command += ["--set-param", re.sub("^profile:", f"{profile}:", item)]
    if status := subprocess.run(command).returncode:
        raise InputError(
            f"experiment {name} ended with status {status}; the cause stands above. The experiments before it are kept: "
            "mend it and give the same command again"
        )


def git(*arguments: str, read: str | None = None) -> str:
    return subprocess.run(["git", *arguments], input=read, capture_output=True, text=True, check=True).stdout


def remove_experiment(name: str) -> None:
    """Forget the experiments of that name, of all commits: from a third commit DVC cannot tell two of one name apart."""
    git("update-ref", "--stdin", read=git("for-each-ref", "--format=delete %(refname)", f"refs/exps/**/{name}"))


def read_metrics(experiment: str, name: str) -> dict:
    """metrics/<name>.json of an experiment."""
    commit = git("for-each-ref", "--format=%(objectname)", f"refs/exps/**/{experiment}").strip()
    return json.loads(git("show", f"{commit}:metrics/{name}.json"))


# --- what came out ---


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979), in the given order: the best of many is often good by chance."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [0.0] * len(p_values)
    greatest = 0.0
    for rank, index in enumerate(order):
        greatest = max(greatest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = greatest
    return corrected


def collect(name: str, points: Sequence[Point]) -> tuple[float, list[Outcome]]:
    """The accuracy of the baseline, and the outcome of every point, from the experiments' own metrics."""
    experiments = [f"{name}-{point.name}" for point in points]
    verdicts = [read_metrics(experiment, "verdict") for experiment in experiments]
    corrected = holm([verdict["p_value"] for verdict in verdicts])
    kept = ("coherence_accuracy", "difference", "difference_low", "difference_high", "fixed", "broken", "p_value")
    outcomes = [
        Outcome(
            point=point.name,
            pairs=read_metrics(experiment, "prefs")["pairs"],
            holm_p_value=p_value,
            **{key: verdict[key] for key in kept},
        )
        for point, experiment, verdict, p_value in zip(points, experiments, verdicts, corrected, strict=True)
    ]
    return verdicts[0]["baseline_accuracy"], outcomes


def table(title: str, told: str, baseline: float, outcomes: Sequence[Outcome], picture: Path) -> str:
    lines = [
        f"# {title}",
        "",
        f"{told}. Baseline {baseline:.2%}. p is of the exact McNemar test; Holm's is corrected for the number of points, as the "
        "best of many is often good by chance.",
        "",
        "| point | pairs | coherence | difference, points | fixed / broken | p | p, Holm |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for item in outcomes:
        difference = f"{100 * item.difference:+.2f} ({100 * item.difference_low:.2f} to {100 * item.difference_high:.2f})"
        lines.append(
            f"| {item.point} | {item.pairs:,} | {item.coherence_accuracy:.2%} | {difference} | {item.fixed} / {item.broken} "
            f"| {item.p_value:.2g} | {item.holm_p_value:.2g} |"
        )
    return "\n".join([*lines, "", f"![{title}]({picture.name})", ""])


def draw(title: str, outcomes: Sequence[Outcome], path: Path) -> None:
    """The difference of every point with its interval; the same outcomes give the same bytes."""
    import matplotlib.pyplot as plt  # a second, which --help need not wait

    plt.rcParams |= {"svg.hashsalt": title, "svg.fonttype": "none"}
    figure, axes = plt.subplots(figsize=(7, 1.2 + 0.4 * len(outcomes)), layout="constrained")
    middle = [100 * item.difference for item in outcomes]
    below = [100 * (item.difference - item.difference_low) for item in outcomes]
    above = [100 * (item.difference_high - item.difference) for item in outcomes]
    axes.errorbar(middle, range(len(outcomes)), xerr=(below, above), fmt="o", capsize=3)
    axes.axvline(0, color="grey", linewidth=1)
    axes.set_yticks(range(len(outcomes)), [item.point for item in outcomes])
    axes.invert_yaxis()
    axes.set(title=title, xlabel="accuracy of coherence minus baseline, points, with its interval")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    parser = argparse.ArgumentParser(prog="python -m src.sweep", description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=known, help="a file of sweeps/, without .yaml")
    name = parser.parse_args().name
    file = FOLDER / f"{name}.yaml"
    title, points = load_value("title", str, file), load_value("points", tuple[Point, ...], file)
    if len({point.name for point in points}) != len(points) or not points:
        raise InputError(f"{file}: points are {', '.join(point.name for point in points) or 'none'}; give each a name of its own")
    profile = profile_path()
    for number, point in enumerate(points, start=1):
        print(f"== {name}: {point.name} ({number} of {len(points)})", flush=True)
        run_experiment(f"{name}-{point.name}", point.set, profile)
    baseline, outcomes = collect(name, points)
    picture = file.with_suffix(".svg")
    draw(title, outcomes, picture)
    page = table(title, f"Profile {profile.stem}, seed {load_value('seed', int)}", baseline, outcomes, picture)
    write_text(file.with_suffix(".md"), page)
    print(page)


if __name__ == "__main__":
    run_stage(main)
