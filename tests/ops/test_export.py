"""`python -m src.ops.export`: the files of a run, converted; here with a real tokenizer."""

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pyarrow.parquet import read_table

from src.core.errors import InputError
from src.core.records import write_records
from src.ops import export
from src.regime_w.evaluation import Evaluation
from tests.ops.small_records import TEST, evaluations, write_small_records
from tests.profiles import profile_text


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    write_small_records(tmp_path)
    (tmp_path / "params.yaml").write_text("profile: tiny\n")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/tiny.yaml").write_text(profile_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["export", *arguments])
    export.main()


def test_parquet_of_each_file_that_is_there(folder, monkeypatch, capsys):
    run(monkeypatch, "parquet", "--out", "converted")
    written = sorted(path.relative_to(folder).as_posix() for path in (folder / "converted").rglob("*.*"))
    there = ("data/coherence_preferences", "data/regime_w_rollouts", "data/test", "data/train")
    assert written == [f"converted/{name}.parquet" for name in (*there, "outputs/baseline_eval", "outputs/coherence_eval")]
    assert "converted/data/test.parquet: 2 records of data/test.jsonl" in capsys.readouterr().out
    assert read_table("converted/data/test.parquet").column("gold").to_pylist() == ["5", "7"]


def test_a_folder_without_records_is_one_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no records are here .*; run `make repro`"):
        run(monkeypatch, "parquet")


@pytest.mark.slow
def test_the_log_has_a_line_for_each_question_and_filter(folder, monkeypatch, checkpoint):
    shutil.copytree(checkpoint, folder / "checkpoints/base")
    run(monkeypatch, "samples")
    [path] = (folder / "exports/samples/baseline").iterdir()
    assert path.name.startswith("samples_regime_w_20") and path.suffix == ".jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(one["filter"], one["doc_id"], one["filtered_resps"], one["exact_match"]) for one in lines] == [
        ("strict-match", 0, ["[invalid]"], 0.0),
        ("strict-match", 1, ["7"], 1.0),
        ("flexible-extract", 0, ["5"], 1.0),
        ("flexible-extract", 1, ["7"], 1.0),
        ("regime-w", 0, ["5"], 1.0),
        ("regime-w", 1, ["[invalid]"], 0.0),
    ]
    first = lines[0]
    assert list(first) == (
        "doc_id doc target arguments resps filtered_resps filter metrics doc_hash prompt_hash target_hash exact_match".split()
    )
    assert (
        first["doc"]["id"] == "test-pens" and first["target"] == TEST[0].answer and first["resps"] == [["3 + 2 = 5\nAnswer: 5"]]
    )
    request = first["arguments"]["gen_args_0"]
    assert TEST[0].question in request["arg_0"] and request["arg_0"].endswith("Answer: <number>\n\n")  # template plain
    assert request["arg_1"] == {"until": [], "do_sample": False, "temperature": 0.0}
    hashed = (json.dumps(first["doc"], indent=2, ensure_ascii=False), request["arg_0"], first["target"])
    assert [first[f"{name}_hash"] for name in ("doc", "prompt", "target")] == [
        hashlib.sha256(text.encode()).hexdigest() for text in hashed
    ]


def test_evaluations_of_another_test_set_are_refused(folder, monkeypatch):
    other = [replace(one, id=f"{one.id}-2") for one in evaluations("coherence")]
    write_records(folder / "outputs/coherence_eval.jsonl", Evaluation, other)
    with pytest.raises(InputError, match="outputs/coherence_eval.jsonl has 2 evaluations .*; run `dvc repro eval@coherence`"):
        run(monkeypatch, "samples")


def test_the_profile_s_template_is_needed(folder, monkeypatch):
    profile = yaml.safe_load((folder / "profiles/tiny.yaml").read_text())
    profile["engine"]["template"] = "none"
    (folder / "profiles/tiny.yaml").write_text(yaml.safe_dump(profile))
    with pytest.raises(InputError, match="template"):
        run(monkeypatch, "samples")
