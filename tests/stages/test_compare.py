"""Stage `compare`: two evaluations of the same questions become a verdict, the changed questions and a plot."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, read_records, write_records
from src.regime_w.evaluation import Evaluation
from src.regime_w.sampled import SampledEvaluation
from src.regime_w.sampled_verdict import sampled_verdict
from src.regime_w.verdict import ChangedQuestion, RunVerdict
from src.stages import compare
from tests.stages.small_run import run


def evaluation(policy: str, *right: bool) -> list[Evaluation]:
    return [
        Evaluation(f"test-{n}", f"How many {n}?", "5", f"{policy} on {n}", "5" if r else "4", r, 3, "stop")
        for n, r in enumerate(right)
    ]


BASELINE = evaluation("baseline", *[False] * 8, True, True)
COHERENCE = evaluation("coherence", *[True] * 8, False, True)


def run_compare(folder: Path, monkeypatch, baseline=BASELINE, coherence=COHERENCE, **params) -> RunVerdict:
    write_records(folder / "outputs/baseline_eval.jsonl", Evaluation, baseline)
    write_records(folder / "outputs/coherence_eval.jsonl", Evaluation, coherence)
    run(compare.main, folder, monkeypatch, **params)
    return read_metrics(folder / "metrics/verdict.json", RunVerdict)


def test_the_verdict_is_written_flat_and_without_an_empty_key(tmp_path, monkeypatch):
    verdict = run_compare(tmp_path, monkeypatch)
    assert (verdict.verdict, verdict.questions, verdict.fixed, verdict.broken) == ("improved", 10, 8, 1)
    assert (verdict.baseline_accuracy, verdict.coherence_accuracy, verdict.difference) == (0.2, 0.9, 0.7)
    assert verdict.p_value == 20 / 512  # one or none of nine on the smaller side, both tails
    written = json.loads((tmp_path / "metrics/verdict.json").read_text())
    assert list(written)[:2] == ["verdict", "questions"] and "gsm8k" not in written


def test_level_and_confidence_are_those_of_the_params(tmp_path, monkeypatch):
    usual = run_compare(tmp_path, monkeypatch)
    strict = run_compare(tmp_path, monkeypatch, compare={"alpha": 0.01, "confidence": 0.5})
    assert strict.verdict == "no evidence"
    assert usual.ci_low < strict.ci_low < strict.difference < strict.ci_high < usual.ci_high


def test_changed_questions_have_both_texts_fixed_ones_first(tmp_path, monkeypatch):
    run_compare(tmp_path, monkeypatch)
    changed = read_records(tmp_path / "outputs/changed_questions.jsonl", ChangedQuestion)
    assert [(one.id, one.change) for one in changed] == [(f"test-{n}", "fixed") for n in range(8)] + [("test-8", "broken")]
    assert changed[-1] == ChangedQuestion("test-8", "broken", "How many 8?", "5", "baseline on 8", "coherence on 8")


def test_policies_that_agree_on_everything_leave_no_changed_question(tmp_path, monkeypatch):
    assert run_compare(tmp_path, monkeypatch, BASELINE, BASELINE).verdict == "no evidence"
    assert (tmp_path / "outputs/changed_questions.jsonl").read_bytes() == b""


def test_the_plot_has_both_accuracies_between_their_bounds(tmp_path, monkeypatch):
    run_compare(tmp_path, monkeypatch)
    rows = list(csv.DictReader((tmp_path / "plots/accuracy.csv").open()))
    assert [(row["policy"], row["bound"]) for row in rows] == [
        (policy, bound) for policy in ("baseline", "coherence") for bound in ("low", "accuracy", "high")
    ]
    percents = [float(row["percent"]) for row in rows]
    assert (percents[1], percents[4]) == (20.0, 90.0)
    assert percents[0] < percents[1] < percents[2] and percents[3] < percents[4] < percents[5]


def of_kinds(evaluations: list[Evaluation], *kinds: str) -> list[Evaluation]:
    return [replace(evaluation, kind=kind) for evaluation, kind in zip(evaluations, kinds, strict=True)]


KINDS = ("shop", "bake") * 5
FAMILY_KEYS = {"families", "family_ci_low", "family_ci_high", "design_effect"}


def test_kinds_are_families_and_leave_all_else_as_it_was(tmp_path, monkeypatch):
    """Of either kind four of five are fixed; of the others one is broken (shop), one is right in both (bake)."""
    without = run_compare(tmp_path / "without", monkeypatch)
    found = run_compare(tmp_path / "with", monkeypatch, of_kinds(BASELINE, *KINDS), of_kinds(COHERENCE, *KINDS))
    assert (found.families, found.family_ci_low, found.family_ci_high) == (2, 0.6, 0.8)
    # The kinds' means are 0.6 and 0.8, so two draws have a variance of 0.005; ten questions alone one of 0.9/10 - 0.49/10.
    assert found.design_effect == pytest.approx(0.005 / 0.041, rel=0.06)
    assert vars(without) == vars(found) | dict.fromkeys(FAMILY_KEYS)
    written = [json.loads((tmp_path / name / "metrics/verdict.json").read_text()) for name in ("without", "with")]
    assert written[1].keys() - written[0].keys() == FAMILY_KEYS


def test_all_of_one_kind_are_one_family_without_an_interval(tmp_path, monkeypatch):
    one = ["shop"] * 10
    found = run_compare(tmp_path, monkeypatch, of_kinds(BASELINE, *one), of_kinds(COHERENCE, *one))
    assert (found.families, found.family_ci_low, found.family_ci_high, found.design_effect) == (1, None, None, None)


def test_the_interval_over_families_has_the_confidence_of_the_params(tmp_path, monkeypatch):
    kinds = [of_kinds(side, *KINDS) for side in (BASELINE, COHERENCE)]
    found = run_compare(tmp_path, monkeypatch, *kinds, compare={"alpha": 0.05, "confidence": 0.4})
    assert (found.family_ci_low, found.family_ci_high) == (0.7, 0.7)


def test_a_question_without_a_kind_among_others_with_one_is_refused_by_name(tmp_path, monkeypatch):
    kinds = ["shop"] * 10
    sides = [of_kinds(side, *kinds) for side in (BASELINE, COHERENCE)]
    sides = [[*side[:3], replace(side[3], kind=None), *side[4:]] for side in sides]
    with pytest.raises(InputError, match="question test-3 has no kind, though 9 of the 10 questions have one.*run `dvc repro`"):
        run_compare(tmp_path, monkeypatch, *sides)
    assert not (tmp_path / "metrics").exists()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (COHERENCE[:-1], "1 only in baseline: test-9"),
        ([replace(COHERENCE[0], id="x"), *COHERENCE[1:]], "1 only in coherence: x"),
        ([replace(COHERENCE[0], gold="6"), *COHERENCE[1:]], "question test-0 has another gold in each evaluation"),
        (of_kinds(COHERENCE, *KINDS), "question test-0 has another kind in each evaluation"),
        ([replace(COHERENCE[0], question="Why?"), *COHERENCE[1:]], "question test-0 has another text in each evaluation"),
    ],
)
def test_evaluations_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path, monkeypatch, other, message):
    with pytest.raises(InputError, match=f"{message}.*run `dvc repro` for both"):
        run_compare(tmp_path, monkeypatch, coherence=other)
    assert not (tmp_path / "metrics").exists()


# --- sampled texts ---


def sampled(evaluations: list[Evaluation], *right: int) -> list[Evaluation]:
    """With four texts a question, all with an answer and all wrong ones alike."""
    graded = [SampledEvaluation(4, 0.35, r, 0, "5" if r > 1 else "4", max(r, 4 - r), r > 1) for r in right]
    return [replace(one, sampled=of_one) for one, of_one in zip(evaluations, graded, strict=True)]


SAMPLED = (sampled(BASELINE, 0, 0, 1, 1, 2, 2, 3, 4, 4, 4), sampled(COHERENCE, 1, 2, 1, 4, 2, 4, 4, 4, 3, 4))
OF_SAMPLES = [{one.id: one.sampled for one in side if one.sampled} for side in SAMPLED]


def test_without_samples_the_verdict_has_no_part_of_them(tmp_path, monkeypatch):
    run_compare(tmp_path, monkeypatch)
    assert "sampled" not in json.loads((tmp_path / "metrics/verdict.json").read_text())


def test_samples_have_a_part_of_their_own_and_leave_all_else_as_it_was(tmp_path, monkeypatch):
    without = run_compare(tmp_path / "without", monkeypatch)
    found = run_compare(tmp_path / "with", monkeypatch, *SAMPLED)
    assert found.sampled == sampled_verdict(*OF_SAMPLES, 0.05, 0.95, {}) and replace(found, sampled=None) == without
    assert found.sampled is not None
    mean, majority = found.sampled.mean, found.sampled.majority
    # Right of forty texts 21 and 29; in the questions +1, +2, 0, +3, 0, +2, +1, 0, -1, 0.
    assert (mean.baseline_accuracy, mean.coherence_accuracy, mean.difference) == (21 / 40, 29 / 40, 8 / 40)
    assert (mean.more, mean.fewer, mean.family_ci_low) == (5, 1, None)
    assert (majority.fixed, majority.broken, majority.p_value) == (2, 0, 0.5)
    for name in ("outputs/changed_questions.jsonl", "plots/accuracy.csv"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


def test_samples_are_compared_over_the_families_of_their_questions(tmp_path, monkeypatch):
    sides = [of_kinds(side, *KINDS) for side in SAMPLED]
    found = run_compare(tmp_path, monkeypatch, *sides).sampled
    assert found == sampled_verdict(*OF_SAMPLES, 0.05, 0.95, {f"test-{n}": kind for n, kind in enumerate(KINDS)})
    # The kinds have five questions of 20 texts each, with differences of +1 and of +7 of them: a quarter of the draws has
    # the one twice, a quarter the other.
    assert found is not None and (found.mean.family_ci_low, found.mean.family_ci_high) == (1 / 20, 7 / 20)
    assert found.majority.families == 2


def test_questions_that_platinum_dropped_are_left_out_of_the_samples_too(tmp_path, monkeypatch):
    sides = [[replace(one, gsm8k_correct=True, in_platinum=one.id != "test-3") for one in side] for side in SAMPLED]
    found = run_compare(tmp_path, monkeypatch, *sides).sampled
    assert found is not None and found.majority.questions == 9
    assert (found.mean.difference, found.majority.fixed) == (5 / 36, 1)


def resampled(**values: float) -> list[Evaluation]:
    return [replace(one, sampled=replace(one.sampled, **values)) for one in SAMPLED[1] if one.sampled]


@pytest.mark.parametrize(
    ("baseline", "coherence", "message"),
    [
        (SAMPLED[0], COHERENCE, "10 of 20 evaluations have no samples, the first of question test-0, though others have some"),
        (BASELINE, SAMPLED[1], "10 of 20 evaluations have no samples"),
        (
            [*SAMPLED[0][:-1], BASELINE[-1]],
            [*SAMPLED[1][:-1], COHERENCE[-1]],
            "2 of 20 evaluations have no samples, the first of question test-9",
        ),
        (
            SAMPLED[0],
            resampled(temperature=0.5),
            "not all questions have as many samples at one temperature, but 4 at temperature 0.35 and 4 at temperature 0.5",
        ),
        (SAMPLED[0], resampled(samples=5, unparsed=1), "but 4 at temperature 0.35 and 5 at temp"),
    ],
)
def test_samples_of_different_runs_are_refused_and_nothing_is_written(tmp_path, monkeypatch, baseline, coherence, message):
    with pytest.raises(InputError, match=f"{message}.*run `dvc repro` for both"):
        run_compare(tmp_path, monkeypatch, baseline, coherence)
    assert not (tmp_path / "metrics").exists()
