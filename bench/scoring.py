"""How fast trajectories of GSM8K's length are scored: stages `rollouts` and `prefs` on one core, on texts that are made up.

    python -m bench.scoring

The texts are a little longer than GSM8K's: questions of 47 words (45), solutions of 59 tokens, 31 of them different (56 and 30),
in three or four steps and an answer. A fifth of the answers is wrong, some texts have none, some are cut off, and the eleven of
one question are told in other words. Each stage runs in a process of its own, as in the pipeline, and so does a loop that reads
and writes the lines of the trajectories with `json` alone. Stage `rollouts` is then run by processes on all cores as well.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml

from bench.comparison import Comparison, table
from src.core.command import command_line, run_command
from src.core.params import read_yaml
from src.core.processes import available_cores
from src.core.records import write_records
from src.regime_w.arms import ARM_NAMES, build_all_arms, build_prompt
from src.regime_w.questions import Question
from src.regime_w.texts import Trajectory

ROOT = Path(__file__).parents[1]
FEW, MANY = 10_000, 100_000  # trajectories
GOAL = 40_000  # trajectories a second and core
STAGES = ("rollouts", "prefs")

NAMES = ("Natalia", "Weng", "Betty", "Julie", "James", "Mark", "Albert", "Ken", "Alexis", "Tina", "Tobias", "Randy")
THINGS = ("clips", "pencils", "pages", "letters", "flowers", "slices", "boxes", "apples", "cookies", "marbles", "stickers")
PLACES = ("at the market", "in the garden", "at the school fair", "on the farm", "in the library", "at the bakery")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
PROBLEM = (
    "On {day} {name} collects {a} {thing} {place} and gets another {b} of them from a good friend. A group of {m} neighbors "
    "wants the same number of {thing} each. Then {f} of the {thing} are lost. How many {thing} does {name} have in the end?"
)
# Each step in several wordings.
STEPS = (
    (
        "On {day} {name} has {a} + {b} = {c} {thing} with the {thing} of the friend.",
        "First add the {a} {thing} of {name} and the {b} {thing} of the friend: {a} + {b} = {c} {thing}.",
        "The number of {thing} that {name} has is the sum of {a} and {b}, which is {a}+{b}={c}.",
    ),
    (
        "The {m} neighbors want {c} {thing} each, so the neighbors want {c} * {m} = {e} {thing}.",
        "There are {m} neighbors and each of the {m} wants {c} {thing}, which is {m}*{c} = {e} {thing}.",
        "Each of the {m} neighbors gets {c} {thing}, and so all of the neighbors get {c} * {m} = {e} {thing}.",
    ),
    (
        "Of the {e} {thing} {f} are lost, so {name} has {e} - {f} = {g} {thing}.",
        "After {name} lost {f} of the {e} {thing} there are {e}-{f} = {g} {thing} left.",
        "Then take {f} {thing} away from the {e} {thing}: {e} - {f} = {g} {thing}.",
    ),
    ("So {name} has {g} {thing} in the end.", "That means that {name} has {g} of the {thing}.", ""),
)
ENDINGS = ("\nAnswer: {g}", "\n#### {g}", "\nAnswer: {g}.", "\nAnswer: {g} {thing}", "\nAnswer: ${g}")
ENDING_WEIGHTS = (12, 5, 1, 1, 1)


# --- texts ---


def make_question(number: int, random: Random) -> tuple[Question, dict[str, str]]:
    """A problem of GSM8K's length, and what its solutions are filled with."""
    a, b, m, f = random.randint(3, 99), random.randint(3, 99), random.randint(2, 9), random.randint(1, 9)
    values: dict[str, object] = {"a": a, "b": b, "c": a + b, "m": m, "e": m * (a + b), "f": f, "g": m * (a + b) - f}
    values |= {"name": random.choice(NAMES), "thing": random.choice(THINGS)}
    values |= {"place": random.choice(PLACES), "day": random.choice(DAYS)}
    filled = {key: str(value) for key, value in values.items()}
    gold = filled["g"]
    return Question(f"made-train-{number:07d}", PROBLEM.format(**filled), f"#### {gold}", gold), filled


def make_text(filled: dict[str, str], random: Random) -> str:
    """One solution: right, wrong, without an answer or cut off."""
    if random.random() < 0.2:
        filled = filled | {"g": str(int(filled["g"]) + random.choice((-10, -1, 1, 9, 100)))}
    steps = [random.choice(wordings).format(**filled) for wordings in STEPS]
    text = "\n".join(step for step in steps if step)
    chance = random.random()
    if chance < 0.02:
        return text  # without an answer
    if chance < 0.04:
        return text[: random.randint(20, len(text))]
    return text + random.choices(ENDINGS, ENDING_WEIGHTS)[0].format(**filled)


def make_trajectories(questions: Sequence[tuple[Question, dict[str, str]]], random: Random) -> Iterator[Trajectory]:
    arms = build_all_arms()
    for question, filled in questions:
        for arm in arms:
            text = make_text(filled, random)
            prompt = build_prompt(arm, question.question)
            yield Trajectory(question.id, arm.name, arm.seed, arm.temperature, prompt, text, len(text) // 4, "stop")


def fill(folder: Path, trajectories: int) -> None:
    """Make the inputs of the stages, with about so many trajectories."""
    random = Random(0)
    questions = [make_question(number, random) for number in range(trajectories // len(ARM_NAMES))]
    write_records(folder / "data/train.jsonl", Question, [question for question, _ in questions])
    write_records(folder / "data/trajectories.jsonl", Trajectory, make_trajectories(questions, random))


# --- measures ---


@dataclass(frozen=True)
class Run:
    """What one process took, without its start.

    seconds  of its core, not of processes that it starts
    wall     seconds by the clock
    memory   its peak, in MB
    """

    seconds: float
    wall: float
    memory: float


def run_stages(folder: Path) -> dict[str, Run]:
    """Each stage in a process of its own, on one core."""
    return {stage: run_apart(stage, folder, processes=1) for stage in STAGES}


def run_apart(stage: str, folder: Path, processes: int | None) -> Run:
    """`time_stage` in a process of its own, where stage `rollouts` scores by so many; None for one on each core."""
    params = read_yaml(ROOT / "params.yaml") | {"rollouts": {"processes": processes}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench.scoring", "--stage", stage]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def time_stage(name: str) -> Run:
    """Run a stage, or `json` on the lines that the stages read, in the current folder and this process."""
    if name == "json":
        began, wall_began = time.process_time(), time.perf_counter()
        with Path("data/trajectories.jsonl").open("rb") as lines, Path("data/copy.jsonl").open("w") as copy:
            copy.writelines(json.dumps(json.loads(line)) + "\n" for line in lines)
    else:
        from src.stages import prefs, rollouts

        main = {"rollouts": rollouts.main, "prefs": prefs.main}[name]
        sys.argv = [name]
        began, wall_began = time.process_time(), time.perf_counter()
        main()
    return Run(time.process_time() - began, time.perf_counter() - wall_began, _peak_memory())


def _peak_memory() -> float:
    """MB of this process; what getrusage tells begins with the peak of the process that started this one."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def compare() -> Sequence[Comparison]:
    """Speed against the goal and against `json` alone; time a trajectory and memory of many against few."""
    runs: dict[int, dict[str, Run]] = {}
    with tempfile.TemporaryDirectory() as parent:
        for count in (FEW, MANY):
            folder = Path(parent, str(count))
            folder.mkdir()
            fill(folder, count)
            runs[count] = run_stages(folder)
            runs[count]["json"] = run_apart("json", folder, processes=1)
        by_all = run_apart("rollouts", folder, processes=None)
    few, many = runs[FEW], runs[MANY]
    speed = {name: MANY / run.seconds for name, run in many.items()}
    each = f"{MANY:,} trajectories"
    growth = f"{MANY:,} against {FEW:,}"
    found = [
        Comparison(f"scoring, {each}", "a second", speed["rollouts"], "the goal", GOAL, at_least=1.0),
        Comparison(f"scoring, {each}", "a second", speed["rollouts"], "`json` reading and writing them", speed["json"]),
        Comparison(
            f"scoring, {each}, by {available_cores()} processes",
            "a second",
            MANY / by_all.wall,
            "by one",
            MANY / many["rollouts"].wall,
        ),
        Comparison(f"pairs, {each}", "a second", speed["prefs"], "`json` reading and writing them", speed["json"]),
    ]
    for name in STAGES:
        ours, other = 1e6 * many[name].seconds / MANY, 1e6 * few[name].seconds / FEW
        found.append(Comparison(f"{name}: time a trajectory, {growth}", "µs", ours, f"of {FEW:,}", other, at_most=1.1))
    for name in STAGES:
        found.append(
            Comparison(f"{name}: memory, {growth}", "MB", many[name].memory, f"of {FEW:,}", few[name].memory, at_most=1.1)
        )
    return found


def main() -> None:
    parser = command_line("python -m bench.scoring", __doc__)
    parser.add_argument("--stage", choices=(*STAGES, "json"), help="run it alone, on the files of this folder")
    stage = parser.parse_args().stage
    if stage is None:
        print(table(compare()))
    else:
        print(json.dumps(vars(time_stage(stage))))


if __name__ == "__main__":
    run_command(main)
