"""A small Llama trained from scratch on the embedded word problems; it plays the part of the SFT checkpoint."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    get_linear_schedule_with_warmup,
    set_seed,
)

from src.core.limits import told_when_exhausted
from src.models.base_metrics import SftRun, sft_run
from src.models.precision import computes_in_bfloat16
from src.regime_w.questions import Question, between
from src.training.callbacks import CHECKPOINT_STEPS, equip, newest_checkpoint
from src.training.examples import Retellings, build_examples, solution_text
from src.training.few_shapes import SCORED_STEP, rounded_up
from src.training.muon import MuonAndAdamW
from src.training.samplers import LengthGroups
from src.training.sandbox_settings import SandboxModelSettings
from src.training.sft_logs import sft_steps
from src.training.tokenizer import IGNORED, EncodedExample, encode_examples, train_tokenizer

WARMUP_STEPS = 50
MAX_POSITIONS = 512  # tokens of the longest text that the model can read
WIDTH_STEP = 8  # tokens; the width of a batch is a multiple of it (src/training/few_shapes.py)


def build_model(settings: SandboxModelSettings, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A Llama with random weights that `seed` decides."""
    set_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            intermediate_size=settings.intermediate_size,
            num_hidden_layers=settings.num_hidden_layers,
            num_attention_heads=settings.num_attention_heads,
            num_key_value_heads=settings.num_attention_heads,
            max_position_embeddings=MAX_POSITIONS,
            tie_word_embeddings=True,
            initializer_range=settings.initializer_range,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            attn_implementation="eager",
        )
    )


@torch.no_grad()
def silence_blocks(model: LlamaForCausalLM) -> None:
    """Set the last matrix of each block's two parts to 0, so that at first every block passes on what it gets.

    The sandbox's model then learns in fewer steps (docs/performance.md). The idea is that of Fixup (Zhang, Dauphin and Ma 2019).
    """
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()


class _ExampleCollator:
    """Pads texts on the right; the loss is over the completion and its end alone."""

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, batch: Sequence[EncodedExample]) -> dict[str, torch.Tensor]:
        width = rounded_up(max(len(example.input_ids) for example in batch), WIDTH_STEP)

        def padded(rows: Iterable[list[int]], fill: int) -> torch.Tensor:
            return torch.tensor([row + [fill] * (width - len(row)) for row in rows])

        return {
            "input_ids": padded((example.input_ids for example in batch), self.pad_id),
            "labels": padded((example.labels for example in batch), IGNORED),
        }


class CompletionTrainer(Trainer):
    """Projects onto the vocabulary only where a token is learned: of prompts and padding, no logit is needed.

    train_dataset  a list of EncodedExample; those of like length stand in one step
    """

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroups:
        return LengthGroups([example.length for example in self.train_dataset], self.args.train_batch_size, self.args.seed)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Mapping[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        labels = inputs["labels"][:, 1:]
        learned = labels != IGNORED
        network = self.accelerator.unwrap_model(model)
        with self.accelerator.autocast():
            # Without a mask of the padding: it stands behind every text, where no token of the text reads it.
            hidden = network.model(inputs["input_ids"], use_cache=False).last_hidden_state[:, :-1]
            targets = labels[learned]
            spare = rounded_up(len(targets), SCORED_STEP) - len(targets)
            logits = network.lm_head(torch.nn.functional.pad(hidden[learned], (0, 0, 0, spare)))[: len(targets)]
        return torch.nn.functional.cross_entropy(logits.float(), targets)


def train_sandbox_model(
    questions: Sequence[Question], settings: SandboxModelSettings, seed: int, folder: Path, work: Path
) -> SftRun:
    """Train tokenizer and model on the questions from index `first_question` on and save both to `folder`.

    work  keeps the checkpoints; training goes on from the last intact one that is there

    ValueError for a question without retellings.
    """
    taught = between(questions, settings.first_question)
    tokenizer = train_tokenizer(_tokenizer_texts(taught), settings.vocab_size)
    examples = encode_examples(tokenizer, list(build_examples(taught, settings)))
    model = build_model(settings, tokenizer, seed)
    if settings.silent_start:
        silence_blocks(model)
    trainer = _build_trainer(model, examples, tokenizer.pad_token_id, settings, seed, work)
    equip(trainer)
    with told_when_exhausted(work, "lower base.sandbox.batch_size in the profile"):
        trainer.train(resume_from_checkpoint=newest_checkpoint(work))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return sft_run(len(examples), sft_steps(trainer.state.log_history))


def _tokenizer_texts(questions: Sequence[Question]) -> list[str]:
    """The texts by which the tokenizer learns its vocabulary."""
    return [text for question in questions for text in _texts_of(question)]


def _texts_of(question: Question) -> tuple[str, ...]:
    retellings = Retellings.of(question)
    return question.question, retellings.restated, retellings.altered, solution_text(question.answer, answer_only=False)


def _build_trainer(
    model: LlamaForCausalLM,
    examples: Sequence[EncodedExample],
    pad_id: int,
    settings: SandboxModelSettings,
    seed: int,
    work: Path,
) -> CompletionTrainer:
    steps = math.ceil(len(examples) / settings.batch_size)
    optimizer = MuonAndAdamW(model, settings.learning_rate, settings.query_key_rate)
    return CompletionTrainer(
        model=model,
        optimizers=(optimizer, get_linear_schedule_with_warmup(optimizer, WARMUP_STEPS, steps)),
        args=TrainingArguments(
            output_dir=str(work),
            per_device_train_batch_size=settings.batch_size,
            num_train_epochs=1,  # the data hold every epoch of the questions
            bf16=computes_in_bfloat16(),
            use_cpu=not torch.cuda.is_available(),
            remove_unused_columns=False,
            logging_steps=1,
            save_strategy="steps",
            save_steps=CHECKPOINT_STEPS,
            report_to=[],
            seed=seed,
            dataloader_pin_memory=False,
        ),
        train_dataset=examples,
        data_collator=_ExampleCollator(pad_id),
    )
