"""A pretrained model from the hub, a folder or a package, as the pipeline keeps it: safetensors and a tokenizer."""

from pathlib import Path
from typing import Literal

import torch
from httpx2 import HTTPError
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from transformers import AutoConfig, AutoModelForCausalLM

from src.core.errors import InputError
from src.core.progress import stage_name
from src.models.base_metrics import Description, Origin, SpecialTokens, Token
from src.models.checkpoints import (
    Checkpoint,
    add_adapter,
    check_tokens,
    first_line,
    own_checkpoint,
    read_model,
    read_tokenizer,
)
from src.models.encoding import encode_prompt
from src.models.hub import resolve_commit
from src.models.precision import DTYPES
from src.models.sources import Located, OnHub, parse_source

# All that a model's folder needs but its weights.
SMALL_FILES = ["*.json", "*.model", "*.txt", "*.jinja"]


def fetch_pretrained(source: str, adapter: str | None, dtype: Literal["bfloat16", "float32"], folder: Path) -> Origin:
    """Put the model of `source`, with a LoRA adapter merged into it if one is named, into `folder`.

    source, adapter   a folder's path or hub:<owner>/<name>@<revision>; source also package:<name>/<file>.gguf
    dtype             of the weights in `folder`; an adapter is merged in float32, and the sum is rounded once, if at all

    Raises InputError for what cannot be found or fetched, for files that are broken or do not fit together, and for weights
    that could run code as they are read.
    """
    found = locate(source, "base.source")
    checkpoint = Checkpoint(
        found.folder, f"base.source {source!r}", "correct that file or fetch it again", gguf_file=found.gguf_file
    )
    tokenizer = read_tokenizer(checkpoint)
    # Merging adds small numbers to large ones: it is done in full precision, and rounded once.
    model = read_model(checkpoint, DTYPES[dtype] if adapter is None else torch.float32)
    adapter_commit = None
    if adapter is not None:
        merged = locate(adapter, "base.adapter")
        adapter_files = Checkpoint(merged.folder, f"base.adapter {adapter!r}", "name one of this model")
        model = add_adapter(model, adapter_files).merge_and_unload()
        adapter_commit = merged.commit
    check_tokens(model, tokenizer, checkpoint)
    model.to(DTYPES[dtype]).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Origin(commit=found.commit, adapter=adapter, adapter_commit=adapter_commit)


def locate(source: str, key: str) -> Located:
    """Where the files of `source` are; those of the hub are downloaded at once.

    Raises InputError, with the parameter's `key`, if `source` has none of the known forms or is not there.
    """
    found = parse_source(source, key)
    return download(found.name, found.revision, key) if isinstance(found, OnHub) else found


def source_files(source: str, adapter: str | None) -> list[Path]:
    """The files, or folders of files, that decide what `fetch_pretrained` writes; those of the hub are downloaded at once."""
    found = locate(source, "base.source")
    model = found.folder if found.gguf_file is None else found.folder / found.gguf_file
    return [model, *([] if adapter is None else [locate(adapter, "base.adapter").folder])]


def download(name: str, revision: str, key: str) -> Located:
    """The files of a hub model at the commit of `revision`; each file is fetched once. InputError if that cannot be."""
    try:
        commit = resolve_commit("model", name, revision)
        print(f"{stage_name('base')}: fetching {name} at {commit} from the hub", flush=True)
        folder = snapshot_download(name, revision=commit, allow_patterns=[*SMALL_FILES, "*.safetensors"])
        if not list(Path(folder).glob("*.safetensors")):
            folder = snapshot_download(name, revision=commit, allow_patterns=[*SMALL_FILES, "*.bin"])
    except (HTTPError, OSError, HFValidationError) as error:
        raise InputError(
            f"{key} is 'hub:{name}@{revision}', which cannot be fetched ({type(error).__name__}: {first_line(error)}); check the "
            f"name, the revision and the network, or give {key} the path of a folder that holds the model's files"
        ) from error
    return Located(Path(folder), commit=commit)


def describe(folder: Path) -> Description:
    """Size and special tokens of a checkpoint that this pipeline has written."""
    with torch.device("meta"):  # shapes without memory
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    tokenizer = read_tokenizer(own_checkpoint(folder, "base"))
    bos, eos, pad = (
        None if identity is None else Token(token=str(token), id=identity)
        for token, identity in (
            (tokenizer.bos_token, tokenizer.bos_token_id),
            (tokenizer.eos_token, tokenizer.eos_token_id),
            (tokenizer.pad_token, tokenizer.pad_token_id),
        )
    )
    assert eos is not None and pad is not None  # `read_tokenizer` sees to it
    return Description(
        parameters=sum(weight.numel() for weight in model.parameters()),
        tokens=SpecialTokens(
            bos=bos,
            eos=eos,
            pad=pad,
            bos_added=bos is not None and encode_prompt(tokenizer, "1 + 1")[0] == bos.id,
            vocab_size=len(tokenizer),
        ),
    )
