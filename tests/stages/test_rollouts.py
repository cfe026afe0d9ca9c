"""Stage `rollouts`: trajectories and questions that fit together become scored rollouts."""

import json
from dataclasses import replace

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, read_records, write_records
from src.regime_w.arms import ARM_NAMES
from src.regime_w.questions import Question
from src.regime_w.rollout_metrics import RolloutMetrics
from src.regime_w.scoring import Rollout
from src.regime_w.texts import Trajectory
from src.stages import rollouts
from src.stages.rollouts import group_by_question, lines_by_question
from tests.stages.small_run import NUTS, PENS, run, trajectories, write_sampled

RIGHT = "3 + 2 = 5\nAnswer: 5"
SAMPLED = [
    *trajectories(PENS, {"wolfram_3": "Answer: 6", "maudlin_cf1": "It depends."}, RIGHT),
    *trajectories(NUTS, {}, "9 - 2 = 7\nAnswer: 7"),
]


def grouped(sampled):
    return list(group_by_question(enumerate(sampled, start=1)))


def test_trajectories_of_a_question_are_put_in_arm_order():
    groups = grouped([*SAMPLED[11:], *reversed(SAMPLED[:11])])
    assert [(line, group[0].question_id) for line, group in groups] == [(1, "nuts"), (12, "pens")]
    assert all([trajectory.arm_name for trajectory in group] == list(ARM_NAMES) for _, group in groups)


def test_an_arm_that_is_missing_is_named():
    with pytest.raises(
        InputError,
        match=r"data/trajectories.jsonl:12: question nuts has 10 trajectories, missing \['maudlin_cf1'\].*all eleven arms",
    ):
        grouped(SAMPLED[:-1])
    with pytest.raises(InputError, match=r"trajectories.jsonl:1: question pens has 12 trajectories, missing \[\]"):
        grouped([*SAMPLED[:11], SAMPLED[0], *SAMPLED[11:]])


def test_a_question_that_is_gone_moved_or_was_another_is_not_scored(tmp_path, monkeypatch):
    def score(*questions):
        write_sampled(tmp_path, SAMPLED)
        write_records(tmp_path / "data/train.jsonl", Question, questions)
        run(rollouts.main, tmp_path, monkeypatch)
        return [rollout.question_id for rollout in read_records(tmp_path / "data/regime_w_rollouts.jsonl", Rollout)]

    assert score(replace(NUTS, id="a"), PENS, replace(NUTS, id="b"), NUTS, replace(NUTS, id="c")) == ["pens", "nuts"]
    for questions in ([PENS], [NUTS, PENS]):
        gone = "trajectories.jsonl:12: question nuts is not in data/train.jsonl, or stands there before those"
        with pytest.raises(InputError, match=gone):
            score(*questions)
    other = replace(NUTS, question="Bob has 9 nuts and eats 3. How many has he?")
    with pytest.raises(
        InputError, match="trajectories.jsonl:12: question nuts was asked in other words than data/train.jsonl has"
    ):
        score(PENS, other)


# --- in parts, by several processes ---

OUTPUTS = ("data/regime_w_rollouts.jsonl", "metrics/rollouts.json", "plots/arms.csv")


def many_sampled(count):
    """Questions whose texts differ, and the trajectories of each."""
    questions = [replace(PENS if number % 2 else NUTS, id=f"q{number}") for number in range(count)]
    sampled = []
    for number, question in enumerate(questions):
        wrong = {arm: f"{number} + {place} = 6\nAnswer: 6" for place, arm in enumerate(ARM_NAMES[: number % len(ARM_NAMES)])}
        sampled += trajectories(question, wrong, f"{question.answer.splitlines()[0]}\nAnswer: {question.gold}")
    return questions, sampled


def write_many(folder, count):
    questions, sampled = many_sampled(count)
    write_records(folder / "data/train.jsonl", Question, questions)
    write_records(folder / "data/trajectories.jsonl", Trajectory, sampled)


@pytest.mark.parametrize("count", [3, 8, 13])  # less than a part, whole parts, and one question more than three of them
@pytest.mark.parametrize("processes", [2, 3, None])
def test_the_number_of_processes_and_the_size_of_a_part_change_no_byte(tmp_path, monkeypatch, processes, count):
    write_many(tmp_path, count)
    run(rollouts.main, tmp_path, monkeypatch)
    alone = [(tmp_path / path).read_bytes() for path in OUTPUTS]
    monkeypatch.setattr(rollouts, "QUESTIONS_A_PART", 4)
    run(rollouts.main, tmp_path, monkeypatch, rollouts={"processes": processes})
    assert [(tmp_path / path).read_bytes() for path in OUTPUTS] == alone


@pytest.mark.parametrize("processes", [1, 2])
def test_of_several_faults_the_first_in_the_file_is_told(tmp_path, monkeypatch, processes):
    write_many(tmp_path, 12)
    monkeypatch.setattr(rollouts, "QUESTIONS_A_PART", 4)
    path = tmp_path / "data/trajectories.jsonl"
    lines = path.read_text().splitlines(True)
    lines[88] = "{\n"  # the first line of the ninth question
    path.write_text("".join(lines))
    with pytest.raises(InputError, match="trajectories.jsonl:89: not JSON"):
        run(rollouts.main, tmp_path, monkeypatch, rollouts={"processes": processes})
    lines[50] = lines[50].replace('"stop"', '"eos"')
    path.write_text("".join(lines))
    with pytest.raises(InputError, match="trajectories.jsonl:51: key 'finish_reason' is 'eos'"):
        run(rollouts.main, tmp_path, monkeypatch, rollouts={"processes": processes})
    assert not (tmp_path / "data/regime_w_rollouts.jsonl").exists()


def test_lines_of_a_question_in_whatever_form_are_put_together(tmp_path, monkeypatch):
    write_sampled(tmp_path, SAMPLED)
    path = tmp_path / "data/trajectories.jsonl"
    lines = path.read_text().splitlines()
    reordered = [json.dumps(dict(reversed(json.loads(line).items()))) for line in lines]
    monkeypatch.chdir(tmp_path)
    for form in (lines, reordered, [*lines[:5], *reordered[5:15], *lines[15:]]):
        found = list(lines_by_question(enumerate([line.encode() for line in form], start=1)))
        assert [(question_id, [number for number, _ in group]) for question_id, group in found] == [
            ("pens", list(range(1, 12))),
            ("nuts", list(range(12, 23))),
        ]


def test_no_trajectories_are_an_error(tmp_path, monkeypatch):
    write_sampled(tmp_path, SAMPLED)
    (tmp_path / "data/trajectories.jsonl").write_text("")
    with pytest.raises(InputError, match="data/trajectories.jsonl is empty; run the stage that writes it again"):
        run(rollouts.main, tmp_path, monkeypatch)


# --- what is written ---


def test_a_question_whose_trajectories_stand_apart_leaves_nothing_half_written(tmp_path, monkeypatch):
    write_sampled(tmp_path, SAMPLED)
    path = tmp_path / "data/trajectories.jsonl"
    lines = path.read_text().splitlines(True)
    path.write_text("".join([*lines[:10], *lines[11:], lines[10]]))
    with pytest.raises(InputError, match="trajectories.jsonl:1: question pens has 10 trajectories, missing"):
        run(rollouts.main, tmp_path, monkeypatch)
    path.write_text("".join([*lines, lines[0].replace("wolfram_0", "wolfram_1")]))
    with pytest.raises(InputError, match=":23: question_id 'pens' stands on line 1 already, and .* must stand together"):
        run(rollouts.main, tmp_path, monkeypatch)
    assert sorted(entry.name for entry in (tmp_path / "data").iterdir()) == ["train.jsonl", "trajectories.jsonl"]


def test_questions_that_were_not_sampled_are_checked_as_well(tmp_path, monkeypatch):
    write_sampled(tmp_path, SAMPLED[:11])
    with (tmp_path / "data/train.jsonl").open("a") as file:
        file.write("{\n")
    with pytest.raises(InputError, match="train.jsonl:3: not JSON"):
        run(rollouts.main, tmp_path, monkeypatch)
    assert not (tmp_path / "data/regime_w_rollouts.jsonl").exists()


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


@pytest.mark.parametrize(("confidence", "low", "high"), [(0.95, 0.5, 1.0), (0.4, 23 / 28, 23 / 28)])
def test_what_a_signal_is_worth_has_an_interval_of_the_confidence_that_is_set(tmp_path, monkeypatch, confidence, low, high):
    """Conciseness wins all 18 couples of the pens and ties all 10 of the nuts; half of the resamples hold both questions."""
    vague_pens = trajectories(PENS, {"wolfram_3": "It depends.", "maudlin_cf1": "It depends."}, RIGHT)
    wrong_nuts = trajectories(NUTS, {"wolfram_3": "9 - 2 = 6\nAnswer: 6"}, "9 - 2 = 7\nAnswer: 7")
    write_sampled(tmp_path, [*vague_pens, *wrong_nuts])
    run(rollouts.main, tmp_path, monkeypatch, compare={"alpha": 0.05, "confidence": confidence})
    metrics = read_metrics(tmp_path / "metrics/rollouts.json", RolloutMetrics)
    found = {(signal.name, signal.over): signal for signal in metrics.signals}
    of_length = found["conciseness", "within a question"]
    assert (of_length.couples, of_length.auc, of_length.ci_low, of_length.ci_high) == (28, 23 / 28, low, high)
    of_score = found["s_end", "all questions"]
    assert (of_score.auc, of_score.undefined) == (None, "the canonical arm is correct in each of these questions")


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
