"""The page of a run: what report.md shows, rendered by the template beside this module.

The words of the page stand in templates/report.md.j2; here is what the template is given and how it writes numbers and texts.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.regime_w.criteria import Criterion
from src.regime_w.evaluation import EvaluationMetrics
from src.regime_w.pair_metrics import PairMetrics, PairTypes
from src.regime_w.rollout_metrics import RolloutMetrics
from src.regime_w.training_metrics import TrainMetrics
from src.regime_w.verdict import RunVerdict

TEMPLATES = Path(__file__).parent / "templates"
# What begins markup inside a line; an underscore between letters, as in s_path, begins none.
MARKUP = re.compile(r"[\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])")


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


def points(share: float) -> str:
    """A share in hundredths, with two decimals: 5.87 of 0.0587."""
    return f"{100 * share:.2f}"


def signed(share: float) -> str:
    """A difference of shares in hundredths, with its sign: +5.87 of 0.0587."""
    return f"{100 * share:+.2f}"


def percent(share: float) -> str:
    """A share that was set, with as many digits as it has: `95 %` of 0.95, `99.9 %` of 0.999."""
    return f"{100 * share:.10g} %"


def number(value: float, spec: str = "") -> str:
    """A number by Python's format; without one, a count with its thousands apart and any other number in four digits."""
    return format(value, spec or ("," if isinstance(value, int) else ",.4g"))


def escaped(text: str) -> str:
    """Free text for a paragraph or a cell of a table: on one line, with nothing in it that Markdown would read as markup."""
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def fields_of(metrics: object) -> Iterable[tuple[str, Any]]:
    """Name and value of every field of a dataclass of metrics."""
    return vars(metrics).items()


FILTERS: dict[str, Callable[..., Any]] = {
    "points": points,
    "signed": signed,
    "percent": percent,
    "number": number,
    "fields": fields_of,
}


def render(page: Page) -> str:
    """report.md as Markdown."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # which is for HTML; the template escapes free text by `escaped`
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS | {"escaped": escaped}
    return environment.get_template("report.md.j2").render(vars(page))
