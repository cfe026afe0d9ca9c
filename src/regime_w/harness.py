"""How lm-evaluation-harness reads an answer, so that its counts and ours can stand side by side on the same texts.

Its task `gsm8k_platinum` (version 3.0, as in lm_eval 0.4.13: lm_eval/tasks/gsm8k_platinum/gsm8k-platinum.yaml) has two
filters, each a regular expression, and compares what they find with the target as texts, not as numbers. The expressions,
the ends of a text and what is dropped before the comparison are facts of that file; tests/regime_w/test_harness.py has
cases that its own code was run on.
"""

import re
from dataclasses import dataclass
from typing import Literal

from src.regime_w.questions import Question

RuleName = Literal["strict-match", "flexible-extract"]
INVALID = "[invalid]"  # what the harness writes where a filter finds nothing; no target is so

# A model that the harness asks stops at these, so that it never sees what follows.
UNTIL = ("Question:", "</s>", "<|im_end|>")
# Dropped from both sides before they are compared, in this order: grouping, currency, all up to the marker, a last point.
IGNORED = tuple(re.compile(pattern) for pattern in (r",", r"\$", r"(?s).*#### ", r"\.$"))


@dataclass(frozen=True)
class Rule:
    """A filter of the task: of all that `pattern` finds, the match at `place` (0 the first, -1 the last)."""

    name: RuleName
    pattern: re.Pattern[str]
    place: Literal[0, -1]


RULES = (
    Rule("strict-match", re.compile(r"#### (\-?[0-9\.\,]+)"), 0),
    Rule("flexible-extract", re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)"), -1),
)


def harness_text(text: str) -> str:
    """The text as the harness would have it: up to the first of the ends at which it stops a model."""
    return text[: min((place for end in UNTIL if (place := text.find(end)) >= 0), default=len(text))]


def harness_answer(text: str, rule: Rule) -> str | None:
    """What the filter takes from a text, as it stands there (`$1,200.`); None where it finds nothing."""
    found = list(rule.pattern.finditer(harness_text(text)))
    if not found:
        return None
    match = found[rule.place]
    return next(group for group in match.groups() if group)


def harness_target(question: Question) -> str:
    """The worked solution with the gold answer behind its marker, as the task's data set has it.

    Of a question that is scored on both sets the solution is GSM8K's, and the gold that decides is Platinum's.
    """
    if question.gsm8k_gold in (None, question.gold):
        return question.answer
    return f"{question.answer.rpartition('#### ')[0]}#### {question.gold}"


def harness_correct(answer: str | None, target: str) -> bool:
    """Whether the harness counts an answer as right.

    answer  as `harness_answer` gives it
    target  as `harness_target` gives it
    """
    return answer is not None and _compared(answer) == _compared(target)


def _compared(text: str) -> str:
    for pattern in IGNORED:
        text = pattern.sub("", text)
    return text.lower()
