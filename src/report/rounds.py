"""The page of iterated training: rounds/<profile>-<recipe>.md, rendered by the template beside this module."""

from src.regime_w.rounds import Rounds, sentence
from src.report.rendering import template


def render(rounds: Rounds) -> str:
    """The page of the rounds that are done, in Markdown."""
    return template("rounds.md.j2").render(
        all=rounds,
        sentence=sentence(rounds),
        last_held_out=rounds.held_out + rounds.questions - 1,
        lines=tuple(zip(rounds.rounds, rounds.against_first, strict=True)),
        not_shared=[each.number for each in rounds.rounds if each.verdict.shared_by_families is False],
        best=max((each.number for each in rounds.rounds if each.improved), default=0),
    )
