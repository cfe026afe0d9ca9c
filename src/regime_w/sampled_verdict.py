"""What the sampled texts say of coherence against baseline: by the mean of their marks, and by the majority of their answers."""

from collections.abc import Mapping, Sequence

from src.regime_w.families import bootstrap_over_families
from src.regime_w.sampled import SampledEvaluation
from src.regime_w.statistics import mean_bootstrap_interval, sign_flip_exact
from src.regime_w.verdict import MeanDifference, SampledVerdict, paired_verdict


def sampled_verdict(
    baseline: Mapping[str, SampledEvaluation],
    coherence: Mapping[str, SampledEvaluation],
    alpha: float,
    confidence: float,
    family_of: Mapping[str, str],
) -> SampledVerdict:
    """Compare the policies by question id, on the questions that decide.

    family_of  as `paired_verdict` takes it
    Raises ValueError where the two are not of the same questions, one at least, or not all of as many samples at one
    temperature, and as `paired_verdict` does.
    """
    by_majority = paired_verdict(
        {i: record.correct for i, record in baseline.items()},
        {i: record.correct for i, record in coherence.items()},
        alpha,
        confidence,
        family_of=family_of,
    )
    asked = {(record.samples, record.temperature) for record in (*baseline.values(), *coherence.values())}
    if len(asked) > 1:
        told = " and ".join(f"{samples} at temperature {temperature:g}" for samples, temperature in sorted(asked)[:3])
        raise ValueError(f"not all questions have as many samples at one temperature, but {told}")
    [(samples, temperature)] = asked
    ids = sorted(baseline)
    right_before, right_after = ([records[i].right for i in ids] for records in (baseline, coherence))
    families = [family_of[i] for i in ids if i in family_of]
    return SampledVerdict(
        samples=samples,
        temperature=temperature,
        mean=mean_difference(right_before, right_after, samples, confidence, families),
        majority=by_majority.verdict,
    )


def mean_difference(
    right_before: Sequence[int], right_after: Sequence[int], samples: int, confidence: float, families: Sequence[str]
) -> MeanDifference:
    """The paired difference of mean accuracy.

    right_before, right_after  right texts of baseline and coherence, of each question, 0 … samples
    families                   of the questions, in the same order; empty where they come in none
    """
    differences = [after - before for before, after in zip(right_before, right_after, strict=True)]
    texts = samples * len(differences)
    interval = mean_bootstrap_interval(differences, samples, confidence)
    over_families = bootstrap_over_families(differences, families, confidence, samples).interval if families else None
    return MeanDifference(
        baseline_accuracy=sum(right_before) / texts,
        coherence_accuracy=sum(right_after) / texts,
        difference=sum(differences) / texts,
        ci_low=interval.low,
        ci_high=interval.high,
        p_value=sign_flip_exact(differences),
        more=sum(difference > 0 for difference in differences),
        fewer=sum(difference < 0 for difference in differences),
        family_ci_low=None if over_families is None else over_families.low,
        family_ci_high=None if over_families is None else over_families.high,
    )
