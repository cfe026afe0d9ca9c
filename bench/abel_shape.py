"""What a GPU makes of Abel-7B-002: a model of its exact shape with random weights goes through sampling and DPO.

    python -m bench.abel_shape [--engine vllm] [--share 1.0]

Prints peak memory, tokens a second and seconds a step, under the settings of profiles/abel.yaml. No figure depends on
what the weights are, but for the length of the texts: random weights hardly ever end one, so every text is as long as
the profile allows. `--share` shrinks the model (0.01 for a machine without a GPU: it shows that the script runs).
"""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

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
    from transformers import MistralConfig

PROFILE = Path("profiles/abel.yaml")


def abel_config(share: float) -> "MistralConfig":
    """Abel-7B-002's config.json; `share` of its width and depth, in whole heads of 128."""
    from transformers import MistralConfig

    heads = max(4, 4 * round(8 * share))
    return MistralConfig(
        vocab_size=32032,
        hidden_size=128 * heads,
        intermediate_size=448 * heads,
        num_hidden_layers=max(1, round(32 * share)),
        num_attention_heads=heads,
        num_key_value_heads=heads // 4,
        max_position_embeddings=32768,
        sliding_window=4096,
        rope_theta=10000.0,
        tie_word_embeddings=False,
    )


def make_checkpoint(folder: Path, share: float) -> None:
    """Save a model of Abel's shape with random weights, and the sandbox's tokenizer with as many tokens."""
    import torch
    from transformers import AutoModelForCausalLM

    from src.training.examples import solution_text
    from src.training.tokenizer import train_tokenizer

    torch.manual_seed(0)
    tokenizer = train_tokenizer([solution_text(q.answer, False) + q.question for q in make_split("train", 500)], 1024)
    config = abel_config(share)
    # The proof before training holds the model's guess against the tokenizer's size: a random model guesses among all its rows.
    tokenizer.add_tokens([f"<unused {number}>" for number in range(config.vocab_size - len(tokenizer))])
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    print(f"model: {sum(weight.numel() for weight in model.parameters()):,} parameters on {device_name()}")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def device_name() -> str:
    """The GPU, or that there is none."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU"


def peak() -> str:
    """The most memory of the GPU since the last time this was asked."""
    import torch

    if not torch.cuda.is_available():
        return "no GPU"
    taken = f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    torch.cuda.reset_peak_memory_stats()
    return taken


def sample(base: Path, settings: EngineSettings, questions: int, max_tokens: int) -> None:
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
    engine = start_engine(settings, base)
    started = time.perf_counter()
    tokens = sum(completion.n_tokens for completion in engine.generate(requests))
    taken = time.perf_counter() - started
    print(f"sample, {settings.name}: {len(requests)} texts, {tokens / taken:,.0f} tokens/s, peak {peak()}")


def train(base: Path, settings: TrainingSettings, steps: int) -> None:
    """Pairs as long as train.max_length allows, so that the peak is the worst that a run can meet."""
    from src.training.dpo import train_adapter

    filler = " 1" * settings.train.max_length
    batch = settings.dpo.global_batch_size
    pairs = [
        TrainingPair(prompt=canonical_prompt(q.question) + "\n\n", chosen=q.answer + filler, rejected=filler)
        for q in make_split("train", batch * steps)
    ]
    with TemporaryDirectory() as work:
        started = time.perf_counter()
        done = train_adapter(pairs, settings, base, Path(work) / "adapter", Path(work) / "work")
        taken = time.perf_counter() - started
    print(f"train: {len(done.steps)} steps of {batch} pairs of {settings.train.max_length} tokens, ", end="")
    print(f"{taken / len(done.steps):.1f} s a step (reference and loading included), peak {peak()}")


def main() -> None:
    parser = command_line("python -m bench.abel_shape", __doc__)
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument("--share", type=float, default=1.0, help="of the model's width and depth")
    parser.add_argument("--questions", type=int, default=24, help="asked in eleven ways")
    parser.add_argument("--max-tokens", type=int, default=256, help="of one text")
    parser.add_argument("--steps", type=int, default=3)
    arguments = parser.parse_args()
    engine = replace(load_section("engine", EngineSettings, PROFILE), name=arguments.engine, workers=1)
    training = TrainingSettings(
        dpo=replace(load_section("dpo", DpoSettings), num_train_epochs=1),
        train=replace(load_section("train", TrainSettings, PROFILE), max_truncated_share=1.0),
        seed=0,
    )
    with TemporaryDirectory() as folder:
        make_checkpoint(Path(folder), arguments.share)
        train(Path(folder), training, arguments.steps)
        sample(Path(folder), engine, arguments.questions, arguments.max_tokens)


if __name__ == "__main__":
    run_command(main)
