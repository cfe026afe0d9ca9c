"""Print what the last run came to: the verdict, the figures behind it, the five criteria, its seconds and its page.

    python -m src.ops.show        (make show)

Reads   metrics/*.json, and of params.yaml `compare` and `criteria`
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.params import load_section
from src.core.progress import duration
from src.core.records import read_metrics
from src.core.seconds import StageSeconds, read_seconds
from src.ops.terminal import Cell, Ink, Style, aligned, has_colour, on_one_line, print_lines
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.criteria import CriteriaSettings, Criterion, judge
from src.regime_w.evaluation import EvaluationMetrics
from src.regime_w.pair_metrics import PairMetrics
from src.regime_w.rollout_metrics import RolloutMetrics
from src.regime_w.training_metrics import TrainMetrics
from src.regime_w.verdict import RunVerdict, Verdict
from src.report.rendering import percent, points, signed

METRICS = Path("metrics")
IN_LINE = 5  # stages, on a line of at most 120 columns
NEEDED = ("rollouts", "prefs", "train", "verdict", "baseline", "coherence")  # files of METRICS
PAGES = (Path("report.html"), Path("report.md"))
STYLE_OF: dict[str, Style] = {"improved": "green", "worse": "red", "no evidence": "yellow"}


@dataclass(frozen=True)
class Outcome:
    """What a finished run is summed up by. `confidence` is that of every interval; criteria are the five in order."""

    confidence: float
    verdict: RunVerdict
    baseline: EvaluationMetrics
    coherence: EvaluationMetrics
    criteria: tuple[Criterion, ...]


def read_outcome() -> Outcome:
    """Of the run in the workspace; InputError if there is none, or only a part of one."""
    missing = [path for name in NEEDED if not (path := METRICS / f"{name}.json").exists()]
    if missing:
        what = "no run" if len(missing) == len(NEEDED) else "no whole run"
        raise InputError(
            f"{what} is here: {', '.join(map(str, missing))} missing from {Path.cwd()}; run `make repro` in the repository's root"
        )
    verdict = read_metrics(METRICS / "verdict.json", RunVerdict)
    criteria = judge(
        read_metrics(METRICS / "rollouts.json", RolloutMetrics),
        read_metrics(METRICS / "prefs.json", PairMetrics),
        read_metrics(METRICS / "train.json", TrainMetrics),
        verdict,
        load_section("criteria", CriteriaSettings),
    )
    return Outcome(
        confidence=load_section("compare", CompareSettings).confidence,
        verdict=verdict,
        baseline=read_metrics(METRICS / "baseline.json", EvaluationMetrics),
        coherence=read_metrics(METRICS / "coherence.json", EvaluationMetrics),
        criteria=tuple(criteria),
    )


def outcome_lines(outcome: Outcome, taken: Sequence[StageSeconds], pages: Sequence[Path], ink: Ink) -> list[str]:
    """The whole print: verdict, accuracies, criteria, how long stages took, and the pages that are there."""
    holding = sum(criterion.holds for criterion in outcome.criteria)
    written = [f"page     {page}" for page in pages] or ["no page is here: run `dvc repro report`"]
    return [
        *_verdict_lines(outcome, ink),
        "",
        *_accuracy_table(outcome, ink),
        "",
        ink(f"{holding} of {len(outcome.criteria)} criteria hold", "bold"),
        *_criteria_table(outcome.criteria, ink),
        "",
        *_seconds_lines(taken),
        *written,
    ]


def _seconds_lines(taken: Sequence[StageSeconds]) -> list[str]:
    """Each stage's last run in this checkout, IN_LINE to a line; none where all was fetched."""
    told = [f"{item.stage} {duration(item.seconds)}" for item in taken]
    lines = [", ".join(told[start : start + IN_LINE]) for start in range(0, len(told), IN_LINE)]
    return [f"{'last ran' if place == 0 else '':8} {line}" for place, line in enumerate(lines)]


def _verdict_lines(outcome: Outcome, ink: Ink) -> list[str]:
    verdict = outcome.verdict
    lines = [f"{ink(verdict.verdict, STYLE_OF[verdict.verdict])}: {_difference(verdict, outcome.confidence)}"]
    if verdict.verdict == "no evidence" and verdict.questions_at_power is not None:
        lines.append(f"some {verdict.questions_at_power:,} questions would show that difference four times of five")
    if verdict.family_ci_low is not None and verdict.family_ci_high is not None:
        low, high = signed(verdict.family_ci_low), signed(verdict.family_ci_high)
        lines.append(f"over {verdict.families} kinds of question: {low} to {high} points")
    if verdict.gsm8k is not None:
        lines.append(f"on GSM8K's own test, {verdict.gsm8k.verdict}: {_difference(verdict.gsm8k, outcome.confidence)}")
    return lines


def _difference(verdict: Verdict, confidence: float) -> str:
    return (
        f"coherence minus baseline {signed(verdict.difference)} points ({percent(confidence)}: {signed(verdict.ci_low)} to "
        f"{signed(verdict.ci_high)}), {verdict.fixed:,} questions fixed, {verdict.broken:,} broken, p = {verdict.p_value:.2g}"
    )


def _accuracy_table(outcome: Outcome, ink: Ink) -> list[str]:
    head = ("policy", "correct", "questions", "accuracy", f"{percent(outcome.confidence)} interval")
    rows = [[Cell(name, "dim") for name in head]]
    for policy, metrics in (("baseline", outcome.baseline), ("coherence", outcome.coherence)):
        interval = f"{points(metrics.ci_low)} to {points(metrics.ci_high)}"
        cells = (policy, f"{metrics.correct:,}", f"{metrics.questions:,}", f"{points(metrics.accuracy)} %", interval)
        rows.append([Cell(text) for text in cells])
    return aligned(rows, "<>>>>", ink)


def _criteria_table(criteria: Sequence[Criterion], ink: Ink) -> list[str]:
    rows = [[Cell(name, "dim") for name in ("criterion", "", "found", "wanted")]]
    for criterion in criteria:
        holds = Cell("holds", "green") if criterion.holds else Cell("fails", "red")
        rows.append([Cell(criterion.name), holds, Cell(on_one_line(criterion.found)), Cell(criterion.wanted, "dim")])
    return aligned(rows, "<<<<", ink)


def main() -> None:
    command_line("python -m src.ops.show", __doc__).parse_args()
    pages = [page for page in PAGES if page.exists()]
    print_lines(outcome_lines(read_outcome(), read_seconds(), pages, Ink(has_colour(sys.stdout))))


if __name__ == "__main__":
    run_command(main)
