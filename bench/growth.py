"""How the stages grow: time, memory and bytes against questions, with the line drawn to a million.

    python -m bench.growth [--questions 100 1000 10000] [--models 100 200 400]

Each stage runs as a command in a temporary folder, on questions and texts that are made up here; its memory is the peak of
its process. The stages that run a model need checkpoints/base, and run at the counts of `--models`, on the embedded problems,
one epoch; `sample, model aside` is that stage with an engine that has its texts at once. The memory of those that run a model
is that of a batch, and no line is drawn through it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.params import read_yaml
from src.core.records import stream_records, write_records
from src.models.encoding import PLAIN_ENDING
from src.regime_w.arms import build_all_arms, build_prompt
from src.regime_w.questions import Question
from src.regime_w.texts import PolicyText, Trajectory

ROOT = Path(__file__).resolve().parents[1]
MILLION = 1_000_000
MIN_SECONDS = 2.0  # between the smallest count and the largest, for the bend of a line to be more than noise
BASE = Path("checkpoints/base")
SOURCE = "questions.jsonl"
RIGHT = {"baseline": 0.70, "coherence": 0.76}  # share of a policy's texts

SAMPLE_WITHOUT_MODEL = """
from src.engines import runner
from src.engines.interface import Completion
from src.stages import sample
class Written:
    def generate(self, requests):
        for request in requests:
            text = f"given: 7 * {request.seed % 41} = {request.seed % 97}\\nall: 3 + 2 = 5\\nAnswer: {request.seed % 7}"
            yield Completion(request.key, text, 30, "stop")
runner.start_engine = lambda *_: Written()
sample.main()
"""
# As stage train has them: checked records, and then the columns of a dataset.
READ_PAIRS = """
from datasets import Dataset
from src.core.records import read_records
from src.training.pairs import PAIRS, TrainingPair
Dataset.from_list([vars(pair) for pair in read_records(PAIRS, TrainingPair)])
"""
HASH = """
from dvc.fs import LocalFileSystem
from dvc_data.hashfile.hash import file_md5
file_md5("data/regime_w_rollouts.jsonl", LocalFileSystem())
"""


@dataclass(frozen=True)
class Cost:
    """What a job took at so many questions: seconds from start to end, bytes of memory at the peak, bytes of its files."""

    questions: int
    seconds: float
    memory: float
    disk: float


@dataclass(frozen=True)
class Job:
    """One thing that is measured.

    arguments  of Python
    outs       files and folders that it writes
    before     puts what it reads into the folder; None where the jobs before it have done so
    """

    name: str
    arguments: Sequence[str]
    outs: Sequence[str] = ()
    before: Callable[[Path], None] | None = None


def run(name: str, arguments: Sequence[str], folder: Path) -> int:
    """Run Python in a process of its own; its peak of memory in bytes. InputError, with the end of what it said, if it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "DVC_STAGE"} | {"PYTHONPATH": str(ROOT)}
    with (folder / "log").open("w+b") as log:
        process = subprocess.Popen((sys.executable, *arguments), cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        if process.returncode:
            raise InputError(f"{name} failed: {log.read().decode(errors='replace')[-2000:]}")
    return usage.ru_maxrss * 1024


def measure(job: Job, questions: int, folder: Path) -> Cost:
    if job.before is not None:
        job.before(folder)
    began = time.perf_counter()
    memory = run(f"{job.name}, {questions} questions", job.arguments, folder)
    seconds = time.perf_counter() - began
    return Cost(questions, seconds, memory, sum(size_of(folder / out) for out in job.outs))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else (path,)) if file.is_file())


# --- what the stages read ---


@contextmanager
def scratch(profile: Mapping[str, Any]) -> Iterator[Path]:
    """A folder with params, the profile and the base, where a stage looks for them."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "profiles").mkdir()
        (folder / "profiles/growth.yaml").write_text(yaml.safe_dump(dict(profile)))
        # One process, whose time and memory are then those of the work.
        params = read_yaml(ROOT / "params.yaml") | {"profile": "growth", "rollouts": {"processes": 1}}
        (folder / "params.yaml").write_text(yaml.safe_dump(params))
        if not BASE.is_dir():
            raise InputError(f"{BASE} is not there; run `make repro` with `profile: sandbox` first")
        shutil.copytree(BASE, folder / BASE)
        yield folder


def profile_of(questions: int, **data: Any) -> dict[str, Any]:
    """Profile sandbox with so many questions to train on, to sample and to test on; what is trained, is for one epoch."""
    profile = read_yaml(ROOT / "profiles/sandbox.yaml")
    profile["data"] |= {"train_questions": questions, "test_questions": questions} | data
    profile["sample"]["questions"] = questions
    profile["train"] |= {"min_pairs": 1, "dpo": {"num_train_epochs": 1}}
    profile["base"]["sandbox"] |= {"first_question": 0, "epochs": 1}
    return profile


def write_source(path: Path, count: int) -> None:
    """Questions of about the length of GSM8K's, no two alike."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            draw = Random(number)
            coins, bought, children = draw.randint(10, 99), draw.randint(2, 40), draw.randint(2, 9)
            given = bought * children
            question = (
                f"Customer {number} comes to the market with {coins} coins and buys {bought} apples. On the way home a neighbour "
                f"gives each of the {children} children of the house as many again. How many apples are there in the end?"
            )
            answer = f"given: {children} * {bought} = {given}\nall: {given} + {bought} = {given + bought}\n#### {given + bought}"
            file.write(json.dumps({"question": question, "answer": answer}) + "\n")


def questions_of(path: Path) -> Iterator[Question]:
    """One at a time: what this process holds when it starts another counts as that one's memory."""
    return (question for _, question in stream_records(path, Question))


def write_trajectories(folder: Path) -> None:
    """Eleven texts of each training question, most of them right."""
    write_records(folder / "data/trajectories.jsonl", Trajectory, _trajectories(questions_of(folder / "data/train.jsonl")))


def _trajectories(questions: Iterable[Question]) -> Iterator[Trajectory]:
    for question in questions:
        draw = Random(question.id)
        for arm in build_all_arms():
            answer = question.gold if draw.random() < 0.6 else str(draw.randint(2, 400))
            steps = question.answer.partition("####")[0]
            text = f"{steps}so it is {answer} of {draw.randint(2, 99)}\nAnswer: {answer}"
            prompt = build_prompt(arm, question.question) + PLAIN_ENDING
            yield Trajectory(question.id, arm.name, arm.seed, arm.temperature, prompt, text, len(text) // 3, "stop")


def write_answers(folder: Path) -> None:
    """A text of each policy for each test question."""
    for policy in RIGHT:
        texts = (_policy_text(question, policy) for question in questions_of(folder / "data/test.jsonl"))
        write_records(folder / f"outputs/{policy}_answers.jsonl", PolicyText, texts)


def _policy_text(question: Question, policy: str) -> PolicyText:
    right = Random(f"{policy}:{question.id}").random() < RIGHT[policy]
    text = f"{question.answer.partition('####')[0]}Answer: {question.gold if right else 1}"
    return PolicyText(question.id, text, len(text) // 3, "stop")


def stage(name: str, *arguments: str) -> Sequence[str]:
    return "-m", f"src.stages.{name}", *arguments


def evaluate_coherence(folder: Path) -> None:
    run("eval", stage("eval", "coherence"), folder)


def score_and_pair(folder: Path) -> None:
    for name in ("rollouts", "prefs"):
        run(name, stage(name), folder)


def remove_base(folder: Path) -> None:
    shutil.rmtree(folder / BASE)


DATA_JOBS = (
    Job("data", stage("data"), ("data/train.jsonl", "data/test.jsonl")),
    Job("sample, model aside", ("-c", SAMPLE_WITHOUT_MODEL), ("data/trajectories.jsonl", ".work/sample")),
    Job("rollouts", stage("rollouts"), ("data/regime_w_rollouts.jsonl",), write_trajectories),
    Job("prefs", stage("prefs"), ("data/coherence_preferences.jsonl", "data/training_pairs.jsonl")),
    Job("train, its pairs read", ("-c", READ_PAIRS)),
    Job("eval", stage("eval", "baseline"), ("outputs/baseline_eval.jsonl",), write_answers),
    Job("compare", stage("compare"), ("outputs/changed_questions.jsonl",), evaluate_coherence),
    Job("DVC's hash of the rollouts", ("-c", HASH)),
)
MODEL_JOBS = (
    Job("sample", stage("sample"), ("data/trajectories.jsonl", ".work/sample")),
    Job("train", stage("train"), ("checkpoints/dpo_coherence_lora", "plots/train.csv"), score_and_pair),
    Job("answer", stage("answer", "baseline"), ("outputs/baseline_answers.jsonl", ".work/answer-baseline")),
    Job("base", stage("base"), ("checkpoints/base",), remove_base),
)


# --- measuring ---


def measure_data(questions: int) -> dict[str, Cost]:
    """The costs of all that runs no model, by the job's name."""
    with scratch(profile_of(questions, source=SOURCE)) as folder:
        write_source(folder / SOURCE, 2 * questions)
        return {job.name: measure(job, questions, folder) for job in DATA_JOBS}


def measure_models(questions: int) -> dict[str, Cost]:
    """The costs of what runs a model, by the job's name."""
    with scratch(profile_of(questions)) as folder:
        run("data", stage("data"), folder)
        return {job.name: measure(job, questions, folder) for job in MODEL_JOBS}


def at_a_million(costs: Sequence[Cost], figure: Callable[[Cost], float]) -> float:
    """Where the line of least squares through a figure of the costs stands at a million questions."""
    from scipy.stats import linregress

    line = linregress([cost.questions for cost in costs], [figure(cost) for cost in costs])
    return float(line.intercept + MILLION * line.slope)


def bend(costs: Sequence[Cost]) -> float:
    """How much longer a question more takes between the two largest counts than between the two before: 1 is a line."""
    first, middle, last = sorted(costs, key=lambda cost: cost.questions)[-3:]
    before, after = ((b.seconds - a.seconds) / (b.questions - a.questions) for a, b in ((first, middle), (middle, last)))
    return after / before


def row(name: str, costs: Sequence[Cost], memory_grows: bool) -> str:
    """A line of the table; a bend is told where more than the start of the process was measured."""
    hours = at_a_million(costs, lambda cost: cost.seconds) / 3600
    memory, disk = (at_a_million(costs, figure) / 1e9 for figure in (lambda cost: cost.memory, lambda cost: cost.disk))
    first, last = costs[0], costs[-1]
    cells = [name, f"{last.questions:,}", f"{last.seconds:.1f}", f"{last.memory / 1e6:,.0f}", f"{last.disk / 1e6:,.1f}"]
    cells += [f"{bend(costs):.2f}" if last.seconds - first.seconds > MIN_SECONDS else "", f"{hours:,.2f}"]
    return f"| {' | '.join([*cells, f'{memory:,.1f}' if memory_grows else '', f'{disk:,.1f}'])} |"


def main() -> None:
    parser = command_line("python -m bench.growth", __doc__)
    parser.add_argument(
        "--questions", type=int, nargs="+", default=[100, 1000, 10_000], help="of what runs no model, three or more"
    )
    parser.add_argument("--models", type=int, nargs="+", default=[100, 200, 400], help="of what runs a model, three or more")
    arguments = parser.parse_args()
    if min(len(set(counts)) for counts in (arguments.questions, arguments.models)) < 3:
        parser.error("give three counts or more, each another")
    print("| | questions | s | MB of memory | MB of files | bend | hours at a million | GB of memory | GB of files |")
    print(f"| --- {'| ---: ' * 8}|")
    for measured, counts in ((measure_data, arguments.questions), (measure_models, arguments.models)):
        found = [measured(count) for count in sorted(counts)]
        for name in found[0]:
            print(row(name, [costs[name] for costs in found], memory_grows=measured is measure_data), flush=True)


if __name__ == "__main__":
    run_command(main)
