"""Stage `report`: the verdict, the five criteria and the figures behind them on one page, and all questions for a browser.

Reads   metrics/*.json
        outputs/baseline_eval.jsonl, outputs/coherence_eval.jsonl
        data/regime_w_rollouts.jsonl, data/coherence_preferences.jsonl
        plots/base.csv, plots/train.csv, evidence/evidence.json
        params.yaml, the profile, versions.yaml, and the commit of the code, which the page names
Writes  metrics/eval.json      few figures for `dvc metrics`: of the policy that `policy` names, and of the verdict
        metrics/criteria.json  whether each of the five criteria holds
        report.md
        report.html            the same verdict, every question with its texts, and pictures; one file that needs no network
Params  policy, profile, seed, prefs, compare, criteria
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from src.core.command import command_line
from src.core.errors import InputError
from src.core.files import write_text
from src.core.params import PARAMS, add_profile_argument, load_section, load_value, profile_path, read_yaml
from src.core.processor import processor_name
from src.core.records import read_metrics, read_records, write_metrics
from src.core.shapes import Count, NonNegative, Seed, Share
from src.models.base_metrics import BaseMetrics
from src.ops.git import last_change
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.criteria import CriteriaSettings, criteria_metrics, judge
from src.regime_w.evaluation import Evaluation, EvaluationMetrics
from src.regime_w.evidence import Evidence
from src.regime_w.pair_metrics import PairMetrics, PairTypes
from src.regime_w.preferences import Pair, PrefsSettings
from src.regime_w.rollout_metrics import RolloutMetrics
from src.regime_w.scoring import Rollout
from src.regime_w.sft_steps import SftStep
from src.regime_w.training_metrics import TrainingStep, TrainMetrics
from src.regime_w.verdict import Difference, Outcome, RunVerdict
from src.report.evidence_section import evidence_section
from src.report.flips import answered
from src.report.foot_section import Foot, versions_table
from src.report.html_page import Records, Sections
from src.report.html_page import render as render_html
from src.report.page import Page, render
from src.report.rendering import signed
from src.report.signal_section import signal_section
from src.report.training_section import read_steps, training_section
from src.stages import run_stage

Policy = Literal["baseline", "coherence"]
METRICS = Path("metrics")


@dataclass(frozen=True)
class Headline:
    """metrics/eval.json: the few figures that `dvc metrics show` and `dvc exp show` have room for.

    policy                        which was chosen: of it are `accuracy`, `correct` and `mean_tokens`
    pairs                         all that there are to train on
    verdict, difference, p_value  of coherence against baseline, whichever policy was chosen
    """

    policy: Policy
    accuracy: Share
    correct: Count
    mean_tokens: NonNegative
    pairs: Count
    verdict: Outcome
    difference: Difference
    p_value: Share


def headline(policy: Policy, chosen: EvaluationMetrics, prefs: PairMetrics, verdict: RunVerdict) -> Headline:
    """The headline of a run; `chosen` are the metrics of `policy`."""
    return Headline(
        policy=policy,
        accuracy=chosen.accuracy,
        correct=chosen.correct,
        mean_tokens=chosen.mean_tokens,
        pairs=prefs.pairs,
        verdict=verdict.verdict,
        difference=verdict.difference,
        p_value=verdict.p_value,
    )


def read_lists(verdict: RunVerdict) -> Records:
    """What the page for a browser lists: all test questions of the verdict, and all training questions."""
    return Records(
        questions=answered(
            read_records(Path("outputs/baseline_eval.jsonl"), Evaluation),
            read_records(Path("outputs/coherence_eval.jsonl"), Evaluation),
            verdict,
        ),
        rollouts=read_records(Path("data/regime_w_rollouts.jsonl"), Rollout),
        pairs=read_records(Path("data/coherence_preferences.jsonl"), Pair),
        prefs=load_section("prefs", PrefsSettings),
    )


def make_sections(page: Page, records: Records, profile: Path) -> Sections:
    """What stands below the lists."""
    learned = read_metrics(METRICS / "base.json", BaseMetrics).training
    return Sections(
        signals=signal_section(records.rollouts, page.rollouts, records.pairs, page.pair_types, page.confidence),
        training=training_section(
            page.train,
            read_steps("train", TrainingStep, page.train.steps),
            read_steps("base", SftStep, 0 if learned is None else learned.steps),
        ),
        evidence=evidence_section(read_metrics(Path("evidence/evidence.json"), Evidence)),
        foot=make_foot(profile),
    )


def make_foot(profile: Path) -> Foot:
    """What made the page. How long stages took is not in it, for the same commit is to give the same page: `make show` tells."""
    commit = code_commit()
    return Foot(
        commit="not known: the code was edited, or is in no commit" if commit is None else commit,
        command="make repro",
        profile=profile.stem,
        params_text=PARAMS.read_text(encoding="utf-8"),
        profile_text=profile.read_text(encoding="utf-8"),
        versions=versions_table(read_yaml(Path("versions.yaml"))),
        machine=processor_name(),
    )


def code_commit() -> str | None:
    """The commit that changed the code last: commits of results, settings and pages after it have the same code."""
    try:
        return last_change(Path(), "src")
    except InputError:  # no repository of Git
        return None


def main() -> None:
    parser = command_line("python -m src.stages.report", __doc__)
    add_profile_argument(parser)
    profile = profile_path(parser.parse_args().profile)
    policy, seed = load_value("policy", Policy), load_value("seed", Seed)
    confidence = load_section("compare", CompareSettings).confidence
    settings = load_section("criteria", CriteriaSettings)
    rollouts = read_metrics(METRICS / "rollouts.json", RolloutMetrics)
    prefs = read_metrics(METRICS / "prefs.json", PairMetrics)
    pair_types = read_metrics(METRICS / "pair_types.json", PairTypes)
    train = read_metrics(METRICS / "train.json", TrainMetrics)
    verdict = read_metrics(METRICS / "verdict.json", RunVerdict)
    baseline = read_metrics(METRICS / "baseline.json", EvaluationMetrics)
    coherence = read_metrics(METRICS / "coherence.json", EvaluationMetrics)

    criteria = judge(rollouts, prefs, train, verdict, settings)
    judged = criteria_metrics(criteria)
    page = Page(
        profile=profile.stem,
        seed=seed,
        confidence=confidence,
        verdict=verdict,
        baseline=baseline,
        coherence=coherence,
        criteria=tuple(criteria),
        rollouts=rollouts,
        prefs=prefs,
        pair_types=pair_types,
        train=train,
    )
    text, records = render(page), read_lists(verdict)
    for_browser = render_html(page, records, make_sections(page, records, profile))
    chosen = {"baseline": baseline, "coherence": coherence}[policy]
    write_metrics(METRICS / "eval.json", headline(policy, chosen, prefs, verdict))
    write_metrics(METRICS / "criteria.json", judged)
    write_text(Path("report.md"), text)
    write_text(Path("report.html"), for_browser)
    print(f"report: {verdict.verdict}, {signed(verdict.difference)} points, {judged.hold} of {len(criteria)} criteria hold")


if __name__ == "__main__":
    run_stage(main)
