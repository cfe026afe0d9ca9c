"""Stage `base`: the checkpoint that everything starts from.

Reads   data/train.jsonl (when the base is trained here)
Writes  checkpoints/base   weights (safetensors) and tokenizer
        metrics/base.json  where it comes from, its size and its special tokens
Params  seed; profile: base
"""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from src.errors import InputError, run_stage
from src.files import whole_folder
from src.journal import file_digest, work_folder
from src.params import Seed, load_profile_section, load_value
from src.pretrained import describe, fetch_pretrained
from src.records import read_records, write_json
from src.sandbox.model import SandboxModelSettings, train_sandbox_model
from src.training.callbacks import checkpoints


@dataclass(frozen=True)
class BaseSettings:
    source: str  # `sandbox`, `package:<name>/<file>.gguf`, `hub:<owner>/<name>@<revision>`, or the path of a folder
    adapter: str | None = None  # a LoRA adapter that is merged into a pretrained model: a folder's path or one of the hub
    sandbox: SandboxModelSettings | None = None  # for source `sandbox`


# What the sandbox's model learns from besides question and answer.
RETOLD = ("restated", "altered", "altered_answer")


def main() -> None:
    settings = load_profile_section("base", BaseSettings)
    seed = load_value("seed", Seed)
    with whole_folder(Path("checkpoints/base")) as folder:
        if settings.source == "sandbox":
            told = train_base(settings, seed, folder)
        else:
            told = fetch_pretrained(settings.source, settings.adapter, folder)
        told = {"source": settings.source} | describe(folder) | told
    write_json(Path("metrics/base.json"), told)


def train_base(settings: BaseSettings, seed: int, folder: Path) -> dict:
    """Train the sandbox's model into `folder`; a run that was killed goes on from its last checkpoint, to the same bytes."""
    if settings.sandbox is None:
        raise InputError("base.source is 'sandbox', but the profile's base section has no `sandbox` settings; give it some")
    if settings.adapter is not None:
        raise InputError(f"base.adapter is {settings.adapter!r}, but source 'sandbox' is no pretrained model; remove it")
    questions = Path("data/train.jsonl")
    records = read_records(questions, "question")
    if lacking := [key for key in RETOLD if any(key not in record for record in records)]:
        raise InputError(
            f"{questions} lacks {', '.join(lacking)} in some questions, and base.source 'sandbox' learns from them: "
            "set data.source to 'sandbox' too, or base.source to a pretrained model"
        )
    if settings.sandbox.first_question >= len(records):
        raise InputError(
            f"base.sandbox.first_question is {settings.sandbox.first_question}, but {questions} has {len(records)} questions, so "
            "none is left to learn from: lower base.sandbox.first_question, or raise data.train_questions"
        )
    depends_on = {"settings": asdict(settings), "seed": seed, "questions": file_digest(questions)}
    with work_folder("base", depends_on) as work:
        told = train_sandbox_model(records, settings.sandbox, seed, folder, work)
        for checkpoint in checkpoints(work):
            shutil.rmtree(checkpoint)
    return told


if __name__ == "__main__":
    run_stage(main)
