"""The comparison of sampled texts: by hand, and against the headline's own comparison where there is one text a question."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from src.regime_w.families import bootstrap_over_families
from src.regime_w.sampled import SampledEvaluation
from src.regime_w.sampled_verdict import sampled_verdict
from src.regime_w.statistics import mean_bootstrap_interval
from src.regime_w.verdict import SampledVerdict, paired_verdict


def graded(samples: int, right: Sequence[int]) -> dict[str, SampledEvaluation]:
    """Of texts that all have an answer, the wrong ones the same; a tie is wrong."""
    return {
        f"q{n:02}": SampledEvaluation(samples, 0.35, r, 0, "2" if 2 * r > samples else "3", max(r, samples - r), 2 * r > samples)
        for n, r in enumerate(right)
    }


BEFORE, AFTER = [0, 0, 1, 1, 2, 2, 3, 4, 4, 4], [1, 2, 1, 4, 2, 4, 4, 4, 3, 4]


def compare(before: dict[str, SampledEvaluation], after: dict[str, SampledEvaluation], **families: str) -> SampledVerdict:
    return sampled_verdict(before, after, 0.05, 0.95, families)


def test_means_and_majorities_by_hand():
    found = compare(graded(4, BEFORE), graded(4, AFTER))
    mean, majority = found.mean, found.majority
    assert (found.samples, found.temperature) == (4, 0.35)
    assert (mean.baseline_accuracy, mean.coherence_accuracy, mean.difference) == (21 / 40, 29 / 40, 8 / 40)
    assert (mean.ci_low, mean.ci_high) == mean_bootstrap_interval([1, 2, 0, 3, 0, 2, 1, 0, -1, 0], 4)
    # Of the 64 ways to sign 1, 2, 3, 2, 1, 1 those are as far as +8 that lose 1 at most: none lost, or one of three ones.
    assert mean.p_value == 2 * (1 + 3) / 64
    assert (mean.more, mean.fewer) == (5, 1)
    # More than two right were before in four questions, after in six.
    assert (majority.fixed, majority.broken, majority.difference, majority.p_value) == (2, 0, 0.2, 0.5)
    assert majority.verdict == "no evidence"


def test_of_one_text_a_question_both_are_the_comparison_of_single_texts():
    before, after = ([bool(int(mark)) for mark in marks] for marks in ("0000011111110", "1111101111110"))
    ids = [f"q{n:02}" for n in range(13)]
    families = {name: "ab"[n % 2] for n, name in enumerate(ids)}
    found = compare(graded(1, before), graded(1, after), **families)
    single = paired_verdict(*(dict(zip(ids, marks, strict=True)) for marks in (before, after)), family_of=families).verdict
    assert found.majority == single
    mean = found.mean
    for name in ("baseline_accuracy", "coherence_accuracy", "difference", "ci_low", "ci_high", "p_value"):
        assert getattr(mean, name) == getattr(single, name), name
    assert (mean.more, mean.fewer) == (single.fixed, single.broken)
    assert (mean.family_ci_low, mean.family_ci_high) == (single.family_ci_low, single.family_ci_high)


def test_the_order_of_the_records_is_no_matter_and_families_go_by_id():
    families = {f"q{n:02}": name for n, name in enumerate("aabbbccccc")}
    found = compare(graded(4, BEFORE), graded(4, AFTER), **families)
    assert found == compare(dict(reversed(graded(4, BEFORE).items())), graded(4, AFTER), **families)
    wanted = bootstrap_over_families([1, 2, 0, 3, 0, 2, 1, 0, -1, 0], list(families.values()), 0.95, 4).interval
    assert (found.mean.family_ci_low, found.mean.family_ci_high) == wanted
    assert replace(found.mean, family_ci_low=None, family_ci_high=None) == compare(graded(4, BEFORE), graded(4, AFTER)).mean


def test_all_of_one_family_have_no_interval_over_families():
    found = compare(graded(4, BEFORE), graded(4, AFTER), **{f"q{n:02}": "a" for n in range(10)})
    assert (found.majority.families, found.majority.family_ci_low, found.mean.family_ci_low) == (1, None, None)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({}, {}, "no questions to compare"),
        (graded(4, BEFORE), graded(4, AFTER[:-1]), "1 only in baseline: q09"),
        (graded(4, BEFORE), graded(5, AFTER), "but 4 at temperature 0.35 and 5 at temperature 0.35"),
        (
            graded(4, BEFORE),
            {i: replace(one, temperature=1.0) for i, one in graded(4, AFTER).items()},
            "0.35 and 4 at temperature 1",
        ),
    ],
)
def test_what_was_sampled_otherwise_is_refused(before, after, message):
    with pytest.raises(ValueError, match=message):
        compare(before, after)


def test_a_family_interval_of_one_of_the_two_alone_is_refused():
    found = compare(graded(4, BEFORE), graded(4, AFTER))
    with pytest.raises(ValueError, match="are of the same families"):
        replace(found, mean=replace(found.mean, family_ci_low=0.1, family_ci_high=0.2))
