"""Stage `sample`: ask the base every question in eleven ways.

Reads   data/train.jsonl         `sample.questions` of it, from `sample.first_question` on
        checkpoints/base
Writes  data/trajectories.jsonl  a trajectory a line, questions in file order, arms in arm order
Params  seed, arms; profile: sample, engine
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.core.command import command_line
from src.core.errors import InputError
from src.core.params import add_profile_argument, load_profile_section, load_section, load_value, profile_path
from src.core.records import read_records, write_records
from src.core.shapes import Count, PositiveCount, Seed
from src.engines.interface import Completion, Request
from src.engines.settings import EngineSettings
from src.models.loading import loading
from src.models.templates import Template, wrap_prompt
from src.regime_w.arms import Arm, ArmSettings, build_all_arms, build_prompt, request_seed
from src.regime_w.questions import Question, between, end_of
from src.regime_w.texts import Trajectory
from src.stages import run_stage

if TYPE_CHECKING:  # seconds to import, and `--help` needs none of it
    from transformers import PreTrainedTokenizerBase

TRAIN_SET = Path("data/train.jsonl")
BASE = Path("checkpoints/base")
TRAJECTORIES = Path("data/trajectories.jsonl")


@dataclass(frozen=True)
class SampleSettings:
    """The section `sample` of a profile.

    first_question  index among the training questions of the source; those that are held out count
    questions       how many are asked, from that one on
    max_tokens      of one trajectory at most
    """

    first_question: Count
    questions: PositiveCount
    max_tokens: PositiveCount


@dataclass(frozen=True)
class AskedArm:
    """One question as one arm asks it."""

    question: Question
    arm: Arm
    request: Request


def check_count(settings: SampleSettings, there: int, place: str) -> None:
    """InputError if more questions are to be asked than there are; `place` is for the message: "data/train.jsonl has"."""
    first, count = settings.first_question, settings.questions
    if there >= first + count:
        return
    if not first:
        raise InputError(
            f"sample.questions is {count}, but {place} {there}; lower it, or raise data.train_questions in the profile"
        )
    raise InputError(
        f"sample.first_question is {first} and sample.questions is {count}, which ask for {first + count} questions, but {place} "
        f"{there}; lower one of them, or raise data.train_questions in the profile"
    )


def asked_questions(questions: Sequence[Question], settings: SampleSettings) -> list[Question]:
    """Those of data/train.jsonl that are to be asked, in file order; InputError if not all of them are there."""
    check_count(settings, end_of(questions), f"{TRAIN_SET} has")
    end = settings.first_question + settings.questions
    asked = between(questions, settings.first_question, end)
    if len(asked) < settings.questions:
        raise InputError(
            f"sample asks questions {settings.first_question} to {end - 1}, but {settings.questions - len(asked)} of them are "
            f"held out and not in {TRAIN_SET}; change sample.first_question, sample.questions or data.held_out in the profile"
        )
    return asked


def ask_by_all_arms(
    questions: Sequence[Question],
    arms: Sequence[Arm],
    template: Template,
    max_tokens: int,
    tokenizer: "PreTrainedTokenizerBase",
) -> list[AskedArm]:
    """One request for each question and arm, questions in the given order and arms in arm order."""
    return [
        AskedArm(
            question,
            arm,
            Request(
                key=f"{question.id}/{arm.name}",
                prompt=wrap_prompt(build_prompt(arm, question.question), template, tokenizer),
                temperature=arm.temperature,
                seed=request_seed(arm.seed, question.id),
                max_tokens=max_tokens,
            ),
        )
        for question in questions
        for arm in arms
    ]


def trajectory(asked: AskedArm, completion: Completion) -> Trajectory:
    """The record of what one arm wrote for one question."""
    return Trajectory(
        question_id=asked.question.id,
        arm_name=asked.arm.name,
        seed=asked.arm.seed,
        temperature=asked.arm.temperature,
        prompt=asked.request.prompt,
        text=completion.text,
        n_tokens=completion.n_tokens,
        finish_reason=completion.finish_reason,
    )


def main() -> None:
    parser = command_line("python -m src.stages.sample", __doc__)
    add_profile_argument(parser)
    profile = profile_path(parser.parse_args().profile)
    settings = load_profile_section("sample", SampleSettings, profile)
    engine = load_profile_section("engine", EngineSettings, profile)
    arms = build_all_arms(load_section("arms", ArmSettings), load_value("seed", Seed))
    questions = asked_questions(read_records(TRAIN_SET, Question), settings)
    with loading():
        from src.engines.runner import answer_requests, load_tokenizer

    tokenizer = load_tokenizer(BASE)
    every = ask_by_all_arms(questions, arms, engine.template, settings.max_tokens, tokenizer)
    completions = answer_requests("sample", engine, [asked.request for asked in every], BASE)
    write_records(TRAJECTORIES, Trajectory, (trajectory(asked, completions[asked.request.key]) for asked in every))


if __name__ == "__main__":
    run_stage(main)
