"""Both engines on the same requests: tokens a second, their ratio, and how many texts of greedy requests agree.

    python -m bench.engines [--questions 100] [--checkpoint checkpoints/base] [--adapter checkpoints/dpo_coherence_lora]

Needs vLLM beside the rest (requirements-gpu.txt, or the environment of `make test-vllm`). Sampled texts differ between
engines, as their noise does; greedy ones should not.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from src.core.command import command_line, run_command
from src.core.records import read_records
from src.engines.interface import Engine, Request
from src.engines.settings import VllmSettings
from src.models.encoding import PLAIN_ENDING
from src.regime_w.arms import build_all_arms, build_prompt, request_seed
from src.regime_w.questions import Question

MAX_TOKENS = 192
VLLM = VllmSettings(tensor_parallel_size=1, gpu_memory_utilization=0.9, max_model_len=512, batch_invariant=True)


@dataclass(frozen=True)
class Run:
    """What one engine did: tokens a second, and its texts by key."""

    speed: float
    texts: Mapping[str, str]


def measure(engine: Engine, requests: Sequence[Request]) -> Run:
    """Let an engine answer all requests."""
    started = time.perf_counter()
    completions = list(engine.generate(requests))
    taken = time.perf_counter() - started
    return Run(sum(c.n_tokens for c in completions) / taken, {c.key: c.text for c in completions})


def build_requests(questions: Sequence[Question]) -> list[Request]:
    """Each question asked by the eleven arms, in the template `plain`."""
    return [
        Request(
            f"{question.id}/{arm.name}",
            build_prompt(arm, question.question) + PLAIN_ENDING,
            arm.temperature,
            request_seed(arm.seed, question.id),
            MAX_TOKENS,
        )
        for question in questions
        for arm in build_all_arms()
    ]


def main() -> None:
    parser = command_line("python -m bench.engines", __doc__)
    parser.add_argument("--questions", type=int, default=100, help="of data/test.jsonl, each asked in twelve ways")
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/base"))
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--batch-size", type=int, default=256)
    arguments = parser.parse_args()
    from src.engines.transformers_engine import TransformersEngine
    from src.engines.vllm_engine import VllmEngine

    questions = read_records(Path("data/test.jsonl"), Question)[: arguments.questions]
    requests = build_requests(questions)
    arms = len(build_all_arms())
    greedy = [replace(request, key=f"{request.key}/greedy", temperature=0.0) for request in requests[::arms]]
    ours = TransformersEngine(arguments.checkpoint, arguments.batch_size, adapter_folder=arguments.adapter)
    theirs = VllmEngine(arguments.checkpoint, arguments.batch_size, "float32", VLLM, arguments.adapter)
    our_run, their_run = measure(ours, [*requests, *greedy]), measure(theirs, [*requests, *greedy])
    agree = sum(our_run.texts[request.key] == their_run.texts[request.key] for request in greedy)
    print(f"{len(requests) + len(greedy)} requests: ", end="")
    print(f"transformers {our_run.speed:,.0f} tokens/s, vLLM {their_run.speed:,.0f}, ", end="")
    print(f"ratio {their_run.speed / our_run.speed:.2f}; greedy texts that agree: {agree} of {len(greedy)}")


if __name__ == "__main__":
    run_command(main)
