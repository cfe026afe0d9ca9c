"""What the card of an adapter says, collected from the params, the profile and the metrics of the run at hand."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from src.core.params import load_section, load_value, profile_path, read_yaml
from src.core.records import read_metrics
from src.core.shapes import Seed
from src.models.base_metrics import BaseMetrics
from src.ops.git import git, resolve
from src.regime_w.arms import canonical_prompt
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.evaluation import Accuracy, EvaluationMetrics
from src.regime_w.pair_metrics import PairMetrics
from src.regime_w.training_metrics import TrainMetrics
from src.regime_w.verdict import RunVerdict
from src.report.card import BaseModel, Card, Questions, Result, Setting
from src.sources.gsm8k import HUB, PLATINUM, TEST, TRAIN, PublishedSet
from src.training.dpo_settings import TrainingSettings, load_training_settings

METRICS = Path("metrics")
SANDBOX = "sandbox"  # as a source of questions, and of a base
EXAMPLE = "Carl buys 4 packs of lemons with 6 lemons in each pack. How many lemons does he have?"
# The hub's names of the benchmarks among the test sets: `task_id` in the results of other models. GSM8K-Platinum is none there.
TASKS = {TEST: "gsm8k"}
# Licence of what is made here alone; a base of others has its own.
OWN_LICENCE, OTHER_LICENCE = "apache-2.0", "other"


def collect(place: str, on_hub: bool, root: Path) -> Card:
    """The card of the run in the working folder. InputError for params or metrics that are missing or not as they must be.

    place   what is to be loaded: a folder, or a repository of the hub
    on_hub  which of them
    root    of the repository of the code
    """
    profile = profile_path()
    sections = read_yaml(profile)
    training = load_training_settings(load_value("seed", Seed), profile)
    base = read_metrics(METRICS / "base.json", BaseMetrics)
    coherence = read_metrics(METRICS / "coherence.json", EvaluationMetrics)
    return Card(
        place=place,
        on_hub=on_hub,
        profile=profile.stem,
        seed=training.seed,
        commit=commit_of(root),
        licence=OWN_LICENCE if base.source == SANDBOX else OTHER_LICENCE,
        base=base_of(base, training.train.base_dtype),
        train_questions=training_questions(sections["data"]),
        asked=sections["sample"]["questions"],
        settings=tuple(settings_of(training, read_yaml(Path("params.yaml")))),
        prompt=canonical_prompt(EXAMPLE),
        template=sections["engine"]["template"],
        max_tokens=sections["answer"]["max_tokens"],
        confidence=load_section("compare", CompareSettings).confidence,
        train=read_metrics(METRICS / "train.json", TrainMetrics),
        prefs=read_metrics(METRICS / "prefs.json", PairMetrics),
        verdict=read_metrics(METRICS / "verdict.json", RunVerdict),
        baseline=read_metrics(METRICS / "baseline.json", EvaluationMetrics),
        coherence=coherence,
        results=results_of(coherence, sections["data"]),
    )


def commit_of(root: Path) -> str | None:
    """The commit at hand; None if there is none, or a tracked file is not as it has it."""
    changed = git(root, "status", "--porcelain", "--untracked-files=no").strip()
    return None if changed else resolve(root, "HEAD")


# --- the base ---


def base_of(metrics: BaseMetrics, dtype: str) -> BaseModel:
    """How the base of a run is had by others, from metrics/base.json; `dtype` is that of its weights in training."""
    source = metrics.source
    if source == SANDBOX:
        described = "a Llama that stage base of Regime W trains from scratch; it is in the folder base here"
        return BaseModel("shipped", None, None, described, metrics.parameters, dtype)
    if source.startswith(f"{HUB}:") and metrics.commit is not None and metrics.adapter is None:
        name = source.removeprefix(f"{HUB}:").partition("@")[0]
        return BaseModel("hub", name, metrics.commit, f"{name} at commit {metrics.commit}", metrics.parameters, dtype)
    # A path says something of the machine that it is on, and nothing to anybody else.
    public = source if source.startswith((f"{HUB}:", "package:")) else "a folder of the machine where it ran"
    merged = ", with another LoRA adapter merged into it" if metrics.adapter is not None else ""
    described = f"what stage base of Regime W makes of {public}{merged} (dvc repro base)"
    return BaseModel("made", None, None, described, metrics.parameters, dtype)


# --- questions ---


def training_questions(data: dict[str, Any]) -> Questions:
    """Those that the run learns from, by the section `data` of its profile."""
    if data["source"] == SANDBOX:
        return Questions("problems that Regime W makes by a program", None, None, None, None)
    if data["source"] == HUB:
        return Questions(TRAIN.title, TRAIN.name, TRAIN.config, TRAIN.commit, None)
    return Questions("questions of a file that is not published here", None, None, None, None)


def results_of(metrics: EvaluationMetrics, data: dict[str, Any]) -> tuple[Result, ...]:
    """The adapter's results, those of the headline first: GSM8K-Platinum's before GSM8K's own where it was asked both."""
    headline = Accuracy(metrics.accuracy, metrics.ci_low, metrics.ci_high, metrics.correct, metrics.questions)
    if metrics.gsm8k is None:
        published = {"platinum": PLATINUM}.get(data["test_set"], TEST)
        return (Result(test_questions(data, headline, published), headline),)
    asked = [(PLATINUM, headline), (TEST, metrics.gsm8k)]
    return tuple(Result(test_questions(data, accuracy, published), accuracy) for published, accuracy in asked)


def test_questions(data: dict[str, Any], accuracy: Accuracy, published: PublishedSet) -> Questions:
    """Those that an accuracy is of; `published` is the set of the hub that they are from if they are from the hub."""
    if data["held_out"] is not None:
        return Questions("held-out training questions, for choices", None, None, None, None)
    if data["source"] == SANDBOX:
        return Questions("test problems of Regime W's sandbox", None, None, None, None)
    if data["source"] != HUB:
        return Questions("questions of a file that is not published here", None, None, None, None)
    if accuracy.questions < published.rows:
        title = f"the first {accuracy.questions:,} questions of the {published.title}"
        return Questions(title, published.name, published.config, published.commit, None)
    return Questions(published.title, published.name, published.config, published.commit, TASKS.get(published))


# --- settings ---


def settings_of(training: TrainingSettings, params: dict[str, Any]) -> Sequence[Setting]:
    """What decides the adapter beside base and data: pairs, rewards and training."""
    pairs = {f"prefs.{key}": value for key, value in params["prefs"].items()}
    rewards = {f"scoring.{key}": value for key, value in params["scoring"].items()}
    dpo = {f"dpo.{key}": value for key, value in asdict(training.dpo).items()}
    train = {f"train.{key}": getattr(training.train, key) for key in ("max_length", "bf16", "base_dtype")}
    return [Setting(key, shown(value)) for key, value in (dpo | train | pairs | rewards).items()]


def shown(value: Any) -> str:
    """A value of a setting in words: a section as its keys and values."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(inner)}" for key, inner in value.items())
    return "by the machine" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
