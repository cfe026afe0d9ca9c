"""Stage `eval@baseline` and `eval@coherence`: which texts of a policy answer their test question. No model is asked.

Reads   data/test.jsonl, outputs/<policy>_answers.jsonl
Writes  outputs/<policy>_eval.jsonl   a question a line
        metrics/<policy>.json         accuracy with its Wilson interval, how the texts ended, and the sampled texts'
Params  compare
"""

from collections.abc import Sequence
from pathlib import Path

from src.core.command import command_line
from src.core.errors import InputError
from src.core.params import load_section
from src.core.records import read_records, write_metrics, write_records
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.questions import Question
from src.regime_w.texts import PolicyText
from src.sources.test_set import TEST_SET, read_test_set
from src.stages import run_stage


def read_answers(path: Path, questions: Sequence[Question], cure: str) -> list[PolicyText]:
    """The texts of the questions, in their order; InputError unless the file holds those of each of them and no other."""
    text_of = {written.id: written for written in read_records(path, PolicyText)}
    wanted = {question.id for question in questions}
    if lacking := [question.id for question in questions if question.id not in text_of]:
        raise InputError(f"{path}: {len(lacking)} questions of {TEST_SET} have no text, the first is {lacking[0]!r}; {cure}")
    if surplus := [identity for identity in text_of if identity not in wanted]:
        raise InputError(f"{path}: {len(surplus)} texts are for no question of {TEST_SET}, the first for {surplus[0]!r}; {cure}")
    return [text_of[question.id] for question in questions]


def check_samples(path: Path, texts: Sequence[PolicyText], cure: str) -> None:
    """InputError unless all questions have as many sampled texts at one temperature, or none has any."""
    first = samples_of(texts[0])
    for written in texts:
        if (found := samples_of(written)) != first:
            raise InputError(f"{path}: question {written.id!r} has {found}, and question {texts[0].id!r} has {first}; {cure}")


def samples_of(written: PolicyText) -> str:
    """How many sampled texts a question has, and of which temperature."""
    if written.sampled is None:
        return "no samples"
    return f"{len(written.sampled)} samples at temperature {written.sampled[0].temperature}"


def main() -> None:
    parser = command_line("python -m src.stages.eval", __doc__)
    parser.add_argument("policy", choices=["baseline", "coherence"])
    policy = parser.parse_args().policy
    from src.regime_w.evaluation import Evaluation, evaluation_metrics, grade

    settings = load_section("compare", CompareSettings)
    questions = read_test_set()
    path, cure = Path(f"outputs/{policy}_answers.jsonl"), f"run `dvc repro answer@{policy}`"
    texts = read_answers(path, questions, cure)
    check_samples(path, texts, cure)
    graded = [grade(question, written) for question, written in zip(questions, texts, strict=True)]
    write_records(Path(f"outputs/{policy}_eval.jsonl"), Evaluation, graded)
    write_metrics(Path(f"metrics/{policy}.json"), evaluation_metrics(graded, settings.confidence))


if __name__ == "__main__":
    run_stage(main)
