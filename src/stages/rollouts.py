"""Stage `rollouts`: score how far the eleven trajectories of each question agree.

Reads   data/trajectories.jsonl, data/train.jsonl
Writes  data/regime_w_rollouts.jsonl  a question a line, its eleven scored trajectories in arm order
        metrics/rollouts.json         mean, deviation and range of each score, unparsed share, accuracy by arm
        plots/arms.csv                percent of correct trajectories by arm
Params  scoring
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.files import write_csv
from src.core.params import load_section
from src.core.progress import Progress
from src.core.records import read_records, write_metrics, write_records
from src.regime_w.arms import ARM_NAMES
from src.regime_w.questions import Question
from src.regime_w.rollout_metrics import RolloutMetrics, rollout_metrics
from src.regime_w.scoring import Rollout, ScoringSettings, score_question
from src.regime_w.texts import Trajectory
from src.stages import run_stage


def group_by_question(trajectories: Sequence[Trajectory]) -> dict[str, list[Trajectory]]:
    """Trajectories of each question, in arm order; questions in the order of their first trajectory."""
    groups: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        groups.setdefault(trajectory.question_id, []).append(trajectory)
    for question_id, group in groups.items():
        names = sorted(trajectory.arm_name for trajectory in group)
        if names != sorted(ARM_NAMES):
            raise InputError(
                f"data/trajectories.jsonl: question {question_id} has {len(group)} trajectories, missing "
                f"{sorted(set(ARM_NAMES) - set(names))}; every question needs all eleven arms: run `dvc repro sample`"
            )
        group.sort(key=lambda trajectory: ARM_NAMES.index(trajectory.arm_name))
    return groups


def check_same_questions(questions: Mapping[str, Question], groups: Mapping[str, Sequence[Trajectory]]) -> None:
    """InputError for a question that is gone since it was sampled, or was another then: its gold would judge other answers."""
    for question_id, trajectories in groups.items():
        where = f"data/trajectories.jsonl: question {question_id}"
        if question_id not in questions:
            raise InputError(f"{where} is not in data/train.jsonl; run `dvc repro sample`")
        if any(questions[question_id].question.strip() not in trajectory.prompt for trajectory in trajectories):
            raise InputError(f"{where} was asked in other words than data/train.jsonl has; run `dvc repro sample`")


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
    questions = {question.id: question for question in read_records(Path("data/train.jsonl"), Question)}
    groups = group_by_question(read_records(Path("data/trajectories.jsonl"), Trajectory))
    check_same_questions(questions, groups)
    rollouts = []
    with Progress("rollouts", len(groups), "questions") as progress:
        for question_id, group in groups.items():
            rollouts.append(score_question(questions[question_id], group, settings))
            progress.update()
    metrics = rollout_metrics(rollouts)
    write_records(Path("data/regime_w_rollouts.jsonl"), Rollout, rollouts)
    write_metrics(Path("metrics/rollouts.json"), metrics)
    percents = [(arm.arm_name, round(100 * arm.accuracy, 3)) for arm in metrics.arms]
    write_csv(Path("plots/arms.csv"), ("arm", "percent"), percents)
    for warning in rollout_warnings(metrics):
        print(f"rollouts: warning: {warning}")


if __name__ == "__main__":
    run_stage(main)
