"""Stage `base`: the checkpoint that everything starts from.

Reads   data/train.jsonl (when the base is trained or fine-tuned here)
Writes  checkpoints/base   weights (safetensors) and tokenizer
        metrics/base.json  where it comes from, its size and its special tokens
        plots/base.csv     a row a step, where it was trained or fine-tuned here
Params  seed; profile: base
"""

import shutil
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal

from src.core.command import command_line
from src.core.errors import InputError
from src.core.files import atomic_folder, write_csv
from src.core.journal import Dependencies, make_once, work_folder
from src.core.params import add_profile_argument, load_profile_section, load_value, profile_path
from src.core.records import read_records, write_metrics
from src.core.shapes import FilledText, Seed
from src.models.base_metrics import BaseMetrics, Origin, SftMetrics, SftRun
from src.models.loading import loading
from src.regime_w.questions import Question, between, end_of
from src.regime_w.sft_steps import SftStep
from src.stages import run_stage
from src.training.sandbox_settings import SandboxModelSettings
from src.training.sft_settings import SftSettings

QUESTIONS, BASE = Path("data/train.jsonl"), Path("checkpoints/base")

# What decides a base that is trained here, beside settings and questions: see src/core/journal.py.
SANDBOX_CODE = (
    "training/sandbox_model.py",
    "training/samplers.py",
    "training/few_shapes.py",
    "training/muon.py",
    "training/tokenizer.py",
    "training/examples.py",
    "regime_w/arms.py",
    "regime_w/questions.py",
    "models/encoding.py",
)
SANDBOX_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate")
# What decides what a pretrained model learns by fine-tuning, beside settings, questions and its files.
SFT_CODE = (
    "training/sft.py",
    "training/sft_examples.py",
    "training/shared_texts.py",
    "training/few_shapes.py",
    "training/lora.py",
    "regime_w/arms.py",
    "models/encoding.py",
    "models/templates.py",
    "models/pretrained.py",
)
SFT_PACKAGES = ("torch", "transformers", "tokenizers", "trl", "peft", "accelerate", "gguf")


@dataclass(frozen=True)
class BaseSettings:
    """The section `base` of a profile.

    source   `sandbox`, `package:<name>/<file>.gguf`, `hub:<owner>/<name>@<revision>`, or the path of a folder
    adapter  a LoRA adapter that is merged into a pretrained model: a folder's path or hub:<owner>/<name>@<revision>
    dtype    of the weights as they are kept; those that are trained here, by source `sandbox`, are float32
    sandbox  for source `sandbox`
    sft      supervised fine-tuning of a pretrained model, whose adapter is merged first; None leaves it as it is
    """

    source: FilledText
    adapter: FilledText | None
    dtype: Literal["bfloat16", "float32"]
    sandbox: SandboxModelSettings | None
    sft: SftSettings | None

    def __post_init__(self) -> None:
        if self.source != "sandbox":
            return
        if self.sandbox is None:
            raise InputError("base.source is 'sandbox', but the profile's base section has no `sandbox` settings; give it some")
        if self.adapter is not None:
            raise InputError(f"base.adapter is {self.adapter!r}, but source 'sandbox' is no pretrained model; remove it")
        if self.sft is not None:
            raise InputError("base.sft fine-tunes a pretrained model, but base.source is 'sandbox'; give null for base.sft")
        if self.dtype != "float32":
            raise InputError(f"base.dtype is {self.dtype!r}, but the model of source 'sandbox' is trained in float32; give that")


def main() -> None:
    parser = command_line("python -m src.stages.base", __doc__)
    add_profile_argument(parser)
    settings = load_profile_section("base", BaseSettings, profile_path(parser.parse_args().profile))
    seed = load_value("seed", Seed)
    steps: Sequence[SftStep] = ()
    with atomic_folder(BASE) as folder:
        if settings.source == "sandbox":
            metrics, steps = train_base(settings, seed, folder)
        elif settings.sft is None:
            metrics = fetch_base(settings, folder)
        else:
            metrics, steps = fine_tune_base(settings, settings.sft, seed, folder)
    write_metrics(Path("metrics/base.json"), metrics)
    write_csv(Path("plots/base.csv"), [item.name for item in fields(SftStep)], [astuple(step) for step in steps])


def fetch_base(settings: BaseSettings, folder: Path) -> BaseMetrics:
    """Put a pretrained model into `folder`."""
    with loading():
        from src.models.pretrained import fetch_pretrained

    origin = fetch_pretrained(settings.source, settings.adapter, settings.dtype, folder)
    return describe_base(settings, folder, origin, None)


def fine_tune_base(settings: BaseSettings, sft: SftSettings, seed: int, folder: Path) -> tuple[BaseMetrics, Sequence[SftStep]]:
    """Put a pretrained model, fine-tuned on training questions, into `folder`; a killed run goes on, to the same bytes."""
    questions = read_records(QUESTIONS, Question)
    check_learned(sft, end_of(questions), f"{QUESTIONS} has")
    learned = between(questions, sft.first_question, sft.learned_end(end_of(questions)))

    with loading():
        from src.models.pretrained import fetch_pretrained, source_files
        from src.training.callbacks import checkpoint_folders
        from src.training.sft import fine_tune

    depends_on = Dependencies(
        settings=[str(settings), seed],
        inputs=[QUESTIONS, *source_files(settings.source, settings.adapter)],
        code=SFT_CODE,
        packages=SFT_PACKAGES,
    )
    with work_folder("base", depends_on) as work:
        plain, tuned = work / "plain", work / "tuned"
        for left in (plain, tuned):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        origin = fetch_pretrained(settings.source, settings.adapter, settings.dtype, plain)
        run = make_once(work, tuned, SftRun, lambda: fine_tune(learned, sft, seed, plain, tuned, work))
        # Merged in float32 and rounded once, as any adapter is.
        model, adapter = (tuned, None) if sft.lora is None else (plain, str(tuned))
        fetch_pretrained(str(model), adapter, settings.dtype, folder)
        for done in (plain, tuned, *checkpoint_folders(work)):
            shutil.rmtree(done)
    return describe_base(settings, folder, origin, run.metrics), run.steps


def describe_base(settings: BaseSettings, folder: Path, origin: Origin, training: SftMetrics | None) -> BaseMetrics:
    """What metrics/base.json says of a pretrained model that now lies in `folder`."""
    from src.models.pretrained import describe

    found = describe(folder)
    return BaseMetrics(
        source=settings.source,
        parameters=found.parameters,
        tokens=found.tokens,
        commit=origin.commit,
        adapter=origin.adapter,
        adapter_commit=origin.adapter_commit,
        training=training,
    )


def train_base(settings: BaseSettings, seed: int, folder: Path) -> tuple[BaseMetrics, Sequence[SftStep]]:
    """Train the sandbox's model into `folder`; a run that was killed goes on from its last checkpoint, to the same bytes."""
    assert settings.sandbox is not None  # BaseSettings sees to it
    questions = read_records(QUESTIONS, Question)
    check_questions(questions, settings.sandbox)

    with loading():
        from src.models.pretrained import describe
        from src.training.callbacks import checkpoint_folders
        from src.training.sandbox_model import train_sandbox_model

    depends_on = Dependencies(
        settings=[str(settings.sandbox), seed], inputs=[QUESTIONS], code=SANDBOX_CODE, packages=SANDBOX_PACKAGES
    )
    sandbox = settings.sandbox
    with work_folder("base", depends_on) as work:
        run = make_once(work, folder, SftRun, lambda: train_sandbox_model(questions, sandbox, seed, folder, work))
        for checkpoint in checkpoint_folders(work):
            shutil.rmtree(checkpoint)
    found = describe(folder)
    metrics = BaseMetrics(source=settings.source, parameters=found.parameters, tokens=found.tokens, training=run.metrics)
    return metrics, run.steps


def check_questions(questions: Sequence[Question], settings: SandboxModelSettings) -> None:
    """InputError unless there are questions to learn from, each with its retellings."""
    lacking = {
        "restated": any(question.restated is None for question in questions),
        "altered": any(question.altered is None for question in questions),
        "altered_answer": any(question.altered_answer is None for question in questions),
    }
    if any(lacking.values()):
        keys = ", ".join(key for key, lacks in lacking.items() if lacks)
        raise InputError(
            f"{QUESTIONS} lacks {keys} in some questions, and base.source 'sandbox' learns from them: "
            "set data.source to 'sandbox' too, or base.source to a pretrained model"
        )
    check_first_question(settings, end_of(questions), f"{QUESTIONS} has")


def check_first_question(settings: SandboxModelSettings, there: int, place: str) -> None:
    """InputError if no question is left to learn from; `place` is for the message: "data/train.jsonl has"."""
    if settings.first_question >= there:
        raise InputError(
            f"base.sandbox.first_question is {settings.first_question}, but {place} {there} questions, so "
            "none is left to learn from: lower base.sandbox.first_question, or raise data.train_questions"
        )


def check_learned(settings: SftSettings, there: int, place: str) -> None:
    """InputError if there are fewer questions than are to be learned from; `place` is for the message: "data/train.jsonl has"."""
    end = settings.learned_end(there)
    if settings.first_question >= there or end > there:
        last = "the last" if settings.questions is None else f"{end - 1}"
        raise InputError(
            f"base.sft learns from questions {settings.first_question} to {last}, but {place} {there} questions: lower "
            "base.sft.first_question or base.sft.questions, or raise data.train_questions"
        )


if __name__ == "__main__":
    run_stage(main)
