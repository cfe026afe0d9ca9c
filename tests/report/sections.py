"""Sections of report.html for tests: small runs as their builders take them, and the templates as the page fills them."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from src.core.files import write_csv
from src.models.base_metrics import BaseMetrics, SpecialTokens, Token, sft_run
from src.regime_w.arms import ARM_NAMES
from src.regime_w.pair_metrics import PairTally, PairTypes
from src.regime_w.preferences import Pair
from src.regime_w.rollout_metrics import RolloutMetrics, RolloutTally
from src.regime_w.scoring import Rollout
from src.regime_w.sft_steps import SftStep
from src.regime_w.training_metrics import Preflight, TrainingStep, TrainMetrics, training_metrics
from src.report.rendering import template
from src.report.signal_section import SignalSection, signal_section
from tests.regime_w.builders import pair, rollout, scored

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('$x$ & \"y\"')</script>"


def filled(name: str, section: object) -> str:
    """The template of a section, without the page around it."""
    return template(f"html/{name}.html.j2").render({name: section})


def words(text: str) -> str:
    """What is to be read in a section or a chart; the check that it is well-formed, too."""
    return " ".join(" ".join(ElementTree.fromstring(text).itertext()).split())


def labels(svg: str) -> list[str]:
    """The texts of a chart, in its order."""
    return [text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def identifiers(text: str) -> list[str]:
    return [element.attrib["id"] for element in ElementTree.fromstring(text).iter() if "id" in element.attrib]


def question(number: int, right: Sequence[str], **values: object) -> Rollout:
    """A question that the named arms answer correctly by 2, the others wrongly by 3."""
    answers = {arm: "2" if arm in right else "3" for arm in ARM_NAMES}
    trajectories = [
        scored(arm, answer=answer, correct=answer == "2", reward=1.0 if answer == "2" else 0.5, conciseness=place / 10)
        for place, (arm, answer) in enumerate(answers.items())
    ]
    votes = list(answers.values())[:8]
    given = {"consensus": max("23", key=votes.count), "s_end": max(map(votes.count, "23")) / 8, "s_cf": number % 3 / 2}
    return rollout(trajectories, question_id=f"q{number}", **(given | values))


# Of four questions all, five, three and none of the arms are right.
ROLLOUTS = [question(place, ARM_NAMES[:right]) for place, right in enumerate((11, 5, 3, 0))]


PAIRS = [
    pair(question_id="q1", chosen="a b\nAnswer: 2", rejected="Answer: 3", chosen_reward=1.0, rejected_reward=0.5),
    pair(question_id="q1", rejected_arm="maudlin_2", chosen_reward=0.5, rejected_reward=1.0),
    pair(question_id="q1", pair_type="coherence", chosen_arm="wolfram_1", chosen="Answer: 2", rejected="a\nAnswer: 2"),
]


def rollout_metrics(rollouts: Sequence[Rollout]) -> RolloutMetrics:
    tally = RolloutTally()
    for each in rollouts:
        tally.add(each)
    return tally.metrics(0.95)


@cache  # seventeen charts
def signals() -> SignalSection:
    """The section of ROLLOUTS and PAIRS."""
    return signal_section(ROLLOUTS, rollout_metrics(ROLLOUTS), PAIRS, pair_types(PAIRS), 0.95)


def pair_types(pairs: Sequence[Pair]) -> PairTypes:
    """Of pairs of the second question."""
    tally = PairTally()
    tally.add(ROLLOUTS[1], pairs)
    return tally.types()


def training_step(step: int, **values: float) -> TrainingStep:
    """Step 1, 2, … of epochs of ten steps; its loss falls by a hundredth a step from 0.7."""
    usual = {
        "step": step,
        "epoch": (step - 1) // 10 + 1,
        "loss": 0.7 - step / 100,
        "gradient_norm": 0.5,
        "learning_rate": 5e-5,
        "reward_accuracy": 0.75,
        "reward_margin": step / 50,
        "logp_chosen": -2.0,
        "logp_rejected": -20.0 - step,
    }
    return TrainingStep(**(usual | values))


def metrics_of(steps: Sequence[TrainingStep]) -> TrainMetrics:
    return training_metrics(steps, Preflight(0.0, 201, 188416))


def sft_step(step: int) -> SftStep:
    """Step 1, 2, … of a base whose loss falls by a tenth a step from 4."""
    return SftStep(step, 4.0 - step / 10, 0.5, 1e-3)


def base_of(steps: Sequence[SftStep]) -> BaseMetrics:
    """A small base: one that learned by these steps, or without any one that was fetched."""
    tokens = SpecialTokens(bos=None, eos=Token("</s>", 2), pad=Token("<pad>", 0), bos_added=False, vocab_size=800)
    training = sft_run(len(steps), steps).metrics if steps else None
    return BaseMetrics(source="sandbox", parameters=1000, tokens=tokens, training=training)


def csv_of(path: Path, wanted: type[TrainingStep | SftStep], steps: Sequence[TrainingStep | SftStep]) -> Path:
    """plots/train.csv or plots/base.csv as its stage writes it."""
    write_csv(path, [item.name for item in fields(wanted)], [astuple(step) for step in steps])
    return path
