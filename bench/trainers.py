"""The trainers that `bench.training` measures, ours and others, and the floor of a step."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from datasets import Dataset
from transformers import PreTrainedModel, Trainer
from trl import DPOConfig, DPOTrainer

from bench.comparison import Comparison
from src.core.params import load_profile_section, load_value, profile_path
from src.core.records import read_records
from src.core.shapes import Seed
from src.models.checkpoints import own_checkpoint, read_model, read_tokenizer
from src.regime_w.questions import Question
from src.stages.base import QUESTIONS, BaseSettings
from src.training import dpo, sandbox_model
from src.training.dpo_settings import TrainingSettings, load_training_settings
from src.training.examples import build_examples
from src.training.launch import BASE
from src.training.pairs import PAIRS, TrainingPair
from src.training.sandbox_settings import SandboxModelSettings
from src.training.shared_texts import IGNORED, pack
from src.training.tokenizer import EncodedExample, encode_examples

ROUNDS = 5  # of a floor; the fastest counts


@dataclass(frozen=True)
class Load:
    """What a step works on: tokens that the model reads, and tokens that it learns."""

    tokens: int
    learned: int


def step_seconds(trainer: Trainer, steps: int) -> float:
    """Seconds of a step, over a run of so many."""
    trainer.args.max_steps = steps
    began = time.perf_counter()
    trainer.train()
    return (time.perf_counter() - began) / steps


def floor_seconds(model: PreTrainedModel, load: Load, frozen: bool) -> float:
    """Seconds of a step's matrix products alone, in bfloat16; without those of the matrices' own gradients if they are frozen."""
    matrices = [(tuple(weight.shape), load.tokens) for name, weight in model.named_parameters() if "proj" in name]
    matrices.append((tuple(model.get_output_embeddings().weight.shape), load.learned))
    products: list[Callable[[], torch.Tensor]] = []
    for (out, into), rows in matrices:
        weight, inputs, gradient = (torch.randn(size, dtype=torch.bfloat16) for size in ((out, into), (rows, into), (rows, out)))
        products += [lambda i=inputs, w=weight: i @ w.T, lambda g=gradient, w=weight: g @ w]
        if not frozen:
            products.append(lambda g=gradient, i=inputs: g.T @ i)

    def once() -> float:
        began = time.perf_counter()
        for product in products:
            product()
        return time.perf_counter() - began

    return min(once() for _ in range(ROUNDS))


# --- DPO ---


def compare_dpo(steps: int) -> list[Comparison]:
    """A step of ours against one of TRL's trainer as it comes, on the same pairs, and against the floor."""
    settings = load_training_settings(load_value("seed", Seed), profile_path())
    settings = replace(settings, dpo=replace(settings.dpo, num_train_epochs=1))
    pairs = read_records(PAIRS, TrainingPair)
    with TemporaryDirectory() as scratch:
        os.environ["DVC_ROOT"] = scratch  # where the reference is kept
        ours = dpo.build_trainer(pairs, settings, BASE, Path(scratch, "ours"))
        load = dpo_load(ours, steps)
        seconds = step_seconds(ours, steps)
        others = step_seconds(_trl_trainer(pairs, settings, Path(scratch, "trl")), steps)
    floor = floor_seconds(read_model(own_checkpoint(BASE, "base"), torch.float32), load, frozen=True)
    rows = f"{settings.dpo.global_batch_size} pairs, {load.tokens:,} tokens once each"
    return [
        Comparison("DPO, steps", "/s", 1 / seconds, "TRL's trainer with its defaults", 1 / others),
        Comparison(f"DPO, floor of a step ({rows})", "ms", 1e3 * floor, "the whole step", 1e3 * seconds),
    ]


def dpo_load(trainer: DPOTrainer, steps: int) -> Load:
    """The mean of the first steps."""
    packed = []
    for batch, _ in zip(trainer.get_train_dataloader(), range(steps), strict=False):
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)
        packed.append(pack(batch["input_ids"], batch["attention_mask"], labels))
    return Load(
        round(statistics.fmean((one.input_ids != 0).sum().item() for one in packed)),
        round(statistics.fmean((one.targets != IGNORED).sum().item() for one in packed)),
    )


def _trl_trainer(pairs: Sequence[TrainingPair], settings: TrainingSettings, folder: Path) -> DPOTrainer:
    checkpoint = own_checkpoint(BASE, "base")
    rows = [{"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected} for pair in pairs]
    return DPOTrainer(
        model=read_model(checkpoint, torch.float32),
        args=DPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=settings.dpo.global_batch_size,
            max_length=settings.train.max_length,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=read_tokenizer(checkpoint),
        peft_config=dpo.lora_config(settings.dpo.lora),
    )


# --- the base ---


def compare_base(steps: int) -> list[Comparison]:
    """A step of ours against one of transformers' trainer with the model's own loss, and against the floor."""
    sandbox = load_profile_section("base", BaseSettings, profile_path()).sandbox
    if sandbox is None:
        return []
    tokenizer = read_tokenizer(own_checkpoint(BASE, "base"))
    taught = read_records(QUESTIONS, Question)[sandbox.first_question :]
    examples = encode_examples(tokenizer, list(build_examples(taught, replace(sandbox, epochs=1))))
    examples = examples[: steps * sandbox.batch_size]
    with TemporaryDirectory() as scratch:
        model = sandbox_model.build_model(sandbox, tokenizer, seed=0)
        ours = sandbox_model._build_trainer(model, examples, tokenizer.pad_token_id, sandbox, 0, Path(scratch, "ours"))
        seconds = step_seconds(ours, steps)
        others = step_seconds(_plain_trainer(examples, tokenizer.pad_token_id, sandbox, Path(scratch, "plain")), steps)
    load = Load(
        sum(len(example.input_ids) for example in examples) // steps,
        sum(label != IGNORED for example in examples for label in example.labels) // steps,
    )
    floor = floor_seconds(model, load, frozen=False)
    rows = f"{sandbox.batch_size} texts, {load.tokens:,} tokens"
    return [
        Comparison("base, steps", "/s", 1 / seconds, "transformers' trainer with its defaults and AdamW", 1 / others),
        Comparison(f"base, floor of a step ({rows})", "ms", 1e3 * floor, "the whole step", 1e3 * seconds),
    ]


def _plain_trainer(examples: Sequence[EncodedExample], pad_id: int, settings: SandboxModelSettings, folder: Path) -> Trainer:
    from transformers import TrainingArguments

    tokenizer = read_tokenizer(own_checkpoint(BASE, "base"))
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        remove_unused_columns=False,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
    )
    model = sandbox_model.build_model(settings, tokenizer, seed=0)
    return Trainer(model=model, args=arguments, train_dataset=examples, data_collator=sandbox_model._ExampleCollator(pad_id))
