"""Count both policies' texts by our rule of an answer and by the two of lm-evaluation-harness, and list where they disagree.

    python -m src.ops.harness_rules        (make harness-rules)

Reads   data/test.jsonl, outputs/<policy>_eval.jsonl

strict-match takes the number behind the first `####`, flexible-extract the last number of the text (task gsm8k_platinum);
both compare it with the gold answer as text. A rule that finds an answer in no text of a policy cannot read its format: it is
counted, and its marks are no disagreement.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from src.core.command import command_line, run_command
from src.ops.run_files import POLICIES
from src.ops.samples import read_evaluations
from src.ops.terminal import Cell, Ink, Style, aligned, has_colour, on_one_line, print_lines
from src.regime_w.evaluation import Evaluation
from src.regime_w.harness import RULES, harness_answer, harness_correct, harness_target
from src.regime_w.questions import Question
from src.sources.test_set import read_test_set


@dataclass(frozen=True)
class Mark:
    """What one rule makes of a text: the answer that it takes, None without one, and whether it counts as right."""

    answer: str | None
    correct: bool


@dataclass(frozen=True)
class Marked:
    """A test question by all rules: ours, strict-match, flexible-extract."""

    id: str
    gold: str
    marks: tuple[Mark, ...]


def mark(question: Question, evaluation: Evaluation) -> Marked:
    """Of one policy's text by the three rules."""
    marks = [Mark(evaluation.answer, evaluation.correct)]
    for rule in RULES:
        answer = harness_answer(evaluation.text, rule)
        marks.append(Mark(answer, harness_correct(answer, harness_target(question))))
    return Marked(question.id, question.gold, tuple(marks))


def blind_rules(every: Sequence[Marked]) -> tuple[int, ...]:
    """The places of the harness's rules that find an answer in none of the texts."""
    places = range(1, 1 + len(RULES))
    return tuple(place for place in places if all(one.marks[place].answer is None for one in every))


def disagreements(every: Sequence[Marked]) -> list[Marked]:
    """The texts that some rules count as right and others do not; a blind rule has no say."""
    blind = blind_rules(every)
    return [one for one in every if len({mark.correct for place, mark in enumerate(one.marks) if place not in blind}) > 1]


def _count_table(of_policy: Sequence[tuple[str, Sequence[Marked]]], ink: Ink) -> list[str]:
    rows = [[Cell(name, "dim") for name in ("policy", "questions", "rule", "right", "no answer")]]
    for policy, every in of_policy:
        for place, name in enumerate(_rule_names()):
            marks = [one.marks[place] for one in every]
            right, none = sum(mark.correct for mark in marks), sum(mark.answer is None for mark in marks)
            rows.append([Cell(policy), Cell(f"{len(every):,}"), Cell(name), Cell(f"{right:,}"), Cell(f"{none:,}")])
    return aligned(rows, "<><>>", ink)


def _rule_names() -> tuple[str, ...]:
    return ("ours", *(rule.name for rule in RULES))


def _disagreement_lines(policy: str, every: Sequence[Marked], ink: Ink) -> list[str]:
    found, names = disagreements(every), _rule_names()
    unread = [f"{policy}: {names[place]} finds an answer in none of the {len(every):,} texts" for place in blind_rules(every)]
    if not found:
        return [*unread, f"{policy}: no disagreement"]
    rows = [[Cell(f"{name} ", "dim") for name in ("question", "gold", *names)]]
    for one in found:
        # Colour is not everywhere, so a star says what counts as right.
        cells = [Cell(f"{_shown(mark.answer)}{'*' if mark.correct else ' '}", _style(mark)) for mark in one.marks]
        rows.append([Cell(on_one_line(one.id)), Cell(on_one_line(one.gold)), *cells])
    return [*unread, f"{policy}: {len(found):,} disagreements (* counts as right)", *aligned(rows, "<>>>>", ink)]


def _style(mark: Mark) -> Style:
    return "green" if mark.correct else "red"


def _shown(answer: str | None) -> str:
    return "none" if answer is None else on_one_line(answer)


def main() -> None:
    command_line("python -m src.ops.harness_rules", __doc__).parse_args()
    ink = Ink(has_colour(sys.stdout))
    questions = read_test_set()
    of_policy = []
    for policy in POLICIES:
        both = zip(questions, read_evaluations(policy, questions), strict=True)
        of_policy.append((policy, [mark(question, evaluation) for question, evaluation in both if question.decides]))
    lines = _count_table(of_policy, ink)
    for policy, every in of_policy:
        lines += ["", *_disagreement_lines(policy, every, ink)]
    print_lines(lines)


if __name__ == "__main__":
    run_command(main)
