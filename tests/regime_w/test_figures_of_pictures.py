"""What the pictures count, on cases that are counted by hand."""

import pytest

from src.regime_w.arms import ARM_NAMES, PROBE_CF1, VARIANCE_ARMS
from src.regime_w.pictures import (
    Agreement,
    ArmTally,
    Series,
    agreements,
    arm_tallies,
    curve,
    histogram,
    level_edges,
    pair_figures,
    round_edges,
    vote_bins,
)
from src.regime_w.statistics import wilson_interval
from tests.regime_w.builders import pair, rollout, scored


def answered(answers: dict[str, str | None], gold: str = "2", default: str | None = "2", **values):
    """A question whose arms answer as given, and by `default` where nothing is given."""
    given = {arm: answers.get(arm, default) for arm in ARM_NAMES}
    trajectories = [scored(arm, answer=answer, correct=answer == gold) for arm, answer in given.items()]
    return rollout(trajectories, gold=gold, **values)


# --- histograms ---


def test_a_value_on_an_edge_is_in_the_bin_above_and_on_the_last_edge_in_the_last():
    found = histogram([Series("one", (0.0, 0.5, 0.5, 1.0)), Series("other", (0.25,))], (0.0, 0.5, 1.0))
    assert found.counts == ((1, 3), (1, 0))
    assert found.names == ("one", "other") and found.total == 5


def test_the_last_bits_of_a_sum_move_no_value_over_an_edge():
    below = 1 - 0.9  # 0.09999999999999998
    assert below < 0.1
    assert histogram([Series("one", (below,))], (0.0, 0.1, 0.2)).counts == ((0, 1),)


def test_a_series_without_values_has_empty_bins():
    assert histogram([Series("none", ())], (0.0, 1.0)).counts == ((0,),)


def test_a_value_outside_the_bins_is_refused_by_name():
    with pytest.raises(ValueError, match="1.5 of s_path lies outside the bins from 0.0 to 1.0"):
        histogram([Series("s_path", (0.5, 1.5))], (0.0, 1.0))


@pytest.mark.parametrize("edges", [(), (0.0,), (0.0, 0.0), (1.0, 0.0)])
def test_edges_must_rise(edges):
    with pytest.raises(ValueError, match="edges are"):
        histogram([], edges)


@pytest.mark.parametrize(
    ("low", "high", "most", "edges"),
    [
        (0.0, 1.0, 4, (0.0, 0.5, 1.0)),  # a quarter is no round step, a half is
        (0.0, 1.0, 10, tuple(place / 10 for place in range(11))),
        (-3, 12, 4, (-5.0, 0.0, 5.0, 10.0, 15.0)),
        (0.8, 0.8, 20, (0.8, 0.9)),
        (0.0, 0.0, 20, (0.0, 0.1)),
        (-0.05, 0.0, 1, (-0.05, 0.0)),
    ],
)
def test_round_edges(low, high, most, edges):
    assert round_edges(low, high, most) == edges


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_round_edges_need_bounds(low, high):
    with pytest.raises(ValueError, match="low is"):
        round_edges(low, high)


def test_levels_lie_in_the_middle_of_their_bins():
    assert level_edges(2) == (-0.25, 0.25, 0.75, 1.25)
    assert histogram([Series("s_cf", (0.0, 0.5, 0.5, 1.0))], level_edges(2)).counts == ((1, 2, 1),)


# --- votes ---


def test_votes_for_the_majority_and_whether_it_is_right():
    five = dict.fromkeys(VARIANCE_ARMS[:3], "3")  # the other five say 2
    wrong = dict.fromkeys(VARIANCE_ARMS, "7")
    rollouts = [
        answered({}, consensus="2"),
        answered(wrong, consensus="7"),
        answered(five, consensus="2"),
        answered(five, consensus="2", gold="9"),
        answered(five, consensus="2", gold="9"),
        answered({}, default=None, consensus=None),
    ]
    found = vote_bins(rollouts, 0.95)
    assert [(item.votes, item.voters, item.questions, item.right) for item in found] == [(5, 8, 3, 1), (8, 8, 2, 1)]
    assert (found[0].low, found[0].high) == wilson_interval(1, 3, 0.95)


def test_the_probes_have_no_vote():
    apart = dict.fromkeys(VARIANCE_ARMS[1:], None)
    assert [item.votes for item in vote_bins([answered(apart, consensus="2")], 0.95)] == [1]


# --- arms ---


def test_arms_are_counted_each_for_itself():
    cut = [scored(arm, finish_reason="length" if arm == PROBE_CF1 else "stop") for arm in ARM_NAMES]
    found = arm_tallies([answered({"wolfram_0": None, "wolfram_1": "3"}), rollout(cut)])
    assert found[0] == ArmTally("wolfram_0", questions=2, correct=1, unanswered=1, truncated=0)
    assert found[1] == ArmTally("wolfram_1", questions=2, correct=1, unanswered=0, truncated=0)
    assert found[-1] == ArmTally(PROBE_CF1, questions=2, correct=2, unanswered=0, truncated=1)
    assert [tally.arm for tally in found] == list(ARM_NAMES)


def test_arms_agree_on_the_questions_that_both_answer():
    rollouts = [answered({"wolfram_0": "3"}), answered({"wolfram_0": None, "wolfram_2": None}), answered({})]
    found = {(item.one, item.other): item for item in agreements(rollouts)}
    assert len(found) == 55
    assert found["wolfram_0", "wolfram_1"] == Agreement("wolfram_0", "wolfram_1", both=2, same=1)
    assert found["wolfram_0", "wolfram_2"] == Agreement("wolfram_0", "wolfram_2", both=2, same=1)  # not that neither answers
    assert found["wolfram_1", "wolfram_3"].share == 1


def test_arms_that_never_answer_together_have_no_share():
    assert agreements([answered({"wolfram_0": None})])[0].share is None
    assert agreements([])[0].share is None


# --- pairs ---


def test_pairs_by_type_margin_and_length():
    longer = pair(chosen="a b c\nAnswer: 2", rejected="a\nAnswer: 3", chosen_reward=1.0, rejected_reward=0.25)
    coherent = pair(pair_type="coherence", chosen="Answer: 2", rejected="a b\nAnswer: 2", chosen_reward=0.5, rejected_reward=1.0)
    correctness, coherence = pair_figures([coherent, longer])
    assert (correctness.pair_type, correctness.margins, correctness.lengths) == ("correctness", (0.75,), (2,))
    assert (coherence.pair_type, coherence.margins, coherence.lengths) == ("coherence", (-0.5,), (-2,))


def test_no_pairs_have_no_figures():
    assert pair_figures([]) == ()


# --- curves ---


def test_a_short_curve_keeps_every_step():
    found = curve([4.0, 2.0, 6.0])
    assert (found.steps, found.values, found.window) == ((1, 2, 3), (4, 2, 6), 1)
    assert found.smooth == (4, 2, 6)


def test_a_long_curve_is_the_means_of_neighbours_and_a_running_mean_of_a_tenth():
    found = curve([float(step) for step in range(1, 22)], most=7)  # 21 steps, three a point, a window of two
    assert found.steps == (2, 5, 8, 11, 14, 17, 20)
    assert found.values == (2, 5, 8, 11, 14, 17, 20)
    assert (found.window, found.smooth) == (2, (2.5, 5.5, 8.5, 11.5, 14.5, 17.5, 20.5))


def test_the_last_point_may_have_fewer_steps():
    found = curve([1.0, 3.0, 8.0], most=2)
    assert (found.steps, found.values) == ((1.5, 3.0), (2.0, 8.0))


def test_no_curve_of_nothing():
    with pytest.raises(ValueError, match="0 values"):
        curve([])
