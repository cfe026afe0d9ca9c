"""The card of an adapter, and its results in the form that the hub reads: rendered by the template beside this module.

The hub reads results in two places (https://huggingface.co/docs/hub/eval-results): files under `.eval_results/`, for data sets
that are registered there as benchmarks, and the list `model-index` at the head of the card, for any.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import yaml

from src.regime_w.evaluation import Accuracy, EvaluationMetrics
from src.regime_w.pair_metrics import PairMetrics
from src.regime_w.training_metrics import TrainMetrics
from src.regime_w.verdict import RunVerdict
from src.report.rendering import points, template

BENCHMARKS, OTHERS = ".eval_results/{task}.yaml", "eval_results.yaml"


@dataclass(frozen=True)
class BaseModel:
    """What the adapter was trained on, and so what it is loaded on.

    kind        shipped: trained here, and in the folder `base` beside the adapter; hub: a model of the hub, at a commit;
                made: one that stage base makes, out of another model
    name        of the model on the hub, with its commit; None of the other kinds
    described   where it comes from, in words
    parameters  of the model
    dtype       of its weights, as the adapter was trained on them
    """

    kind: Literal["shipped", "hub", "made"]
    name: str | None
    commit: str | None
    described: str
    parameters: int
    dtype: str


@dataclass(frozen=True)
class Questions:
    """A set of questions.

    title    in words
    dataset  of the hub, with config and commit; None of questions that the hub does not have
    task     the hub's name of the benchmark that they are, all of them; None where they are none
    """

    title: str
    dataset: str | None
    config: str | None
    commit: str | None
    task: str | None


@dataclass(frozen=True)
class Result:
    """How often the adapter is right on a set of questions."""

    questions: Questions
    accuracy: Accuracy


@dataclass(frozen=True)
class Setting:
    """A setting of the run, by its key in params.yaml or in the profile."""

    key: str
    value: str


@dataclass(frozen=True)
class Card:
    """All that the card shows.

    place       what is loaded: a folder, or a repository of the hub where `on_hub`
    commit      of the code that made the adapter; None where it was no commit's
    licence     its identifier on the hub
    prompt      how an example is asked, as in training and in evaluation
    results     those of the headline first
    confidence  of every interval, 0.95 is 95 %
    """

    place: str
    on_hub: bool
    profile: str
    seed: int
    commit: str | None
    licence: str
    base: BaseModel
    train_questions: Questions
    asked: int
    settings: tuple[Setting, ...]
    prompt: str
    template: str
    max_tokens: int
    confidence: float
    train: TrainMetrics
    prefs: PairMetrics
    verdict: RunVerdict
    baseline: EvaluationMetrics
    coherence: EvaluationMetrics
    results: tuple[Result, ...]


def name_of(card: Card) -> str:
    return f"regime-w-{card.profile}"


def loading_lines(base: BaseModel, place: str, on_hub: bool) -> str:
    """The five lines of Python that load the adapter by peft, and a blank one after the imports; no line's end at the end.

    on_hub  whether `place` is a repository of the hub, not a folder
    """
    if base.kind == "shipped" and on_hub:
        # transformers, given the repository and the folder `base` in it, would follow the adapter beside that folder.
        return "\n".join(
            (
                "import huggingface_hub, peft, transformers",
                "",
                f'folder = huggingface_hub.snapshot_download("{place}")',
                'base = transformers.AutoModelForCausalLM.from_pretrained(f"{folder}/base")',
                "model = peft.PeftModel.from_pretrained(base, folder)",
                'tokenizer = transformers.AutoTokenizer.from_pretrained(f"{folder}/base")',
            )
        )
    of_base = {
        "shipped": f'"{place}/base"',
        "hub": f'"{base.name}", revision="{base.commit}"',
        "made": '"checkpoints/base"',
    }[base.kind]
    return "\n".join(
        (
            "from peft import PeftModel",
            "from transformers import AutoModelForCausalLM, AutoTokenizer",
            "",
            f'base = AutoModelForCausalLM.from_pretrained({of_base}, dtype="{base.dtype}")',
            f'model = PeftModel.from_pretrained(base, "{place}")',
            f"tokenizer = AutoTokenizer.from_pretrained({of_base})",
        )
    )


def render(card: Card) -> str:
    """The card: the head that the hub reads, in YAML, and the page."""
    lines = loading_lines(card.base, card.place, card.on_hub)
    page = template("card.md.j2").render(vars(card) | {"lines": lines, "name": name_of(card)})
    return f"---\n{head(card)}\n---\n{page}"


def head(card: Card) -> str:
    """What the hub reads of a card, as YAML."""
    from huggingface_hub import EvalResult, ModelCardData  # a third of a second, which --help need not wait

    results = [
        EvalResult(
            task_type="text-generation",
            task_name="grade-school word problems",
            dataset_type=result.questions.dataset or f"{name_of(card)}-test",
            dataset_name=result.questions.title,
            dataset_config=result.questions.config,
            dataset_split="test",
            dataset_revision=result.questions.commit,
            metric_type="accuracy",
            metric_name="accuracy, percent",
            metric_value=percent_of(result.accuracy.accuracy),
            metric_args={
                "confidence": card.confidence,
                "low": percent_of(result.accuracy.ci_low),
                "high": percent_of(result.accuracy.ci_high),
                "correct": result.accuracy.correct,
                "questions": result.accuracy.questions,
            },
        )
        for result in card.results
    ]
    data = ModelCardData(
        base_model=card.base.name,
        library_name="peft",
        pipeline_tag="text-generation",
        language="en",
        license=card.licence,
        license_name="the-licence-of-its-base" if card.licence == "other" else None,
        license_link=f"https://huggingface.co/{card.base.name}" if card.licence == "other" and card.base.name else None,
        datasets=[card.train_questions.dataset] if card.train_questions.dataset else None,
        tags=["lora", "dpo", "math", "regime-w"],
        model_name=name_of(card),
        eval_results=results,
    )
    return data.to_yaml()


def percent_of(share: float) -> float:
    """A share in hundredths, with two decimals."""
    return round(100 * share, 2)


@dataclass(frozen=True)
class ResultsFile:
    """A file of results: its path beside the adapter, and its YAML."""

    path: str
    text: str


def results_files(card: Card) -> tuple[ResultsFile, ...]:
    """The results in the hub's form: a file of `.eval_results` for each benchmark that the hub has, and one for all others.

    The hub reads the folder alone, and takes benchmarks alone, so that results on other questions stand outside of it.
    """
    of_benchmarks = [
        ResultsFile(BENCHMARKS.format(task=result.questions.task), _entries(card, [result]))
        for result in card.results
        if result.questions.task is not None
    ]
    others = [result for result in card.results if result.questions.task is None]
    return (*of_benchmarks, *([ResultsFile(OTHERS, _entries(card, others))] if others else []))


def _entries(card: Card, results: Sequence[Result]) -> str:
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = [
        EvalResultEntry(
            dataset_id=result.questions.dataset or f"{name_of(card)}-test",
            task_id=result.questions.task or "test",
            value=percent_of(result.accuracy.accuracy),
            dataset_revision=result.questions.commit,
            notes=_notes(card, result.accuracy),
        )
        for result in results
    ]
    return str(yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=1000))


def _notes(card: Card, accuracy: Accuracy) -> str:
    interval = f"{points(accuracy.ci_low)} to {points(accuracy.ci_high)}"
    return (
        f"accuracy in percent, {100 * card.confidence:.10g} % interval {interval} by {accuracy.questions:,} questions; greedy, "
        f"no examples in the prompt, one training, seed {card.seed}"
    )
