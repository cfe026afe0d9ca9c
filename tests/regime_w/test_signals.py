"""What a signal is worth: by hand, against a count of every couple, and against drawing the questions themselves."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from src.core.records import to_json
from src.core.shapes import Faults, check_value
from src.regime_w import signals
from src.regime_w.arms import ARM_NAMES, PROBE_A
from src.regime_w.scoring import Rollout
from src.regime_w.signals import (
    BATCH,
    CREDITS,
    RESAMPLES,
    SCORES,
    SignalTally,
    SignalWorth,
    credit_wins,
    resamples,
    score_table,
    score_wins,
)
from tests.regime_w.builders import rollout, scored

NO_CREDIT = dict.fromkeys(CREDITS, 0.0)


def worth(rollouts: Sequence[Rollout], confidence: float = 0.95) -> dict[tuple[str, str], SignalWorth]:
    """By signal and what it is over."""
    tally = SignalTally()
    for one in rollouts:
        tally.add(one)
    return {(found.name, found.over): found for found in tally.metrics(confidence)}


def asked(correct: bool, **values) -> Rollout:
    """A question whose canonical arm is correct or not, and with it all the other arms."""
    return rollout([scored(arm, correct=correct) for arm in ARM_NAMES], **values)


def with_credit(credit: str, correct: Sequence[float], incorrect: Sequence[float]) -> Rollout:
    """A question whose trajectories have so much of one credit, and 0 of the others."""
    given = [(True, value) for value in correct] + [(False, value) for value in incorrect]
    trajectories = (
        scored(arm, correct=right, **(NO_CREDIT | {credit: value})) for arm, (right, value) in zip(ARM_NAMES, given, strict=True)
    )
    return rollout(trajectories)


def random_rollout(random: Random) -> Rollout:
    """Few values of each signal, so that many tie; now and then a question that is all right or all wrong."""
    share = random.choice([0.0, 0.3, 0.7, 1.0])
    return rollout(
        [
            scored(arm, correct=random.random() < share, **{credit: random.randrange(5) / 4 for credit in CREDITS})
            for arm in ARM_NAMES
        ],
        s_end=random.choice([0.5, 0.875, 1.0, 1.0]),
        s_path=random.randrange(20) / 16,
        s_cf=random.choice([0.0, 0.5, 1.0]),
    )


def canonical(one: Rollout) -> bool:
    return one.trajectories[ARM_NAMES.index(PROBE_A)].correct


# --- figures by hand ---


def test_a_score_is_judged_by_the_canonical_arm():
    """Correct 0.8, 0.6, 0.5, incorrect 0.6, 0.2: of six couples four are won, one (0.6 with 0.6) is tied, one is lost."""
    right = [asked(True, s_path=value) for value in (0.8, 0.6, 0.5)]
    wrong = [asked(False, s_path=value) for value in (0.6, 0.2)]
    found = worth([*right, *wrong])["s_path", "all questions"]
    assert (found.questions, found.couples, found.auc, found.undefined) == (5, 6, 4.5 / 6, None)


def test_only_the_canonical_arm_counts_for_a_score():
    arms = [scored(arm, correct=arm != PROBE_A) for arm in ARM_NAMES]
    found = worth([rollout(arms, s_cf=0.0), asked(True, s_cf=0.5)])["s_cf", "all questions"]
    assert (found.couples, found.auc) == (1, 1.0)


def test_unanimous_questions_are_judged_alone():
    """Over all, s_cf wins one of two couples; among the unanimous it loses the only one, and s_end says nothing."""
    right, wrong = asked(True, s_end=1.0, s_cf=0.5), asked(False, s_end=1.0, s_cf=1.0)
    found = worth([right, wrong, asked(False, s_end=0.875, s_cf=0.0)])
    assert found["s_cf", "all questions"].auc == 0.5
    unanimous = found["s_cf", "unanimous questions"]
    assert (unanimous.questions, unanimous.couples, unanimous.auc) == (2, 1, 0.0)
    assert found["s_end", "all questions"].auc == 0.75
    assert found["s_end", "unanimous questions"].auc == 0.5


@pytest.mark.parametrize("credit", CREDITS)
def test_a_credit_is_judged_inside_its_question(credit):
    """The first question wins 18 of 18 couples, the second ties 8 of 10 and loses 2: (18 + 4) / 28."""
    first = with_credit(credit, [0.9, 0.8], [0.1] * 9)
    second = with_credit(credit, [0.3], [0.3] * 8 + [0.7] * 2)
    found = worth([first, second, with_credit(credit, [0.5] * 11, []), with_credit(credit, [], [0.5] * 11)])
    of_credit = found[credit, "within a question"]
    assert (of_credit.questions, of_credit.couples, of_credit.auc) == (2, 28, 22 / 28)
    others = [found[name, "within a question"].auc for name in CREDITS if name != credit]
    assert others == [0.5] * (len(CREDITS) - 1)


def test_a_lucky_question_does_not_help_another():
    """Between the questions the incorrect would win nearly all; within each, the correct one always does."""
    high, low = with_credit("reward", [1.0], [0.9] * 10), with_credit("reward", [0.2], [0.1] * 10)
    assert worth([high, low])["reward", "within a question"].auc == 1.0


def test_every_signal_stands_once_in_a_fixed_order():
    assert list(worth([asked(True)])) == [
        *((name, "all questions") for name in SCORES),
        *((name, "unanimous questions") for name in SCORES),
        *((name, "within a question") for name in CREDITS),
    ]


# --- undefined ---


@pytest.mark.parametrize(("correct", "word"), [(True, "correct"), (False, "incorrect")])
def test_without_one_of_the_classes_there_is_no_figure_and_the_cause_is_said(correct, word):
    found = worth([asked(correct, s_end=0.5), asked(correct, s_end=0.5)])
    for name in SCORES:
        why = f"the canonical arm is {word} in each of these questions"
        assert found[name, "all questions"] == SignalWorth(name, "all questions", 2, 0, None, None, None, why)
        why = "no question is unanimous"
        assert found[name, "unanimous questions"] == SignalWorth(name, "unanimous questions", 0, 0, None, None, None, why)
    for name in CREDITS:
        why = "no question has a correct and an incorrect trajectory"
        assert found[name, "within a question"] == SignalWorth(name, "within a question", 0, 0, None, None, None, why)


def test_a_figure_without_an_interval_or_without_a_cause_is_refused():
    whole = SignalWorth("reward", "within a question", 3, 30, 0.6, 0.5, 0.7, None)
    assert check_value(SignalWorth, to_json(whole)) == whole
    for changed in ({"auc": None}, {"ci_low": None}, {"undefined": "why"}, {"auc": None, "ci_low": None, "ci_high": None}):
        with pytest.raises(Faults, match="must all be numbers, or all be null and undefined say why"):
            check_value(SignalWorth, to_json(whole) | changed)
    with pytest.raises(Faults, match="ci_low 0.8 is above ci_high 0.7"):
        check_value(SignalWorth, to_json(whole) | {"ci_low": 0.8})


# --- against other ways to count ---


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_counting_every_couple(seed):
    random = Random(seed)
    rollouts = [random_rollout(random) for _ in range(2 * BATCH + 30)]
    found = worth(rollouts)
    for over, asked_of in (
        ("all questions", rollouts),
        ("unanimous questions", [one for one in rollouts if one.s_end == 1]),
    ):
        for name in SCORES:
            right = [getattr(one, name) for one in asked_of if canonical(one)]
            wrong = [getattr(one, name) for one in asked_of if not canonical(one)]
            assert found[name, over].auc == pytest.approx(mannwhitneyu(right, wrong).statistic / (len(right) * len(wrong)))
            assert (found[name, over].questions, found[name, over].couples) == (len(asked_of), len(right) * len(wrong))
    for name in CREDITS:
        wins = [
            (getattr(right, name) > getattr(wrong, name)) + (getattr(right, name) == getattr(wrong, name)) / 2
            for one in rollouts
            for right, wrong in product(one.trajectories, repeat=2)
            if right.correct and not wrong.correct
        ]
        of_credit = found[name, "within a question"]
        assert (of_credit.couples, of_credit.auc) == (len(wins), sum(wins) / len(wins))
        assert of_credit.questions == sum(len({t.correct for t in one.trajectories}) == 2 for one in rollouts)


def test_the_order_of_the_questions_changes_nothing():
    random = Random(3)
    rollouts = [random_rollout(random) for _ in range(3 * BATCH)]
    in_order = worth(rollouts)
    random.shuffle(rollouts)
    assert worth(rollouts) == in_order


def test_figures_may_be_asked_for_in_between():
    random = Random(4)
    rollouts = [random_rollout(random) for _ in range(90)]
    tally = SignalTally()
    for one in rollouts[:40]:
        tally.add(one)
    assert {(found.name, found.over): found for found in tally.metrics(0.95)} == worth(rollouts[:40])
    for one in rollouts[40:]:
        tally.add(one)
    assert {(found.name, found.over): found for found in tally.metrics(0.95)} == worth(rollouts)


# --- tables ---


def test_neighbours_of_one_class_share_a_cell():
    """In rising order: wrong 0.1, 0.2; right 0.3, 0.3, 0.4; both at 0.5; right 0.6; wrong 0.7."""
    scores = np.array([0.7, 0.3, 0.5, 0.1, 0.4, 0.5, 0.2, 0.3, 0.6])
    correct = np.array([False, True, True, False, True, False, False, True, True])
    table = score_table(scores, correct)
    assert table.tolist() == [[2, 0], [0, 3], [1, 1], [0, 1], [1, 0]]
    wins = score_wins(table.ravel())
    assert (wins.doubled, wins.couples) == (2 * (3 * 2 + 2 + 3) + 1, 4 * 5)


def test_a_resample_of_cells_counts_as_that_of_the_questions_themselves():
    """For the same draws: each question drawn so often, put beside the others, and counted anew."""
    generator = np.random.default_rng(7)
    scores, correct = generator.integers(6, size=40) / 5, generator.random(40) < 0.6
    table = score_table(scores, correct)
    drawn = generator.multinomial(40, np.full(40, 1 / 40), size=50)
    for times in drawn:
        right = np.repeat(scores[correct], times[correct])
        wrong = np.repeat(scores[~correct], times[~correct])
        cells = np.zeros_like(table)
        for value, is_right, count in zip(scores, correct, times, strict=True):
            cells[_cell_of(value, scores, correct), int(is_right)] += count
        wins = score_wins(cells.ravel())
        assert wins.couples == len(right) * len(wrong)
        assert wins.doubled == 2 * mannwhitneyu(right, wrong).statistic


def _cell_of(value: float, scores: np.ndarray, correct: np.ndarray) -> int:
    """The number of changes of class, in rising order of score, up to this score."""
    kinds = [frozenset(correct[scores == score].tolist()) for score in np.unique(scores[scores <= value])]
    return sum(kind != before or len(kind) == 2 for before, kind in zip(kinds, kinds[1:], strict=False))


def test_wins_of_a_credit_are_counted_by_question():
    """Two questions of eleven: one correct trajectory above all others, below all others."""
    credits, correct = np.zeros((2, 11, 1)), np.zeros((2, 11), dtype=bool)
    correct[:, 4] = True
    credits[0, 4], credits[1, 4] = 1, -1
    assert credit_wins(credits, correct).tolist() == [[20, 0]]


# --- intervals ---


def test_how_many_are_drawn_at_once_changes_no_draw(monkeypatch):
    counts = np.array([3, 0, 5, 12, 0])
    whole = np.concatenate(list(resamples(counts, np.random.default_rng(1))))
    monkeypatch.setattr(signals, "MAX_DRAWN", 1)
    one_by_one = list(resamples(counts, np.random.default_rng(1)))
    assert len(one_by_one) == RESAMPLES and (np.concatenate(one_by_one) == whole).all()
    assert (whole.sum(axis=1) == 20).all() and not whole[:, [1, 4]].any()


def test_intervals_are_those_of_drawing_whole_questions():
    """Against 4,000 resamples of the questions themselves, whose own noise is a small part of the width."""
    random = Random(11)
    rollouts = [random_rollout(random) for _ in range(120)]
    found = worth(rollouts)
    generator = np.random.default_rng(5)
    draws = generator.integers(len(rollouts), size=(4000, len(rollouts)))
    scores, right = np.array([one.s_path for one in rollouts]), np.array([canonical(one) for one in rollouts])
    values = np.array([[t.cf for t in one.trajectories] for one in rollouts])
    correct = np.array([[t.correct for t in one.trajectories] for one in rollouts])
    (doubled,) = credit_wins(values[:, :, None], correct)
    couples = correct.sum(axis=1) * (~correct).sum(axis=1)
    by_score = []
    for draw in draws:
        ours, theirs = scores[draw][right[draw]][:, None], scores[draw][~right[draw]]
        by_score.append(((ours > theirs).mean() + (ours >= theirs).mean()) / 2)
    by_credit = doubled[draws].sum(axis=1) / (2 * couples[draws].sum(axis=1))
    for of_signal, wanted in ((found["s_path", "all questions"], by_score), (found["cf", "within a question"], by_credit)):
        low, high = np.quantile(wanted, [0.025, 0.975])
        assert of_signal.ci_low == pytest.approx(low, abs=0.1 * (high - low))
        assert of_signal.ci_high == pytest.approx(high, abs=0.1 * (high - low))


def test_an_interval_holds_the_truth_about_as_often_as_it_says(monkeypatch):
    """Questions whose credit wins a couple with probability 0.7: of 200 sets of 60 questions, 90 % hold it in 80 … 98 %."""
    monkeypatch.setattr(signals, "RESAMPLES", 200)
    random, hits = Random(2), 0
    for _ in range(200):
        found = worth([with_credit("path", [float(random.random() < 0.7)], [0.5] * 10) for _ in range(60)], confidence=0.9)
        of_path = found["path", "within a question"]
        hits += of_path.ci_low <= 0.7 <= of_path.ci_high
    assert 160 <= hits <= 196


def test_more_confidence_and_fewer_questions_make_an_interval_wider():
    random = Random(6)
    rollouts = [random_rollout(random) for _ in range(400)]

    def width(few: int, confidence: float) -> float:
        found = worth(rollouts[:few], confidence)["reward", "within a question"]
        return found.ci_high - found.ci_low

    assert width(400, 0.5) < width(400, 0.95) < width(400, 0.999)
    assert width(400, 0.95) < width(100, 0.95)


def test_resamples_without_a_couple_are_left_out():
    """Two questions: half of the resamples draw one of them twice, and say nothing."""
    found = worth([asked(True, s_path=0.9), asked(False, s_path=0.1)])["s_path", "all questions"]
    assert (found.auc, found.ci_low, found.ci_high) == (1.0, 1.0, 1.0)


# --- memory ---


def test_a_question_takes_a_few_bytes():
    """25, and as a growing array has room to spare, up to 40; a list of its figures would take ten times that."""
    one = replace(random_rollout(Random(1)), s_path=0.5)
    tally = SignalTally()
    for _ in range(BATCH):
        tally.add(one)
    tracemalloc.start()
    try:
        for _ in range(100 * BATCH):
            tally.add(one)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 40 * 100 * BATCH
