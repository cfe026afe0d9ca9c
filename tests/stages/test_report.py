"""Stage `report`: metrics of a whole run become a page, its records another, and the chosen policy's figures and the criteria."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.files import write_text
from src.core.processor import processor_name
from src.core.records import read_metrics, write_metrics, write_records
from src.regime_w.criteria import CriteriaMetrics, CriteriaSettings, judge
from src.regime_w.evaluation import Evaluation
from src.regime_w.preferences import Pair
from src.regime_w.scoring import Rollout
from src.regime_w.sft_steps import SftStep
from src.regime_w.training_metrics import TrainingStep
from src.report import html_page
from src.report.page import render
from src.stages import report
from src.stages.report import Headline
from tests.regime_w.builders import NO_EVIDENCE
from tests.report.lists import STRIPS, asked, records, sections
from tests.report.pages import BASELINE, COHERENCE, page
from tests.report.sections import base_of, csv_of, sft_step, training_step
from tests.stages.small_run import PARAMS, run

METRICS = {
    "rollouts": page().rollouts,
    "prefs": page().prefs,
    "pair_types": page().pair_types,
    "base": base_of([sft_step(1)]),
    "train": page().train,
    "verdict": page().verdict,
    "baseline": BASELINE,
    "coherence": COHERENCE,
}
# By the outcomes of the verdict: fixed, broken, right in both, wrong in both.
TEXTS = [*[("#### 4", "#### 5")] * 97, *[("#### 5", "#### 4")] * 26, *[("#### 5", "#### 5")] * 823, *[("#### 4", "#### 4")] * 264]
LISTS = records([asked(number, *texts) for number, texts in enumerate(TEXTS)], STRIPS[:4])
STEPS = [training_step(step) for step in range(1, page().train.steps + 1)]
CRITERIA = PARAMS["criteria"] | {"min_pairs": 3000, "max_pairs": 5000}


def data_of(shown: str) -> list[str]:
    """The packed lists of a page."""
    return re.findall(r'<script type="text/plain" id="\w+-data">([^<]+)</script>', shown)


def run_report(folder: Path, monkeypatch: pytest.MonkeyPatch, **params) -> str:
    for name, metrics in METRICS.items():
        write_metrics(folder / f"metrics/{name}.json", metrics)
    write_records(folder / "outputs/baseline_eval.jsonl", Evaluation, [each.baseline for each in LISTS.questions])
    write_records(folder / "outputs/coherence_eval.jsonl", Evaluation, [each.coherence for each in LISTS.questions])
    write_records(folder / "data/regime_w_rollouts.jsonl", Rollout, LISTS.rollouts)
    write_records(folder / "data/coherence_preferences.jsonl", Pair, LISTS.pairs)
    csv_of(folder / "plots/train.csv", TrainingStep, STEPS)
    csv_of(folder / "plots/base.csv", SftStep, [sft_step(1)])
    write_metrics(folder / "evidence/evidence.json", NO_EVIDENCE)
    write_text(folder / "versions.yaml", 'jinja2: "3.1.6"\n')
    for profile in ("small", "large"):
        write_text(folder / f"profiles/{profile}.yaml", f"# {profile}\n")  # whose name and text are read
    run(report.main, folder, monkeypatch, **({"criteria": CRITERIA} | params))
    return (folder / "report.md").read_text()


@pytest.mark.parametrize(("policy", "metrics"), [("baseline", BASELINE), ("coherence", COHERENCE)])
def test_the_headline_is_of_the_chosen_policy_and_of_the_verdict(tmp_path, monkeypatch, policy, metrics):
    run_report(tmp_path, monkeypatch, policy=policy)
    found, verdict = read_metrics(Path("metrics/eval.json"), Headline), page().verdict
    assert (found.policy, found.accuracy, found.correct, found.mean_tokens) == (
        policy,
        metrics.accuracy,
        metrics.correct,
        metrics.mean_tokens,
    )
    assert (found.verdict, found.difference, found.p_value) == (verdict.verdict, verdict.difference, verdict.p_value)
    assert found.pairs == page().prefs.pairs


def test_the_policy_changes_no_other_output(tmp_path, monkeypatch):
    pages = {run_report(tmp_path, monkeypatch, policy=policy) for policy in ("baseline", "coherence")}
    assert len(pages) == 1


def test_the_criteria_are_flat(tmp_path, monkeypatch, capsys):
    text = run_report(tmp_path, monkeypatch)
    assert read_metrics(Path("metrics/criteria.json"), CriteriaMetrics) == CriteriaMetrics(True, True, True, True, True, hold=5)
    assert "## Criteria: 5 of 5 hold" in text
    assert capsys.readouterr().out == "report: improved, +5.87 points, 5 of 5 criteria hold\n"


def test_a_criterion_that_fails_is_reported_and_stops_nothing(tmp_path, monkeypatch):
    text = run_report(tmp_path, monkeypatch, criteria=CRITERIA | {"max_pairs": 4000})
    criteria = read_metrics(Path("metrics/criteria.json"), CriteriaMetrics)
    assert (criteria.pairs, criteria.hold) == (False, 4)
    assert "| pairs | **fails** | 3,000 to 4,000 pairs, 70% ± 15% of them correctness | 4,397 pairs, 74.1% correctness |" in text


def test_the_page_is_of_this_run(tmp_path, monkeypatch):
    text = run_report(tmp_path, monkeypatch, profile="large", seed=7, compare={"alpha": 0.05, "confidence": 0.9})
    settings = CriteriaSettings(**CRITERIA)
    criteria = judge(page().rollouts, page().prefs, page().train, page().verdict, settings)
    of_run = page(profile="large", seed=7, confidence=0.9, criteria=tuple(criteria))
    assert text == render(of_run)
    shown = (tmp_path / "report.html").read_text()
    assert "<title>Regime W: improved, +5.87 points (profile large, seed 7)" in shown
    # The lists do not follow from the sections, which the small run's may stand for.
    assert data_of(shown) == data_of(html_page.render(of_run, LISTS, sections()))
    for text in ("# large\n", "seed: 7", "3.1.6", processor_name(), "There is no run yet"):
        assert text in shown


def test_the_page_names_the_commit_of_the_code_or_that_it_is_not_known(tmp_path, monkeypatch):
    run_report(tmp_path, monkeypatch)
    assert "not known: the code was edited, or is in no commit" in (tmp_path / "report.html").read_text()
    environment = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    write_text(tmp_path / "src/code.py", "1\n")

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    git("init", "-q")
    git("add", "src")
    git("commit", "-qm", "code")
    of_code = git("rev-parse", "HEAD")
    git("add", "params.yaml")
    git("commit", "-qm", "settings")
    run_report(tmp_path, monkeypatch)
    assert f"<code>{of_code}</code>" in (tmp_path / "report.html").read_text()
    write_text(tmp_path / "src/code.py", "2\n")
    run_report(tmp_path, monkeypatch)
    assert of_code not in (tmp_path / "report.html").read_text()


def test_a_run_without_a_single_pair_has_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.stages.test_report.LISTS", replace(LISTS, pairs=(), rollouts=STRIPS[1:2]))
    run_report(tmp_path, monkeypatch)
    assert "<title>Regime W: improved" in (tmp_path / "report.html").read_text()


def test_evaluations_that_are_not_those_of_the_verdict_are_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "verdict", replace(page().verdict, fixed=98))
    with pytest.raises(InputError, match="97 questions fixed and 26 broken of 1210, metrics/verdict.json has 98 and 26"):
        run_report(tmp_path, monkeypatch)
    assert not (tmp_path / "report.md").exists() and not (tmp_path / "report.html").exists()


def test_metrics_that_are_not_as_they_must_be_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "verdict", replace(page().verdict, questions=0))
    with pytest.raises(InputError, match="metrics/verdict.json: key 'questions' is 0: it must be greater than or equal to 1"):
        run_report(tmp_path, monkeypatch)
    assert not (tmp_path / "report.md").exists()


def test_an_unknown_policy_is_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="params.yaml: policy is 'basline'.*did you mean 'baseline'"):
        run_report(tmp_path, monkeypatch, policy="basline")
