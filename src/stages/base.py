"""Stage `base`: the checkpoint that everything starts from.

Reads   data/train.jsonl (when the base is trained here)
Writes  checkpoints/base   weights (safetensors) and tokenizer
        metrics/base.json  where it comes from, its size
Params  seed; profile: base
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from src.errors import InputError, run_stage
from src.files import whole_folder
from src.params import load_profile_section, load_value
from src.records import read_records, write_json
from src.sandbox.model import SandboxModelSettings, train_sandbox_model


@dataclass(frozen=True)
class BaseSettings:
    source: str  # `sandbox`, `package:<name>/<file>.gguf`, `hub:<owner>/<name>@<revision>`, or the path of a folder
    sandbox: SandboxModelSettings | None = None  # for source `sandbox`


def fetch_pretrained(source: str, folder: Path) -> None:
    """Copy a pretrained model into `folder` as bfloat16 safetensors with its tokenizer."""
    options = locate(source)
    tokenizer = AutoTokenizer.from_pretrained(**options)
    # A GGUF file is unpacked at once: packed weights can neither be saved nor trained.
    packed = {"quantization_config": GgufConfig(dequantize=True)} if "gguf_file" in options else {}
    model = AutoModelForCausalLM.from_pretrained(**options, **packed, dtype=torch.bfloat16)
    if tokenizer.eos_token_id is None:
        raise InputError(f"base.source {source!r}: its tokenizer has no end token, so no text could end")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def locate(source: str) -> dict[str, str]:
    """What from_pretrained needs to find the model; InputError if `source` has none of the known forms."""
    kind, _, rest = source.partition(":")
    if kind == "package":
        name, _, file = rest.partition("/")
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise InputError(f"base.source is {source!r}, but the package {name} is not installed; see requirements.txt")
        return {"pretrained_model_name_or_path": spec.submodule_search_locations[0], "gguf_file": file}
    if kind == "hub":
        name, _, revision = rest.partition("@")
        if not revision:
            raise InputError(f"base.source is {source!r} without a revision; pin one: hub:{name}@<commit>")
        return {"pretrained_model_name_or_path": name, "revision": revision}
    if Path(source).is_dir():
        return {"pretrained_model_name_or_path": source}
    raise InputError(
        f"base.source is {source!r}: no such folder, and none of `sandbox`, `package:<name>/<file>.gguf`, "
        "`hub:<owner>/<name>@<revision>`"
    )


def main() -> None:
    settings = load_profile_section("base", BaseSettings)
    seed = load_value("seed", int)
    with whole_folder(Path("checkpoints/base")) as folder, TemporaryDirectory() as work:
        if settings.source == "sandbox":
            if settings.sandbox is None:
                raise InputError("base.source is 'sandbox', but the profile's base section has no `sandbox` settings")
            records = read_records(Path("data/train.jsonl"), "question")
            told = train_sandbox_model(records, settings.sandbox, seed, folder, Path(work))
        else:
            fetch_pretrained(settings.source, folder)
            told = {}
        model = AutoModelForCausalLM.from_pretrained(folder)
        told = {"source": settings.source, "parameters": sum(p.numel() for p in model.parameters())} | told
    write_json(Path("metrics/base.json"), told)


if __name__ == "__main__":
    run_stage(main)
