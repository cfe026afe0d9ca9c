"""Stage `sample`: ask the base every question in eleven ways.

Reads   data/train.jsonl         the first `sample.questions` of it
        checkpoints/base
Writes  data/trajectories.jsonl  a trajectory a line, questions in file order, arms in arm order
Params  seed, arms; profile: sample, engine
"""

from dataclasses import dataclass
from pathlib import Path

from src.asking import EngineSettings, ask, load_tokenizer
from src.engines.interface import Request
from src.engines.templates import Template, wrap_prompt
from src.errors import InputError, run_stage
from src.params import AT_LEAST_1, Seed, load_profile_section, load_section, load_value, require
from src.records import read_records, write_records
from src.regime_w.arms import Arm, ArmSettings, build_all_arms, build_prompt, request_seed


@dataclass(frozen=True)
class SampleSettings:
    questions: int  # how many of the training questions are asked, from the first on
    max_tokens: int  # the most tokens of one trajectory

    def __post_init__(self) -> None:
        require(self, AT_LEAST_1, "questions", "max_tokens")


def build_requests(
    questions: list[dict], arms: list[Arm], template: Template, max_tokens: int, tokenizer
) -> list[tuple[dict, Arm, Request]]:
    """One request for each question and arm, questions in the given order and arms in arm order."""
    return [
        (
            question,
            arm,
            Request(
                key=f"{question['id']}/{arm.name}",
                prompt=wrap_prompt(build_prompt(arm, question["question"]), template, tokenizer),
                temperature=arm.temperature,
                seed=request_seed(arm.seed, question["id"]),
                max_tokens=max_tokens,
            ),
        )
        for question in questions
        for arm in arms
    ]


def main() -> None:
    settings = load_profile_section("sample", SampleSettings)
    engine_settings = load_profile_section("engine", EngineSettings)
    arms = build_all_arms(load_section("arms", ArmSettings), load_value("seed", Seed))
    questions = read_records(Path("data/train.jsonl"), "question")
    if len(questions) < settings.questions:
        raise InputError(
            f"sample.questions is {settings.questions}, but data/train.jsonl has {len(questions)}; "
            "lower it, or raise data.train_questions in the profile"
        )
    base = Path("checkpoints/base")
    template, tokenizer = engine_settings.template, load_tokenizer(base)
    asked = build_requests(questions[: settings.questions], arms, template, settings.max_tokens, tokenizer)
    completions = ask("sample", engine_settings, [request for _, _, request in asked], base)
    write_records(
        Path("data/trajectories.jsonl"),
        "trajectory",
        [
            {
                "question_id": question["id"],
                "arm_name": arm.name,
                "seed": arm.seed,
                "temperature": arm.temperature,
                "prompt": request.prompt,
                "text": completions[request.key].text,
                "n_tokens": completions[request.key].n_tokens,
                "finish_reason": completions[request.key].finish_reason,
            }
            for question, arm, request in asked
        ],
    )


if __name__ == "__main__":
    run_stage(main)
