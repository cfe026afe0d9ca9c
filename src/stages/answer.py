"""Stage `answer@baseline` and `answer@coherence`: greedy texts for every test question, by the canonical prompt.

Reads   data/test.jsonl, checkpoints/base, and for coherence checkpoints/dpo_coherence_lora
Writes  outputs/<policy>_answers.jsonl   a text a line, questions in file order
Params  profile: answer, engine
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.core.command import command_line
from src.core.params import add_profile_argument, load_profile_section, profile_path
from src.core.records import write_records
from src.core.shapes import PositiveCount
from src.engines.interface import Completion, Request
from src.engines.settings import EngineSettings
from src.models.loading import loading
from src.models.templates import Template, wrap_prompt
from src.regime_w.arms import canonical_prompt
from src.regime_w.questions import Question
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

    max_tokens  of one text at most
    """

    max_tokens: PositiveCount


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


def policy_text(completion: Completion) -> PolicyText:
    """The record of what the policy wrote for one question."""
    return PolicyText(
        id=completion.key,
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

    requests = ask_greedily(questions, engine.template, settings.max_tokens, load_tokenizer(BASE))
    completions = answer_requests(f"answer-{policy}", engine, requests, BASE, ADAPTER_OF[policy])
    records = (policy_text(completions[request.key]) for request in requests)
    write_records(Path(f"outputs/{policy}_answers.jsonl"), PolicyText, records)


if __name__ == "__main__":
    run_stage(main)
