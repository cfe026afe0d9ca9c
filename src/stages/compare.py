"""Stage `compare`: is the coherence policy better than the baseline on the same questions?

Reads   outputs/baseline_eval.jsonl, outputs/coherence_eval.jsonl
Writes  metrics/verdict.json             the paired verdict, and that of the sampled texts where there are some
        outputs/changed_questions.jsonl  the questions fixed and broken, both texts side by side
        plots/accuracy.csv               accuracy of both with its interval, in percent
Params  compare
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.files import write_csv
from src.core.params import load_section
from src.core.records import read_records, write_metrics, write_records
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.evaluation import Evaluation
from src.regime_w.sampled_verdict import sampled_verdict
from src.regime_w.verdict import ChangedQuestion, Comparison, RunVerdict, SampledVerdict, paired_verdict
from src.stages import run_stage

BASELINE, COHERENCE = Path("outputs/baseline_eval.jsonl"), Path("outputs/coherence_eval.jsonl")


def check_same_questions(baseline: Sequence[Evaluation], coherence: Sequence[Evaluation]) -> None:
    """InputError for a question with another text or kind in each, or judged by another gold or another choice of sets."""
    of_id = {evaluation.id: evaluation for evaluation in coherence}
    for one in baseline:
        other = of_id.get(one.id, one)  # a question that is missing is found by the comparison
        if one.question != other.question:
            what = "text"
        elif (one.gold, one.in_platinum) != (other.gold, other.in_platinum):
            what = "gold"
        elif one.kind != other.kind:
            what = "kind"
        else:
            continue
        raise InputError(
            f"{BASELINE} and {COHERENCE}: question {one.id} has another {what} in each evaluation; run `dvc repro` for both"
        )


def correct_by_headline(evaluations: Sequence[Evaluation]) -> dict[str, bool]:
    """Whether each question of the set that decides is answered correctly, by its id."""
    return {evaluation.id: evaluation.correct for evaluation in evaluations if evaluation.decides}


def correct_by_gsm8k(evaluations: Sequence[Evaluation]) -> dict[str, bool]:
    """Whether each question is answered correctly by GSM8K's own gold, by its id; empty where there is one set alone."""
    return {evaluation.id: evaluation.gsm8k_correct for evaluation in evaluations if evaluation.gsm8k_correct is not None}


def families_of(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """The family of each question that has one, by its id: its kind."""
    return {evaluation.id: evaluation.kind for evaluation in evaluations if evaluation.kind is not None}


def comparison_of(
    baseline: Mapping[str, bool], coherence: Mapping[str, bool], families: Mapping[str, str], settings: CompareSettings
) -> Comparison:
    """The paired comparison by question id.

    InputError unless both are of the same questions, one at least, and all of these or none have a family.
    """
    try:
        return paired_verdict(baseline, coherence, settings.alpha, settings.confidence, family_of=families)
    except ValueError as error:
        raise InputError(f"{BASELINE} and {COHERENCE}: {error}: run `dvc repro` for both") from error


def comparison_of_samples(
    baseline: Sequence[Evaluation], coherence: Sequence[Evaluation], families: Mapping[str, str], settings: CompareSettings
) -> SampledVerdict | None:
    """The comparison of the sampled texts, for evaluations of the same questions; None where no question was sampled.

    InputError unless all of those that decide were sampled, in both policies as many times at one temperature.
    """
    decide = [evaluation for evaluation in (*baseline, *coherence) if evaluation.decides]
    without = [evaluation.id for evaluation in decide if evaluation.sampled is None]
    if len(without) == len(decide):
        return None
    if without:
        raise InputError(
            f"{BASELINE} and {COHERENCE}: {len(without)} of {len(decide)} evaluations have no samples, the first of question "
            f"{without[0]}, though others have some: run `dvc repro` for both"
        )
    before, after = (
        {one.id: one.sampled for one in evaluations if one.decides and one.sampled is not None}
        for evaluations in (baseline, coherence)
    )
    try:
        return sampled_verdict(before, after, settings.alpha, settings.confidence, families)
    except ValueError as error:
        raise InputError(f"{BASELINE} and {COHERENCE}: {error}: run `dvc repro` for both") from error


def changed_questions(
    comparison: Comparison, baseline: Sequence[Evaluation], coherence: Sequence[Evaluation]
) -> list[ChangedQuestion]:
    """The questions fixed, then those broken, each in the order of their ids."""
    before = {evaluation.id: evaluation for evaluation in baseline}
    after = {evaluation.id: evaluation for evaluation in coherence}
    fixed, broken = set(comparison.fixed_ids), set(comparison.broken_ids)
    return [
        ChangedQuestion(
            id=question_id,
            change="fixed" if question_id in fixed else "broken",
            question=before[question_id].question,
            gold=before[question_id].gold,
            baseline_text=before[question_id].text,
            coherence_text=after[question_id].text,
        )
        for question_id in (*sorted(fixed), *sorted(broken))
    ]


def write_accuracy(path: Path, comparison: Comparison) -> None:
    """Three rows a policy: its accuracy and both bounds of its interval."""
    verdict = comparison.verdict
    rows = [
        (policy, bound, round(100 * share, 3))
        for policy, accuracy, interval in (
            ("baseline", verdict.baseline_accuracy, comparison.baseline_interval),
            ("coherence", verdict.coherence_accuracy, comparison.coherence_interval),
        )
        for bound, share in (("low", interval.low), ("accuracy", accuracy), ("high", interval.high))
    ]
    write_csv(path, ("policy", "bound", "percent"), rows)


def main() -> None:
    command_line("python -m src.stages.compare", __doc__).parse_args()
    settings = load_section("compare", CompareSettings)
    baseline, coherence = read_records(BASELINE, Evaluation), read_records(COHERENCE, Evaluation)
    check_same_questions(baseline, coherence)
    families = families_of(baseline)
    headline = comparison_of(correct_by_headline(baseline), correct_by_headline(coherence), families, settings)
    on_gsm8k = correct_by_gsm8k(baseline)
    gsm8k = comparison_of(on_gsm8k, correct_by_gsm8k(coherence), families, settings).verdict if on_gsm8k else None
    sampled = comparison_of_samples(baseline, coherence, families, settings)
    write_records(Path("outputs/changed_questions.jsonl"), ChangedQuestion, changed_questions(headline, baseline, coherence))
    write_metrics(Path("metrics/verdict.json"), RunVerdict(**vars(headline.verdict), gsm8k=gsm8k, sampled=sampled))
    write_accuracy(Path("plots/accuracy.csv"), headline)


if __name__ == "__main__":
    run_stage(main)
