"""Stage `rollouts`: score how far the eleven trajectories of each question agree.

Reads   data/trajectories.jsonl, data/train.jsonl
Writes  data/regime_w_rollouts.jsonl  a question a line, its eleven scored trajectories in arm order
        metrics/rollouts.json         mean, deviation and range of each score, unparsed share, accuracy by arm,
                                      and how well each signal tells right from wrong
        plots/arms.csv                percent of correct trajectories by arm
Params  scoring, compare

Both inputs are read in step, question by question in one order, so that memory does not grow with their number.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.files import count_lines, write_csv
from src.core.params import load_section
from src.core.progress import Progress
from src.core.records import stream_records, write_metrics, write_records
from src.regime_w.arms import ARM_NAMES
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.questions import Question
from src.regime_w.rollout_metrics import RolloutMetrics, RolloutTally
from src.regime_w.scoring import Rollout, ScoringSettings, score_question
from src.regime_w.texts import Trajectory
from src.stages import run_stage

QUESTIONS, TRAJECTORIES = Path("data/train.jsonl"), Path("data/trajectories.jsonl")


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


def with_questions(
    groups: Iterable[tuple[int, Sequence[Trajectory]]], questions: Iterator[tuple[int, Question]]
) -> Iterator[tuple[Question, Sequence[Trajectory]]]:
    """Each question with its trajectories; at the end all questions have been read.

    InputError for a question that is gone since it was sampled, or was another then: its gold would judge other answers.
    """
    for line, group in groups:
        question_id = group[0].question_id
        where = f"{TRAJECTORIES}:{line}: question {question_id}"
        question = next((question for _, question in questions if question.id == question_id), None)
        if question is None:
            raise InputError(
                f"{where} is not in {QUESTIONS}, or stands there before those that precede it here; run `dvc repro sample`"
            )
        asked = question.question.strip()
        if not all(asked in prompt for prompt in {trajectory.prompt for trajectory in group}):
            raise InputError(f"{where} was asked in other words than {QUESTIONS} has; run `dvc repro sample`")
        yield question, group
    deque(questions, maxlen=0)


def scored(settings: ScoringSettings, tally: RolloutTally, progress: Progress) -> Iterator[Rollout]:
    """The rollout of each question, counted in `tally` and `progress`."""
    groups = group_by_question(stream_records(TRAJECTORIES, Trajectory))
    for question, group in with_questions(groups, stream_records(QUESTIONS, Question)):
        rollout = score_question(question, group, settings)
        tally.add(rollout)
        yield rollout
        progress.update()


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
    tally = RolloutTally()
    with Progress("rollouts", count_lines(TRAJECTORIES) // len(ARM_NAMES), "questions") as progress:
        write_records(Path("data/regime_w_rollouts.jsonl"), Rollout, scored(settings, tally, progress))
    metrics = tally.metrics(confidence)
    write_metrics(Path("metrics/rollouts.json"), metrics)
    percents = [(arm.arm_name, round(100 * arm.accuracy, 3)) for arm in metrics.arms]
    write_csv(Path("plots/arms.csv"), ("arm", "percent"), percents)
    for warning in rollout_warnings(metrics):
        print(f"rollouts: warning: {warning}")


if __name__ == "__main__":
    run_stage(main)
