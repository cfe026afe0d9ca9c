"""The table of sampled answers on both pages: every figure, and nothing where a run has none."""

from dataclasses import replace

import pytest

from src.core.errors import InputError
from src.regime_w.evaluation import Accuracy, SampledMetrics
from src.regime_w.verdict import MeanDifference, SampledVerdict
from src.report.page import Page, render
from src.report.sampled_table import sampled_table
from tests.report import lists
from tests.report.pages import BASELINE, COHERENCE, ON_PLATINUM, VERDICT, page
from tests.report.test_page import tables

MEAN = MeanDifference(0.6912, 0.7034, 0.0122, -0.0031, 0.0277, 0.1234, more=301, fewer=277)
MAJORITY = replace(ON_PLATINUM, difference=0.0215, ci_low=0.0041, ci_high=0.0387, p_value=0.0171, fixed=70, broken=44)
OF_BASELINE = SampledMetrics(8, 0.35, 0.6912, 0.6701, 0.7122, 0.0123, Accuracy(0.7124, 0.6862, 0.7373, 862, 1210))
OF_COHERENCE = SampledMetrics(8, 0.35, 0.7034, 0.6833, 0.7241, 0.0045, Accuracy(0.7339, 0.7083, 0.758, 888, 1210))
SAMPLED = SampledVerdict(8, 0.35, MEAN, MAJORITY)
IN_FAMILIES = SampledVerdict(
    8,
    0.35,
    replace(MEAN, family_ci_low=-0.0212, family_ci_high=0.0456),
    replace(MAJORITY, families=24, family_ci_low=-0.0111, family_ci_high=0.0501),
)


def sampled_page(sampled: SampledVerdict = SAMPLED) -> Page:
    return page(
        verdict=replace(VERDICT, sampled=sampled),
        baseline=replace(BASELINE, sampled=OF_BASELINE),
        coherence=replace(COHERENCE, sampled=OF_COHERENCE),
    )


MEAN_CELLS = ["mean", "69.12 (67.01 – 71.22)", "70.34 (68.33 – 72.41)", "+1.22 (-0.31 to +2.77)"]
MAJORITY_CELLS = ["majority", "71.24 (68.62 – 73.73)", "73.39 (70.83 – 75.80)", "+2.15 (+0.41 to +3.87)"]


def test_the_page_has_every_figure():
    text = render(sampled_page())
    assert (
        "\n### Sampled answers\n1,210 questions, 8 texts each at temperature 0.35 beside the greedy one of the verdict.\n" in text
    )
    assert "Without an answer were 1.23 % of the baseline's texts and 0.45 % of coherence's.\n" in text
    assert "These figures move neither the verdict nor the criteria.\n" in text
    assert tables(text)["samples, by"][1:] == [
        [*MEAN_CELLS, "—", "0.12", "301, 277"],
        [*MAJORITY_CELLS, "—", "0.017", "70, 44"],
    ]


def test_intervals_over_families_have_a_column():
    rows = tables(render(sampled_page(IN_FAMILIES)))["samples, by"]
    assert [row[4] for row in rows] == ["over families", "-2.12 to +4.56", "-1.11 to +5.01"]


def test_the_page_for_a_browser_has_the_same_figures():
    questions = lists.records(lists.SMALL, lists.STRIPS[:2])
    shown = lists.page_of(lists.SMALL)
    with_samples = replace(
        shown,
        verdict=replace(shown.verdict, sampled=IN_FAMILIES),
        baseline=replace(shown.baseline, sampled=OF_BASELINE),
        coherence=replace(shown.coherence, sampled=OF_COHERENCE),
    )
    text, without = lists.render(with_samples, questions), lists.render(shown, questions)
    assert '<h3 id="sampled">Sampled answers</h3>' in text
    for cell in (
        "<td><b>69.12</b> 67.01 – 71.22</td>",
        "<td><b>+1.22</b> -0.31 to +2.77</td><td>-2.12 to +4.56</td><td>0.12</td><td>301, 277</td>",
        "<td><b>+2.15</b> +0.41 to +3.87</td><td>-1.11 to +5.01</td><td>0.017</td><td>70, 44</td>",
    ):
        assert cell in text
    # The section is all that they differ in: without it the bytes are those of a run without samples.
    start, end = text.index('\n<h3 id="sampled">'), text.index('\n<h3 id="criteria">')
    assert text[:start] + text[end:] == without and "Sampled" not in without


def test_without_samples_the_page_has_no_word_of_them():
    text, whole = render(page()), render(sampled_page())
    start, end = whole.index("\n### Sampled"), whole.index("\n## Criteria")
    assert whole[:start] + whole[end:] == text and "ampled" not in text


@pytest.mark.parametrize(
    ("sampled", "before", "after", "told"),
    [
        (None, OF_BASELINE, OF_COHERENCE, "none, 8, 8"),
        (SAMPLED, None, OF_COHERENCE, "8, none, 8"),
        (SAMPLED, OF_BASELINE, replace(OF_COHERENCE, samples=4), "8, 8, 4"),
    ],
)
def test_metrics_of_different_runs_are_refused(sampled, before, after, told):
    verdict, baseline, coherence = (
        replace(VERDICT, sampled=sampled), replace(BASELINE, sampled=before), replace(COHERENCE, sampled=after),
    )  # fmt: skip
    with pytest.raises(InputError, match=rf"are not of as many samples a question \({told}\); run `dvc repro compare`"):
        sampled_table(verdict, baseline, coherence)
