"""DPO with a LoRA adapter (Rafailov et al. 2023; Hu et al. 2021), by TRL and PEFT."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import get_peft_model
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from trl import DPOConfig

from src.core.journal import Dependencies
from src.core.limits import told_when_exhausted
from src.models.checkpoints import own_checkpoint, read_model, read_tokenizer
from src.models.encoding import encode_prompt
from src.models.precision import DTYPES, passes_in_bfloat16
from src.regime_w.training_metrics import TrainingStep
from src.training.callbacks import CHECKPOINT_STEPS, equip, newest_checkpoint
from src.training.dpo_settings import TrainingSettings, gradient_accumulation_steps
from src.training.lora import lora_config, save_adapter
from src.training.pairs import TrainingPair
from src.training.preflight import TrainerChecks, check_prompts, check_trainer
from src.training.trainer_logs import (
    GRADIENT_NORM,
    LEARNING_RATE,
    LOGP_CHOSEN,
    LOGP_REJECTED,
    LOSS,
    REWARD_ACCURACY,
    REWARD_MARGIN,
    STEP,
    LogHistory,
    is_of_step,
)
from src.training.trl_api import LENGTH, PROMPT, PairTrainer


@dataclass(frozen=True)
class AdapterRun:
    """What is known of an adapter's training: what the trainer was before its first step, and every step."""

    checks: TrainerChecks
    steps: tuple[TrainingStep, ...]


def train_adapter(pairs: Sequence[TrainingPair], settings: TrainingSettings, base: Path, adapter: Path, work: Path) -> AdapterRun:
    """Train a fresh adapter on the base and save it to `adapter` (safetensors), alone or as one of many processes.

    work   keeps the checkpoints; training goes on from the last intact one that is there
    """
    with told_when_exhausted(
        work, "lower train.per_device_train_batch_size, or set train.gradient_checkpointing: true in the profile"
    ):
        trainer = build_trainer(pairs, settings, base, work)
        check_prompts(trainer, pairs, AutoTokenizer.from_pretrained(base))
        checks = check_trainer(trainer)
        trainer.train(resume_from_checkpoint=newest_checkpoint(work))
        weights = trainer.accelerator.get_state_dict(trainer.model_wrapped) if settings.train.sharding == "fsdp" else None
        if trainer.is_world_process_zero():
            save_adapter(trainer.model, adapter, weights)
    return AdapterRun(checks, training_steps(trainer.state.log_history, settings.dpo.num_train_epochs))


# --- the trainer ---


def build_trainer(pairs: Sequence[TrainingPair], settings: TrainingSettings, base: Path, work: Path) -> PairTrainer:
    """A TRL trainer over the pairs, its adapter fresh and its reference the base itself."""
    processes = PartialState(cpu=not torch.cuda.is_available()).num_processes
    checkpoint = own_checkpoint(base, "base")
    tokenizer = read_tokenizer(checkpoint, padding_side="right")
    model = read_model(checkpoint, DTYPES[settings.train.base_dtype], attn_implementation=settings.train.attn_implementation)
    arguments, dataset = _arguments(settings, processes, work), _dataset(pairs, tokenizer)
    torch.manual_seed(settings.seed)  # the adapter's first weights
    trainer = PairTrainer(
        reference_dependencies(settings, base),
        settings.train.group_by,
        model=model,
        args=arguments,
        train_dataset=dataset,
        processing_class=tokenizer,
        peft_config=lora_config(settings.dpo.lora),
    )
    equip(trainer)
    return trainer


def reference_dependencies(settings: TrainingSettings, base: Path) -> Dependencies | None:
    """What decides the log-probabilities of the reference; None where they are not kept.

    With `ld_alpha` that of a text depends on the other text of its pair, and where the base is shared out no process holds a
    whole one that could give it.
    """
    train = settings.train
    if train.sharding == "fsdp" or settings.dpo.ld_alpha is not None:
        return None
    return Dependencies(
        settings=[passes_in_bfloat16(train.bf16), train.base_dtype, train.attn_implementation],
        inputs=[base],
        code=("training/reference.py", "training/trl_api.py", "training/shared_texts.py", "training/few_shapes.py"),
        packages=("torch", "transformers", "trl", "peft"),
    )


def _arguments(settings: TrainingSettings, processes: int, work: Path) -> DPOConfig:
    dpo, train = settings.dpo, settings.train
    return DPOConfig(
        output_dir=str(work),
        learning_rate=dpo.learning_rate,
        num_train_epochs=dpo.num_train_epochs,
        beta=dpo.beta,
        loss_type=list(dpo.loss_type),
        loss_weights=None if dpo.loss_weights is None else list(dpo.loss_weights),
        label_smoothing=dpo.label_smoothing,
        ld_alpha=dpo.ld_alpha,
        per_device_train_batch_size=train.per_device_train_batch_size,
        gradient_accumulation_steps=gradient_accumulation_steps(settings, processes),
        max_length=train.max_length,
        lr_scheduler_type="linear",
        bf16=passes_in_bfloat16(train.bf16),
        gradient_checkpointing=train.gradient_checkpointing,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        logging_steps=1,
        remove_unused_columns=False,
        # What is shared out over processes would have to be gathered for every checkpoint: such a run starts anew.
        save_strategy="no" if train.sharding == "fsdp" else "steps",
        save_steps=CHECKPOINT_STEPS,
        save_on_each_node=True,
        report_to=list(train.report_to),
        seed=settings.seed,
        data_seed=settings.seed,
    )


def _dataset(pairs: Sequence[TrainingPair], tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """What TRL reads of each pair, and its length in tokens; shortest first, whatever the order of `pairs`."""
    texts = {pair.prompt + side for pair in pairs for side in (pair.chosen, pair.rejected)}  # most stand in several pairs
    tokens = {text: len(encode_prompt(tokenizer, text)) for text in texts}
    of_length = sorted(
        (max(tokens[pair.prompt + pair.chosen], tokens[pair.prompt + pair.rejected]), *_texts(pair)) for pair in pairs
    )
    rows = [
        {PROMPT: prompt, "chosen": chosen, "rejected": rejected, LENGTH: length} for length, prompt, chosen, rejected in of_length
    ]
    return Dataset.from_list(rows)


def _texts(pair: TrainingPair) -> tuple[str, str, str]:
    return pair.prompt, pair.chosen, pair.rejected


def training_steps(history: LogHistory, epochs: int) -> tuple[TrainingStep, ...]:
    """The steps of a run in which every step was logged; all epochs have the same number of steps."""
    rows = [row for row in history if is_of_step(row)]
    return tuple(
        TrainingStep(
            step=int(row[STEP]),
            epoch=min(epochs, 1 + (int(row[STEP]) - 1) * epochs // len(rows)),
            loss=row[LOSS],
            gradient_norm=row[GRADIENT_NORM],
            learning_rate=row[LEARNING_RATE],
            reward_accuracy=row[REWARD_ACCURACY],
            reward_margin=row[REWARD_MARGIN],
            logp_chosen=row[LOGP_CHOSEN],
            logp_rejected=row[LOGP_REJECTED],
        )
        for row in rows
    )


# --- the adapter ---


def save_untrained_adapter(settings: TrainingSettings, base: Path, adapter: Path) -> None:
    """Save a fresh adapter, whose update is exactly 0, so that a run without pairs ends as truthfully as any other."""
    torch.manual_seed(settings.seed)
    model = read_model(own_checkpoint(base, "base"), DTYPES[settings.train.base_dtype])
    save_adapter(get_peft_model(model, lora_config(settings.dpo.lora)), adapter)
