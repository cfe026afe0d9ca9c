"""Stage `rollouts`: trajectories and questions that fit together become scored rollouts."""

import json
from dataclasses import replace

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, read_records
from src.regime_w.arms import ARM_NAMES
from src.regime_w.rollout_metrics import RolloutMetrics
from src.regime_w.scoring import Rollout
from src.stages import rollouts
from src.stages.rollouts import check_same_questions, group_by_question
from tests.stages.small_run import NUTS, PENS, run, trajectories, write_sampled

RIGHT = "3 + 2 = 5\nAnswer: 5"
SAMPLED = [
    *trajectories(PENS, {"wolfram_3": "Answer: 6", "maudlin_cf1": "It depends."}, RIGHT),
    *trajectories(NUTS, {}, "9 - 2 = 7\nAnswer: 7"),
]


def test_trajectories_in_any_order_are_grouped_in_arm_order():
    groups = group_by_question([*SAMPLED[11:], *reversed(SAMPLED[:11])])
    assert list(groups) == ["nuts", "pens"]
    assert all([trajectory.arm_name for trajectory in group] == list(ARM_NAMES) for group in groups.values())


def test_an_arm_that_is_missing_is_named():
    with pytest.raises(InputError, match=r"question nuts has 10 trajectories, missing \['maudlin_cf1'\].*all eleven arms"):
        group_by_question(SAMPLED[:-1])
    with pytest.raises(InputError, match=r"question pens has 12 trajectories, missing \[\]"):
        group_by_question([*SAMPLED, SAMPLED[0]])


def test_a_question_that_is_gone_or_was_another_is_not_scored():
    groups = group_by_question(SAMPLED)
    check_same_questions({"pens": PENS, "nuts": NUTS}, groups)
    with pytest.raises(InputError, match="question nuts is not in data/train.jsonl; run `dvc repro sample`"):
        check_same_questions({"pens": PENS}, groups)
    other = replace(NUTS, question="Bob has 9 nuts and eats 3. How many has he?")
    with pytest.raises(InputError, match="question nuts was asked in other words than data/train.jsonl has"):
        check_same_questions({"pens": PENS, "nuts": other}, groups)


def test_scores_figures_and_the_plot_by_arm_are_written(tmp_path, monkeypatch, capsys):
    write_sampled(tmp_path, SAMPLED)
    run(rollouts.main, tmp_path, monkeypatch)

    pens, nuts = read_records(tmp_path / "data/regime_w_rollouts.jsonl", Rollout)
    assert (pens.question_id, pens.gold, pens.consensus, pens.s_end, pens.s_cf) == ("pens", "5", "5", 7 / 8, 0.0)
    assert (nuts.s_end, nuts.s_cf) == (1.0, 1.0)
    assert [(t.arm_name, t.answer, t.correct) for t in pens.trajectories if not t.correct] == [
        ("wolfram_3", "6", False),
        ("maudlin_cf1", None, False),
    ]
    assert (pens.trajectories[0].prompt, pens.trajectories[0].text) == (SAMPLED[0].prompt, RIGHT)

    metrics = read_metrics(tmp_path / "metrics/rollouts.json", RolloutMetrics)
    assert (metrics.questions, metrics.trajectories, metrics.no_answer_share) == (2, 22, 1 / 22)
    assert (metrics.s_cf.mean, metrics.s_cf.min, metrics.s_cf.max) == (0.5, 0.0, 1.0)

    lines = (tmp_path / "plots/arms.csv").read_text().splitlines()
    assert lines[0] == "arm,percent"
    percents = dict(line.split(",") for line in lines[1:])
    assert list(percents) == list(ARM_NAMES)
    assert {arm for arm, percent in percents.items() if percent != "100.0"} == {"wolfram_3", "maudlin_cf1"}
    assert percents["wolfram_3"] == percents["maudlin_cf1"] == "50.0"
    assert "warning" not in capsys.readouterr().out


def test_a_score_that_never_varies_is_warned_of(tmp_path, monkeypatch, capsys):
    write_sampled(tmp_path, [*trajectories(PENS, {}, RIGHT), *trajectories(NUTS, {}, "9 - 2 = 7\nAnswer: 7")])
    run(rollouts.main, tmp_path, monkeypatch)
    output = capsys.readouterr().out
    assert "rollouts: warning: s_end is 1.00 for every question" in output
    assert "rollouts: warning: s_cf is 1.00 for every question" in output


def test_a_record_has_the_keys_of_the_guide(tmp_path, monkeypatch):
    write_sampled(tmp_path, SAMPLED)
    run(rollouts.main, tmp_path, monkeypatch)
    first = json.loads((tmp_path / "data/regime_w_rollouts.jsonl").read_text().splitlines()[0])
    assert list(first) == ["question_id", "question", "gold", "s_end", "s_path", "s_cf", "consensus", "trajectories"]
    assert {"arm_name", "prompt", "text", "answer", "correct", "reward", "seed", "temperature"} <= first["trajectories"][0].keys()
