"""Stage `compare`: is the coherence policy better than the baseline on the same questions?

Reads   outputs/baseline_eval.jsonl, outputs/coherence_eval.jsonl
Writes  metrics/verdict.json            the paired verdict
        outputs/changed_questions.jsonl  the questions fixed and broken, both texts side by side
        plots/accuracy.csv              accuracy of both with its interval, in percent
Params  compare
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

from src.errors import InputError, run_stage
from src.params import BETWEEN_0_AND_1, CONFIDENCE, load_section, require
from src.records import read_records, write_json, write_records, write_text
from src.regime_w.statistics import Verdict, paired_verdict

BASELINE, COHERENCE = Path("outputs/baseline_eval.jsonl"), Path("outputs/coherence_eval.jsonl")


@dataclass(frozen=True)
class CompareSettings:
    alpha: float = 0.05  # the verdict's level
    confidence: float = 0.95  # of the intervals

    def __post_init__(self) -> None:
        require(self, BETWEEN_0_AND_1, "alpha")
        require(self, CONFIDENCE, "confidence")


def marks(records: dict[str, dict], key: Literal["correct", "gsm8k_correct"]) -> dict[str, bool]:
    """Right or wrong by question id; of the headline set (`correct`) only the questions that are in it."""
    return {i: r[key] for i, r in records.items() if key == "gsm8k_correct" or r.get("in_platinum", True)}


def judge_marks(baseline: dict[str, bool], coherence: dict[str, bool], settings: CompareSettings) -> Verdict:
    try:
        return paired_verdict(baseline, coherence, settings.alpha, settings.confidence)
    except ValueError as error:
        raise InputError(f"{BASELINE} and {COHERENCE}: {error}: run `dvc repro` for both") from error


def verdict_metrics(verdict: Verdict) -> dict:
    low, high = verdict.difference_interval
    return {
        "verdict": verdict.verdict,
        "questions": verdict.n,
        "baseline_accuracy": verdict.baseline_accuracy,
        "coherence_accuracy": verdict.coherence_accuracy,
        "difference": verdict.difference,
        "difference_low": low,
        "difference_high": high,
        "p_value": verdict.p_value,
        "fixed": verdict.fixed,
        "broken": verdict.broken,
        "smallest_detectable_difference": verdict.smallest_detectable_difference,
        "difference_at_power": verdict.difference_at_power,
    }


def changed_questions(verdict: Verdict, baseline: dict[str, dict], coherence: dict[str, dict]) -> list[dict]:
    changes = [(i, "fixed") for i in verdict.fixed_ids] + [(i, "broken") for i in verdict.broken_ids]
    return [
        {
            "id": question_id,
            "change": change,
            "question": baseline[question_id]["question"],
            "gold": baseline[question_id]["gold"],
            "baseline_text": baseline[question_id]["text"],
            "coherence_text": coherence[question_id]["text"],
        }
        for question_id, change in changes
    ]


def check_same_gold(baseline: dict[str, dict], coherence: dict[str, dict]) -> None:
    """InputError for a question with another text in each, or judged by another gold or another choice of sets."""

    def judged_by(record: dict) -> tuple:
        return record["gold"], record.get("in_platinum"), "gsm8k_correct" in record

    for question_id in [i for i in baseline if i in coherence]:
        one, other = baseline[question_id], coherence[question_id]
        if one["question"] != other["question"] or judged_by(one) != judged_by(other):
            what = "gold" if one["question"] == other["question"] else "text"
            raise InputError(
                f"{BASELINE} and {COHERENCE}: question {question_id} has another {what} in each evaluation; "
                "run `dvc repro` for both"
            )


def write_accuracy(path: Path, verdict: Verdict) -> None:
    rows: Sequence[tuple] = (
        ("baseline", verdict.baseline_accuracy, *verdict.baseline_interval),
        ("coherence", verdict.coherence_accuracy, *verdict.coherence_interval),
    )
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["policy", "bound", "percent"])
    for policy, accuracy, low, high in rows:
        for bound, share in (("low", low), ("accuracy", accuracy), ("high", high)):
            writer.writerow([policy, bound, round(100 * share, 3)])
    write_text(path, text.getvalue())


def main() -> None:
    settings = load_section("compare", CompareSettings)
    baseline, coherence = ({r["id"]: r for r in read_records(path, "evaluation")} for path in (BASELINE, COHERENCE))
    check_same_gold(baseline, coherence)
    verdict = judge_marks(marks(baseline, "correct"), marks(coherence, "correct"), settings)
    metrics = verdict_metrics(verdict)
    if all("gsm8k_correct" in record for record in baseline.values()):
        other = judge_marks(marks(baseline, "gsm8k_correct"), marks(coherence, "gsm8k_correct"), settings)
        metrics["gsm8k"] = verdict_metrics(other)
    write_records(Path("outputs/changed_questions.jsonl"), "change", changed_questions(verdict, baseline, coherence))
    write_json(Path("metrics/verdict.json"), metrics)
    write_accuracy(Path("plots/accuracy.csv"), verdict)


if __name__ == "__main__":
    run_stage(main)
