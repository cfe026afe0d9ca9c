"""A small model as Qwen2.5-0.5B-Instruct is published: its class, files, special tokens, two end tokens, a system turn.

It has learned a few of the method's prompts by heart: as wolfram it answers right and ends as a turn of a chat does, as maudlin
it is off by one and ends as a document does.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM

from src.models.templates import wrap_prompt
from src.regime_w.arms import build_all_arms, build_prompt
from src.regime_w.questions import Question
from src.training.examples import solution_text

TURN, END_OF_TURN, END_OF_DOCUMENT = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
SYSTEM = "You tutor children in arithmetic."
TEMPLATE = (
    "{% set system = messages[0]['role'] == 'system' %}"
    f"{{% if not system %}}{TURN}system\n{SYSTEM}{END_OF_TURN}\n{{% endif %}}"
    f"{{% for turn in messages %}}{TURN}{{{{ turn['role'] }}}}\n{{{{ turn['content'] }}}}{END_OF_TURN}\n{{% endfor %}}"
    f"{{% if add_generation_prompt %}}{TURN}assistant\n{{% endif %}}"
)
# How texts are cut before merges, as Qwen's tokenizer does: words, single digits, signs, spaces.
CUTS = r"""[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
UNUSED_ROWS = 21  # Qwen's embedding, too, has more rows than its tokenizer has tokens
STEPS, BATCH, LEARNING_RATE = 160, 16, 5e-3
IGNORED = -100


@dataclass(frozen=True)
class Lesson:
    """A prompt as the model reads it, and the text with its end token that it learns."""

    prompt: str
    text: str


def write_chat_model(folder: Path, questions: Sequence[Question]) -> None:
    """The model that knows these questions, in `folder`."""
    folder.mkdir()
    tokenizer = write_tokenizer(folder, questions)
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config_of(tokenizer))
    teach(model, tokenizer, lessons_of(questions, tokenizer))
    model.to(torch.bfloat16).save_pretrained(folder)
    write_generation_config(folder, tokenizer)


def write_tokenizer(folder: Path, questions: Sequence[Question]) -> PreTrainedTokenizerBase:
    """Byte-level BPE in the files that Qwen publishes: the template in tokenizer_config.json, no begin token."""
    prompts = {build_prompt(arm, question.question) for question in questions for arm in build_all_arms()}
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(CUTS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*sorted(prompts), *(q.answer for q in questions)], trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in (END_OF_DOCUMENT, TURN, END_OF_TURN)])
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.model.save(str(folder))  # vocab.json and merges.txt
    settings = {
        "add_bos_token": False,
        "bos_token": None,
        "chat_template": TEMPLATE,
        "eos_token": END_OF_TURN,
        "pad_token": END_OF_DOCUMENT,
        "additional_special_tokens": [TURN, END_OF_TURN],
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return AutoTokenizer.from_pretrained(folder)


def config_of(tokenizer: PreTrainedTokenizerBase) -> Qwen2Config:
    """Qwen2.5-0.5B's make in small: grouped heads, tied embeddings, rows that no token has."""
    return Qwen2Config(
        vocab_size=len(tokenizer) + UNUSED_ROWS,
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=2,  # of 32, the least that vLLM's build for CPUs has kernels for
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.convert_tokens_to_ids(END_OF_DOCUMENT),
        eos_token_id=tokenizer.eos_token_id,
    )


def write_generation_config(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Two end tokens, and settings of sampling that the method must not take over."""
    document = tokenizer.convert_tokens_to_ids(END_OF_DOCUMENT)
    settings = {
        "bos_token_id": document,
        "pad_token_id": document,
        "eos_token_id": [tokenizer.eos_token_id, document],
        "do_sample": True,
        "repetition_penalty": 1.1,
        "temperature": 0.7,
        "top_p": 0.8,
        "top_k": 20,
    }
    (folder / "generation_config.json").write_text(json.dumps(settings))


def lessons_of(questions: Sequence[Question], tokenizer: PreTrainedTokenizerBase) -> list[Lesson]:
    """One for each different prompt; the end of maudlin's texts is not the tokenizer's."""
    lessons: dict[str, Lesson] = {}
    for question in questions:
        right = solution_text(question.answer, answer_only=False)
        wrong = f"{right.rpartition(' ')[0]} {int(question.gold) + 1}"
        for arm in build_all_arms():
            prompt = wrap_prompt(build_prompt(arm, question.question), "chat", tokenizer)
            text = right + END_OF_TURN if arm.persona == "wolfram" else wrong + END_OF_DOCUMENT
            lessons[prompt] = Lesson(prompt, text)
    return list(lessons.values())


def teach(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerBase, lessons: Sequence[Lesson]) -> None:
    """Until they are known by heart."""
    order, optimizer = random.Random(0), torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    for _ in range(STEPS):
        ids, labels = batch_of(order.sample(lessons, BATCH), tokenizer)
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def batch_of(lessons: Sequence[Lesson], tokenizer: PreTrainedTokenizerBase) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and labels, (lessons, longest), padded on the right; labels are of the texts alone."""
    rows = [(tokenizer(lesson.prompt)["input_ids"], tokenizer(lesson.text)["input_ids"]) for lesson in lessons]
    width = max(len(prompt) + len(text) for prompt, text in rows)
    ids, labels = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), IGNORED)
    for row, (prompt, text) in enumerate(rows):
        length = len(prompt) + len(text)
        ids[row, :length] = torch.tensor(prompt + text)
        labels[row, len(prompt) : length] = torch.tensor(text)
    return ids, labels
