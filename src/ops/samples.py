"""Evaluations as the log of samples that lm-evaluation-harness writes with `--log_samples`.

A file `<folder>/<policy>/samples_<task>_<date>.jsonl` has a line for each question and filter. The keys, their order and the
hashes are those of lm_eval 0.4.13 (lm_eval/evaluator.py, lm_eval/loggers/evaluation_tracker.py). The filters are the two of its
task gsm8k_platinum, and `regime-w`: the answer by our own rules, which is the one that the verdict counts.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from src.core.errors import InputError
from src.core.files import atomic_file
from src.core.records import read_records, to_json
from src.regime_w.evaluation import Evaluation
from src.regime_w.harness import INVALID, RULES, harness_answer, harness_correct, harness_target
from src.regime_w.questions import Question

TASK = "regime_w"
OURS = "regime-w"


@dataclass(frozen=True)
class GenerationArguments:
    """How the policy wrote: greedily, up to its own end of text. `until` has the texts that would have stopped it: none."""

    until: tuple[str, ...] = ()
    do_sample: bool = False
    temperature: float = 0.0


@dataclass(frozen=True)
class Request:
    """What a model was asked: the prompt as it read it, and how it wrote."""

    arg_0: str
    arg_1: GenerationArguments


@dataclass(frozen=True)
class Requests:
    """The requests of one question, of which there is one here."""

    gen_args_0: Request


@dataclass(frozen=True)
class Sample:
    """A line of the log, keys in the harness's order.

    doc_id          the question's line in data/test.jsonl, counted from 0
    target          the worked solution, which ends in `#### <number>`
    resps           texts by request and repeat
    filtered_resps  the answer by request, `[invalid]` without one
    metrics         names of the keys that hold this sample's marks
    *_hash          SHA-256 of the doc as indented JSON, of the prompt, of the target
    exact_match     1.0 or 0.0
    """

    doc_id: int
    doc: Question
    target: str
    arguments: Requests
    resps: tuple[tuple[str, ...], ...]
    filtered_resps: tuple[str, ...]
    filter: str
    metrics: tuple[str, ...]
    doc_hash: str
    prompt_hash: str
    target_hash: str
    exact_match: float


@dataclass(frozen=True)
class Asked:
    """A test question, the prompt that the policies read, and the evaluation of one policy."""

    question: Question
    prompt: str
    evaluation: Evaluation


def samples_of(every: Sequence[Asked]) -> Iterator[Sample]:
    """The lines of a log: all questions by one filter, then all by the next; strict-match first, ours last."""
    for rule in RULES:
        for place, asked in enumerate(every):
            answer = harness_answer(asked.evaluation.text, rule)
            yield _sample(place, asked, rule.name, answer, harness_correct(answer, harness_target(asked.question)))
    for place, asked in enumerate(every):
        yield _sample(place, asked, OURS, asked.evaluation.answer, asked.evaluation.correct)


def _sample(place: int, asked: Asked, name: str, answer: str | None, correct: bool) -> Sample:
    target = harness_target(asked.question)
    return Sample(
        doc_id=place,
        doc=asked.question,
        target=target,
        arguments=Requests(Request(asked.prompt, GenerationArguments())),
        resps=((asked.evaluation.text,),),
        filtered_resps=(INVALID if answer is None else answer,),
        filter=name,
        metrics=("exact_match",),
        doc_hash=_hash(json.dumps(to_json(asked.question), indent=2, ensure_ascii=False)),
        prompt_hash=_hash(asked.prompt),
        target_hash=_hash(target),
        exact_match=float(correct),
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def read_evaluations(policy: str, questions: Sequence[Question]) -> list[Evaluation]:
    """One for each test question, in their order; InputError where the file is of another test set."""
    path = Path(f"outputs/{policy}_eval.jsonl")
    evaluations = read_records(path, Evaluation)
    if [one.id for one in evaluations] != [question.id for question in questions]:
        raise InputError(
            f"{path} has {len(evaluations):,} evaluations and data/test.jsonl {len(questions):,} questions, and they are not the "
            f"same in the same order; run `dvc repro eval@{policy}`"
        )
    return evaluations


def log_path(folder: Path, policy: str) -> Path:
    """Where the log of a policy goes; its date is when the evaluation was written, so that one run has one name."""
    written = datetime.fromtimestamp(Path(f"outputs/{policy}_eval.jsonl").stat().st_mtime, UTC)
    return folder / policy / f"samples_{TASK}_{written:%Y-%m-%dT%H-%M-%S.%f}.jsonl"


def write_log(path: Path, every: Sequence[Asked]) -> None:
    """Write the log, whole or not at all; parent folders are made."""
    with atomic_file(path) as file:
        for sample in samples_of(every):
            file.write(json.dumps(to_json(sample), ensure_ascii=False) + "\n")
