"""What the test set says about coherence against baseline: the verdict, and the questions that it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from src.core.shapes import Count, FilledText, NonNegative, NumberText, Positive, PositiveCount, Share
from src.regime_w.families import FamilyBootstrap, bootstrap_over_families
from src.regime_w.statistics import (
    Interval,
    check_level,
    difference_at_power,
    mcnemar_exact,
    paired_bootstrap_interval,
    questions_at_power,
    smallest_detectable_difference,
    wilson_interval,
)

# Of two shares: below zero where coherence is worse.
Difference = Annotated[float, Field(ge=-1, le=1)]
Outcome = Literal["improved", "worse", "no evidence"]


@dataclass(frozen=True)
class Verdict:
    """Of both policies on one test set. Accuracies and differences are shares, 0.01 is one point.

    difference                      coherence - baseline, with the bounds ci_low and ci_high of its interval
    p_value                         of the exact McNemar test
    fixed, broken                   questions that only coherence, only baseline answers correctly
    smallest_detectable_difference  None where no outcome would have been significant
    difference_at_power             None where no true difference would have been found so often
    questions_at_power              that would find the difference found here so often, if it is the true one; None where
                                    none was found
    families                        of questions that are not independent of each other; None where they come in none
    family_ci_low, family_ci_high   of the difference by the bootstrap over families; None with fewer than two
    design_effect                   variance over families / variance of independent questions; None with fewer than two
                                    families, and where all questions have the same difference
    """

    verdict: Outcome
    questions: PositiveCount
    baseline_accuracy: Share
    coherence_accuracy: Share
    difference: Difference
    ci_low: Difference
    ci_high: Difference
    p_value: Share
    fixed: Count
    broken: Count
    smallest_detectable_difference: Share | None
    difference_at_power: Share | None
    questions_at_power: PositiveCount | None
    families: PositiveCount | None = None
    family_ci_low: Difference | None = None
    family_ci_high: Difference | None = None
    design_effect: NonNegative | None = None

    def __post_init__(self) -> None:
        has_bounds = self.families is not None and self.families > 1
        for name, value in (("family_ci_low", self.family_ci_low), ("family_ci_high", self.family_ci_high)):
            if (value is not None) != has_bounds:
                raise ValueError(f"`families` is {self.families}, and key {name!r} {'is missing' if has_bounds else 'is there'}")

    @property
    def shared_by_families(self) -> bool | None:
        """Whether the interval over families says what `verdict` says; None without that interval."""
        if self.family_ci_low is None or self.family_ci_high is None:
            return None
        if self.verdict == "improved":
            return self.family_ci_low > 0
        if self.verdict == "worse":
            return self.family_ci_high < 0
        return self.family_ci_low <= 0 <= self.family_ci_high


@dataclass(frozen=True)
class MeanDifference:
    """Of both policies' mean accuracy: the mean over the questions of the share of their sampled texts that are right.

    difference                      coherence - baseline, with the bounds ci_low and ci_high of its interval
    p_value                         of the exact sign-flip test
    more, fewer                     questions of which coherence has more, fewer right texts than baseline
    family_ci_low, family_ci_high   of the difference by the bootstrap over families; None without two families
    """

    baseline_accuracy: Share
    coherence_accuracy: Share
    difference: Difference
    ci_low: Difference
    ci_high: Difference
    p_value: Share
    more: Count
    fewer: Count
    family_ci_low: Difference | None = None
    family_ci_high: Difference | None = None


@dataclass(frozen=True)
class SampledVerdict:
    """Of both policies' sampled texts, `samples` a question at one temperature. It moves nothing of the verdict on greedy texts.

    majority  on the answers that most texts of a question give, by the same test as the greedy ones
    """

    samples: PositiveCount
    temperature: Positive
    mean: MeanDifference
    majority: Verdict

    def __post_init__(self) -> None:
        if (self.mean.family_ci_low is None) != (self.majority.family_ci_low is None) or (
            (self.mean.family_ci_low is None) != (self.mean.family_ci_high is None)
        ):
            raise ValueError("`mean` and `majority` are of the same families, and one of them lacks an interval over these")


@dataclass(frozen=True)
class RunVerdict(Verdict):
    """metrics/verdict.json. Of questions scored on two sets it is the verdict on Platinum; `gsm8k` is GSM8K's own test's.

    sampled  of the sampled texts, where some were asked for; all else is of the greedy ones
    """

    gsm8k: Verdict | None = None
    sampled: SampledVerdict | None = None


@dataclass(frozen=True)
class ChangedQuestion:
    """A record of outputs/changed_questions.jsonl: a question that only one policy answers correctly, and both texts."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("id",)
    MAY_BE_EMPTY: ClassVar[bool] = True  # two policies may agree on everything

    id: FilledText
    change: Literal["fixed", "broken"]
    question: FilledText
    gold: NumberText
    baseline_text: str
    coherence_text: str


@dataclass(frozen=True)
class Comparison:
    """The verdict, the intervals of both accuracies, and the ids of the questions fixed and broken, each in sorted order."""

    verdict: Verdict
    baseline_interval: Interval
    coherence_interval: Interval
    fixed_ids: tuple[str, ...]
    broken_ids: tuple[str, ...]


def _check_same_questions(baseline: Mapping[str, bool], coherence: Mapping[str, bool]) -> None:
    if not baseline and not coherence:
        raise ValueError("no questions to compare: both policies' results are empty")
    sides = {
        "baseline": sorted(baseline.keys() - coherence.keys()),
        "coherence": sorted(coherence.keys() - baseline.keys()),
    }
    if any(sides.values()):
        details = "; ".join(
            f"{len(ids)} only in {side}: {', '.join(ids[:5])}{' …' if len(ids) > 5 else ''}" for side, ids in sides.items() if ids
        )
        raise ValueError(
            f"the policies answered different questions (baseline {len(baseline)}, "
            f"coherence {len(coherence)}): {details}. Evaluate both on the same test set"
        )


def _by_families(
    ids: Sequence[str], differences: Sequence[int], family_of: Mapping[str, str], confidence: float
) -> FamilyBootstrap | None:
    """None where no question has a family. ValueError where only some have one."""
    without = [i for i in ids if i not in family_of]
    if len(without) == len(ids):
        return None
    if without:
        raise ValueError(
            f"question {without[0]} has no kind, though {len(ids) - len(without)} of the {len(ids)} questions have one; "
            "either all have one or none has"
        )
    return bootstrap_over_families(differences, [family_of[i] for i in ids], confidence)


def paired_verdict(
    baseline_correct: Mapping[str, bool],
    coherence_correct: Mapping[str, bool],
    alpha: float = 0.05,
    confidence: float = 0.95,
    power: float = 0.8,
    family_of: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare the policies by question id -> answered correctly.

    `improved` or `worse` where exact McNemar gives p < alpha, by the side that has more discordant
    questions; otherwise `no evidence`, which is not evidence of no difference.
    `confidence` is that of all three intervals, and `power` the one at which `difference_at_power` states
    the difference that would have been found, and `questions_at_power` how many questions would find this one.
    `family_of` gives questions that are not independent of each other the same name, by id; it moves no field of the verdict
    but those of the families. Raises ValueError where the two do not hold the same question ids, or none, where only some
    questions have a family, and for an impossible level.
    """
    check_level("alpha", alpha)
    _check_same_questions(baseline_correct, coherence_correct)
    ids = sorted(baseline_correct)
    fixed_ids = tuple(i for i in ids if coherence_correct[i] and not baseline_correct[i])
    broken_ids = tuple(i for i in ids if baseline_correct[i] and not coherence_correct[i])
    n, fixed, broken = len(ids), len(fixed_ids), len(broken_ids)
    correct_before, correct_after = sum(baseline_correct.values()), sum(coherence_correct.values())
    p_value = mcnemar_exact(fixed, broken)
    interval = paired_bootstrap_interval(fixed, broken, n, confidence)
    differences = [coherence_correct[i] - baseline_correct[i] for i in ids]
    over_families = _by_families(ids, differences, family_of or {}, confidence)
    family_interval = None if over_families is None else over_families.interval

    verdict = Verdict(
        verdict="no evidence" if p_value >= alpha else "improved" if fixed > broken else "worse",
        questions=n,
        baseline_accuracy=correct_before / n,
        coherence_accuracy=correct_after / n,
        difference=(fixed - broken) / n,
        ci_low=interval.low,
        ci_high=interval.high,
        p_value=p_value,
        fixed=fixed,
        broken=broken,
        smallest_detectable_difference=smallest_detectable_difference(fixed + broken, n, alpha),
        difference_at_power=difference_at_power(fixed + broken, n, power, alpha),
        questions_at_power=questions_at_power(fixed, broken, n, power, alpha),
        families=None if over_families is None else over_families.families,
        family_ci_low=None if family_interval is None else family_interval.low,
        family_ci_high=None if family_interval is None else family_interval.high,
        design_effect=None if over_families is None else over_families.design_effect,
    )
    return Comparison(
        verdict=verdict,
        baseline_interval=wilson_interval(correct_before, n, confidence),
        coherence_interval=wilson_interval(correct_after, n, confidence),
        fixed_ids=fixed_ids,
        broken_ids=broken_ids,
    )
