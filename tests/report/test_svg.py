"""Figures of matplotlib as pieces of a page."""

import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from src.report.svg import ACCENT, FONT, LINE, MUTED, PAGE_COLOURS, TEXT, chart_style, inline_svg, printable
from tests.report.sections import HOSTILE, SVG, identifiers, labels

LEAST_WIDTH = 290  # pixels of a chart on a phone of 360, within the page's margins


def drawn(name: str = "one", told: str = "what is seen", label: str = "steps (count)") -> str:
    """A chart with all that has ids in matplotlib: a clip path, markers and marks of ticks."""
    with chart_style(name):
        figure = Figure(figsize=(4.3, 2), layout="constrained")
        axes = figure.subplots()
        axes.plot((1, 2, 3), (1, 4, 9), "o-", color=ACCENT)
        axes.fill_between((1, 3), 0, 5, color=MUTED, alpha=0.3)
        axes.axhline(2, color=LINE)
        axes.text(1, 1, "here", color=TEXT)
        axes.set_xlabel(label)
        return inline_svg(figure, name, told)


def test_it_is_one_element_that_says_what_is_seen():
    svg = drawn(told="a curve that rises from 1 to 9")
    root = ElementTree.fromstring(svg)
    assert svg.startswith("<svg ") and root.tag == f"{SVG}svg"
    title = root.find(f"{SVG}title")
    assert title is not None and title.text == "a curve that rises from 1 to 9"
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", title.get("id"))


def test_the_same_figure_gives_the_same_text():
    assert drawn() == drawn()


def test_it_refers_to_nothing_outside_itself():
    svg = drawn()
    own = set(identifiers(svg))
    asked = re.findall(r'href="([^"]*)"', svg) + re.findall(r"url\(([^)]*)\)", svg)
    assert asked and {target.removeprefix("#") for target in asked} <= own
    assert "http" not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_two_charts_share_no_id():
    one, other = identifiers(drawn("one")), identifiers(drawn("other"))
    assert len(set(one)) == len(one) > 1
    assert not set(one) & set(other)


def test_it_changes_nothing_of_the_page_around_it():
    tags = {element.tag for element in ElementTree.fromstring(drawn()).iter()}
    assert not tags & {f"{SVG}style", f"{SVG}metadata", f"{SVG}script"}


def test_its_colours_are_those_of_the_page():
    svg = drawn()
    assert not re.search("#[0-9a-f]{6}", svg)
    assert {"var(--accent)", "var(--muted)", "var(--line)", "currentColor"} <= set(re.findall(r"var\([^)]*\)|currentColor", svg))
    assert len(set(PAGE_COLOURS.values())) == len(PAGE_COLOURS)


def test_its_letters_can_be_read_on_a_phone():
    root = ElementTree.fromstring(drawn())
    width = float(root.attrib["viewBox"].split()[2])
    assert FONT * LEAST_WIDTH / width >= 11
    own = [text.get("style", "") for text in root.iter(f"{SVG}text")]
    assert f"font-size:{FONT:g}px" in root.attrib["style"] and not any("font-size" in style for style in own)
    assert "width:100%" in root.attrib["style"] and "font-family:inherit" in root.attrib["style"]


def test_coordinates_have_a_decimal_at_most():
    for element in ElementTree.fromstring(drawn()).iter():
        for key in ("d", "x", "y", "width", "height", "transform"):
            assert not re.search(r"\.\d\d", element.get(key, "")), element.attrib


def test_texts_are_texts_and_not_mathematics_or_markup():
    svg = drawn(told=HOSTILE, label=HOSTILE)
    assert HOSTILE in labels(svg)
    assert "<script" not in svg


@pytest.mark.parametrize("name", ["", "s_end", "1", 'a"b', "A"])
def test_a_name_that_is_no_id_is_refused(name):
    with pytest.raises(ValueError, match="no name of a chart"):
        drawn(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n b", "a b"),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\u202eab", "\N{REPLACEMENT CHARACTER}ab"),
        ("é − ½", "é − ½"),
    ],
)
def test_what_cannot_be_shown_is_marked(text, shown):
    assert printable(text) == shown
