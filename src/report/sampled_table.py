"""The small table of sampled answers, which both pages show where a run has some."""

from dataclasses import dataclass

from src.core.errors import InputError
from src.regime_w.evaluation import EvaluationMetrics
from src.regime_w.statistics import Interval
from src.regime_w.verdict import RunVerdict


@dataclass(frozen=True)
class Side:
    """A policy's share, with its interval."""

    accuracy: float
    interval: Interval


@dataclass(frozen=True)
class SampledRow:
    """One way to mark several texts of a question: both policies by it, and their paired difference.

    family         the difference's interval over families; None where there is none
    better, worse  questions that coherence does better, worse
    """

    name: str
    baseline: Side
    coherence: Side
    difference: float
    interval: Interval
    family: Interval | None
    p_value: float
    better: int
    worse: int


@dataclass(frozen=True)
class SampledTable:
    """Rows of the mean and of the majority; shares of unparsed texts by policy."""

    samples: int
    temperature: float
    questions: int
    baseline_unparsed: float
    coherence_unparsed: float
    rows: tuple[SampledRow, SampledRow]


def sampled_table(verdict: RunVerdict, baseline: EvaluationMetrics, coherence: EvaluationMetrics) -> SampledTable | None:
    """None where the run has no sampled answers; InputError where the three are not of the same ones."""
    found, before, after = verdict.sampled, baseline.sampled, coherence.sampled
    if found is None and before is None and after is None:
        return None
    if found is None or before is None or after is None or not found.samples == before.samples == after.samples:
        told = ", ".join("none" if part is None else str(part.samples) for part in (found, before, after))
        raise InputError(
            "metrics/verdict.json, metrics/baseline.json and metrics/coherence.json are not of as many samples a "
            f"question ({told}); run `dvc repro compare`"
        )
    mean, majority = found.mean, found.majority
    by_mean = SampledRow(
        name="mean",
        baseline=Side(before.mean_accuracy, Interval(before.ci_low, before.ci_high)),
        coherence=Side(after.mean_accuracy, Interval(after.ci_low, after.ci_high)),
        difference=mean.difference,
        interval=Interval(mean.ci_low, mean.ci_high),
        family=_family(mean.family_ci_low, mean.family_ci_high),
        p_value=mean.p_value,
        better=mean.more,
        worse=mean.fewer,
    )
    by_majority = SampledRow(
        name="majority",
        baseline=Side(before.majority.accuracy, Interval(before.majority.ci_low, before.majority.ci_high)),
        coherence=Side(after.majority.accuracy, Interval(after.majority.ci_low, after.majority.ci_high)),
        difference=majority.difference,
        interval=Interval(majority.ci_low, majority.ci_high),
        family=_family(majority.family_ci_low, majority.family_ci_high),
        p_value=majority.p_value,
        better=majority.fixed,
        worse=majority.broken,
    )
    return SampledTable(
        samples=found.samples,
        temperature=found.temperature,
        questions=majority.questions,
        baseline_unparsed=before.unparsed_share,
        coherence_unparsed=after.unparsed_share,
        rows=(by_mean, by_majority),
    )


def _family(low: float | None, high: float | None) -> Interval | None:
    return None if low is None or high is None else Interval(low, high)
