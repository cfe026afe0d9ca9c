"""Stage `report`: the verdict, the five criteria and the figures behind them on one page, and all questions for a browser.

Reads   metrics/*.json
        outputs/baseline_eval.jsonl, outputs/coherence_eval.jsonl
        data/regime_w_rollouts.jsonl, data/coherence_preferences.jsonl
Writes  metrics/eval.json      the figures of the policy that `policy` names, for `dvc metrics diff`
        metrics/criteria.json  whether each of the five criteria holds
        report.md
        report.html            the same verdict, and every question with its texts; one file that needs no network
Params  policy, profile, seed, prefs, compare, criteria
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from src.core.command import command_line
from src.core.files import write_text
from src.core.params import add_profile_argument, load_section, load_value, profile_path
from src.core.records import read_metrics, read_records, write_metrics
from src.core.shapes import Seed
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.criteria import CriteriaSettings, criteria_metrics, judge
from src.regime_w.evaluation import Evaluation, EvaluationMetrics
from src.regime_w.pair_metrics import PairMetrics, PairTypes
from src.regime_w.preferences import Pair, PrefsSettings
from src.regime_w.rollout_metrics import RolloutMetrics
from src.regime_w.scoring import Rollout
from src.regime_w.training_metrics import TrainMetrics
from src.regime_w.verdict import RunVerdict
from src.report.flips import answered
from src.report.html_page import Records
from src.report.html_page import render as render_html
from src.report.page import Page, render, signed
from src.stages import run_stage

Policy = Literal["baseline", "coherence"]
METRICS = Path("metrics")


@dataclass(frozen=True)
class _Chosen:
    policy: Policy


@dataclass(frozen=True)
class PolicyMetrics(EvaluationMetrics, _Chosen):
    """metrics/eval.json: `policy`, which was chosen, and then the figures of its evaluation."""


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


def main() -> None:
    parser = command_line("python -m src.stages.report", __doc__)
    add_profile_argument(parser)
    profile = profile_path(parser.parse_args().profile).stem
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
        profile=profile,
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
    text, for_browser = render(page), render_html(page, read_lists(verdict))
    chosen = {"baseline": baseline, "coherence": coherence}[policy]
    write_metrics(METRICS / "eval.json", PolicyMetrics(policy=policy, **vars(chosen)))
    write_metrics(METRICS / "criteria.json", judged)
    write_text(Path("report.md"), text)
    write_text(Path("report.html"), for_browser)
    print(f"report: {verdict.verdict}, {signed(verdict.difference)} points, {judged.hold} of {len(criteria)} criteria hold")


if __name__ == "__main__":
    run_stage(main)
