"""Stage `rollouts`: score how far the eleven trajectories of each question agree.

Reads   data/trajectories.jsonl, data/train.jsonl
Writes  data/regime_w_rollouts.jsonl  a question a line, its eleven scored trajectories in arm order
        metrics/rollouts.json         mean, deviation and range of each score, unparsed share, accuracy by arm,
                                      and how well each signal tells right from wrong
        plots/arms.csv                percent of correct trajectories by arm
Params  rollouts, scoring, compare

Both inputs are read in step, question by question in one order, so that memory does not grow with their number. This process
finds where each question begins; the rest, by far the most of the work, is done by as many processes as `rollouts` says.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, groupby, islice, tee
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.files import atomic_file, count_lines, read_lines, write_csv
from src.core.params import load_section
from src.core.processes import available_cores, map_in_order
from src.core.progress import Progress
from src.core.records import line_of_record, records_of_lines, stream_records, write_metrics
from src.core.shapes import PositiveCount
from src.regime_w.arms import ARM_NAMES
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.questions import Question
from src.regime_w.rollout_metrics import RolloutMetrics, RolloutTally
from src.regime_w.scoring import Rollout, ScoringSettings, score_question
from src.regime_w.texts import Trajectory
from src.stages import run_stage

QUESTIONS, TRAJECTORIES = Path("data/train.jsonl"), Path("data/trajectories.jsonl")
ROLLOUTS = Path("data/regime_w_rollouts.jsonl")
QUESTIONS_A_PART = 64  # half a megabyte of lines; giving them to another process takes little beside scoring them


@dataclass(frozen=True)
class RolloutSettings:
    """The section `rollouts` of params.yaml.

    processes  that score side by side, which changes no result; None for one on each core that this process may use
    """

    processes: PositiveCount | None


Line = tuple[int, bytes]  # of a file, with its number


@dataclass(frozen=True)
class Part:
    """Questions that are scored together.

    first      place of the first of them among all, from 1 on
    questions  in file order
    lines      of their trajectories: those of each question together, in the order of the questions
    fault      of the inputs behind them, if one was found; told once these are scored, so that the first fault comes first
    """

    settings: ScoringSettings
    first: int
    questions: Sequence[Question]
    lines: Sequence[Line]
    fault: InputError | None


@dataclass(frozen=True)
class ScoredPart:
    """The rollouts of a part, as lines of their file and counted."""

    lines: Sequence[str]
    tally: RolloutTally


# --- where each question begins ---


def _beginning(line: Line) -> bytes:
    """The same of all lines of a question as stage `sample` writes them; of a line in another form, all of it."""
    return line[1][: line[1].find(b', "arm_name": ')]


def lines_by_question(lines: Iterable[Line]) -> Iterator[tuple[str, list[Line]]]:
    """The id of each question and the lines of its trajectories, of which the first alone is parsed.

    InputError where a first line is broken, and where a question begins a second time.
    """
    # Both are read in step, so that one group is in memory.
    alike, again = tee(list(group) for _, group in groupby(lines, key=_beginning))
    heads = records_of_lines(TRAJECTORIES, Trajectory, (group[0] for group in alike))
    for question_id, groups in groupby(zip(heads, again, strict=True), key=lambda found: found[0][1].question_id):
        yield question_id, [line for _, group in groups for line in group]


def with_questions(
    groups: Iterable[tuple[str, list[Line]]], questions: Iterator[tuple[int, Question]]
) -> Iterator[tuple[Question, list[Line]]]:
    """Each question with the lines of its trajectories; at the end all questions have been read.

    InputError for one that is gone since it was sampled.
    """
    for question_id, lines in groups:
        question = next((question for _, question in questions if question.id == question_id), None)
        if question is None:
            raise InputError(
                f"{TRAJECTORIES}:{lines[0][0]}: question {question_id} is not in {QUESTIONS}, or stands there before those that "
                "precede it here; run `dvc repro sample`"
            )
        yield question, lines
    deque(questions, maxlen=0)


def split(settings: ScoringSettings) -> Iterator[Part]:
    """Both inputs in parts, of which the last may be empty."""
    groups = lines_by_question(enumerate(read_lines(TRAJECTORIES), start=1))
    asked = with_questions(groups, stream_records(QUESTIONS, Question))
    for first in count(1, QUESTIONS_A_PART):
        some: list[tuple[Question, list[Line]]] = []
        fault = None
        try:
            for question_and_lines in islice(asked, QUESTIONS_A_PART):
                some.append(question_and_lines)
        except InputError as error:
            fault = error
        if first == 1 and not some and not fault:
            fault = InputError(f"{TRAJECTORIES} is empty; run the stage that writes it again")
        yield Part(settings, first, [question for question, _ in some], [line for _, lines in some for line in lines], fault)
        if fault or len(some) < QUESTIONS_A_PART:
            return


# --- scoring ---


def group_by_question(trajectories: Iterable[tuple[int, Trajectory]]) -> Iterator[tuple[int, list[Trajectory]]]:
    """The eleven trajectories of each question, in arm order, with the line of the first; questions in file order.

    trajectories  each with its line; those of a question stand together. InputError where an arm is missing
    """
    for question_id, numbered in groupby(trajectories, key=lambda item: item[1].question_id):
        lines, group = zip(*numbered, strict=True)
        names = [trajectory.arm_name for trajectory in group]
        if sorted(names) != sorted(ARM_NAMES):
            raise InputError(
                f"{TRAJECTORIES}:{lines[0]}: question {question_id} has {len(group)} trajectories, missing "
                f"{sorted(set(ARM_NAMES) - set(names))}; every question needs all eleven arms: run `dvc repro sample`"
            )
        yield lines[0], sorted(group, key=lambda trajectory: ARM_NAMES.index(trajectory.arm_name))


def check_asked(question: Question, line: int, trajectories: Sequence[Trajectory]) -> None:
    """InputError for a question that was another when it was sampled: its gold would judge other answers."""
    asked = question.question.strip()
    if not all(asked in prompt for prompt in {trajectory.prompt for trajectory in trajectories}):
        raise InputError(
            f"{TRAJECTORIES}:{line}: question {question.id} was asked in other words than {QUESTIONS} has; run `dvc repro sample`"
        )


def score_part(part: Part) -> ScoredPart:
    """Score the questions of a part; InputError for trajectories that are broken or not the eleven of their question."""
    tally, lines = RolloutTally(), []
    groups = group_by_question(records_of_lines(TRAJECTORIES, Trajectory, part.lines))
    for place, (question, (line, group)) in enumerate(zip(part.questions, groups, strict=True), start=part.first):
        check_asked(question, line, group)
        rollout = score_question(question, group, part.settings)
        tally.add(rollout)
        lines.append(line_of_record(ROLLOUTS, Rollout, place, rollout))
    if part.fault:
        raise part.fault
    return ScoredPart(lines, tally)


def write_scored(parts: Iterable[ScoredPart], questions: int) -> RolloutTally:
    """Write the rollouts of all parts, and count them; `questions` is the number that is expected."""
    tally = RolloutTally()
    with Progress("rollouts", questions, "questions") as progress, atomic_file(ROLLOUTS) as file:
        for part in parts:
            file.writelines(part.lines)
            tally.merge(part.tally)
            progress.update(len(part.lines))
    return tally


def rollout_warnings(metrics: RolloutMetrics) -> list[str]:
    """What makes the scores worthless without making them wrong, a line each with the likely cause."""
    scores = {"s_end": metrics.s_end, "s_path": metrics.s_path, "s_cf": metrics.s_cf}
    return [
        f"{name} is {score.mean:.2f} for every question, so it weighs nothing in the reward: too few questions, or "
        "probes that never answer (see no_answer_share in metrics/rollouts.json)"
        for name, score in scores.items()
        if score.std == 0
    ]


def main() -> None:
    command_line("python -m src.stages.rollouts", __doc__).parse_args()
    settings = load_section("scoring", ScoringSettings)
    confidence = load_section("compare", CompareSettings).confidence
    wanted = load_section("rollouts", RolloutSettings).processes or available_cores()
    questions = count_lines(TRAJECTORIES) // len(ARM_NAMES)
    processes = max(1, min(wanted, questions // QUESTIONS_A_PART))  # none would have less than a part
    tally = write_scored(map_in_order(score_part, split(settings), processes, "rollouts.processes"), questions)
    metrics = tally.metrics(confidence)
    write_metrics(Path("metrics/rollouts.json"), metrics)
    percents = [(arm.arm_name, round(100 * arm.accuracy, 3)) for arm in metrics.arms]
    write_csv(Path("plots/arms.csv"), ("arm", "percent"), percents)
    for warning in rollout_warnings(metrics):
        print(f"rollouts: warning: {warning}")


if __name__ == "__main__":
    run_stage(main)
