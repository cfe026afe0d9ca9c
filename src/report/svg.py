"""A figure of matplotlib as a piece of an HTML page: an SVG element that follows the page's colours and shares no id.

Figures are drawn in placeholder colours, which become the page's own here, so that a chart is right in light and dark. The
same figure gives the same text.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from matplotlib.figure import Figure

# Colours of no chart, each of which stands for one of the page's.
TEXT, MUTED, LINE, ACCENT, GOOD, BAD = "#01020a", "#01020b", "#01020c", "#01020d", "#01020e", "#01020f"
PAGE_COLOURS = {
    TEXT: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    ACCENT: "var(--accent)",
    GOOD: "var(--good)",
    BAD: "var(--bad)",
}
WIDTH = 4.3  # inches; 310 units of the SVG, so that on a phone a unit is about a pixel
FONT = 12.0  # units; a letter of a chart is at least 11 pixels high where the chart is 290 wide
MOST_PIXELS = 1.35  # of a unit on a wide screen, which makes a letter as large as the page's own
INHERITED = (f"font-size:{FONT:g}px", "fill:currentColor")  # of texts, said once for the whole chart
SVG, LINKS = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
GEOMETRY = ("d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "transform", "points")


def printable(text: str) -> str:
    """On one line, and with a sign in the place of each character that XML or a screen cannot show."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))


@contextmanager
def chart_style(name: str) -> Iterator[None]:
    """What matplotlib draws by within the block; `name` is the chart's, unique on the page."""
    from matplotlib import rc_context  # a second, which --help need not wait

    style = {
        "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's font
        "svg.hashsalt": name,
        "text.parse_math": False,  # names may hold dollar signs
        "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine measures texts alike
        "font.size": FONT,
        "axes.titlesize": FONT,
        "axes.labelsize": FONT,
        "xtick.labelsize": FONT,
        "ytick.labelsize": FONT,
        "legend.fontsize": FONT,
        "legend.frameon": False,
        "legend.handlelength": 1.2,
        "legend.borderaxespad": 0.2,
        "text.color": TEXT,
        "axes.labelcolor": TEXT,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": TEXT,
        "ytick.labelcolor": TEXT,
        "axes.grid": False,
        "path.simplify": True,
    }
    with rc_context(style):
        yield


def inline_svg(figure: "Figure", name: str, told: str) -> str:
    """The figure as an SVG element; `told` says what is seen, in figures, to those who do not see it.

    To be called within `chart_style`; texts of the figure are `printable`. The text is XML without a prolog, refers to nothing
    outside itself, and all its ids begin with `chart-` and `name`. Raises ValueError for a name that is no id.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"{name!r} is no name of a chart; give small letters, digits and hyphens, a letter first")
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file = StringIO()
    # Figure.savefig would draw all of it once more before, for what a figure without images does not need.
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(file.getvalue())
    _drop(root)
    _rename(root, name)
    for element in root.iter():
        _simplify(element)
    _head(root, name, told)
    _collapse(root)
    # Without a namespace: in HTML an <svg> is of SVG's, and readers of XML that want it find it in the attribute.
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
    return ElementTree.tostring(root, encoding="unicode")


def _drop(root: "Element") -> None:
    """Take out what describes the file, the style that would apply to the whole page around it, and what nobody sees."""
    for parent in list(root.iter()):
        for child in list(parent):
            unseen = child.tag == f"{{{SVG}}}path" and child.get("style") == "fill: none"
            if unseen or child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)


def _rename(root: "Element", name: str) -> None:
    """Keep the ids that something refers to, and name them after the chart."""
    link = f"{{{LINKS}}}href"
    targets: set[str] = set()
    for element in root.iter():
        if link in element.attrib:
            targets.add(element.attrib[link].removeprefix("#"))
        for value in element.attrib.values():
            targets.update(re.findall(r"url\(#([^)]+)\)", value))
    numbers = {target: f"chart-{name}-{place}" for place, target in enumerate(sorted(targets), start=1)}
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in numbers:
            element.set("id", numbers[own])
        if link in element.attrib:
            element.set("href", f"#{numbers[element.attrib.pop(link).removeprefix('#')]}")
        for key, value in element.attrib.items():
            element.set(key, re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#{numbers[found[1]]})", value))


def _simplify(element: "Element") -> None:
    """Round what stands in units, put the page's colours in, and leave the font to the page."""
    for key in GEOMETRY:
        if key in element.attrib:
            element.set(key, _rounded(element.attrib[key]))
    if (style := element.attrib.get("style")) is not None:
        for placeholder, colour in PAGE_COLOURS.items():
            style = style.replace(placeholder, colour)
        style = re.sub(r"\s*([:;])\s*", r"\1", re.sub(r"font-family: [^;]*;? ?", "", style))
        if element.tag == f"{{{SVG}}}text":
            style = ";".join(part for part in style.split(";") if part not in INHERITED)
        element.set("style", style)
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    if element.tag == f"{{{SVG}}}path" and (data := element.attrib.get("d")) is not None:
        element.set("d", " ".join(data.split()))


def _rounded(text: str) -> str:
    """Numbers to a tenth of a unit, which is an eighth of a pixel."""
    return re.sub(r"-?\d+\.\d+(?:e[-+]?\d+)?", lambda found: f"{round(float(found[0]), 1) + 0.0:g}", text)


def _head(root: "Element", name: str, told: str) -> None:
    """Size, role and name of the whole; it is as wide as the page lets it be, but its letters not larger than the page's."""
    width = float(root.attrib["viewBox"].split()[2])
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"chart-{name}-title")
    root.set("xmlns", SVG)
    root.set(
        "style",
        f"display:block;width:100%;height:auto;max-width:{width * MOST_PIXELS:.0f}px;font-family:inherit;"
        f"color:var(--text);{';'.join(INHERITED)};stroke-linejoin:round;stroke-linecap:butt",
    )
    title = ElementTree.Element(f"{{{SVG}}}title", {"id": f"chart-{name}-title"})
    title.text = printable(told)
    root.insert(0, title)


def _collapse(root: "Element") -> None:
    """Take out white space between elements, groups that say nothing and empty definitions."""
    for element in list(root.iter()):
        element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None
    for parent in reversed(list(root.iter())):  # the innermost first
        for place, child in reversed(list(enumerate(parent))):
            empty, bare = not len(child), not child.attrib
            if (child.tag == f"{{{SVG}}}g" and (empty or bare)) or (child.tag == f"{{{SVG}}}defs" and empty):
                parent[place : place + 1] = list(child)
