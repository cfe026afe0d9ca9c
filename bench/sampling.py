"""Tokens a second of engine `transformers` beside other ways to have the same requests answered on the same machine.

    python -m bench.sampling [--questions 256] [--checkpoint checkpoints/base]

The requests are those of stage `sample`. The others are `model.generate`, 256 rows at a time, once arm by arm and once sorted by
length; transformers' continuous batching; the products of our own passes with nothing around them; and vLLM's build for CPUs,
where `make test-vllm` has made its environment. Last, how many greedy texts vLLM writes as we do: sampled ones differ between
engines, as their noise does.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.comparison import Comparison, table
from src.core.command import command_line, run_command
from src.core.records import read_records
from src.engines.interface import Engine, Request
from src.engines.settings import VllmSettings
from src.models.encoding import PLAIN_ENDING, encode_prompt
from src.regime_w.arms import build_all_arms, build_prompt, request_seed
from src.regime_w.questions import Question

if TYPE_CHECKING:  # seconds to import, and `--help` needs none of it
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

ROOT = Path(__file__).parents[1]
BASE, TRAIN_SET = Path("checkpoints/base"), Path("data/train.jsonl")
QUESTIONS = 256  # the least that fills a batch of one arm
BATCH_SIZE, MAX_TOKENS = 256, 192  # of profile sandbox
ROUNDS = 2  # of each way that has a goal, in turn
VLLM_PYTHON = ROOT / ".venv-vllm/bin/python"
VLLM = VllmSettings(tensor_parallel_size=1, gpu_memory_utilization=0.9, max_model_len=512, batch_invariant=True)
# What continuous batching finds out by itself suits GPUs: on a CPU it runs sixteen times slower than so.
CONTINUOUS = {"max_requests_per_batch": BATCH_SIZE, "max_batch_tokens": 1024, "page_size": 64, "num_blocks": 4 * BATCH_SIZE}


@dataclass(frozen=True)
class Run:
    """What was written: tokens, the end tokens included, and texts by key where they are compared."""

    tokens: int
    seconds: float
    texts: Mapping[str, str]

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


def ask(questions: int) -> list[Request]:
    """The first training questions by eleven arms each, in the template `plain`."""
    arms = build_all_arms()
    return [
        Request(
            f"{question.id}/{arm.name}",
            build_prompt(arm, question.question) + PLAIN_ENDING,
            arm.temperature,
            request_seed(arm.seed, question.id),
            MAX_TOKENS,
        )
        for question in read_records(TRAIN_SET, Question)[:questions]
        for arm in arms
    ]


def measure_engine(engine: Engine, requests: Sequence[Request]) -> Run:
    """One of our engines."""
    began = time.perf_counter()
    completions = list(engine.generate(requests))
    taken = time.perf_counter() - began
    return Run(sum(one.n_tokens for one in completions), taken, {one.key: one.text for one in completions})


# --- other ways ---


def arm_after_arm(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    """Batches as they come: all questions by the first arm, then by the next."""
    for arm in build_all_arms():
        asked = [request for request in requests if request.key.endswith(f"/{arm.name}")]
        yield from (asked[start : start + BATCH_SIZE] for start in range(0, len(asked), BATCH_SIZE))


def sorted_by_length(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    """Batches of prompts of like length; `generate` takes one temperature a call."""
    for temperature in sorted({request.temperature for request in requests}):
        asked = sorted((request for request in requests if request.temperature == temperature), key=lambda one: len(one.prompt))
        yield from (asked[start : start + BATCH_SIZE] for start in range(0, len(asked), BATCH_SIZE))


def sampling_config(model: "PreTrainedModel", temperature: float) -> "GenerationConfig":
    """Draws from all of the vocabulary, as ours do."""
    from transformers import GenerationConfig

    known = model.generation_config
    ends = {"eos_token_id": known.eos_token_id, "pad_token_id": known.pad_token_id}
    return GenerationConfig(do_sample=True, temperature=temperature, top_k=0, max_new_tokens=MAX_TOKENS, **ends)


def measure_generate(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", batches: Iterator[Sequence[Request]]) -> Run:
    """`model.generate` over batches of one temperature each, padded on the left."""
    import torch

    tokens, began = 0, time.perf_counter()
    for batch in batches:
        prompts = tokenizer([request.prompt for request in batch], padding=True, padding_side="left", return_tensors="pt")
        with torch.inference_mode():
            rows = model.generate(**prompts, generation_config=sampling_config(model, batch[0].temperature))
        written = rows[:, prompts["input_ids"].shape[1] :]
        tokenizer.batch_decode(written, skip_special_tokens=True)
        ended = (written == tokenizer.eos_token_id).int()
        tokens += int((ended.cumsum(dim=1) - ended == 0).sum())  # up to the first end token
    return Run(tokens, time.perf_counter() - began, {})


def measure_continuous(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", requests: Sequence[Request]) -> Run:
    """transformers' own continuous batching, a call for each temperature."""
    from transformers import ContinuousBatchingConfig

    tokens, began = 0, time.perf_counter()
    for temperature in sorted({request.temperature for request in requests}):
        prompts = [encode_prompt(tokenizer, request.prompt) for request in requests if request.temperature == temperature]
        config = ContinuousBatchingConfig(**CONTINUOUS)
        answers = model.generate_batch(prompts, sampling_config(model, temperature), config)
        tokens += sum(len(answer.generated_tokens) for answer in answers.values())
        tokenizer.batch_decode([answer.generated_tokens for answer in answers.values()], skip_special_tokens=True)
    return Run(tokens, time.perf_counter() - began, {})


def measure_products(model: "PreTrainedModel", write: Callable[[], Run]) -> Run:
    """The tokens of `write` in the time of its products with weights alone, each as large as it was there."""
    import torch

    asked: list[tuple[torch.nn.Module, torch.Size]] = []
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    hooks = [layer.register_forward_pre_hook(lambda module, given: asked.append((module, given[0].shape))) for layer in layers]
    run = write()
    for hook in hooks:
        hook.remove()
    inputs = {shape: torch.randn(shape) for _, shape in asked}
    with torch.inference_mode():
        began = time.perf_counter()
        for module, shape in asked:
            module(inputs[shape])
        return Run(run.tokens, time.perf_counter() - began, {})


def measure_vllm(checkpoint: Path, questions: int) -> tuple[Run, Run] | None:
    """Sampled and greedy texts of vLLM, in a process of its environment; None, with a line that says so, where there is none."""
    if not VLLM_PYTHON.exists():
        print(f"vLLM is left out: {VLLM_PYTHON} is missing (`make test-vllm` makes it)", flush=True)
        return None
    command = [VLLM_PYTHON, "-m", "bench.sampling", "--only-vllm", "--questions", str(questions), "--checkpoint", checkpoint]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    if done.returncode != 0:
        raise RuntimeError(f"vLLM ended with status {done.returncode}:\n{done.stderr}")
    sampled, greedy = json.loads(done.stdout.splitlines()[-1])
    return Run(**sampled), Run(**greedy)


def run_vllm(checkpoint: Path, questions: int) -> None:
    """Print both runs of vLLM, as JSON in the last line."""
    from src.engines.vllm_engine import VllmEngine

    requests = ask(questions)
    engine = VllmEngine(checkpoint, BATCH_SIZE, "float32", VLLM)
    measure_engine(engine, requests[:64])
    print(json.dumps([asdict(measure_engine(engine, each)) for each in (requests, greedily(requests))]))


def greedily(requests: Sequence[Request]) -> list[Request]:
    """Each question once, by the first arm's prompt and without noise."""
    return [replace(request, temperature=0.0) for request in requests[:: len(build_all_arms())]]


# --- the table ---


def compare(questions: int = QUESTIONS, checkpoint: Path = BASE) -> Sequence[Comparison]:
    """Ours beside all others; both ways of `generate` in turn with ours, the rest once."""
    import torch
    from transformers import AutoModelForCausalLM

    from src.engines.transformers_engine import TransformersEngine

    requests = ask(questions)
    engine = TransformersEngine(checkpoint, BATCH_SIZE)
    tokenizer = engine.tokenizer

    def load() -> "PreTrainedModel":
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
        return model

    model = load()
    measure_engine(engine, requests[:64])
    measure_generate(model, tokenizer, iter([requests[:1]]))
    ours, by_arm, by_length = [], [], []
    for _ in range(ROUNDS):
        ours.append(measure_engine(engine, requests))
        by_arm.append(measure_generate(model, tokenizer, arm_after_arm(requests)))
        ours.append(measure_engine(engine, requests))
        by_length.append(measure_generate(model, tokenizer, sorted_by_length(requests)))
    continuous = measure_continuous(load(), tokenizer, requests)
    products = measure_products(engine.model, lambda: measure_engine(engine, requests))
    what, mine = f"sampling, {questions} × {len(build_all_arms())} requests", overall(ours)
    found = [
        Comparison(what, "tokens/s", mine, "`model.generate`, arm by arm", overall(by_arm), at_least=3.0),
        Comparison(what, "tokens/s", mine, "`model.generate`, sorted by length", overall(by_length), at_least=2.5),
        Comparison(what, "tokens/s", mine, "`model.generate_batch` (continuous batching)", continuous.speed),
        Comparison(what, "tokens/s", mine, "the products of our passes alone", products.speed),
    ]
    theirs = measure_vllm(checkpoint, questions)
    if theirs is not None:
        sampled, greedy = theirs
        found.append(Comparison(what, "tokens/s", mine, "vLLM's build for CPUs", sampled.speed))
        texts = measure_engine(engine, greedily(requests)).texts
        agree = sum(texts[key] == text for key, text in greedy.texts.items())
        found.append(Comparison("greedy texts that agree", "texts", agree, "vLLM's build for CPUs", len(greedy.texts)))
    return found


def overall(runs: Sequence[Run]) -> float:
    """Tokens a second of several runs together."""
    return sum(run.tokens for run in runs) / sum(run.seconds for run in runs)


def main() -> None:
    parser = command_line("python -m bench.sampling", __doc__)
    parser.add_argument("--questions", type=int, default=QUESTIONS, help=f"of {TRAIN_SET}, each asked in eleven ways")
    parser.add_argument("--checkpoint", type=Path, default=BASE)
    parser.add_argument("--only-vllm", action="store_true", help="in vLLM's environment: its figures alone, as JSON")
    arguments = parser.parse_args()
    if arguments.only_vllm:
        run_vllm(arguments.checkpoint, arguments.questions)
    else:
        print(table(compare(arguments.questions, arguments.checkpoint)))


if __name__ == "__main__":
    run_command(main)
