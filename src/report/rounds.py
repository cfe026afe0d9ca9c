"""The page of iterated training: rounds/<profile>-<recipe>.md, rendered by the template beside this module."""

from src.regime_w.rounds import Rounds, sentence
from src.report.evidence import bounds, p_value, share
from src.report.page import TEMPLATES, signed


def render(rounds: Rounds) -> str:
    """The page of the rounds that are done, in Markdown."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # which is for HTML; names of profiles and recipes are those of files and of points
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": share, "signed": signed, "p_value": p_value}
    environment.globals["bounds"] = bounds
    return environment.get_template("rounds.md.j2").render(
        all=rounds,
        sentence=sentence(rounds),
        last_held_out=rounds.held_out + rounds.questions - 1,
        lines=tuple(zip(rounds.rounds, rounds.against_first, strict=True)),
        not_shared=[each.number for each in rounds.rounds if each.verdict.shared_by_families is False],
        best=max((each.number for each in rounds.rounds if each.improved), default=0),
    )
