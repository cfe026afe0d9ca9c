"""The page of a run: what report.md shows, rendered by the template beside this module.

The words of the page stand in templates/report.md.j2; here is what the template is given.
"""

from dataclasses import dataclass

from src.regime_w.criteria import Criterion
from src.regime_w.evaluation import EvaluationMetrics
from src.regime_w.pair_metrics import PairMetrics, PairTypes
from src.regime_w.rollout_metrics import RolloutMetrics
from src.regime_w.training_metrics import TrainMetrics
from src.regime_w.verdict import RunVerdict
from src.report.rendering import template
from src.report.sampled_table import sampled_table


@dataclass(frozen=True)
class Page:
    """All that the page shows.

    confidence  of every interval in `verdict`, `baseline` and `coherence`, 0.95 is 95 %
    criteria    the five in order
    """

    profile: str
    seed: int
    confidence: float
    verdict: RunVerdict
    baseline: EvaluationMetrics
    coherence: EvaluationMetrics
    criteria: tuple[Criterion, ...]
    rollouts: RolloutMetrics
    prefs: PairMetrics
    pair_types: PairTypes
    train: TrainMetrics


def render(page: Page) -> str:
    """report.md as Markdown; InputError where metrics that it shows together are of different runs."""
    table = sampled_table(page.verdict, page.baseline, page.coherence)
    return template("report.md.j2").render(vars(page) | {"sampled": table})
