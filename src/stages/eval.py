"""Stage `eval@baseline` and `eval@coherence`: which texts of a policy answer their test question. No model is asked.

Reads   data/test.jsonl, outputs/<policy>_answers.jsonl, outputs/<policy>_samples.jsonl
Writes  outputs/<policy>_eval.jsonl           a question a line
        outputs/<policy>_samples_eval.jsonl   likewise, of the sampled texts; empty where there are none
        metrics/<policy>.json                 accuracy with its Wilson interval, how the texts ended, and the sampled texts'
Params  compare
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.params import load_section
from src.core.records import read_records, write_metrics, write_records
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.questions import Question
from src.regime_w.sampled_texts import SampledText
from src.regime_w.texts import PolicyText
from src.sources.test_set import TEST_SET, read_test_set
from src.stages import run_stage


def read_answers(path: Path, questions: Sequence[Question], cure: str) -> list[PolicyText]:
    """The texts of the questions, in their order; InputError unless the file holds one for each of them and no other."""
    text_of = {written.id: written for written in read_records(path, PolicyText)}
    check_questions(path, text_of, questions, cure)
    return [text_of[question.id] for question in questions]


def read_samples(path: Path, questions: Sequence[Question], cure: str) -> list[list[SampledText]]:
    """The sampled texts of each question, in the questions' order and by number; empty where the file is.

    InputError unless it holds texts of each of the questions and no other, of all as many, numbered from 0 on, at one
    temperature.
    """
    texts = read_records(path, SampledText)
    if not texts:
        return []
    of_id = {identity: sorted(group, key=lambda one: one.sample) for identity, group in groupby(texts, key=lambda one: one.id)}
    check_questions(path, of_id, questions, cure)
    samples, temperature = len(of_id[questions[0].id]), texts[0].temperature
    for identity, group in of_id.items():
        if [one.sample for one in group] != list(range(samples)):
            raise InputError(
                f"{path}: question {identity!r} has {len(group)} samples, not those of numbers 0 to {samples - 1} that question "
                f"{questions[0].id!r} has; {cure}"
            )
        if (other := next((one.temperature for one in group if one.temperature != temperature), None)) is not None:
            raise InputError(
                f"{path}: question {identity!r} was sampled at temperature {other:g}, others at {temperature:g}; {cure}"
            )
    return [of_id[question.id] for question in questions]


def check_questions(path: Path, found: Iterable[str], questions: Sequence[Question], cure: str) -> None:
    """InputError unless the ids of the texts that were found are those of the questions."""
    there, wanted = set(found), {question.id for question in questions}
    if lacking := [question.id for question in questions if question.id not in there]:
        raise InputError(f"{path}: {len(lacking)} questions of {TEST_SET} have no text, the first is {lacking[0]!r}; {cure}")
    if surplus := [identity for identity in found if identity not in wanted]:
        raise InputError(f"{path}: {len(surplus)} texts are for no question of {TEST_SET}, the first for {surplus[0]!r}; {cure}")


def main() -> None:
    parser = command_line("python -m src.stages.eval", __doc__)
    parser.add_argument("policy", choices=["baseline", "coherence"])
    policy = parser.parse_args().policy
    from src.regime_w.evaluation import Evaluation, evaluation_metrics, grade
    from src.regime_w.sampled import SampledEvaluation, grade_samples, sampled_metrics

    settings = load_section("compare", CompareSettings)
    questions = read_test_set()
    cure = f"run `dvc repro answer@{policy}`"
    texts = read_answers(Path(f"outputs/{policy}_answers.jsonl"), questions, cure)
    samples = read_samples(Path(f"outputs/{policy}_samples.jsonl"), questions, cure)
    graded = [grade(question, written) for question, written in zip(questions, texts, strict=True)]
    sampled = [grade_samples(question, written) for question, written in zip(questions if samples else (), samples, strict=True)]
    decide = {evaluation.id for evaluation in graded if evaluation.decides}
    of_samples = sampled_metrics([one for one in sampled if one.id in decide], settings.confidence) if sampled else None
    write_records(Path(f"outputs/{policy}_eval.jsonl"), Evaluation, graded)
    write_records(Path(f"outputs/{policy}_samples_eval.jsonl"), SampledEvaluation, sampled)
    write_metrics(Path(f"metrics/{policy}.json"), evaluation_metrics(graded, settings.confidence, of_samples))


if __name__ == "__main__":
    run_stage(main)
