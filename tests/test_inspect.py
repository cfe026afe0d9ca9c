"""`python -m src.inspect`: a question is found by id, number or words, and shown with all that the run made of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src import inspect
from src.core.errors import InputError
from tests.ops.small_records import write_small_records

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    write_small_records(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shown(monkeypatch, capsys):
    def show(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["inspect", *arguments])
        inspect.main()
        return capsys.readouterr().out

    return show


def test_a_training_question_has_its_trajectories_credits_and_pairs(folder, shown):
    printed = shown("pens")
    lines = printed.splitlines()
    assert lines[0] == "pens  line 0 of data/train.jsonl, counted from 0"
    assert "consensus 5; s_end 1.000, s_path 0.800, s_cf 0.500" in lines
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("wolfram_", "maudlin_")) and "stop" in line}
    assert len(rows) == 11
    assert rows["wolfram_0"] == ["0.2", "5", "right", "1.000", "0.800", "1.000", "1.000", "0.500", "0.700", "1.100", "4", "stop"]
    assert rows["wolfram_1"][1:3] == ["1", "wrong"]
    assert printed.count("  3 + 2 = 5\n  Answer: 5") == 1  # of ten arms
    assert lines[-1].split() == ["correctness", "wolfram_0", "1.0000", "wolfram_1", "0.2500", "+0.7500"]


def test_a_text_reaches_the_terminal_without_control_characters(folder, shown):
    printed = shown("pens")
    assert "Answer: 1\\x1b[2J" in printed and "\x1b" not in printed


def test_a_terminal_is_given_colour_of_ours_alone(folder, shown, monkeypatch):
    monkeypatch.setattr(inspect, "has_colour", lambda stream: True)
    printed = shown("pens")
    assert "\x1b[32mright" in printed and "\x1b[31mwrong" in printed and "\x1b[2J" not in printed


def test_a_test_question_has_both_policies_and_what_changed(folder, shown):
    lines = shown("test-nuts").splitlines()
    assert lines[0] == "test-nuts  line 1 of data/test.jsonl, counted from 0, kind eating"
    assert "baseline  wrong, answer none, 9 tokens" in lines and "coherence  right, answer 7, 9 tokens" in lines
    assert lines[-1] == "fixed: only coherence is right"
    assert shown("test-pens").splitlines()[-1] == "unchanged: both are right"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["1"], "nuts "),
        (["train", "1"], "nuts "),
        (["test", "0"], "test-pens "),
        (["test-pens"], "test-pens "),
        (["TEST", "bob", "NUTS"], "test-nuts "),  # words of id and question
    ],
)
def test_a_question_is_found_by_number_id_and_words(folder, shown, wanted, found):
    assert shown(*wanted).startswith(found)


def test_several_matches_are_listed_those_that_were_asked_first(folder, shown):
    lines = shown("How", "many").splitlines()
    assert lines[0] == "4 questions match; give one's id:"
    assert [line.split()[0] for line in lines[1:]] == ["pens", "test-pens", "test-nuts", "nuts"]
    assert "not asked" in lines[-1] and "not asked" not in lines[1]


@pytest.mark.parametrize("wanted", [["zebra"], ["2"], ["test", "2"], ["9" * 30]])
def test_what_matches_nothing_is_one_error(folder, shown, wanted):
    with pytest.raises(InputError, match="^no question matches "):
        shown(*wanted)


def test_a_training_question_that_was_not_asked_says_so(folder, shown):
    assert "not asked" in shown("nuts").splitlines()[-1]


def test_a_run_that_has_come_half_way_is_shown_as_far(folder, shown):
    (folder / "data/coherence_preferences.jsonl").unlink()
    (folder / "outputs/coherence_eval.jsonl").unlink()
    printed = shown("pens")
    assert "wolfram_0" in printed and "not shown: data/coherence_preferences.jsonl is not there" in printed
    assert "no pairs" not in printed
    printed = shown("test-nuts")
    assert "baseline  wrong" in printed and "not shown: outputs/coherence_eval.jsonl is not there" in printed


def test_a_folder_without_a_run_is_one_error(tmp_path, monkeypatch, shown):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="data/train.jsonl is not there .*; run `make repro`"):
        shown("1")


# --- the Makefile ---


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`make` in the repository, where the environment counts as installed."""
    environment = {name: value for name, value in os.environ.items() if name not in ("QUESTION", "REV")}
    command = ["make", "--no-print-directory", "-o", ".venv/.installed", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_make_passes_question_and_revisions_on():
    printed = make("--dry-run", "inspect", "QUESTION=test 7", "REV=one two").stdout
    assert "python -m src.inspect $QUESTION --rev one --rev two" in printed


def test_make_without_a_question_says_how_to_name_one():
    done = make("inspect")
    assert done.returncode and "error: name a question: make inspect QUESTION=7" in done.stderr
