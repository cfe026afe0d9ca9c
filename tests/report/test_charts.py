"""The charts of report.html: what stands on their axes, and that what is drawn is what was given."""

import re
from xml.etree import ElementTree

import pytest

from src.regime_w.pictures import Series, VoteBin, curve, histogram
from src.report.charts import Band, Mark, Row, draw_bars, draw_curve, draw_histogram, draw_matrix, draw_rows, draw_votes
from tests.report.sections import HOSTILE, SVG, labels

X, Y = "across (count)", "up (count)"


def corners(svg: str, colour: str) -> list[tuple[float, float, float, float]]:
    """Left, right, top and bottom of each filled rectangle of a colour, in units from the upper left."""
    found = []
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        if f"fill:{colour}" in path.get("style", "") and path.get("clip-path"):
            numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", path.attrib["d"])]
            across, down = numbers[::2], numbers[1::2]
            found.append((min(across), max(across), min(down), max(down)))
    return found


def boxes(svg: str, colour: str) -> list[tuple[float, float]]:
    """Width and height of each filled rectangle of a colour, in units."""
    return [(right - left, bottom - top) for left, right, top, bottom in corners(svg, colour)]


CHARTS = {
    "histogram": lambda: draw_histogram("a", "told", histogram([Series("one", (0.5,)), Series("two", ())], (0, 1)), X, Y),
    "rows": lambda: draw_rows("a", "told", [Row("r", 1.0, 0.5, 2.0, (1.0,))], X, Y, 0.0),
    "bars": lambda: draw_bars("a", "told", ["r"], {"one": [1.0], "two": [0.0]}, X, Y),
    "votes": lambda: draw_votes("a", "told", [VoteBin(5, 8, 4, 3, 0.3, 0.95)], X, Y),
    "matrix": lambda: draw_matrix("a", "told", ["r", "s"], {(0, 1): 0.5}, X, Y),
    "curve": lambda: draw_curve("a", "told", curve([1.0, 2.0]), X, Y),
}


@pytest.mark.parametrize("name", CHARTS)
def test_every_axis_has_its_title_and_the_same_figures_give_the_same_text(name):
    svg = CHARTS[name]()
    assert {X, Y} <= set(labels(svg))
    assert svg == CHARTS[name]()


def test_bars_of_a_histogram_are_as_high_as_their_counts():
    found = histogram([Series("one", (0.5, 1.5, 1.5)), Series("two", (1.5,))], (0, 1, 2))
    svg = draw_histogram("a", "told", found, X, Y)
    (_, low), (_, high) = boxes(svg, "var(--accent)")
    assert high == pytest.approx(2 * low, abs=0.3)
    assert boxes(svg, "var(--muted)")[1][1] == pytest.approx(low, abs=0.3)
    assert {"one", "two"} <= set(labels(svg))
    # In the second bin the other series stands on the first.
    assert corners(svg, "var(--muted)")[1][3] == pytest.approx(corners(svg, "var(--accent)")[1][2], abs=0.2)


def test_bars_from_the_left_are_as_long_as_their_values():
    (one, _), (other, _) = boxes(draw_bars("a", "told", ["r", "s"], {"n": [1.0, 3.0]}, X, Y), "var(--accent)")
    assert other == pytest.approx(3 * one, abs=0.3)


def test_bars_of_nothing_are_drawn_too():
    assert {"r", X} <= set(labels(draw_bars("a", "told", ["r"], {"n": [0.0]}, X, Y)))


def test_a_row_without_a_value_says_why():
    found = labels(draw_rows("a", "told", [Row("scores:"), Row("s_end", note="undefined")], X, Y, 0.5, (0, 1)))
    assert {"scores:", "s_end", "undefined"} <= set(found)


def test_a_long_name_is_broken_and_a_longer_one_is_cut():
    found = labels(draw_rows("a", "told", [Row("label-free-without-quality", 1.0), Row("x" * 200, 1.0)], X, Y))
    assert {"label-free-without-", "quality", "x" * 20, "…"} <= set(found)


def test_a_name_cannot_be_markup_or_mathematics():
    svg = draw_rows("a", HOSTILE, [Row(HOSTILE, 1.0)], X, Y)
    assert "<script" not in svg and "".join(HOSTILE.split()) in "".join("".join(labels(svg)).split())


def test_a_matrix_writes_the_hundredths_and_a_dash_for_none():
    found = labels(draw_matrix("a", "told", ["r", "s", "t"], {(0, 1): 2 / 3, (0, 2): None, (1, 2): 1.0}, X, Y))
    assert {"67", "—", "100"} <= set(found)
    assert [label for label in found if label in "rst"] == ["r", "s", "s", "t"]


def test_a_darker_square_is_a_larger_share():
    svg = draw_matrix("a", "told", ["r", "s", "t"], {(0, 1): 0.2, (0, 2): 0.5, (1, 2): 0.9}, X, Y)
    opacities = [float(found) for found in re.findall(r"fill:var\(--accent\);opacity:([\d.]+)", svg)]
    assert opacities == sorted(opacities) and len(set(opacities)) == 3 and opacities[-1] < 0.6


def test_squares_that_are_all_alike_or_unknown_are_drawn():
    for share in (0.5, None):
        assert X in labels(draw_matrix("a", "told", ["r", "s"], {(0, 1): share}, X, Y))


def test_bands_and_marks_are_named_once():
    bands = [Band("healthy", 0.5, 1.0, 1, 2), Band("healthy", 0.2, 0.5, 2, 3)]
    found = labels(draw_curve("a", "told", curve([0.7, 0.6, 0.5]), X, Y, bands, [Mark("ln 2", 0.693)]))
    assert found.count("healthy") == 1
    assert {"steps", "mean of 1", "ln 2"} <= set(found)


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5]])
def test_a_curve_of_one_value_is_drawn(values):
    assert X in labels(draw_curve("a", "told", curve(values), X, Y))
