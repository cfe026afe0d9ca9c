"""Stage `answer@baseline` and `answer@coherence`: texts for every test question, by the canonical prompt.

Reads   data/test.jsonl, checkpoints/base, and for coherence checkpoints/dpo_coherence_lora
Writes  outputs/<policy>_answers.jsonl   the greedy text of each question, a line each, questions in file order
        outputs/<policy>_samples.jsonl   `answer.samples` sampled texts of each, likewise; empty for 0
Params  profile: answer, engine
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from src.core.command import command_line
from src.core.errors import InputError
from src.core.params import add_profile_argument, load_profile_section, profile_path
from src.core.records import write_records
from src.core.shapes import NonNegative, PositiveCount
from src.engines.interface import Completion, Request
from src.engines.settings import EngineSettings
from src.models.loading import loading
from src.models.templates import Template, wrap_prompt
from src.regime_w.arms import canonical_prompt
from src.regime_w.questions import Question
from src.regime_w.sampled_texts import SampledText, sample_seed
from src.regime_w.texts import PolicyText
from src.sources.test_set import read_test_set
from src.stages import run_stage

if TYPE_CHECKING:  # seconds to import, and `--help` needs none of it
    from transformers import PreTrainedTokenizerBase

BASE = Path("checkpoints/base")
ADAPTER_OF = {"baseline": None, "coherence": Path("checkpoints/dpo_coherence_lora")}


@dataclass(frozen=True)
class AnswerSettings:
    """The section `answer` of a profile.

    max_tokens   of one text at most
    samples      sampled texts of each question, beside the greedy one; 0 for none
    temperature  of the sampled texts
    """

    max_tokens: PositiveCount
    samples: Annotated[int, Field(ge=0, le=100)]
    temperature: NonNegative

    def __post_init__(self) -> None:
        if self.samples and not self.temperature:
            raise InputError(
                f"answer.samples is {self.samples}, but answer.temperature is 0, at which a question's samples are all one text: "
                "raise answer.temperature, or give 0 for answer.samples"
            )


@dataclass(frozen=True)
class AskedSample:
    """One of the sampled texts of a question as it is asked for."""

    question: Question
    sample: int
    request: Request


def ask_greedily(
    questions: Sequence[Question], template: Template, max_tokens: int, tokenizer: "PreTrainedTokenizerBase"
) -> list[Request]:
    """One request for each question, in the given order."""
    return [
        Request(
            key=question.id,
            prompt=wrap_prompt(canonical_prompt(question.question), template, tokenizer),
            temperature=0.0,
            seed=0,  # greedy: nothing is sampled
            max_tokens=max_tokens,
        )
        for question in questions
    ]


def ask_samples(
    questions: Sequence[Question], template: Template, settings: AnswerSettings, tokenizer: "PreTrainedTokenizerBase"
) -> list[AskedSample]:
    """The requests of each question's samples, in the given order and by their numbers."""
    return [
        AskedSample(
            question,
            sample,
            Request(
                key=f"{question.id}/sample {sample}",
                prompt=wrap_prompt(canonical_prompt(question.question), template, tokenizer),
                temperature=settings.temperature,
                seed=sample_seed(question.id, sample),
                max_tokens=settings.max_tokens,
            ),
        )
        for question in questions
        for sample in range(settings.samples)
    ]


def policy_text(completion: Completion) -> PolicyText:
    """The record of what the policy wrote for one question."""
    return PolicyText(
        id=completion.key,
        text=completion.text,
        n_tokens=completion.n_tokens,
        finish_reason=completion.finish_reason,
    )


def sampled_text(asked: AskedSample, completion: Completion) -> SampledText:
    """The record of one of the sampled texts."""
    return SampledText(
        id=asked.question.id,
        sample=asked.sample,
        temperature=asked.request.temperature,
        text=completion.text,
        n_tokens=completion.n_tokens,
        finish_reason=completion.finish_reason,
    )


def main() -> None:
    parser = command_line("python -m src.stages.answer", __doc__)
    parser.add_argument("policy", choices=sorted(ADAPTER_OF))
    add_profile_argument(parser)
    arguments = parser.parse_args()
    policy, profile = arguments.policy, profile_path(arguments.profile)
    settings = load_profile_section("answer", AnswerSettings, profile)
    engine = load_profile_section("engine", EngineSettings, profile)
    questions = read_test_set()
    with loading():
        from src.engines.runner import answer_requests, load_tokenizer

    tokenizer = load_tokenizer(BASE)
    greedy = ask_greedily(questions, engine.template, settings.max_tokens, tokenizer)
    sampled = ask_samples(questions, engine.template, settings, tokenizer)
    completions = answer_requests(
        f"answer-{policy}", engine, greedy, BASE, ADAPTER_OF[policy], afterwards=[asked.request for asked in sampled]
    )
    write_records(
        Path(f"outputs/{policy}_answers.jsonl"), PolicyText, (policy_text(completions[request.key]) for request in greedy)
    )
    samples = (sampled_text(asked, completions[asked.request.key]) for asked in sampled)
    write_records(Path(f"outputs/{policy}_samples.jsonl"), SampledText, samples)


if __name__ == "__main__":
    run_stage(main)
