"""Counts and shares over pairs."""

from dataclasses import replace

import pytest

from src.regime_w.arms import PROBE_CF1
from src.regime_w.pair_metrics import PairMetrics, PairTally, PairTypeMetrics, PairTypes
from src.regime_w.preferences import PAIRING_ARMS
from tests.regime_w.builders import pair, rollout
from tests.regime_w.test_preferences import ALL, build, couples, trajectories


def tallied(rollouts, pairs_of) -> PairTally:
    tally = PairTally()
    for one, pairs in zip(rollouts, pairs_of, strict=True):
        tally.add(one, pairs)
    return tally


def test_metrics_count_questions_and_pairs():
    """Three questions: one all wrong but for CF1, one all correct with equal rewards, one with three pairs.

    In the third wolfram_0 (2 words, correct) beats maudlin_0 (4 words, wrong) and maudlin_1 (no answer, 5
    words), and beats wolfram_1 (1 word, correct) by reward: differences -2, -3 and +1, mean -4/3.
    """
    texts = {
        "wolfram_0": "a b\nAnswer: 1",
        "wolfram_1": "a\nAnswer: 1",
        "maudlin_0": "a b c d\nAnswer: 2",
        "maudlin_1": "a b c d e",
    }
    third = trajectories(("wolfram_0", "wolfram_1"), {"wolfram_0": 0.9}, texts)
    third = [replace(t, answer=None) if t.arm_name == "maudlin_1" else t for t in third]
    groups = [trajectories((PROBE_CF1,)), trajectories(PAIRING_ARMS), third]
    rollouts = [rollout(group, question_id=str(number)) for number, group in enumerate(groups)]
    wanted = {("wolfram_0", "maudlin_0"), ("wolfram_0", "maudlin_1"), ("wolfram_0", "wolfram_1")}
    pairs_of = [build(group, ALL) for group in groups]
    pairs_of[2] = [pair for pair in pairs_of[2] if couples([pair]) <= wanted]
    tally = tallied(rollouts, pairs_of)
    assert tally.metrics() == PairMetrics(
        questions=3,
        pairs=3,
        correctness_pairs=2,
        consensus_pairs=0,
        coherence_pairs=1,
        correctness_share=2 / 3,
        consensus_share=0,
        coherence_share=1 / 3,
        chosen_correct_share=1,
        questions_all_correct=1,
        questions_all_wrong=1,
        questions_without_pair=2,
        mean_length_difference_tokens=pytest.approx(-4 / 3),
        pairs_rejected_without_answer=1,
    )
    assert tally.types() == PairTypes(
        (
            PairTypeMetrics("correctness", 2, 1.0, 0.0, 1.0, 0.0, -2.5, 1),
            PairTypeMetrics("coherence", 1, 1.0, 1.0, 0.0, 1.0, 1.0, 0),
        )
    )


def test_pairs_without_labels_are_judged_by_gold_afterwards():
    """Of three consensus pairs the chosen side is correct in two, the rejected one in the third."""
    group = trajectories(("wolfram_0", "wolfram_1"))
    pairs = [
        pair(chosen_arm=chosen, rejected_arm=rejected, pair_type="consensus")
        for chosen, rejected in [("wolfram_0", "maudlin_0"), ("wolfram_1", "maudlin_0"), ("maudlin_0", "wolfram_0")]
    ]
    tally = tallied([rollout(group)], [pairs])
    assert (tally.metrics().consensus_share, tally.metrics().chosen_correct_share) == (1, 2 / 3)
    [types] = tally.types().types
    assert (types.pair_type, types.chosen_correct_share, types.rejected_correct_share) == ("consensus", 2 / 3, 1 / 3)


def test_metrics_without_any_pair_are_numbers():
    tally = tallied([rollout(trajectories())], [[]])
    metrics = tally.metrics()
    assert tally.types() == PairTypes(())
    assert metrics.pairs == metrics.correctness_share == metrics.coherence_share == metrics.mean_length_difference_tokens == 0
