"""`python -m src.ops.harness_rules`: three rules on the same texts, and where they disagree."""

import sys
from dataclasses import replace

from src.core.records import write_records
from src.ops import harness_rules
from src.ops.harness_rules import blind_rules, disagreements, mark
from src.regime_w.evaluation import Evaluation
from src.regime_w.questions import Question
from tests.ops.small_records import TEST, evaluations, write_small_records


def test_counts_and_disagreements_are_printed(tmp_path, monkeypatch, capsys):
    write_small_records(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness_rules"])
    harness_rules.main()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    counts = {tuple(row[:1] + row[2:3]): row[3:] for row in lines[1:7]}  # right, and without an answer
    assert counts[("baseline", "ours")] == ["1", "1"]
    assert counts[("baseline", "strict-match")] == ["1", "1"]
    assert counts[("baseline", "flexible-extract")] == ["2", "0"]
    assert counts[("coherence", "ours")] == ["2", "0"]
    # question, gold, and the answer by ours, strict-match, flexible-extract; a star where it counts as right
    assert ["test-pens", "5", "5*", "none", "5*"] in lines
    assert ["test-nuts", "7", "none", "7*", "7*"] in lines
    assert ["coherence:", "1", "disagreements", "(*", "counts", "as", "right)"] in lines


def test_a_rule_that_reads_no_text_disagrees_with_nothing():
    alike = [mark(question, replace(one, text="Answer: 5")) for question, one in zip(TEST, evaluations("baseline"), strict=True)]
    assert blind_rules(alike) == (1,)
    assert [one.id for one in disagreements(alike)] == []
    read = [mark(TEST[0], replace(evaluations("coherence")[0], text="#### 5")), alike[0]]
    assert blind_rules(read) == () and [one.id for one in disagreements(read)] == ["test-pens"]


def test_a_question_that_platinum_has_dropped_is_not_counted(tmp_path, monkeypatch, capsys):
    write_small_records(tmp_path)
    both = [replace(question, gsm8k_gold=question.gold, in_platinum=question.id == "test-pens") for question in TEST]
    write_records(tmp_path / "data/test.jsonl", Question, both)
    for policy in ("baseline", "coherence"):
        marked = [replace(one, gsm8k_correct=one.correct, in_platinum=one.id == "test-pens") for one in evaluations(policy)]
        write_records(tmp_path / f"outputs/{policy}_eval.jsonl", Evaluation, marked)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness_rules"])
    harness_rules.main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[1] for row in rows[1:7]] == ["1"] * 6
    assert not any("test-nuts" in row for row in rows)
