"""The section *Evidence* of report.html: each table of evidence/ as a picture, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from src.regime_w.cells import Cell
from src.regime_w.evidence import ALL_WORLDS, Effect, Evidence, MeanSignal, RecipeComparison, RecipeEffect
from src.regime_w.forecasts import Forecast
from src.report.charts import Row, draw_rows
from src.report.pieces import Picture, Table, count, decimals, hundredths
from src.report.rendering import bounds, p_value, signed

Found = Literal["more", "less", "open", "alone"]


@dataclass(frozen=True)
class Answer:
    """What the intervals of some effects say alike: all above 0, all below, all around it, or that there are none.

    effects  recipe, or recipes compared, with the mean in points but where the interval holds 0
    """

    found: Found
    effects: tuple[str, ...]


@dataclass(frozen=True)
class Effects:
    """Effects of recipes, or of one against another, and what they say: an answer of each kind that there is."""

    picture: Picture
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class WorldEvidence:
    """What the cells of one world say, or of all worlds together; None for what it has no cells of."""

    world: str
    recipes: Effects | None
    comparisons: Effects | None
    signals: Picture | None


@dataclass(frozen=True)
class EvidenceSection:
    """All that the section shows: no world, no forecasts and no runs where there is no cell.

    wanted, current, older, left_out  as in Evidence
    """

    wanted: int
    current: int
    cells: int
    older: tuple[str, ...]
    left_out: tuple[str, ...]
    machines: tuple[str, ...]
    worlds: tuple[WorldEvidence, ...]
    forecasts: Table | None
    runs: Table | None


def evidence_section(evidence: Evidence) -> EvidenceSection:
    """The section of evidence/evidence.json, with no, some or all of its cells."""
    worlds = [_world(place, world, evidence) for place, world in enumerate((ALL_WORLDS, *evidence.worlds))]
    return EvidenceSection(
        wanted=evidence.wanted,
        current=evidence.current,
        cells=len(evidence.cells),
        older=evidence.older,
        left_out=evidence.left_out,
        machines=tuple(dict.fromkeys(cell.machine for cell in evidence.cells)),
        worlds=tuple(world for world in worlds if world is not None),
        forecasts=_forecasts(evidence.forecasts) if evidence.forecasts else None,
        runs=_runs(evidence.cells) if evidence.cells else None,
    )


def _world(place: int, world: str, evidence: Evidence) -> WorldEvidence | None:
    """None without a cell; of all worlds together only where comparisons are from more than one."""
    effects = [item for item in evidence.effects if item.world == world]
    compared = [item for item in evidence.comparisons if item.world == world]
    signals = [item for item in evidence.signals if item.world == world]
    if world == ALL_WORLDS and len({item.world for item in evidence.comparisons}) <= 2:
        return None
    if not (effects or compared or signals):
        return None
    return WorldEvidence(
        world=world,
        recipes=_recipes(f"recipes-{place}", world, effects) if effects else None,
        comparisons=_comparisons(f"comparisons-{place}", world, compared) if compared else None,
        signals=_signals(f"world-signals-{place}", world, signals) if signals else None,
    )


# --- effects ---


def _recipes(name: str, world: str, effects: Sequence[RecipeEffect]) -> Effects:
    rows = [_row(item.recipe, item.effect, item.differences) for item in effects]
    answers = _answers(rows, [item.effect for item in effects])
    told = f"Accuracy after training less before in world {world}, points: {_told(rows)}."
    svg = draw_rows(name, told, rows, "change of accuracy (points)", "recipe", 0.0)
    return Effects(
        Picture(
            svg, _effects_table(f"Each recipe in {world}, over seeds", "recipe", "seeds", rows, [item.effect for item in effects])
        ),
        answers,
    )


def _comparisons(name: str, world: str, compared: Sequence[RecipeComparison]) -> Effects:
    rows = [_row(f"{item.versus.recipe} − {item.versus.other}", item.effect) for item in compared]
    answers = _answers(rows, [item.effect for item in compared])
    told = f"One recipe less another in {world}, points: {_told(rows)}."
    svg = draw_rows(name, told, rows, "difference (points)", "recipes", 0.0)
    return Effects(
        Picture(
            svg,
            _effects_table(
                f"One recipe less another in {world}", "comparison", "pairs", rows, [item.effect for item in compared]
            ),
        ),
        answers,
    )


def _row(label: str, effect: Effect, values: Sequence[float] = ()) -> Row:
    low, high = (None if bound is None else 100 * bound for bound in (effect.low, effect.high))
    return Row(label, 100 * effect.mean, low, high, tuple(100 * value for value in values))


def _told(rows: Sequence[Row]) -> str:
    return ", ".join(f"{row.label} {row.value:+.2f}" for row in rows)


def _found(effect: Effect) -> Found:
    """One unit alone has no interval."""
    if effect.low is None or effect.high is None:
        return "alone"
    return "more" if effect.low > 0 else "less" if effect.high < 0 else "open"


def _answers(rows: Sequence[Row], effects: Sequence[Effect]) -> tuple[Answer, ...]:
    kinds = get_args(Found)
    found = [(_found(effect), row.label, f" ({signed(effect.mean)})") for row, effect in zip(rows, effects, strict=True)]
    answers = [
        Answer(kind, tuple(name + ("" if kind == "open" else mean) for of, name, mean in found if of == kind)) for kind in kinds
    ]
    return tuple(answer for answer in answers if answer.effects)


def _effects_table(caption: str, first: str, units: str, rows: Sequence[Row], effects: Sequence[Effect]) -> Table:
    cells = tuple(
        (
            row.label,
            count(effect.units),
            signed(effect.mean),
            bounds(effect.low, effect.high),
            p_value(effect.p_value),
            p_value(effect.holm_p_value),
        )
        for row, effect in zip(rows, effects, strict=True)
    )
    return Table(caption, (first, units, "mean, points", "interval, points", "p", "p, Holm"), cells)


# --- signals and runs ---


def _signals(name: str, world: str, signals: Sequence[MeanSignal]) -> Picture:
    rows: list[Row] = []
    over = ""
    for item in signals:
        if item.over != over:
            over = item.over
            rows.append(Row(f"{over}:"))
        rows.append(Row(item.signal, item.mean))
    told = f"Mean AUC of each signal in world {world}; 0.5 is chance. " + ", ".join(
        f"{item.signal} over {item.over} {item.mean:.2f}" for item in signals
    )
    svg = draw_rows(name, f"{told}.", rows, "mean AUC (share)", "signal", 0.5, (0, 1))
    cells = tuple((item.signal, item.over, count(item.seeds), decimals(item.mean)) for item in signals)
    return Picture(svg, Table(f"What the signals are worth in {world}", ("signal", "over", "seeds", "mean AUC"), cells))


def _forecasts(found: Sequence[Forecast]) -> Table:
    rows = tuple(
        (
            f"{item.recipe} by {item.signal}",
            f"{unit.world}, seed {unit.seed}",
            decimals(unit.auc),
            f"{decimals(unit.ci_low)} to {decimals(unit.ci_high)}",
            signed(unit.difference),
        )
        for item in found
        for unit in item.units
    )
    columns = ("recipe", "world", "AUC within a question", "interval over questions", "change of accuracy, points")
    return Table("What a signal is worth before training, and what training by it did", columns, rows)


def _runs(cells: Sequence[Cell]) -> Table:
    rows = tuple(
        (
            f"{cell.world}, {cell.recipe}, seed {cell.seed}",
            f"{count(cell.pairs)}{'' if cell.trained else ', not trained'}",
            f"{count(cell.correctness_pairs)} + {count(cell.consensus_pairs)} + {count(cell.coherence_pairs)}",
            hundredths(cell.chosen_correct_share),
            hundredths(cell.baseline_accuracy),
            hundredths(cell.coherence_accuracy),
            f"{count(cell.fixed)} / {count(cell.broken)}",
            bounds(cell.family_ci_low, cell.family_ci_high),
            p_value(cell.p_value),
        )
        for cell in cells
    )
    columns = (
        "run",
        "pairs",
        "correctness + consensus + coherence",
        "chosen correct, %",
        "before, %",
        "after, %",
        "fixed / broken",
        "interval over families, points",
        "p",
    )
    return Table("Every run; p is of its own exact McNemar test", columns, rows)
