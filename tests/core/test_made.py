"""The short table at the end of a stage."""

import pytest

from src.core.made import WIDTH, content_text, made_lines, size_text


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/a.bin").write_bytes(b"0" * 150_000)
    (tmp_path / "pairs.jsonl").write_text('{"a": 1}\n' * 4413)
    (tmp_path / "one.jsonl").write_text('{"a": "\\n"}\n')
    (tmp_path / "plot.csv").write_text("step,loss\n1,0.5\n2,0.25\n")
    (tmp_path / "metrics.json").write_text(
        '{"pairs": 4413, "loss": 0.123456, "verdict": "improved", "trained": true, "inner": {"a": 1}, "none": null, "list": [1]}'
    )
    return tmp_path


def test_each_output_has_its_size_and_what_is_in_it():
    assert made_lines("prefs", ["model", "pairs.jsonl", "one.jsonl", "plot.csv", "metrics.json"]) == [
        "prefs: model          0.1 MB  1 file",
        "prefs: pairs.jsonl   39.7 kB  4,413 records",
        "prefs: one.jsonl      0.0 kB  1 record",
        "prefs: plot.csv       0.0 kB  2 rows",
        "prefs: metrics.json   0.1 kB  pairs 4,413, loss 0.1235, verdict improved, trained True",
    ]


def test_figures_that_do_not_fit_are_left_out_whole(folder):
    (folder / "many.json").write_text("{" + ", ".join(f'"figure_{number}": {number}' for number in range(40)) + "}")
    (line,) = made_lines("prefs", ["many.json"])
    assert len(line) <= WIDTH and line.endswith(", …")
    assert content_text(folder / "many.json", 22) == "figure_0 0, …"
    assert content_text(folder / "many.json", 5) == "…"


def test_figures_that_just_fit_are_all_there(folder):
    text = "pairs 4,413, loss 0.1235, verdict improved, trained True"
    assert content_text(folder / "metrics.json", len(text)) == text
    assert content_text(folder / "metrics.json", len(text) - 1) == "pairs 4,413, loss 0.1235, verdict improved, …"


def test_a_size_has_one_decimal_in_its_unit(folder):
    (folder / "small.txt").write_text("x" * 99_999)
    assert (size_text(folder / "small.txt"), size_text(folder / "model")) == ("100.0 kB", "0.1 MB")
    assert content_text(folder / "small.txt", 80) == "" and made_lines("prefs", []) == []
