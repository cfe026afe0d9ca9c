"""A small Llama trained from scratch on the embedded word problems.

It plays the part of the SFT checkpoint, so it learns every prompt of the method, and it learns from uneven
solutions: short problems are mostly answered outright, all others step by step. A model taught so knows how to be
careful but does not always choose to, which is what preference training can change. Taught by clean solutions alone
its errors are slips of arithmetic, and no preference between its own texts mends those.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from datasets import Dataset
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    get_linear_schedule_with_warmup,
    set_seed,
)

from src.engines.templates import PLAIN_ENDING
from src.errors import exhausted
from src.params import ABOVE_0, AT_LEAST_0, AT_LEAST_1, SHARE, Range, require
from src.regime_w.arms import ANSWER_REQUEST, INSTRUCTIONS, build_all_arms, build_prompt
from src.training.callbacks import CHECKPOINT_STEPS, equip, newest_checkpoint

BEGIN, END, PAD = "<s>", "</s>", "<pad>"
WARMUP_STEPS = 50
SHORT_PROBLEM_STEPS = 2
LEAST_VOCABULARY = 300  # 256 bytes, the special tokens and the instructions, and some to learn


@dataclass(frozen=True)
class SandboxModelSettings:
    first_question: int  # questions before this one are kept from the model: they are sampled, and choices are made on them
    rounds: int  # times that every question is shown
    batch_size: int  # texts a step
    learning_rate: float  # greatest, after the warm-up; falls to 0 along a line
    hidden_size: int
    layers: int
    heads: int
    feed_forward_size: int
    vocabulary: int  # tokens
    first_weights: float  # standard deviation of the random first weights
    terse_wolfram: float  # share of two-step problems that are answered outright, asked as wolfram
    terse_maudlin: float  # likewise, asked as maudlin

    def __post_init__(self) -> None:
        require(self, AT_LEAST_0, "first_question")
        require(self, AT_LEAST_1, "rounds", "batch_size", "hidden_size", "layers", "heads", "feed_forward_size")
        require(self, ABOVE_0, "learning_rate", "first_weights")
        require(self, SHARE, "terse_wolfram", "terse_maudlin")
        require(self, Range(f"{LEAST_VOCABULARY} or more", lambda tokens: tokens >= LEAST_VOCABULARY), "vocabulary")
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size is {self.hidden_size} and heads is {self.heads}; hidden_size / heads must be an even whole number"
            )


def solution_text(worked: str, outright: bool) -> str:
    """A worked solution as the model is to write it: all steps or none, and `Answer: <gold>` for `#### <gold>`."""
    *steps, last = worked.split("\n")
    return "\n".join([*([] if outright else steps), last.replace("####", "Answer:")])


def outright_share(worked: str, persona: str, settings: SandboxModelSettings) -> float:
    """How many solutions of such a problem are the bare answer: only short problems tempt to skip the work."""
    if worked.count("\n") > SHORT_PROBLEM_STEPS:
        return 0.0
    return {"wolfram": settings.terse_wolfram, "maudlin": settings.terse_maudlin}[persona]


@dataclass(frozen=True)
class Lesson:
    prompt: str
    completion: str
    careful: str  # the completion with every step written, whichever style this lesson has


def lessons(records: Sequence[dict], settings: SandboxModelSettings) -> Iterator[Lesson]:
    """`rounds` lessons for each record; which prompt and which style each has is drawn from (id, round) alone."""
    arms = {(arm.persona, arm.role): arm for arm in build_all_arms()}
    wolfram, maudlin = arms["wolfram", "variance"], arms["maudlin", "variance"]
    rephrase, altered = arms["wolfram", "A'"], arms["maudlin", "CF1"]
    for round_number in range(settings.rounds):
        for record in records:
            draw = Random(f"lesson:{record['id']}:{round_number}")
            arm = draw.choices([wolfram, maudlin, rephrase, altered], [0.36, 0.24, 0.2, 0.2])[0]
            outright = draw.random() < outright_share(record["answer"], arm.persona, settings)
            worked = record["altered_answer"] if arm is altered else record["answer"]
            retold = {rephrase: [record["restated"]], altered: [record["altered"]]}.get(arm, [])
            careful, written = ("\n".join([*retold, solution_text(worked, style)]) for style in (False, outright))
            yield Lesson(build_prompt(arm, record["question"]) + PLAIN_ENDING, written, careful)


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE in which small whole numbers are single tokens, so that sums are a table to learn.

    The method's fixed instructions are one token each: a model trained in minutes cannot afford to read them.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(INSTRUCTIONS) - 1,
        special_tokens=[PAD, BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fixed = [*(f"{text}\n\n" for text in INSTRUCTIONS.values()), f"\n\n{ANSWER_REQUEST}{PLAIN_ENDING}"]
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in dict.fromkeys(fixed)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, pad_token=PAD, padding_side="left")


def build_model(settings: SandboxModelSettings, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A Llama with random weights that `seed` decides."""
    set_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            intermediate_size=settings.feed_forward_size,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            initializer_range=settings.first_weights,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            attn_implementation="eager",
        )
    )


class MuonAndAdamW(torch.optim.Optimizer):
    """Muon for the layers' matrices and AdamW for the rest, as one optimizer.

    Muon learned these problems in half the steps that AdamW alone took. It is for matrices that map features to
    features: embeddings and norms stay with AdamW.
    """

    def __init__(self, model: LlamaForCausalLM, learning_rate: float) -> None:
        matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
        chosen = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in chosen]
        self.parts = [
            # Scaled to AdamW's size of update, so that one learning rate serves both.
            torch.optim.Muon(matrices, lr=learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        # The schedule sets learning rates here, so these must be the parts' own groups.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: None = None) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


class _LessonCollator:
    """Pads on the right; the loss is over the completion and its end alone."""

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, batch: list[dict]) -> dict[str, torch.Tensor]:
        width = max(len(item["input_ids"]) for item in batch)

        def padded(key: str, fill: int) -> torch.Tensor:
            return torch.tensor([item[key] + [fill] * (width - len(item[key])) for item in batch])

        ids = padded("input_ids", self.pad_id)
        return {"input_ids": ids, "attention_mask": (ids != self.pad_id).long(), "labels": padded("labels", -100)}


def encode_lesson(tokenizer: PreTrainedTokenizerFast, lesson: Lesson) -> dict:
    """Token ids, labels (-100 over the prompt) and the length by which lessons are batched.

    A batch's loss is the mean over its tokens, so a token of a batch of short texts weighs more. The length is
    therefore that of the careful completion: bare and careful lessons share batches, and neither is favoured.
    """
    prompt_ids = tokenizer(lesson.prompt)["input_ids"]
    completion_ids, careful_ids = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in (lesson.completion, lesson.careful)
    )
    completion_ids.append(tokenizer.eos_token_id)
    return {
        "input_ids": prompt_ids + completion_ids,
        "labels": [-100] * len(prompt_ids) + completion_ids,
        "length": len(prompt_ids) + len(careful_ids),
    }


def train_sandbox_model(records: Sequence[dict], settings: SandboxModelSettings, seed: int, folder: Path, work: Path) -> dict:
    """Train tokenizer and model on `records[first_question:]`, save both to `folder`.

    `work` keeps the checkpoints; training goes on from the last whole one that is there.
    Returns the number of lessons and steps, the loss of the first step and the mean of the last ten (nats a token).
    """
    taught = records[settings.first_question :]
    tokenizer = train_tokenizer(
        [text for r in taught for text in (r["question"], r["restated"], r["altered"], solution_text(r["answer"], False))],
        settings.vocabulary,
    )
    data = Dataset.from_list([encode_lesson(tokenizer, lesson) for lesson in lessons(taught, settings)])
    model = build_model(settings, tokenizer, seed)
    steps = math.ceil(len(data) / settings.batch_size)
    optimizer = MuonAndAdamW(model, settings.learning_rate)
    trainer = Trainer(
        model=model,
        optimizers=(optimizer, get_linear_schedule_with_warmup(optimizer, WARMUP_STEPS, steps)),
        args=TrainingArguments(
            output_dir=str(work),
            per_device_train_batch_size=settings.batch_size,
            num_train_epochs=1,
            bf16=True,
            use_cpu=not torch.cuda.is_available(),
            train_sampling_strategy="group_by_length",
            length_column_name="length",
            remove_unused_columns=False,
            logging_steps=10,
            logging_first_step=True,
            save_strategy="steps",
            save_steps=CHECKPOINT_STEPS,
            report_to=[],
            seed=seed,
            dataloader_pin_memory=False,
        ),
        train_dataset=data,
        data_collator=_LessonCollator(tokenizer.pad_token_id),
    )
    equip(trainer)
    with exhausted(work, "lower base.sandbox.batch_size in the profile"):
        trainer.train(resume_from_checkpoint=newest_checkpoint(work))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return {"lessons": len(data), "steps": trainer.state.global_step, "first_loss": losses[0], "last_loss": losses[-1]}
