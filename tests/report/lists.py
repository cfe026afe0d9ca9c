"""What the page for a browser lists, made small or large: test questions with both texts, training questions with their pairs."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from src.regime_w.arms import ARM_NAMES
from src.regime_w.evaluation import evaluation_metrics, grade
from src.regime_w.preferences import PrefsSettings, build_pairs
from src.regime_w.questions import Question
from src.regime_w.scoring import GUIDE_SETTINGS, Rollout, score_question
from src.regime_w.texts import PolicyText, Trajectory
from src.regime_w.verdict import RunVerdict, paired_verdict
from src.report import html_page
from src.report.evidence_section import evidence_section
from src.report.flips import OUTCOMES, Answered
from src.report.foot_section import Foot, versions_table
from src.report.html_page import Records, Sections
from src.report.page import Page
from src.report.signal_section import signal_section
from src.report.training_section import training_section
from tests.regime_w.builders import NO_EVIDENCE
from tests.report.pages import page
from tests.report.sections import metrics_of, sft_step, training_step

GOLD = PrefsSettings("gold", "canonical", "reward", "hash", 18, 4, 0.01)


def asked(number: int, before: str, after: str, finish: Any = "stop", **values: Any) -> Answered:
    """A test question whose gold is 5 unless the values say otherwise, with the texts of baseline and coherence."""
    given = {"id": f"test-{number}", "question": f"How many pens are {number}?", "answer": "#### 5", "gold": "5"} | values
    question = Question(**given)
    return Answered(*(grade(question, PolicyText(question.id, text, len(text.split()), finish)) for text in (before, after)))


def rollout(number: int, texts: Sequence[str], **values: Any) -> Rollout:
    """A training question whose gold is 5; the last text is that of all other arms."""
    question = Question(**({"id": f"train-{number}", "question": f"Sum {number}?", "answer": "#### 5", "gold": "5"} | values))
    written = [
        Trajectory(question.id, arm, 42, 0.2, "Solve.", text := texts[min(place, len(texts) - 1)], len(text.split()), "stop")
        for place, arm in enumerate(ARM_NAMES)
    ]
    return score_question(question, written, GUIDE_SETTINGS)


def records(questions: Sequence[Answered], rollouts: Sequence[Rollout], prefs: PrefsSettings = GOLD) -> Records:
    """In the order in which `answered` gives the questions; the pairs are those that stage prefs makes."""
    ordered = sorted(questions, key=lambda question: OUTCOMES.index(question.outcome))
    return Records(tuple(ordered), rollouts, [pair for each in rollouts for pair in build_pairs(each, prefs)], prefs)


@cache
def sections() -> Sections:
    """Of a small run, whatever the lists are of."""
    lists, steps = records([], STRIPS[:4]), [training_step(step) for step in range(1, 31)]
    shown = page()
    return Sections(
        signals=signal_section(lists.rollouts, shown.rollouts, lists.pairs, shown.pair_types, shown.confidence),
        training=training_section(metrics_of(steps), steps, [sft_step(step) for step in range(1, 31)]),
        evidence=evidence_section(NO_EVIDENCE),
        foot=Foot(
            "0123456789ab", "make repro", "sandbox", "seed: 0\n", "data:\n", versions_table({"trl": "1.16.0"}), "a processor"
        ),
    )


def render(shown: Page, lists: Records) -> str:
    """report.html with the sections of the small run."""
    return html_page.render(shown, lists, sections())


def page_of(questions: Sequence[Answered], **values: Any) -> Page:
    """The page whose verdict and metrics are of these questions."""
    counted = [each for each in questions if each.baseline.decides]
    sides = [{e.id: e.correct for e in side} for side in ([q.baseline for q in counted], [q.coherence for q in counted])]
    metrics = [evaluation_metrics(side, 0.95) for side in ([q.baseline for q in questions], [q.coherence for q in questions])]
    verdict = RunVerdict(**vars(paired_verdict(*sides).verdict))
    return page(**({"verdict": verdict, "baseline": metrics[0], "coherence": metrics[1]} | values))


def with_families(verdict: RunVerdict) -> RunVerdict:
    return replace(verdict, families=2, family_ci_low=-0.1, family_ci_high=0.9, design_effect=1.5)


# Markup, scripts, the ends of scripts and comments, control characters, and marks that turn the direction of the text.
HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script></script></textarea><!-- ]]> {{ 7 * 7 }} {% raw %} &lt;b&gt; "
    "\x00\x07\x1b[31m\u202eevil\u2066 שלום مرحبا ' \" `${1}` \\u0041 ﷽ 🧑‍🔬"
)
# Twelve of each outcome but two.
SMALL = [
    *(asked(n, f"so 1 + 3 = 4\nAnswer: {4}", "so 1 + 4 = 5\nAnswer: 5", kind="sums") for n in range(12)),
    *(asked(n, "twice 2 is 5\nAnswer: 5", "twice 2 is 4\nAnswer: 4", kind="twice") for n in range(12, 15)),
    *(asked(n, "I see 6.\nAnswer: 6", "I see nothing", kind="sums") for n in range(15, 20)),
    *(asked(n, "Answer: 5", "Answer: 5", kind="twice") for n in range(20, 60)),
]
STRIPS = [
    rollout(0, ["so 1 + 4 = 5\nAnswer: 5", "so 2 + 2 = 4\nAnswer: 4", "I cannot say"]),
    rollout(1, ["Answer: 5"]),
    *(rollout(n, ["so 1 + 4 = 5\nAnswer: 5", "long way: 1 + 1 + 3 = 5\nAnswer: 5", "Answer: 7"]) for n in range(2, 40)),
]
