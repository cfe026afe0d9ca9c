"""What a pretrained model is fine-tuned on: the arms' prompts with the worked solutions of training questions.

It learns to end as the method asks (`Answer: <number>`), and how such problems are solved; every solution has all its steps.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from src.regime_w.arms import PROBE_A_PRIME, PROBE_CF1, Arm, ArmName, build_all_arms, build_prompt
from src.regime_w.questions import Question

# The sums that GSM8K gives to a calculator, as in `48/2 = <<48/2=24>>24`: no reader writes them, and they hide the text.
CALCULATOR = re.compile(r"<<[^<>]*>>")
# The arms that have the four prompts of the eleven, and the share of examples that are asked as each.
PROMPT_SHARES: dict[ArmName, float] = {"wolfram_0": 0.35, "maudlin_0": 0.25, PROBE_A_PRIME: 0.2, PROBE_CF1: 0.2}


@dataclass(frozen=True)
class SftExample:
    """A prompt as the model reads it, and the completion that it is to write."""

    prompt: str
    completion: str


def completion_text(worked: str) -> str:
    """A worked solution as the model is to write it: `Answer: <gold>` for `#### <gold>`, and no calculator's sums."""
    *steps, last = CALCULATOR.sub("", worked).split("\n")
    return "\n".join([*steps, last.replace("####", "Answer:")])


def build_sft_examples(questions: Sequence[Question], epochs: int, wrap: Callable[[str], str]) -> Iterator[SftExample]:
    """`epochs` examples of each question, whose prompt is drawn from (id, epoch) alone.

    wrap  puts a prompt into the model's template

    A question without retellings, as all of GSM8K are, is never asked by the probes that want them.
    """
    arms = {arm.name: arm for arm in build_all_arms()}
    for epoch in range(epochs):
        for question in questions:
            names = [name for name in PROMPT_SHARES if _can_teach(question, name)]
            [name] = Random(f"fine-tuning:{question.id}:{epoch}").choices(names, [PROMPT_SHARES[name] for name in names])
            yield _example(question, arms[name], wrap)


def _can_teach(question: Question, name: ArmName) -> bool:
    if name == PROBE_A_PRIME:
        return question.restated is not None
    if name == PROBE_CF1:
        return question.altered is not None and question.altered_answer is not None
    return True


def _example(question: Question, arm: Arm, wrap: Callable[[str], str]) -> SftExample:
    worked, told = question.answer, None
    if arm.name == PROBE_A_PRIME:
        told = question.restated
    elif arm.name == PROBE_CF1 and question.altered_answer is not None:
        worked, told = question.altered_answer, question.altered
    completion = "\n".join([*([] if told is None else [told]), completion_text(worked)])
    return SftExample(wrap(build_prompt(arm, question.question)), completion)
