"""What the sandbox's model learns from: prompts of the method with solutions of uneven style.

Most short problems have the bare answer for their solution, all others every step, and no prompt says which it is to be.
A model taught so knows how to write the steps but does not always choose to, which is what preference training can change.
Taught by clean solutions alone its errors are slips of arithmetic, and no preference between its own texts repairs those.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Self

from src.models.encoding import PLAIN_ENDING
from src.regime_w.arms import PROBE_A_PRIME, PROBE_CF1, Arm, ArmName, Persona, build_all_arms, build_prompt
from src.regime_w.questions import Question
from src.sources.sandbox.kinds import MAX_VALUE, MIN_VALUE
from src.training.sandbox_settings import SandboxModelSettings, WrongOperations

SHORT_PROBLEM_STEPS = 2
# A last step as src/sources/sandbox/problems.py writes it.
LAST_STEP = re.compile(r"(.*): (\d+) ([-+*/]) (\d+) = \d+")
WRONG_SIGNS = {"+": "-", "-": "+", "*": "+", "/": "-"}
# The share of examples that are asked as each of these arms, which have the four prompts of the eleven.
PROMPT_SHARES: dict[ArmName, float] = {"wolfram_0": 0.36, "maudlin_0": 0.24, PROBE_A_PRIME: 0.2, PROBE_CF1: 0.2}


@dataclass(frozen=True)
class Example:
    """A prompt and the completion that it teaches.

    with_steps   the completion with every step written, whichever style this example has
    """

    prompt: str
    completion: str
    with_steps: str


@dataclass(frozen=True)
class Retellings:
    """What an example may need of a question beside its text and its solution; fields as those of Question."""

    restated: str
    altered: str
    altered_answer: str

    @classmethod
    def of(cls, question: Question) -> Self:
        """ValueError if the question lacks one."""
        if question.restated is None or question.altered is None or question.altered_answer is None:
            raise ValueError(f"question {question.id!r} lacks a retelling, and an example may be made of it")
        return cls(question.restated, question.altered, question.altered_answer)


def solution_text(worked: str, answer_only: bool) -> str:
    """A worked solution as the model is to write it: all steps or none, and `Answer: <gold>` for `#### <gold>`."""
    *steps, last = worked.split("\n")
    return "\n".join([*([] if answer_only else steps), last.replace("####", "Answer:")])


def answer_only_share(worked: str, persona: Persona, settings: SandboxModelSettings) -> float:
    """The share of solutions of such a problem that are the bare answer: only short problems tempt to skip the work."""
    if worked.count("\n") > SHORT_PROBLEM_STEPS:
        return 0.0
    return {"wolfram": settings.answer_only_wolfram, "maudlin": settings.answer_only_maudlin}[persona]


def tempts_to_wrong_operation(kind: str | None, worked: str, settings: WrongOperations) -> bool:
    """Whether the problems of a kind are at times taught with a wrong operation; a problem without a kind never is."""
    if kind is None or worked.count("\n") < settings.min_steps:
        return False
    digest = hashlib.sha256(f"wrong operation:{kind}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < settings.kinds_share * 2**64


def with_wrong_operation(worked: str) -> str:
    """The worked solution with another operation in its last step; as it is, where the value would leave the problems' range.

    ValueError for a last step that is none of the embedded problems'.
    """
    *steps, last, _ = worked.split("\n")
    step = LAST_STEP.fullmatch(last)
    if step is None:
        raise ValueError(f"the last step {last!r} is not of the form `label: left sign right = value`")
    label, left, sign, right = step.groups()
    wrong = WRONG_SIGNS[sign]
    value = int(left) + int(right) if wrong == "+" else int(left) - int(right)
    if not MIN_VALUE <= value <= MAX_VALUE:
        return worked
    return "\n".join([*steps, f"{label}: {left} {wrong} {right} = {value}", f"#### {value}"])


def build_examples(questions: Sequence[Question], settings: SandboxModelSettings) -> Iterator[Example]:
    """`settings.epochs` examples of each question; its prompt and its style are drawn from (id, epoch) alone.

    ValueError for a question without retellings.
    """
    arms = {arm.name: arm for arm in build_all_arms()}
    prompting_arms = [arms[name] for name in PROMPT_SHARES]
    for epoch in range(settings.epochs):
        for question in questions:
            # Another text of this seed would give other examples, and another model.
            draw = Random(f"lesson:{question.id}:{epoch}")
            [arm] = draw.choices(prompting_arms, list(PROMPT_SHARES.values()))
            answer_only = draw.random() < answer_only_share(question.answer, arm.persona, settings)
            wrong_operations = settings.wrong_operations
            wrong = (
                wrong_operations is not None
                and tempts_to_wrong_operation(question.kind, question.answer, wrong_operations)
                and draw.random() < wrong_operations.lessons_share
            )
            yield _example(question, arm, answer_only, wrong)


def _example(question: Question, arm: Arm, answer_only: bool, wrong: bool) -> Example:
    retellings = Retellings.of(question)
    worked = retellings.altered_answer if arm.name == PROBE_CF1 else question.answer
    if wrong:
        worked = with_wrong_operation(worked)
    first_lines = {PROBE_A_PRIME: [retellings.restated], PROBE_CF1: [retellings.altered]}.get(arm.name, [])
    with_steps, written = ("\n".join([*first_lines, solution_text(worked, style)]) for style in (False, answer_only))
    return Example(build_prompt(arm, question.question) + PLAIN_ENDING, written, with_steps)
