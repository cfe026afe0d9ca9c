"""Stage `rollouts`: score how far the eleven trajectories of each question agree.

Reads   data/trajectories.jsonl, data/train.jsonl
Writes  data/regime_w_rollouts.jsonl  a question a line, its eleven scored trajectories in arm order
        metrics/rollouts.json         mean and spread of each score, accuracy and unparsed share by arm
Params  scoring
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, pstdev

from tqdm import tqdm

from src.errors import InputError, run_stage
from src.params import load_section
from src.records import read_records, write_json, write_records
from src.regime_w.answers import parse_number
from src.regime_w.arms import ARM_NAMES
from src.regime_w.scoring import ScoringSettings, score_question

SCORES = ("s_end", "s_path", "s_cf")
KEPT = ("prompt", "text", "seed", "temperature", "n_tokens", "finish_reason")


def group_by_question(trajectories: Sequence[dict]) -> dict[str, list[dict]]:
    """Trajectories of each question, in arm order; questions in the order of their first trajectory."""
    groups: dict[str, list[dict]] = {}
    for trajectory in trajectories:
        groups.setdefault(trajectory["question_id"], []).append(trajectory)
    for question_id, group in groups.items():
        names = sorted(t["arm_name"] for t in group)
        if names != sorted(ARM_NAMES):
            raise InputError(
                f"data/trajectories.jsonl: question {question_id} has {len(group)} trajectories, missing "
                f"{sorted(set(ARM_NAMES) - set(names))}, unknown {sorted(set(names) - set(ARM_NAMES))}; "
                "every question needs all eleven arms: run `dvc repro sample`"
            )
        group.sort(key=lambda t: ARM_NAMES.index(t["arm_name"]))
    return groups


def check_same_questions(questions: Mapping[str, dict], groups: Mapping[str, list[dict]]) -> None:
    """InputError for a question that is gone since it was sampled, or was another then: its gold would judge other answers."""
    for question_id, trajectories in groups.items():
        where = f"data/trajectories.jsonl: question {question_id}"
        if question_id not in questions:
            raise InputError(f"{where} is not in data/train.jsonl; run `dvc repro sample`")
        if any(questions[question_id]["question"].strip() not in trajectory["prompt"] for trajectory in trajectories):
            raise InputError(f"{where} was asked in other words than data/train.jsonl has; run `dvc repro sample`")


def score(question: dict, trajectories: list[dict], settings: ScoringSettings) -> dict:
    """The rollouts record of one question."""
    scores = score_question(trajectories, parse_number(question["gold"]), settings)
    return {
        "question_id": question["id"],
        "question": question["question"],
        "gold": question["gold"],
        "s_end": scores.s_end,
        "s_path": scores.s_path,
        "s_cf": scores.s_cf,
        "consensus": scores.consensus,
        "trajectories": [
            asdict(scored) | {key: written[key] for key in KEPT}
            for scored, written in zip(scores.trajectories, trajectories, strict=True)
        ],
    }


def rollout_metrics(rollouts: Sequence[dict]) -> dict:
    """Counts, mean and population standard deviation of the scores, and shares by arm."""
    every = [t for r in rollouts for t in r["trajectories"]]
    metrics: dict = {"questions": len(rollouts), "trajectories": len(every)}
    for name in SCORES:
        values = [r[name] for r in rollouts]
        metrics[name] = {"mean": fmean(values), "spread": pstdev(values), "least": min(values), "greatest": max(values)}
    metrics["reward"] = {"mean": fmean(t["reward"] for t in every), "spread": pstdev(t["reward"] for t in every)}
    metrics["no_answer_share"] = fmean(t["answer"] is None for t in every)
    metrics["cut_off_share"] = fmean(t["finish_reason"] == "length" for t in every)
    metrics["accuracy_by_arm"] = {
        arm: fmean(r["trajectories"][place]["correct"] for r in rollouts) for place, arm in enumerate(ARM_NAMES)
    }
    return metrics


def rollout_warnings(metrics: Mapping) -> list[str]:
    """What makes the scores worthless without making them wrong, a line each with the likely cause."""
    return [
        f"{name} is {metrics[name]['mean']:.2f} for every question, so it weighs nothing in the reward: too few questions, or "
        "probes that never answer (see no_answer_share in metrics/rollouts.json)"
        for name in SCORES
        if metrics[name]["spread"] == 0
    ]


def main() -> None:
    settings = load_section("scoring", ScoringSettings)
    questions = {q["id"]: q for q in read_records(Path("data/train.jsonl"), "question")}
    groups = group_by_question(read_records(Path("data/trajectories.jsonl"), "trajectory"))
    check_same_questions(questions, groups)
    rollouts = [score(questions[key], group, settings) for key, group in tqdm(groups.items(), "rollouts", unit="question")]
    write_records(Path("data/regime_w_rollouts.jsonl"), "rollouts", rollouts)
    metrics = rollout_metrics(rollouts)
    write_json(Path("metrics/rollouts.json"), metrics)
    for warning in rollout_warnings(metrics):
        print(f"rollouts: warning: {warning}")


if __name__ == "__main__":
    run_stage(main)
