"""Stage `base`: the checkpoint that everything starts from.

Reads   data/train.jsonl (when the base is trained here)
Writes  checkpoints/base   weights (safetensors) and tokenizer
        metrics/base.json  where it comes from, its size and its special tokens
Params  seed; profile: base
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from src.errors import InputError, run_stage
from src.files import whole_folder
from src.params import load_profile_section, load_value
from src.pretrained import describe, fetch_pretrained
from src.records import read_records, write_json
from src.sandbox.model import SandboxModelSettings, train_sandbox_model


@dataclass(frozen=True)
class BaseSettings:
    source: str  # `sandbox`, `package:<name>/<file>.gguf`, `hub:<owner>/<name>@<revision>`, or the path of a folder
    adapter: str | None = None  # a LoRA adapter that is merged into a pretrained model: a folder's path or one of the hub
    sandbox: SandboxModelSettings | None = None  # for source `sandbox`


def main() -> None:
    settings = load_profile_section("base", BaseSettings)
    seed = load_value("seed", int)
    with whole_folder(Path("checkpoints/base")) as folder, TemporaryDirectory() as work:
        if settings.source == "sandbox":
            if settings.sandbox is None:
                raise InputError("base.source is 'sandbox', but the profile's base section has no `sandbox` settings")
            if settings.adapter is not None:
                raise InputError(f"base.adapter is {settings.adapter!r}, but source 'sandbox' is no pretrained model; remove it")
            records = read_records(Path("data/train.jsonl"), "question")
            told = train_sandbox_model(records, settings.sandbox, seed, folder, Path(work))
        else:
            told = fetch_pretrained(settings.source, settings.adapter, folder)
        told = {"source": settings.source} | describe(folder) | told
    write_json(Path("metrics/base.json"), told)


if __name__ == "__main__":
    run_stage(main)
