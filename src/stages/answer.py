"""Stage `answer@baseline` and `answer@coherence`: texts for every test question, by the canonical prompt.

Reads   data/test.jsonl, checkpoints/base, and for coherence checkpoints/dpo_coherence_lora
Writes  outputs/<policy>_answers.jsonl   the greedy text of each question and its `answer.samples` sampled ones, a line a
                                         question, in file order
Params  profile: answer, engine
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
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
from src.regime_w.sample_seed import sample_seed
from src.regime_w.texts import PolicyText, SampledText
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


def ask_samples(greedy: Request, settings: AnswerSettings) -> list[Request]:
    """The requests of a question's samples by their numbers, in the words of its greedy one, whose key is its id."""
    return [
        replace(
            greedy,
            key=f"{greedy.key}/sample {sample}",
            temperature=settings.temperature,
            seed=sample_seed(greedy.key, sample),
        )
        for sample in range(settings.samples)
    ]


def policy_text(greedy: Request, samples: Sequence[Request], completions: Mapping[str, Completion]) -> PolicyText:
    """The record of what the policy wrote for one question."""
    written = completions[greedy.key]
    return PolicyText(
        id=greedy.key,
        text=written.text,
        n_tokens=written.n_tokens,
        finish_reason=written.finish_reason,
        sampled=tuple(sampled_text(number, asked.temperature, completions[asked.key]) for number, asked in enumerate(samples))
        or None,
    )


def sampled_text(sample: int, temperature: float, completion: Completion) -> SampledText:
    """What is kept of one of the sampled texts."""
    return SampledText(
        sample=sample,
        temperature=temperature,
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
    sampled = [ask_samples(request, settings) for request in greedy]
    completions = answer_requests(
        f"answer-{policy}", engine, greedy, BASE, ADAPTER_OF[policy], afterwards=list(chain.from_iterable(sampled))
    )
    texts = (policy_text(request, samples, completions) for request, samples in zip(greedy, sampled, strict=True))
    write_records(Path(f"outputs/{policy}_answers.jsonl"), PolicyText, texts)


if __name__ == "__main__":
    run_stage(main)
