"""The templates of all pages beside this module, and how they write numbers and texts."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.report.plain_text import visible

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent / "templates"
NONE = "—"
# What begins markup inside a line; an underscore between letters, as in s_path, begins none.
MARKUP = re.compile(r"[\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])")


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


def share(value: float | None) -> str:
    """A share in hundredths with its sign of per cent; a dash for none."""
    return NONE if value is None else f"{points(value)} %"


def p_value(value: float | None) -> str:
    return NONE if value is None else f"{value:.2g}"


def bounds(low: float | None, high: float | None) -> str:
    """An interval of shares in points; a dash for none."""
    return NONE if low is None or high is None else f"{signed(low)} to {signed(high)}"


def folders(paths: Sequence[str]) -> list[str]:
    """The folders of paths, sorted, and how many each has: `sandbox/0 (8)`."""
    return [f"{folder} ({count})" for folder, count in sorted(Counter(path.rpartition("/")[0] for path in paths).items())]


FILTERS = {
    "points": points,
    "signed": signed,
    "percent": percent,
    "number": number,
    "escaped": escaped,
    "fields": fields_of,
    "share": share,
    "p_value": p_value,
    "folders": folders,
}


@cache  # read once: a command of hours must not meet a template that was edited meanwhile
def template(name: str) -> "Template":
    """A template with the words above: one of the folder html for HTML, which escapes all that it is given; others for Markdown.

    A template for Markdown escapes free text by `escaped`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    is_html = name.startswith("html/")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=is_html,
        finalize=_finalized if is_html else None,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals["bounds"] = bounds
    return environment.get_template(name)


def _finalized(value: Any) -> Any:
    """Of what a template writes, free text is made visible; markup of ours, a kind of text that knows itself, stays."""
    return visible(value) if type(value) is str else value
