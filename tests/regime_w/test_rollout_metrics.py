"""Figures over rollouts, counted by hand."""

from dataclasses import replace
from random import Random
from statistics import fmean, pstdev

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, write_metrics
from src.regime_w.arms import ARM_NAMES
from src.regime_w.rollout_metrics import ArmAccuracy, Distribution, RolloutMetrics, RolloutTally, Tally
from src.regime_w.signals import SignalTally
from tests.regime_w.builders import rollout, scored


def tallied(tally, things):
    """The tally with these added."""
    for thing in things:
        tally.add(thing)
    return tally


def distribution(values) -> Distribution:
    return tallied(Tally(), values).distribution()


def rollout_metrics(rollouts) -> RolloutMetrics:
    return tallied(RolloutTally(), rollouts).metrics(0.95)


def test_a_distribution_has_the_deviation_of_a_population():
    """Of 1, 2, 3, 6: mean 3, squared deviations 4, 1, 0 and 9, a mean of 3.5."""
    assert distribution([1, 2, 3, 6]) == Distribution(mean=3, std=pytest.approx(3.5**0.5), min=1, max=6)
    assert distribution([0.25]) == Distribution(mean=0.25, std=0.0, min=0.25, max=0.25)


@pytest.mark.parametrize("value", [0.1, 0.3, 0.7, 1 / 3])
def test_equal_values_have_no_deviation_whatever_their_last_bits(value):
    assert distribution([value] * 7).std == 0


def test_figures_are_those_of_the_library_to_the_last_bit():
    random = Random(5)
    draws = [
        random.random,
        lambda: random.choice([0.1, 0.7, 1 / 3]),
        lambda: 1 + random.gauss(0, 1e-9),
        lambda: random.gauss(0, 1e5),
    ]
    for draw in draws * 200:
        values = [draw() for _ in range(random.randint(1, 30))]
        wanted = Distribution(mean=fmean(values), std=pstdev(values), min=min(values), max=max(values))
        assert distribution(values) == wanted


def test_figures_of_tallies_that_are_merged_are_those_of_one():
    random = Random(7)
    values = [random.gauss(0, 10**place) for place in range(-9, 9)]
    for cut in (0, 1, 9, 18):
        merged = tallied(Tally(), values[:cut])
        merged.merge(tallied(Tally(), values[cut:]))
        assert merged.distribution() == distribution(values)


@pytest.mark.parametrize("cut", [0, 1, 3, 200, 300])
def test_metrics_of_tallies_that_are_merged_are_those_of_one(cut):
    random = Random(3)
    rollouts = [
        rollout(
            [
                scored(arm, answer=random.choice(["2", "3", None]), correct=random.random() < 0.5, reward=random.random())
                for arm in ARM_NAMES
            ],
            question_id=f"q{number}",
            s_end=random.choice([0.5, 1.0]),
            s_path=random.random(),
        )
        for number in range(300)
    ]
    merged = tallied(RolloutTally(), rollouts[:cut])
    merged.merge(tallied(RolloutTally(), rollouts[cut:]))
    assert merged.metrics(0.95) == rollout_metrics(rollouts)


def test_figures_counted_by_hand():
    """Two questions. In the first all arms are right; in the second only wolfram_0 is, and two others have no answer."""
    first = rollout([scored(arm, reward=1.0) for arm in ARM_NAMES], s_end=1.0, s_path=0.5, s_cf=1.0)
    answers = dict.fromkeys(ARM_NAMES, "3") | {"wolfram_0": "2", "maudlin_0": None, "maudlin_cf1": None}
    second = rollout(
        [
            scored(
                arm,
                answer=answers[arm],
                correct=arm == "wolfram_0",
                reward=0.5,
                finish_reason="length" if arm == "maudlin_0" else "stop",
            )
            for arm in ARM_NAMES
        ],
        question_id="q2",
        s_end=0.5,
        s_path=0.5,
        s_cf=0.0,
    )
    signals = SignalTally()
    signals.add(first)
    signals.add(second)
    assert rollout_metrics([first, second]) == RolloutMetrics(
        questions=2,
        trajectories=22,
        s_end=Distribution(mean=0.75, std=0.25, min=0.5, max=1.0),
        s_path=Distribution(mean=0.5, std=0.0, min=0.5, max=0.5),
        s_cf=Distribution(mean=0.5, std=0.5, min=0.0, max=1.0),
        reward=Distribution(mean=0.75, std=0.25, min=0.5, max=1.0),
        no_answer_share=2 / 22,
        truncated_share=1 / 22,
        arms=(ArmAccuracy("wolfram_0", 1.0), *(ArmAccuracy(arm, 0.5) for arm in ARM_NAMES[1:])),
        signals=signals.metrics(0.95),
    )


def test_the_reward_is_over_trajectories_and_the_scores_are_over_questions():
    rewards = [place / 16 for place in range(len(ARM_NAMES))]
    one = rollout([scored(arm, reward=reward) for arm, reward in zip(ARM_NAMES, rewards, strict=True)], s_end=0.125)
    metrics = rollout_metrics([one])
    assert metrics.reward == Distribution(mean=5 / 16, std=pytest.approx(pstdev(rewards)), min=0.0, max=10 / 16)
    assert metrics.s_end == Distribution(mean=0.125, std=0.0, min=0.125, max=0.125)


def test_metrics_are_read_as_they_were_written_and_lack_no_arms(tmp_path):
    metrics = rollout_metrics([rollout()])
    write_metrics(tmp_path / "rollouts.json", metrics)
    assert read_metrics(tmp_path / "rollouts.json", RolloutMetrics) == metrics
    write_metrics(tmp_path / "rollouts.json", replace(metrics, arms=()))
    with pytest.raises(InputError, match=r"rollouts.json: key 'arms' is \[\]: it must have at least 1 item, not 0"):
        read_metrics(tmp_path / "rollouts.json", RolloutMetrics)
