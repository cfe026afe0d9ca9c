"""The section *Signals* of report.html: how scores and credits are spread, what they are worth, arms, votes and pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from src.regime_w.arms import ARM_NAMES, PROBE_A, VARIANCE_ARMS
from src.regime_w.pair_metrics import PairTypes
from src.regime_w.pictures import (
    Histogram,
    Series,
    histogram,
    level_edges,
    pair_figures,
    round_edges,
)
from src.regime_w.preferences import Pair
from src.regime_w.rollout_metrics import RolloutMetrics
from src.regime_w.scoring import Rollout
from src.regime_w.signals import CREDITS, SCORES, Signal, SignalWorth
from src.report.arm_pictures import accuracy_picture, agreement_picture, failures_picture, votes_picture
from src.report.charts import Row, draw_bars, draw_histogram, draw_rows
from src.report.pieces import Picture, Table, between, count, decimals, hundredths

UNITS: dict[Signal, str] = {
    "s_end": "share of the eight votes",
    "s_path": "weighted share",
    "s_cf": "share of two probes",
    "end": "share of the other votes",
    "path": "weighted share",
    "cf": "0, ½ or 1",
    "conciseness": "share",
    "alignment": "share of tokens",
    "quality": "weighted share",
    "reward": "weighted sum",
}
# Signals of few values: steps between 0 and 1. All others are sorted into round bins.
LEVELS: dict[Signal, int] = {"s_end": len(VARIANCE_ARMS), "s_cf": 2, "cf": 2}


@dataclass(frozen=True)
class Spread:
    """How one score or credit is spread."""

    name: Signal
    picture: Picture


@dataclass(frozen=True)
class PairPictures:
    """Of at least one pair."""

    types: Picture
    margins: Picture
    lengths: Picture


@dataclass(frozen=True)
class SignalSection:
    """All that the section shows.

    confidence  of every interval, 0.95 is 95 %
    unvoted     questions in which no variance arm has an answer
    votes       None where that is all of them
    failures    texts without an answer or cut off; None where there are none
    pairs       None without a pair
    """

    questions: int
    trajectories: int
    confidence: float
    scores: tuple[Spread, ...]
    credits: tuple[Spread, ...]
    worth: Picture
    votes: Picture | None
    unvoted: int
    agreement: Picture
    accuracy: Picture
    failures: Picture | None
    pairs: PairPictures | None


def signal_section(
    rollouts: Sequence[Rollout], metrics: RolloutMetrics, pairs: Sequence[Pair], pair_types: PairTypes, confidence: float
) -> SignalSection:
    """The section of at least one rollout. ValueError where a share has no interval of this confidence."""
    votes, voted = votes_picture(rollouts, confidence)
    return SignalSection(
        questions=len(rollouts),
        trajectories=len(rollouts) * len(ARM_NAMES),
        confidence=confidence,
        scores=tuple(_score(name, rollouts) for name in SCORES),
        credits=tuple(_credit(name, rollouts) for name in CREDITS),
        worth=_worth(metrics.signals),
        votes=votes,
        unvoted=len(rollouts) - voted,
        agreement=agreement_picture(rollouts),
        accuracy=accuracy_picture(rollouts, confidence),
        failures=failures_picture(rollouts),
        pairs=_pairs(pairs, pair_types) if pairs else None,
    )


# --- distributions ---


def _score(name: Signal, rollouts: Sequence[Rollout]) -> Spread:
    place = ARM_NAMES.index(PROBE_A)
    found: tuple[list[float], list[float]] = ([], [])
    for rollout in rollouts:
        found[not rollout.trajectories[place].correct].append(getattr(rollout, name))
    return _spread(name, "questions", f"{PROBE_A} correct", "incorrect", *found)


def _credit(name: Signal, rollouts: Sequence[Rollout]) -> Spread:
    found: tuple[list[float], list[float]] = ([], [])
    for rollout in rollouts:
        for trajectory in rollout.trajectories:
            found[not trajectory.correct].append(getattr(trajectory, name))
    return _spread(name, "trajectories", "correct", "incorrect", *found)


def _spread(name: Signal, of: str, first: str, second: str, right: Sequence[float], wrong: Sequence[float]) -> Spread:
    values = [*right, *wrong]
    edges = level_edges(LEVELS[name]) if name in LEVELS else round_edges(min(0, *values), max(1, *values))
    found = histogram([Series(first, tuple(right)), Series(second, tuple(wrong))], edges)
    means = [
        f"{count(len(group))} {words}" + (f", mean {fmean(group):.2f}" if group else "")
        for words, group in ((first, right), (second, wrong))
    ]
    told = f"Histogram of {name} over {count(len(values))} {of}: {'; '.join(means)}; from {min(values):.2f} to {max(values):.2f}."
    ticks = {0: "0", 0.5: "½", 1: "1"} if LEVELS.get(name) == 2 else None
    x, y = f"{name} ({UNITS[name]})", f"{of} (count)"
    svg = draw_histogram(f"spread-{name.replace('_', '-')}", told, found, x, y, ticks)
    return Spread(name, Picture(svg, _bins(f"{name}: {of} by value", name, found, LEVELS.get(name))))


def _bins(caption: str, title: str, found: Histogram, levels: int | None = None, digits: int = 2) -> Table:
    """A row for each bin; where values are levels, by the level."""
    bounds = list(zip(found.edges, found.edges[1:], strict=False))
    names = [between(low, high, digits) if levels is None else f"{(low + high) / 2:g}" for low, high in bounds]
    rows = [(name, *map(count, counts)) for name, *counts in zip(names, *found.counts, strict=True)]
    return Table(caption, (title, *found.names), tuple(rows))


# --- what signals are worth ---


def _worth(signals: Sequence[SignalWorth]) -> Picture:
    rows: list[Row] = []
    over = ""
    for item in signals:
        if item.over != over:
            over = item.over
            rows.append(Row(f"{over}:"))
        note = "undefined" if item.auc is None else ""
        rows.append(Row(item.name, item.auc, item.ci_low, item.ci_high, note=note))
    defined = [item for item in signals if item.auc is not None]
    told = "AUC of each signal; 0.5 is chance. " + "; ".join(f"{i.name} over {i.over} {i.auc:.2f}" for i in defined) + "."
    svg = draw_rows("worth", told, rows, "AUC (share of couples)", "signal", 0.5, (0, 1))
    columns = ("signal", "over", "AUC", "interval", "questions", "couples")
    cells = tuple(
        (
            item.name,
            item.over,
            decimals(item.auc) if item.undefined is None else f"none: {item.undefined}",
            between(item.ci_low, item.ci_high),
            count(item.questions),
            count(item.couples),
        )
        for item in signals
    )
    return Picture(svg, Table("AUC of each signal", columns, cells))


# --- pairs ---


def _pairs(pairs: Sequence[Pair], pair_types: PairTypes) -> PairPictures:
    figures = pair_figures(pairs)
    margins = [Series(item.pair_type, item.margins) for item in figures]
    lengths = [Series(item.pair_type, tuple(map(float, item.lengths))) for item in figures]
    return PairPictures(
        types=_types(pair_types),
        margins=_of_pairs("margins", "margin of reward (weighted sum)", margins, 2),
        lengths=_of_pairs("lengths", "difference of length (tokens)", lengths, 0),
    )


def _types(pair_types: PairTypes) -> Picture:
    types = pair_types.types
    told = "Pairs by type: " + ", ".join(f"{count(item.pairs)} {item.pair_type}" for item in types) + "."
    names, pairs = [item.pair_type for item in types], [item.pairs for item in types]
    svg = draw_bars("pair-types", told, names, {"pairs": pairs}, "pairs (count)", "type")
    total = sum(pairs)
    cells = tuple(
        (
            item.pair_type,
            count(item.pairs),
            hundredths(item.pairs / total),
            hundredths(item.chosen_correct_share),
            hundredths(item.rejected_correct_share),
            hundredths(item.chosen_shorter_share),
            hundredths(item.chosen_longer_share),
            f"{item.mean_length_difference_tokens:+.1f}",
            count(item.rejected_without_answer),
        )
        for item in types
    )
    columns = (
        "type",
        "pairs",
        "of all, %",
        "chosen correct, %",
        "rejected correct, %",
        "chosen shorter, %",
        "chosen longer, %",
        "mean difference of length, tokens",
        "rejected without answer",
    )
    return Picture(svg, Table("Pairs by type", columns, cells))


def _of_pairs(name: str, x: str, series: Sequence[Series], digits: int) -> Picture:
    values = [value for item in series for value in item.values]
    found = histogram(series, round_edges(min(values), max(values)))
    means = "; ".join(
        f"{item.name} pairs from {min(item.values):.2f} to {max(item.values):.2f}, mean {fmean(item.values):.2f}"
        for item in series
    )
    svg = draw_histogram(f"pair-{name}", f"Histogram of pairs by {x}: {means}.", found, x, "pairs (count)")
    return Picture(svg, _bins(f"Pairs by {x}", name, found, digits=digits))
