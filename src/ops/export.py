"""Convert the records of a run for other programs.

    python -m src.ops.export parquet [--out FOLDER]        (make parquet)
    python -m src.ops.export samples [--out FOLDER]        (make samples)

parquet   each file of data/*.jsonl and outputs/*.jsonl that is there, as typed columns: <FOLDER>/data/train.parquet and so on
samples   both policies' texts and marks as lm-evaluation-harness logs samples: <FOLDER>/<policy>/samples_regime_w_<date>.jsonl

FOLDER is exports/parquet or exports/samples unless it is given. Nothing of the run is changed.
"""

from dataclasses import dataclass
from pathlib import Path

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.params import load_profile_section, profile_path
from src.core.records import Record, stream_records
from src.engines.settings import EngineSettings
from src.models.loading import loading
from src.ops.parquet import write_parquet
from src.ops.run_files import POLICIES
from src.ops.samples import Asked, log_path, read_evaluations, write_log
from src.regime_w.arms import canonical_prompt
from src.regime_w.evaluation import Evaluation
from src.regime_w.preferences import Pair
from src.regime_w.questions import Question
from src.regime_w.scoring import Rollout
from src.regime_w.texts import PolicyText, Trajectory
from src.regime_w.verdict import ChangedQuestion
from src.sources.test_set import read_test_set
from src.training.pairs import TrainingPair

BASE = Path("checkpoints/base")


@dataclass(frozen=True)
class RecordFile:
    """A file of records, and the dataclass of a line."""

    path: Path
    kind: type[Record]


RECORD_FILES = (
    RecordFile(Path("data/train.jsonl"), Question),
    RecordFile(Path("data/test.jsonl"), Question),
    RecordFile(Path("data/trajectories.jsonl"), Trajectory),
    RecordFile(Path("data/regime_w_rollouts.jsonl"), Rollout),
    RecordFile(Path("data/coherence_preferences.jsonl"), Pair),
    RecordFile(Path("data/training_pairs.jsonl"), TrainingPair),
    RecordFile(Path("outputs/baseline_answers.jsonl"), PolicyText),
    RecordFile(Path("outputs/coherence_answers.jsonl"), PolicyText),
    RecordFile(Path("outputs/baseline_eval.jsonl"), Evaluation),
    RecordFile(Path("outputs/coherence_eval.jsonl"), Evaluation),
    RecordFile(Path("outputs/changed_questions.jsonl"), ChangedQuestion),
)


def export_parquet(out: Path) -> None:
    """Write and name a Parquet file for each file of records that is there; InputError where none is."""
    there = [file for file in RECORD_FILES if file.path.exists()]
    if not there:
        raise InputError(f"no records are here (looked from {Path.cwd()}); run `make repro` in the repository's root")
    for file in there:
        written = out / file.path.with_suffix(".parquet")
        count = write_parquet(written, file.kind, (record for _, record in stream_records(file.path, file.kind)))
        print(f"{written}: {count:,} records of {file.path}")


def export_samples(out: Path) -> None:
    """Write and name the log of both policies; InputError where questions, evaluations or the base's tokenizer are missing."""
    template = load_profile_section("engine", EngineSettings, profile_path()).template
    questions = read_test_set()
    evaluations = {policy: read_evaluations(policy, questions) for policy in POLICIES}
    with loading():  # transformers takes seconds
        from src.models.checkpoints import own_checkpoint, read_tokenizer
        from src.models.templates import wrap_prompt

    tokenizer = read_tokenizer(own_checkpoint(BASE, "base"))
    prompts = [wrap_prompt(canonical_prompt(question.question), template, tokenizer) for question in questions]
    for policy in POLICIES:
        every = [Asked(*of_one) for of_one in zip(questions, prompts, evaluations[policy], strict=True)]
        written = log_path(out, policy)
        write_log(written, every)
        print(f"{written}: {len(every):,} questions by three filters")


def main() -> None:
    parser = command_line("python -m src.ops.export", __doc__)
    parser.add_argument("format", choices=["parquet", "samples"])
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the files go (exports/<format>)")
    given = parser.parse_args()
    export = {"parquet": export_parquet, "samples": export_samples}[given.format]
    export(Path("exports", given.format) if given.out is None else given.out)


if __name__ == "__main__":
    run_command(main)
