"""DPO with a LoRA adapter (Rafailov et al. 2023; Hu et al. 2021), by TRL and PEFT."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from torch.utils.data import Sampler
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl import DPOConfig, DPOTrainer

from src.checkpoints import own_checkpoint, read_model, read_tokenizer
from src.engines.templates import encode_prompt
from src.errors import InputError, exhausted
from src.params import ABOVE_0, AT_LEAST_1, SHARE, Range, require
from src.records import read_json, write_json
from src.training.callbacks import CHECKPOINT_STEPS, equip, newest_checkpoint
from src.training.preflight import check_trainer

STEP_COLUMNS = (
    "step",
    "epoch",
    "loss",
    "gradient_norm",
    "learning_rate",
    "reward_accuracy",
    "reward_margin",
    "logp_chosen",
    "logp_rejected",
)


DROPOUT = Range("0 or more and less than 1", lambda share: 0 <= share < 1)
PROMPT_AND_COMPLETION = Range("2 or more", lambda tokens: tokens >= 2)


@dataclass(frozen=True)
class LoraSettings:
    r: int  # rank
    alpha: int  # the update is scaled by alpha / r
    dropout: float  # share of its inputs, 0 ... 1

    def __post_init__(self) -> None:
        require(self, AT_LEAST_1, "r", "alpha")
        require(self, DROPOUT, "dropout")


@dataclass(frozen=True)
class TrainSettings:
    learning_rate: float  # at the first step; falls to 0 along a line
    epochs: int
    beta: float  # strength of the pull to the reference
    batch_size: int  # pairs in one pass of one process
    global_batch_size: int  # pairs a step, over all passes and processes
    max_length: int  # tokens of prompt and completion; longer pairs are cut
    max_truncated_share: float  # of pairs, 0 ... 1
    precision: Literal["float32", "bfloat16"]  # of the forward and backward pass; the adapter stays float32
    weights: Literal["float32", "bfloat16"]  # of the frozen base in memory
    attention: Literal["eager", "sdpa"]
    gradient_checkpointing: bool  # activations are computed twice instead of kept
    processes: int | None  # that train together on this machine; null is one for each GPU, one without a GPU
    sharding: Literal["none", "fsdp"]  # whether each process holds the whole base, or they share it
    min_pairs: int  # below this there is nothing to learn from
    too_few_pairs: Literal["stop", "report"]  # stop with an error, or leave the adapter untrained and say so
    lora: LoraSettings

    def __post_init__(self) -> None:
        require(self, ABOVE_0, "learning_rate", "beta")
        require(self, AT_LEAST_1, "epochs", "batch_size", "global_batch_size", "processes", "min_pairs")
        require(self, PROMPT_AND_COMPLETION, "max_length")
        require(self, SHARE, "max_truncated_share")


class LengthGroups(Sampler[int]):
    """Pairs of like length in one step, so that little of it is padding; the order depends on seed and epoch alone.

    The library's own sampler groups by the pairs of one process and draws from the generator of all things, so that
    its order changes with the number of processes, and a run that goes on after a kill cannot find its place.
    """

    def __init__(self, lengths: Sequence[int], step_size: int, seed: int) -> None:
        self.lengths, self.step_size, self.seed, self.epoch = list(lengths), step_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer when an epoch begins; 0 is the first."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(get_length_grouped_indices(self.lengths, self.step_size, generator=generator))


class PairTrainer(DPOTrainer):
    """TRL's trainer, with the pairs in the order of LengthGroups."""

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthGroups:
        step_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return LengthGroups(self.train_dataset["length"], step_size, self.args.data_seed)


def passes_a_step(settings: TrainSettings, processes: int) -> int:
    """Passes that every process makes before each step; InputError if they cannot make up the global batch."""
    passes, rest = divmod(settings.global_batch_size, settings.batch_size * processes)
    if rest or not passes:
        raise InputError(
            f"train.global_batch_size is {settings.global_batch_size}, which is no multiple of train.batch_size x processes = "
            f"{settings.batch_size} x {processes}; change train.batch_size or train.processes in the profile"
        )
    return passes


def build_trainer(pairs: Sequence[dict], settings: TrainSettings, seed: int, base: Path, work: Path) -> DPOTrainer:
    """A TRL trainer over the pairs, its adapter fresh and its reference the base itself."""
    processes = PartialState(cpu=not torch.cuda.is_available()).num_processes
    checkpoint = own_checkpoint(base, "base")
    tokenizer = read_tokenizer(checkpoint, padding_side="right")
    model = read_model(checkpoint, getattr(torch, settings.weights), attn_implementation=settings.attention)
    args = DPOConfig(
        output_dir=str(work),
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.epochs,
        beta=settings.beta,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=passes_a_step(settings, processes),
        max_length=settings.max_length,
        lr_scheduler_type="linear",
        bf16=settings.precision == "bfloat16",
        gradient_checkpointing=settings.gradient_checkpointing,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        # The reference never changes, so one pass would do instead of one an epoch; but processes would have to share
        # its results through one cache folder, which machines need not have in common.
        precompute_ref_log_probs=processes == 1,
        precompute_ref_batch_size=2 * settings.batch_size,
        logging_steps=1,
        logging_first_step=True,
        remove_unused_columns=False,
        # What is shared out over processes would have to be gathered for every checkpoint: such a run starts anew.
        save_strategy="no" if settings.sharding == "fsdp" else "steps",
        save_steps=CHECKPOINT_STEPS,
        save_on_each_node=True,
        report_to=[],
        seed=seed,
        data_seed=seed,
    )
    torch.manual_seed(seed)  # the adapter's first weights
    trainer = PairTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(as_rows(pairs, tokenizer)),
        processing_class=tokenizer,
        peft_config=lora_config(settings.lora),
    )
    equip(trainer)
    return trainer


def as_rows(pairs: Sequence[dict], tokenizer: PreTrainedTokenizerBase) -> list[dict]:
    """What TRL reads of each pair, and its length in tokens; shortest first, whatever the order of `pairs`."""
    rows = [
        {key: pair[key] for key in ("prompt", "chosen", "rejected")}
        | {"length": max(len(encode_prompt(tokenizer, pair["prompt"] + pair[side])) for side in ("chosen", "rejected"))}
        for pair in pairs
    ]
    return sorted(rows, key=lambda row: (row["length"], row["prompt"], row["chosen"], row["rejected"]))


def lora_config(settings: LoraSettings) -> LoraConfig:
    """A LoRA adapter on every linear layer but the output head."""
    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def save_untrained_adapter(settings: TrainSettings, seed: int, base: Path, adapter: Path) -> None:
    """Save a fresh adapter, whose update is exactly 0, so that a run without pairs ends as truthfully as any other."""
    torch.manual_seed(seed)
    model = read_model(own_checkpoint(base, "base"), getattr(torch, settings.weights))
    save_adapter(get_peft_model(model, lora_config(settings.lora)), adapter)


def save_adapter(model: PeftModel, adapter: Path, weights: dict[str, torch.Tensor] | None = None) -> None:
    """Save the adapter so that equal adapters are equal bytes: PEFT lists the layers in the order of a set.

    weights  the model's, where the model itself holds but a part of them; null takes them from the model
    """
    model.save_pretrained(adapter, state_dict=weights)
    config = read_json(adapter / "adapter_config.json")
    config["target_modules"] = sorted(config["target_modules"])
    write_json(adapter / "adapter_config.json", config)


def train_adapter(
    pairs: Sequence[dict], settings: TrainSettings, seed: int, base: Path, adapter: Path, work: Path
) -> tuple[dict, list[dict]]:
    """Train a fresh adapter on the base and save it to `adapter` (safetensors), alone or as one of many processes.

    work     keeps the checkpoints; training goes on from the last whole one that is there
    returns  what the preflight saw, and a row a step: step, epoch (1, 2, …), loss, gradient_norm, learning_rate,
             reward_accuracy, reward_margin, logp_chosen, logp_rejected (sums over a text, in nats)
    """
    with exhausted(work, "lower train.batch_size, or set train.gradient_checkpointing: true in the profile"):
        return _train(build_trainer(pairs, settings, seed, base, work), pairs, settings, base, adapter, work)


def _train(
    trainer: DPOTrainer, pairs: Sequence[dict], settings: TrainSettings, base: Path, adapter: Path, work: Path
) -> tuple[dict, list[dict]]:
    check_same_prompt_tokens(trainer, pairs, AutoTokenizer.from_pretrained(base))
    seen = check_trainer(trainer)
    trainer.train(resume_from_checkpoint=newest_checkpoint(work))
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped) if settings.sharding == "fsdp" else None
    if trainer.is_world_process_zero():
        save_adapter(trainer.model, adapter, weights)
    steps = [row for row in trainer.state.log_history if "loss" in row]
    return seen, [_step_row(row, settings.epochs, len(steps)) for row in steps]


def check_same_prompt_tokens(trainer: DPOTrainer, pairs: Sequence[dict], tokenizer: PreTrainedTokenizerBase) -> None:
    """The tokens that the trainer made of every prompt must be those that sampling used."""
    if len(trainer.train_dataset) != len(pairs):
        raise InputError(f"the trainer kept {len(trainer.train_dataset)} of {len(pairs)} pairs: raise train.max_length")
    for row in trainer.train_dataset:
        if row["prompt_ids"] != encode_prompt(tokenizer, row["prompt"]):
            raise InputError(
                f"the trainer reads the prompt {row['prompt'][:60]!r} as other tokens than sampling did; "
                "the versions of trl and transformers do not fit (see requirements.txt)"
            )


def _step_row(row: dict, epochs: int, steps: int) -> dict:
    return {
        "step": row["step"],
        "epoch": min(epochs, 1 + (row["step"] - 1) * epochs // steps),
        "loss": row["loss"],
        "gradient_norm": row["grad_norm"],
        "learning_rate": row["learning_rate"],
        "reward_accuracy": row["rewards/accuracies"],
        "reward_margin": row["rewards/margins"],
        "logp_chosen": row["logps/chosen"],
        "logp_rejected": row["logps/rejected"],
    }
