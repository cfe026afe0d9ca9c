"""The section of evidence from no, some and all cells, made up."""

import pytest

from src.regime_w.cells import Signals
from src.report.evidence import assemble
from src.report.evidence_section import evidence_section
from tests.regime_w.builders import evidence_cell, signal_worth
from tests.report.sections import HOSTILE, filled, identifiers, labels, words

WORLDS, RECIPES = ("sandbox", "careful"), ("guide", "correctness", "steps")
CELLS = [
    *(evidence_cell("sandbox", seed, "guide", 0.02 + seed / 100, chosen_correct_share=0.875) for seed in range(3)),
    *(evidence_cell("sandbox", seed, "correctness", 0.01) for seed in range(3)),
    *(evidence_cell("sandbox", seed, "steps", 0.02 + 2 * seed / 100) for seed in range(3)),
    *(evidence_cell("careful", seed, "guide", (-0.03, -0.02, -0.01)[seed], pairs=0, trained=False) for seed in range(3)),
    evidence_cell("careful", 0, "correctness", 0.0),
]
SIGNALS = (Signals("sandbox", 0, "d", (signal_worth("end", 0.875), signal_worth("s_end", 0.5, "all questions"))),)


def section(cells=CELLS, signals=SIGNALS, worlds=WORLDS, recipes=RECIPES, **values):
    given = {"worlds": worlds, "recipes": recipes, "seeds": 3, "wanted": 18, "current": len(cells), "older": (), "left_out": ()}
    return evidence_section(assemble(cells=cells, signals=signals, **(given | values)))


@pytest.fixture(scope="module")
def whole():
    return section()


def of(found, world: str):
    return next(item for item in found.worlds if item.world == world)


def test_without_cells_it_says_so():
    found = section(cells=[], signals=())
    assert (found.worlds, found.runs) == ((), None)
    text = words(filled("evidence", found))
    assert (
        "18 runs are wanted. By the code and the settings at hand 0 of them are there." in text and "There is no run yet" in text
    )


def test_every_world_with_cells_has_its_pictures_and_all_worlds_come_first(whole):
    assert [item.world for item in whole.worlds] == ["all worlds", "sandbox", "careful"]
    assert of(whole, "all worlds").recipes is None and of(whole, "careful").signals is None
    assert {"guide", "correctness", "steps", "recipe", "change of accuracy (points)"} <= set(
        labels(of(whole, "sandbox").recipes.picture.svg)
    )


def test_comparisons_of_one_world_alone_are_not_shown_twice():
    found = section(cells=CELLS[:9])
    assert [item.world for item in found.worlds] == ["sandbox"]


def test_the_intervals_are_put_in_words(whole):
    answers = {answer.found: answer.effects for answer in of(whole, "sandbox").recipes.answers}
    # Guide: 3 points with half an interval of 2.48. Correctness: 1 point in each seed. Steps: 4 with half of 4.97.
    assert answers == {"more": ("guide (+3.00)", "correctness (+1.00)"), "open": ("steps",)}
    answers = {answer.found: answer.effects for answer in of(whole, "careful").recipes.answers}
    assert answers == {"open": ("guide",), "alone": ("correctness (+0.00)",)}


def test_an_interval_below_nought_is_harm():
    cells = [evidence_cell("sandbox", seed, "guide", -0.02) for seed in range(3)]
    found = section(cells=cells, signals=())
    assert [(answer.found, answer.effects) for answer in of(found, "sandbox").recipes.answers] == [("less", ("guide (-2.00)",))]
    assert "so it harms: guide (-2.00)." in words(filled("evidence", found))


def test_comparisons_have_a_picture_and_an_answer(whole):
    found = of(whole, "sandbox").comparisons
    assert [row[:3] for row in found.picture.table.rows] == [
        ("guide − correctness", "3", "+2.00"),
        ("guide − steps", "3", "-1.00"),
    ]
    assert [(answer.found, answer.effects) for answer in found.answers] == [
        ("open", ("guide − correctness", "guide − steps")),
    ]


def test_a_seed_alone_has_no_interval_and_says_so():
    found = section(cells=CELLS[:1], signals=())
    assert of(found, "sandbox").recipes.picture.table.rows == (("guide", "1", "+2.00", "—", "—", "—"),)
    assert "Of one seed alone, so without an interval: guide (+2.00)." in words(filled("evidence", found))


def test_signals_and_runs_have_their_figures(whole):
    assert of(whole, "sandbox").signals.table.rows == (
        ("end", "within a question", "1", "0.875"),
        ("s_end", "all questions", "1", "0.500"),
    )
    assert len(whole.runs.rows) == 13
    assert whole.runs.rows[0] == (
        "sandbox, guide, seed 0",
        "4,000",
        "3,000 + 0 + 1,000",
        "87.5",
        "50.0",
        "52.0",
        "120 / 100",
        "—",
        "0.04",
    )
    assert whole.runs.rows[9][:2] == ("careful, guide, seed 0", "0, not trained")


def test_recipes_by_one_signal_are_listed_by_what_that_was_worth(whole):
    assert whole.forecasts is None and "Can it be told beforehand" not in words(filled("evidence", whole))
    cells = [evidence_cell("sandbox", seed, "votes", difference) for seed, difference in enumerate((0.02, -0.01))]
    signals = [Signals("sandbox", seed, "d", (signal_worth("end", auc),)) for seed, auc in enumerate((0.75, 0.625))]
    found = section(cells, signals, recipes=("votes",))
    assert found.forecasts.rows == (
        ("votes by end", "sandbox, seed 1", "0.625", "0.625 to 0.625", "-1.00"),
        ("votes by end", "sandbox, seed 0", "0.750", "0.750 to 0.750", "+2.00"),
    )
    assert "Can it be told beforehand?" in words(filled("evidence", found))


def test_what_is_old_or_left_out_is_named():
    older = ("sandbox/1/guide", "sandbox/0/guide", "sandbox/0/votes")
    text = words(filled("evidence", section(older=older, left_out=("sandbox/0/gone",), current=6)))
    assert (
        "6 of them are there, and by older ones 3: sandbox/0 (2), sandbox/1 (1). These count until they are made again." in text
    )
    assert "counted in no figure: sandbox/0/gone." in text and "Machines: a processor, 1 thread." in text


@pytest.mark.parametrize("name", [HOSTILE, "a\x07b", "\u202eevil", "x" * 300, "all worlds"])
def test_names_of_worlds_and_recipes_may_be_anything(name):
    cells = [evidence_cell(name, 0, name, 0.01, machine=name)]
    found = filled("evidence", section(cells=cells, signals=(), worlds=(name,), recipes=(name,)))
    assert "<script" not in found
    assert len(set(identifiers(found.replace("\x07", "")))) == len(identifiers(found.replace("\x07", "")))
