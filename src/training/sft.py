"""Supervised fine-tuning of a pretrained model on worked solutions, by TRL: all weights, or a LoRA adapter by PEFT."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from src.core.errors import InputError
from src.core.limits import told_when_exhausted
from src.models.base_metrics import SftPreflight, SftRun, sft_run
from src.models.checkpoints import own_checkpoint, read_model, read_tokenizer
from src.models.precision import DTYPES, passes_in_bfloat16
from src.models.templates import wrap_prompt
from src.regime_w.questions import Question
from src.training.callbacks import CHECKPOINT_STEPS, equip, newest_checkpoint
from src.training.lora import lora_config, save_adapter
from src.training.sft_api import first_loss, longest_loss
from src.training.sft_examples import SftExample, build_sft_examples
from src.training.sft_logs import sft_steps
from src.training.sft_settings import SftSettings
from src.training.shared_texts import share_texts
from src.training.token_checks import EncodedText, check_max_length, check_truncation, encode_text
from src.training.trainer_checks import count_trainable, gradient_norm, is_worse_than_guessing, try_pass

WARMUP_SHARE = 0.05  # of the steps, over which the learning rate rises from 0


@dataclass(frozen=True)
class Examples:
    """What is learned, as tokens. longest: tokens of the longest, before any is cut."""

    texts: tuple[EncodedText, ...]
    truncated_share: float
    longest: int


def fine_tune(questions: Sequence[Question], settings: SftSettings, seed: int, plain: Path, tuned: Path, work: Path) -> SftRun:
    """Fine-tune the model of the folder `plain`, and save what was learned to the folder `tuned`.

    questions  those that are learned from
    tuned      gets an adapter where `settings.lora` asks for one, else the whole model with its tokenizer
    work       keeps the checkpoints; training goes on from the last intact one that is there

    Raises InputError for a model, a template or settings by which nothing could be learned.
    """
    tokenizer = read_tokenizer(own_checkpoint(plain, "base"), padding_side="right")
    check_max_length(plain, settings.max_length, "base.sft")
    examples = encode_examples(questions, settings, tokenizer)
    with told_when_exhausted(
        work, "lower base.sft.per_device_train_batch_size, or set base.sft.gradient_checkpointing: true in the profile"
    ):
        trainer = build_sft_trainer(examples, settings, seed, plain, tokenizer, work)
        preflight = check_sft_trainer(trainer, examples)
        trainer.train(resume_from_checkpoint=newest_checkpoint(work))
    if isinstance(trainer.model, PeftModel):
        save_adapter(trainer.model, tuned)
    else:
        trainer.model.save_pretrained(tuned)
        tokenizer.save_pretrained(tuned)
    return sft_run(len(examples.texts), sft_steps(trainer.state.log_history), preflight)


# --- examples ---


def encode_examples(questions: Sequence[Question], settings: SftSettings, tokenizer: PreTrainedTokenizerBase) -> Examples:
    """The examples of the questions as tokens; InputError for one that could not teach, or if too many are too long."""
    wrap = partial(wrap_prompt, template=settings.template, tokenizer=tokenizer)
    written = list(build_sft_examples(questions, settings.num_train_epochs, wrap))
    texts = tuple(_encode(number, example, tokenizer) for number, example in enumerate(written, start=1))
    lengths = [len(text.tokens) for text in texts]
    truncated = check_truncation(
        lengths, settings.max_length, settings.max_truncated_share, "base.sft", "examples", "learn from shorter solutions"
    )
    return Examples(texts, truncated, max(lengths))


def _encode(number: int, example: SftExample, tokenizer: PreTrainedTokenizerBase) -> EncodedText:
    return encode_text(f"example {number} of base.sft", example.prompt, example.completion, "solution", tokenizer)


# --- the trainer ---


def build_sft_trainer(
    examples: Examples, settings: SftSettings, seed: int, plain: Path, tokenizer: PreTrainedTokenizerBase, work: Path
) -> SFTTrainer:
    """A TRL trainer over the examples, whose loss is that of the completions and their ends alone."""
    PartialState(cpu=not torch.cuda.is_available())
    model = read_model(
        own_checkpoint(plain, "base"), DTYPES[settings.base_dtype], attn_implementation=settings.attn_implementation
    )
    torch.manual_seed(seed)  # the adapter's first weights
    trainer = SFTTrainer(
        model=model,
        args=_arguments(len(examples.texts), settings, seed, work),
        train_dataset=_dataset(examples),
        processing_class=tokenizer,
        peft_config=None if settings.lora is None else lora_config(settings.lora),
    )
    share_texts(_network(trainer))  # which packs the texts of a batch, so that none of it is padding
    equip(trainer)
    return trainer


def _network(trainer: SFTTrainer) -> PreTrainedModel:
    model = trainer.model
    network: PreTrainedModel = model.get_base_model() if isinstance(model, PeftModel) else model
    return network


def _dataset(examples: Examples) -> Dataset:
    """The columns of a dataset that TRL takes for encoded."""
    return Dataset.from_list(
        [
            {
                "input_ids": text.tokens,
                "completion_mask": [0] * text.prompt_length + [1] * (len(text.tokens) - text.prompt_length),
            }
            for text in examples.texts
        ]
    )


def _arguments(examples: int, settings: SftSettings, seed: int, work: Path) -> SFTConfig:
    return SFTConfig(
        output_dir=str(work),
        learning_rate=settings.learning_rate,
        num_train_epochs=1,  # the data hold every epoch of the questions
        per_device_train_batch_size=settings.per_device_train_batch_size,
        gradient_accumulation_steps=settings.batch_size // settings.per_device_train_batch_size,
        max_length=settings.max_length,
        completion_only_loss=True,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(WARMUP_SHARE * examples / settings.batch_size),
        bf16=passes_in_bfloat16(settings.bf16),
        gradient_checkpointing=settings.gradient_checkpointing,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        logging_steps=1,
        save_strategy="steps",
        save_steps=CHECKPOINT_STEPS,
        report_to=[],
        seed=seed,
        data_seed=seed,
    )


def check_sft_trainer(trainer: SFTTrainer, examples: Examples) -> SftPreflight:
    """Check that the built trainer can move, before its first step; raises InputError with the cause."""
    if len(trainer.train_dataset) != len(examples.texts):
        raise InputError(
            f"the trainer kept {len(trainer.train_dataset)} of {len(examples.texts)} examples: of the others nothing but the "
            "prompt is left; raise base.sft.max_length"
        )
    count = count_trainable(trainer.model, "the weights are frozen (base.sft.lora)")
    loss = first_loss(trainer)
    norm, nats = gradient_norm(trainer.model, loss), loss.item()
    if is_worse_than_guessing(nats, trainer.processing_class):
        raise InputError(
            f"the model gives the worked solutions {nats:.1f} nats a token, worse than guessing: the tokenizer is that of "
            "another model, or base.sft.template is not the model's"
        )
    try_pass(trainer, partial(longest_loss, trainer))  # a lack of memory is found now
    return SftPreflight(
        truncated_share=examples.truncated_share,
        max_tokens=examples.longest,
        trainable_parameters=count,
        first_gradient_norm=norm,
        loss_at_step_0=nats,
    )
