"""The page of a run for a browser: report.html, one file that needs no network, by the templates in templates/html.

Its lists of questions are data inside the page, which the page's own script unpacks and draws a few at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from src.regime_w.arms import ARM_NAMES
from src.regime_w.preferences import Pair, PrefsSettings
from src.regime_w.scoring import Rollout
from src.report.embedding import Embedded, Lists, fitted
from src.report.evidence_section import EvidenceSection
from src.report.flips import Answered, Outcomes, flips, outcomes
from src.report.foot_section import Foot
from src.report.page import Page
from src.report.plain_text import visible
from src.report.question_strips import by_question, strips
from src.report.rendering import template
from src.report.sampled_table import sampled_table
from src.report.signal_section import SignalSection
from src.report.training_section import TrainingSection

MAX_BYTES = 3_000_000
PART_NAMES = ("end", "path", "cf", "conciseness", "alignment", "quality")  # of ArmCell.credits


@dataclass(frozen=True)
class Records:
    """What the lists show.

    questions  of the test set, in the order of the list
    rollouts   of the training questions, in file order
    pairs      of all of them; those of a question stand together
    """

    questions: tuple[Answered, ...]
    rollouts: Sequence[Rollout]
    pairs: Sequence[Pair]
    prefs: PrefsSettings


@dataclass(frozen=True)
class Sections:
    """What stands below the lists, in this order."""

    signals: SignalSection
    training: TrainingSection
    evidence: EvidenceSection
    foot: Foot


@dataclass(frozen=True)
class Bar:
    """A difference with its interval on the page's scale, in points and in per cent of the scale's width."""

    name: str
    value: float
    low: float
    high: float
    at: float
    left: float
    width: float


@dataclass(frozen=True)
class Scale:
    """The difference and what it is held against, on one scale around 0.

    reach  the scale goes from -reach to +reach, in points
    least  the least difference that this test could have shown, as half the width of a band around 0, in per cent; 0 for none
    """

    reach: float
    least: float
    bars: tuple[Bar, ...]


def scale_of(page: Page) -> Scale:
    """The bars of the verdict: the questions' interval, and the families' where there is one."""
    verdict = page.verdict
    spans = [("all questions", 100 * verdict.ci_low, 100 * verdict.ci_high)]
    if verdict.family_ci_low is not None and verdict.family_ci_high is not None:
        spans.append(("over families", 100 * verdict.family_ci_low, 100 * verdict.family_ci_high))
    least = 100 * (verdict.smallest_detectable_difference or 0.0)
    value = 100 * verdict.difference
    reach = 1.15 * max(abs(value), least, 0.1, *(abs(bound) for _, low, high in spans for bound in (low, high)))

    def place(points: float) -> float:
        return round(50 + 50 * points / reach, 2)

    bars = tuple(
        Bar(name, value, low, high, place(value), place(low), round(place(high) - place(low), 2)) for name, low, high in spans
    )
    return Scale(reach, round(50 * least / reach, 2), bars)


def render(page: Page, records: Records, sections: Sections) -> str:
    """report.html, in less than MAX_BYTES bytes of UTF-8."""
    pairs = by_question(records.pairs)
    lengths = _lengths(records)
    nothing = Lists(Embedded("", len(records.questions), True), Embedded("", len(records.rollouts), True), limit=max(lengths))
    room = MAX_BYTES - len(_filled(page, records, sections, nothing).encode()) - 2_000  # what is said of texts that were cut
    lists = fitted(
        lambda limit: flips(records.questions, limit),
        lambda limit: strips(records.rollouts, pairs, records.prefs, limit),
        max(lengths),
        room,
    )
    return _filled(page, records, sections, lists)


def _filled(page: Page, records: Records, sections: Sections, lists: Lists) -> str:
    found = outcomes(records.questions)
    context = (
        vars(page)
        | vars(sections)
        | {
            "scale": scale_of(page),
            "sampled": sampled_table(page.verdict, page.baseline, page.coherence),
            "outcomes": found,
            "table": table_of(found),
            "kinds": sorted({visible(each.baseline.kind) for each in records.questions if each.baseline.kind is not None}),
            "of_flips": len(records.questions),
            "of_strips": len(records.rollouts),
            "lists": lists,
            "longer": sum(length > lists.limit for length in _lengths(records)),
            "arm_names": ARM_NAMES,
            "part_names": PART_NAMES,
            "prefs_settings": records.prefs,
        }
    )
    return str(template("html/page.html.j2").render(context))


def _lengths(records: Records) -> list[int]:
    """Characters of every text of the lists."""
    texts = [text for each in records.questions for text in (each.baseline.text, each.coherence.text, each.baseline.question)]
    texts += [text for rollout in records.rollouts for text in (rollout.question, *(t.text for t in rollout.trajectories))]
    return [len(text) for text in texts]


@dataclass(frozen=True)
class Cell:
    """A cell of the table of both policies: how many questions, and by which name the list's filter knows them."""

    name: str
    words: str
    questions: int


def table_of(found: Outcomes) -> tuple[tuple[Cell, Cell], tuple[Cell, Cell]]:
    """Baseline right, then wrong; in each row coherence right, then wrong."""
    return (
        (Cell("right", "right in both", found.right), Cell("broken", "broken", found.broken)),
        (Cell("fixed", "fixed", found.fixed), Cell("wrong", "wrong in both", found.wrong)),
    )
