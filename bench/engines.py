"""Both engines on the same requests: tokens a second, their ratio, and how many texts of greedy requests agree.

    python -m bench.engines [--questions 100] [--checkpoint checkpoints/base] [--adapter checkpoints/dpo_coherence_lora]

Needs vLLM beside the rest (requirements-gpu.txt, or the environment of `make test-vllm`). Sampled texts differ between
engines, as their noise does; greedy ones should not.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from src.engines.interface import Engine, Request
from src.engines.templates import wrap_prompt
from src.engines.transformers_engine import TransformersEngine
from src.engines.vllm_engine import VllmEngine, VllmSettings
from src.records import read_records
from src.regime_w.arms import build_all_arms, build_prompt, request_seed

MAX_TOKENS = 192


def speed(engine: Engine, requests: list[Request]) -> tuple[float, dict[str, str]]:
    """Tokens a second, and the texts by key."""
    started = time.perf_counter()
    completions = list(engine.generate(requests))
    taken = time.perf_counter() - started
    return sum(c.n_tokens for c in completions) / taken, {c.key: c.text for c in completions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=100, help="of data/test.jsonl, each asked in twelve ways")
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/base"))
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--batch-size", type=int, default=256)
    arguments = parser.parse_args()
    questions = read_records(Path("data/test.jsonl"), "question")[: arguments.questions]
    ours = TransformersEngine(arguments.checkpoint, arguments.batch_size, adapter_folder=arguments.adapter)
    settings = VllmSettings(tensor_parallel=1, memory_share=0.9, max_length=512, batch_invariant=True)
    theirs = VllmEngine(arguments.checkpoint, arguments.batch_size, "float32", settings, arguments.adapter)
    arms = build_all_arms()
    requests = [
        Request(
            f"{q['id']}/{arm.name}",
            wrap_prompt(build_prompt(arm, q["question"]), "plain", ours.tokenizer),
            arm.temperature,
            request_seed(arm.seed, q["id"]),
            MAX_TOKENS,
        )
        for q in questions
        for arm in arms
    ]
    greedy = [replace(request, key=f"{request.key}/greedy", temperature=0.0) for request in requests[:: len(arms)]]
    requests += greedy
    (our_speed, our_texts), (their_speed, their_texts) = speed(ours, requests), speed(theirs, requests)
    agree = sum(our_texts[request.key] == their_texts[request.key] for request in greedy)
    print(f"{len(requests)} requests: transformers {our_speed:,.0f} tokens/s, vLLM {their_speed:,.0f}, ", end="")
    print(f"ratio {their_speed / our_speed:.2f}; greedy texts that agree: {agree} of {len(greedy)}")


if __name__ == "__main__":
    main()
