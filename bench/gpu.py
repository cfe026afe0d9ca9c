"""What a GPU makes of a model of a known shape: one with random weights goes through DPO and sampling.

    python -m bench.gpu [--model abel] [--engine vllm] [--share 1.0]

Prints peak memory, tokens a second and seconds a step under the settings of the model's profile, each beside a floor: the memory
bandwidth and the rate of bfloat16 products, which are measured first. No figure depends on what the weights are, but for the
length of the texts: random weights hardly ever end one, so every text is as long as is asked. `--share` shrinks the model (0.01
for a machine without a GPU: it shows that the script runs).
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from src.core.command import command_line, run_command
from src.core.params import load_section
from src.engines.interface import Request
from src.engines.settings import EngineSettings
from src.models.templates import wrap_prompt
from src.regime_w.arms import build_all_arms, build_prompt, canonical_prompt, request_seed
from src.sources.sandbox.problems import make_split
from src.training.dpo_settings import DpoSettings, TrainingSettings, TrainSettings
from src.training.pairs import TrainingPair

if TYPE_CHECKING:  # seconds to import, and `--help` needs none of it
    from transformers import PreTrainedConfig

SIDE = 8192  # rows and columns of the product that is timed
COPIED = 2**32  # bytes of the tensor that is copied
REPEATS = 20
SPARE = 8  # rows without a token


@dataclass(frozen=True)
class Shape:
    """A model as its config.json has it, and the profile that it stands in for.

    head  numbers of an attention head, the step in which `--share` shrinks the width
    """

    profile: Path
    model_type: str
    head: int
    config: dict[str, Any]

    def build(self, share: float) -> "PreTrainedConfig":
        """The library's configuration; `share` of width and depth, in whole groups of heads that share keys and values."""
        from transformers import AutoConfig

        full = self.config
        group = full["num_attention_heads"] // full["num_key_value_heads"]
        heads = group * max(1, round(full["num_key_value_heads"] * share))
        sizes = {
            "num_attention_heads": heads,
            "num_key_value_heads": heads // group,
            "hidden_size": heads * self.head,
            "intermediate_size": full["intermediate_size"] * heads // full["num_attention_heads"],
            "num_hidden_layers": max(1, round(full["num_hidden_layers"] * share)),
        }
        return AutoConfig.for_model(self.model_type, **(full | sizes))


SHAPES = {
    "abel": Shape(
        Path("profiles/abel.yaml"),
        "mistral",
        128,
        {
            "vocab_size": 32032,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 32768,
            "sliding_window": 4096,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
        },
    ),
    "qwen": Shape(
        Path("profiles/qwen.yaml"),
        "qwen2",
        64,
        {
            "vocab_size": 151936,
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "max_position_embeddings": 32768,
            "rope_theta": 1000000.0,
            "tie_word_embeddings": True,
        },
    ),
}


@dataclass(frozen=True)
class Ceilings:
    """What the device can do at most: bytes a second to and from its memory, operations a second on bfloat16 matrices."""

    bandwidth: float
    rate: float


@dataclass(frozen=True)
class ModelSize:
    """What a pass through the model reads and multiplies.

    body    numbers of the matrices between the embeddings and the output
    output  numbers of the output matrix
    cached  numbers that one token leaves in the cache of keys and values
    """

    body: int
    output: int
    cached: int


# --- the machine ---


def device() -> str:
    """What torch calls the place of the weights."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name() -> str:
    """The GPU, or that there is none."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU"


def finish() -> None:
    """Wait until the device has done all that was asked of it."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def fastest(work: Callable[[], object]) -> float:
    """Seconds of the work, the least of some tries after one that is not counted."""
    taken = []
    for _ in range(REPEATS + 1):
        finish()
        began = time.perf_counter()
        work()
        finish()
        taken.append(time.perf_counter() - began)
    return min(taken[1:])


def measure_ceilings() -> Ceilings:
    """By a copy of a large tensor, whose bytes are read and written, and a product of two square matrices of random numbers."""
    import torch

    on_gpu = torch.cuda.is_available()
    side, size = (SIDE, COPIED) if on_gpu else (SIDE // 16, COPIED // 64)
    source = torch.randint(256, (size,), dtype=torch.uint8, device=device())
    target = torch.empty_like(source)
    bandwidth = 2 * size / fastest(lambda: target.copy_(source))
    left, right = (torch.randn(side, side, dtype=torch.bfloat16, device=device()) for _ in range(2))
    rate = 2 * side**3 / fastest(lambda: left @ right)
    print(f"{device_name()}: memory {bandwidth / 1e9:,.0f} GB/s, bfloat16 products {rate / 1e12:,.3g} TFLOP/s")
    return Ceilings(bandwidth, rate)


def forget_memory() -> None:
    """Give back what is free, and begin to count the peak anew."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak() -> str:
    """The most memory of the GPU in use at once since it was last forgotten."""
    import torch

    return f"{torch.cuda.max_memory_allocated() / 1e9:.2f} GB" if torch.cuda.is_available() else "of no GPU"


# --- the model ---


def make_checkpoint(folder: Path, shape: Shape, share: float) -> ModelSize:
    """Save a model of the shape with random weights, and the sandbox's tokenizer with as many tokens."""
    import torch
    from transformers import AutoModelForCausalLM

    from src.training.examples import solution_text
    from src.training.tokenizer import train_tokenizer

    torch.manual_seed(0)
    tokenizer = train_tokenizer([solution_text(q.answer, False) + q.question for q in make_split("train", 500)], 1024)
    config = shape.build(share)
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    with torch.device(device()):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # A tokenizer has about as many tokens as its model has rows; the library's classes may add some of their own.
    file = folder / "tokenizer.json"
    saved = json.loads(file.read_text())
    saved["model"]["vocab"] |= {f"<unused {number}>": number for number in range(len(tokenizer), config.vocab_size - SPARE)}
    file.write_text(json.dumps(saved))
    print(f"model: {sum(weight.numel() for weight in model.parameters()):,} parameters")
    body = sum(weight.numel() for name, weight in model.named_parameters() if "proj" in name and weight.dim() == 2)
    cached = 2 * config.num_hidden_layers * config.num_key_value_heads * shape.head
    return ModelSize(body, model.get_output_embeddings().weight.numel(), cached)


# --- DPO ---


def train(base: Path, settings: TrainingSettings, size: ModelSize, ceilings: Ceilings, steps: int) -> None:
    """Pairs as long as train.max_length allows, so that the peak is the worst that a run can meet."""
    from bench.trainers import dpo_load
    from src.training.dpo import build_trainer

    filler = " 1" * settings.train.max_length
    batch = settings.dpo.global_batch_size
    pairs = [
        TrainingPair(prompt=canonical_prompt(q.question) + "\n\n", chosen=q.answer + filler, rejected=filler)
        for q in make_split("train", batch * (steps + 1))
    ]
    forget_memory()
    with TemporaryDirectory() as work:
        os.environ["DVC_ROOT"] = work  # where the reference is kept
        began = time.perf_counter()
        trainer = build_trainer(pairs, settings, base, Path(work))
        finish()
        print(
            f"train: {time.perf_counter() - began:.0f} s to load and for the reference of {2 * len(pairs)} texts, peak {peak()}"
        )
        forget_memory()
        passes = len(trainer.get_train_dataloader())
        load = dpo_load(trainer, passes)  # means of one pass
        seconds = seconds_of_steps(trainer)
        memory = peak()
    tokens, learned = (count * passes / (steps + 1) for count in (load.tokens, load.learned))
    # Frozen matrices have no gradient of their own: a token is multiplied forward, and its gradient backward.
    operations = 4 * (size.body * tokens + size.output * learned)
    floor = operations / ceilings.rate
    again = f" ({1.5 * floor / min(seconds):.0%} with what is computed again)" if settings.train.gradient_checkpointing else ""
    print(
        f"train: a step of {batch} pairs, {tokens:,.0f} tokens once each: {min(seconds):.2f} to {max(seconds):.2f} s"
        f" in {len(seconds)} steps after the first; floor {floor:.2f} s,"
        f" so {floor / min(seconds):.0%} of the products' rate{again}, peak {memory}"
    )


def seconds_of_steps(trainer: Any) -> list[float]:
    """How long each step of the run takes but the first, in which kernels are chosen."""
    from transformers import TrainerCallback

    class Stamps(TrainerCallback):
        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_step_end(self, *_: object, **__: object) -> None:
            finish()
            self.ends.append(time.perf_counter())

    stamps = Stamps()
    trainer.add_callback(stamps)
    trainer.train()
    return [after - before for before, after in zip(stamps.ends, stamps.ends[1:], strict=False)]


# --- sampling ---


def sample(base: Path, settings: EngineSettings, size: ModelSize, ceilings: Ceilings, questions: int, max_tokens: int) -> None:
    """Ask so many questions in eleven ways, and print how fast that was."""
    from src.engines.runner import load_tokenizer, start_engine

    tokenizer = load_tokenizer(base)
    requests = [
        Request(
            f"{question.id}/{arm.name}",
            wrap_prompt(build_prompt(arm, question.question), settings.template, tokenizer),
            arm.temperature,
            request_seed(arm.seed, question.id),
            max_tokens,
        )
        for question in make_split("train", questions)
        for arm in build_all_arms()
    ]
    forget_memory()
    engine = start_engine(settings, base)
    began = time.perf_counter()
    tokens = sum(completion.n_tokens for completion in engine.generate(requests))
    taken = time.perf_counter() - began
    # Each pass reads every weight once, and what is kept of each row so far: half a text and its prompt of a hundred tokens.
    rows = min(settings.batch_size, len(requests))
    width = 2 if settings.dtype == "bfloat16" else 4
    read = width * (size.body + size.output + rows * size.cached * (max_tokens / 2 + 100))
    floor = tokens / rows * read / ceilings.bandwidth
    print(
        f"sample, {settings.name}, {settings.dtype}: {len(requests)} texts in batches of {rows}, {tokens / taken:,.0f} tokens/s;"
        f" floor {tokens / floor:,.0f} tokens/s by the bytes that are read,"
        f" so {floor / taken:.0%} of the bandwidth, peak {peak()}",
        flush=True,
    )


def main() -> None:
    parser = command_line("python -m bench.gpu", __doc__)
    parser.add_argument("--model", choices=list(SHAPES), default="abel", help="whose shape and profile")
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument("--share", type=float, default=1.0, help="of the model's width and depth")
    parser.add_argument("--questions", type=int, default=24, help="asked in eleven ways")
    parser.add_argument("--max-tokens", type=int, default=256, help="of one text")
    parser.add_argument("--steps", type=int, default=3, help="of DPO that are timed, after one that is not")
    parser.add_argument("--pairs", type=int, help="in one pass; those of the profile if not given")
    parser.add_argument("--keep-activations", action="store_true", help="compute nothing again, whatever the profile says")
    arguments = parser.parse_args()
    shape = SHAPES[arguments.model]
    # The made tokenizer has no chat template, and its texts are no answers.
    engine = replace(load_section("engine", EngineSettings, shape.profile), name=arguments.engine, workers=1, template="plain")
    train_settings = replace(load_section("train", TrainSettings, shape.profile), max_truncated_share=1.0)
    if arguments.pairs:
        train_settings = replace(train_settings, per_device_train_batch_size=arguments.pairs)
    if arguments.keep_activations:
        train_settings = replace(train_settings, gradient_checkpointing=False)
    training = TrainingSettings(dpo=replace(load_section("dpo", DpoSettings), num_train_epochs=1), train=train_settings, seed=0)
    ceilings = measure_ceilings()
    with TemporaryDirectory() as folder:
        size = make_checkpoint(Path(folder), shape, arguments.share)
        train(Path(folder), training, size, ceilings, arguments.steps)
        sample(Path(folder), engine, size, ceilings, arguments.questions, arguments.max_tokens)


if __name__ == "__main__":
    run_command(main)
