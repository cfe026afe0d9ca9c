"""Parquet: typed columns, and the same records when they are read back."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import pyarrow as pa
import pytest
from pyarrow.parquet import ParquetFile, read_schema, read_table

from src.core.shapes import check_value
from src.ops import parquet
from src.ops.export import RECORD_FILES
from src.ops.parquet import schema_of, write_parquet
from src.regime_w.evaluation import Evaluation
from src.regime_w.preferences import Pair
from src.regime_w.questions import Question
from src.regime_w.sampled import SampledEvaluation
from src.regime_w.scoring import Rollout
from src.regime_w.texts import PolicyText, Trajectory
from src.regime_w.verdict import ChangedQuestion
from src.training.pairs import TrainingPair
from tests.ops.small_records import TEST, evaluations, small_pair, small_rollout
from tests.regime_w.builders import policy_text, sampled_texts, trajectory
from tests.stages.small_run import NUTS, PENS

ODD = "½ \x1b[2J\u2028 \U0001f600\n"
RECORDS: dict[str, list[Any]] = {
    "train": [PENS, NUTS],
    "test": list(TEST),  # of which one has a kind
    "trajectories": [trajectory("wolfram_0", ODD, seed=-(2**63)), trajectory("maudlin_3")],
    "regime_w_rollouts": [small_rollout()],
    "coherence_preferences": [small_pair()],
    "training_pairs": [TrainingPair("How many?", "5", ODD)],
    "baseline_answers": [policy_text(ODD), policy_text(id="q2", sampled=sampled_texts(ODD, "Answer: 2"))],
    "coherence_answers": [policy_text()],
    "baseline_eval": evaluations("baseline"),
    "coherence_eval": [
        replace(one, sampled=SampledEvaluation(2, 0.35, 0, 2, None, 0, False)) for one in evaluations("coherence")
    ],
    "changed_questions": [ChangedQuestion("q", "fixed", "How many?", "5", ODD, "")],
}


def read_back(path, kind) -> list[Any]:
    """The records of a file; a key that may be missing and has no value is missing."""
    optional = {item.name for item in fields(kind) if item.default is None}
    rows = read_table(path).to_pylist()
    return [
        check_value(kind, {key: value for key, value in row.items() if value is not None or key not in optional}) for row in rows
    ]


@pytest.mark.parametrize("file", RECORD_FILES, ids=lambda file: file.path.stem)
def test_records_read_back_as_they_were(file, tmp_path):
    records = RECORDS[file.path.stem]
    assert write_parquet(tmp_path / "a/records.parquet", file.kind, records) == len(records)
    assert read_back(tmp_path / "a/records.parquet", file.kind) == records
    assert read_schema(tmp_path / "a/records.parquet").equals(schema_of(file.kind))


def test_columns_have_the_types_of_the_fields():
    schema = schema_of(Trajectory)
    assert (schema.field("seed").type, schema.field("temperature").type) == (pa.int64(), pa.float64())
    assert schema.field("arm_name").type == pa.string() and not schema.field("text").nullable
    assert schema_of(Question).field("kind").nullable and schema_of(Question).field("in_platinum").type == pa.bool_()
    assert schema_of(Evaluation).field("sampled").nullable and schema_of(PolicyText).field("sampled").nullable
    trajectories = schema_of(Rollout).field("trajectories").type
    assert pa.types.is_list(trajectories) and trajectories.value_type.field("reward").type == pa.float64()


def test_many_records_are_written_some_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS_AT_ONCE", 2)
    texts = [policy_text(id=str(number)) for number in range(5)]
    write_parquet(tmp_path / "texts.parquet", PolicyText, texts)
    assert ParquetFile(tmp_path / "texts.parquet").num_row_groups == 3
    assert read_back(tmp_path / "texts.parquet", PolicyText) == texts


def test_a_file_without_records_keeps_its_columns(tmp_path):
    assert write_parquet(tmp_path / "pairs.parquet", Pair, []) == 0
    assert read_schema(tmp_path / "pairs.parquet").names == [item.name for item in fields(Pair)]


def test_an_error_leaves_the_file_as_it_was(tmp_path):
    def broken():
        yield policy_text()
        raise RuntimeError("stopped")

    (tmp_path / "texts.parquet").write_text("as it was")
    with pytest.raises(RuntimeError):
        write_parquet(tmp_path / "texts.parquet", PolicyText, broken())
    assert [path.read_text() for path in tmp_path.iterdir()] == ["as it was"]


def test_a_type_without_a_column_is_refused():
    @dataclass(frozen=True)
    class Numbered:
        number: Literal[1, 2]

    with pytest.raises(TypeError, match="no column holds values of type"):
        schema_of(Numbered)
