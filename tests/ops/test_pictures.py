"""The picture that the README shows is that of the committed run, to the byte."""

import re
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.ops.pictures import PICTURE, draw, read_arms, read_policies
from src.report.figures import Estimate

ROOT = Path(__file__).parents[2]


def test_the_picture_is_drawn_from_the_committed_figures(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    draw(tmp_path / "run.svg")
    assert (tmp_path / "run.svg").read_bytes() == (ROOT / PICTURE).read_bytes(), "run `make pictures`, and commit docs/run.svg"


def test_the_readme_shows_it_with_words_for_those_who_see_none():
    [words] = re.findall(rf"!\[(.*?)\]\({PICTURE}\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(words.split()) > 10


def test_it_has_titles_and_units(monkeypatch):
    text = (ROOT / PICTURE).read_text(encoding="utf-8")
    for words in ("accuracy, with its interval (percent)", "DPO loss (nats)", "correct (percent)", "Profile sandbox, seed 0"):
        assert words in text


def test_each_policy_has_its_interval(tmp_path):
    path = tmp_path / "accuracy.csv"
    path.write_text("policy,bound,percent\nbaseline,low,60\nbaseline,accuracy,62.5\nbaseline,high,65\n")
    assert read_policies(path) == [Estimate("baseline", 62.5, 60, 65)]
    path.write_text("policy,bound,percent\nbaseline,low,60\nbaseline,accuracy,62.5\n")
    with pytest.raises(InputError, match="lacks baseline high; run `dvc repro compare`"):
        read_policies(path)


def test_a_table_without_its_columns_is_an_error(tmp_path):
    (tmp_path / "arms.csv").write_text("arm,share\nA,3\n")
    with pytest.raises(InputError, match=r"arms\.csv lacks the columns percent"):
        read_arms(tmp_path / "arms.csv")
