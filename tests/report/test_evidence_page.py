"""The page of the evidence from made-up cells."""

import re

import pytest

from src.regime_w.cells import Signals
from src.regime_w.evidence import Evidence
from src.report.evidence import assemble, draw, render
from tests.regime_w.builders import evidence_cell, signal_worth

CELLS = [
    *(evidence_cell("sandbox", seed, "guide", 0.02 + seed / 100, chosen_correct_share=0.875) for seed in range(3)),
    *(evidence_cell("sandbox", seed, "correctness", 0.02, pairs=3000) for seed in range(3)),
    evidence_cell("careful", 0, "guide", 0.0, pairs=0, correctness_pairs=0, coherence_pairs=0, trained=False),
]


def evidence(cells=CELLS, **values) -> Evidence:
    given = {"signals": (), "worlds": ("sandbox", "careful"), "recipes": ("guide", "correctness"), "seeds": 3, "wanted": 12}
    return assemble(**(given | {"cells": cells, "current": len(cells), "older": (), "left_out": ()} | values))


def rows(page: str, title: str) -> list[list[str]]:
    section = page.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_the_page_says_how_much_is_there():
    page = render(evidence(older=("sandbox/0/guide",), left_out=("sandbox/0/gone",), current=6), "evidence.svg")
    assert "12 cells are wanted: 2 worlds × 3 seeds × 2 recipes." in page
    assert (
        "at hand 6 of them are there, and by older ones 1: sandbox/0 (1).\nThese count in all figures until they are made again."
        in page
    )
    assert "counted in no figure: sandbox/0/gone." in page
    assert "Machines: a processor, 1 thread." in page


def test_a_recipe_has_mean_interval_and_p_values_and_one_seed_has_no_interval():
    found = rows(render(evidence(), "evidence.svg"), "Each recipe, over seeds")
    # Of 2, 3 and 4 points: half of the interval is 4.3027 / sqrt(3); two of eight ways to flip the signs; two tests.
    assert found[0] == ["sandbox", "guide", "3", "+3.00", "+0.52 to +5.48", "0.25", "0.5"]
    assert found[1] == ["sandbox", "correctness", "3", "+2.00", "+2.00 to +2.00", "0.25", "0.5"]
    assert found[2] == ["careful", "guide", "1", "+0.00", "—", "—", "—"]


def test_a_comparison_has_a_row_in_its_world_and_one_over_all():
    found = rows(render(evidence(), "evidence.svg"), "One recipe less another, paired by seed")
    assert [row[:4] for row in found] == [
        ["sandbox", "guide − correctness", "3", "+1.00"],
        ["all worlds", "guide − correctness", "3", "+1.00"],
    ]


def test_a_recipe_by_one_signal_is_set_beside_what_that_was_worth():
    cells = [evidence_cell("sandbox", seed, "quality", difference) for seed, difference in enumerate((0.02, -0.01, 0.03))]
    signals = [Signals("sandbox", seed, "d1", (signal_worth("quality", auc),)) for seed, auc in enumerate((0.7, 0.6, 0.8))]
    page = render(evidence(cells, signals=signals, recipes=("quality",)), "evidence.svg")
    assert "rank correlation of the two is +1.00 for quality; units of one world are alike" in page
    assert rows(page, "Can it be told beforehand?") == [
        ["quality", "quality", "0.600", "0.600 to 0.600", "sandbox", "1", "-1.00"],
        ["quality", "quality", "0.700", "0.700 to 0.700", "sandbox", "0", "+2.00"],
        ["quality", "quality", "0.800", "0.800 to 0.800", "sandbox", "2", "+3.00"],
    ]


def test_every_run_has_a_row():
    found = rows(render(evidence(), "evidence.svg"), "Every run")
    assert len(found) == 7
    assert found[1] == [
        "sandbox",
        "guide",
        "1",
        "4,000",
        "3,000 + 0 + 1,000",
        "87.50 %",
        "50.00 %",
        "53.00 %",
        "130 / 100",
        "—",
        "0.04",
    ]
    assert found[6] == [
        "careful",
        "guide",
        "0",
        "0, not trained",
        "0 + 0 + 0",
        "—",
        "50.00 %",
        "50.00 %",
        "100 / 100",
        "—",
        "0.04",
    ]


def test_a_run_has_the_interval_over_families_of_its_questions():
    cell = evidence_cell("sandbox", 0, "guide", 0.03, family_ci_low=-0.01, family_ci_high=0.07)
    assert rows(render(evidence(cells=[cell]), "evidence.svg"), "Every run")[0][9] == "-1.00 to +7.00"


def test_the_signals_have_a_row_each():
    signals = (Signals("sandbox", 0, "d", (signal_worth("end", 0.875),)),)
    found = rows(render(evidence(signals=signals), "evidence.svg"), "What the signals are worth")
    assert found == [["sandbox", "end", "within a question", "1", "0.875"]]


def test_without_cells_there_are_no_tables():
    page = render(evidence(cells=[]), "evidence.svg")
    assert (
        "12 cells are wanted" in page
        and "at hand 0 of them are there.\n" in page
        and "|" not in page
        and "evidence.svg" not in page
    )


def test_the_picture_has_a_panel_for_each_world_and_the_same_cells_give_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        draw(evidence(), tmp_path / f"{name}.svg")
    picture = (tmp_path / "one.svg").read_bytes()
    assert picture == (tmp_path / "other.svg").read_bytes()
    words = re.findall(r"<text[^>]*>([^<]+)</text>", picture.decode())
    assert {"sandbox", "careful", "guide", "correctness"} <= set(words)


def test_no_picture_is_drawn_of_nothing(tmp_path):
    draw(evidence(cells=[]), tmp_path / "none.svg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [None, 0.5])
def test_the_share_of_pairs_whose_chosen_side_is_correct_may_be_missing(share):
    page = render(evidence(cells=[evidence_cell("sandbox", 0, "guide", 0.01, chosen_correct_share=share)]), "evidence.svg")
    assert rows(page, "Every run")[0][5] == ("—" if share is None else "50.00 %")
