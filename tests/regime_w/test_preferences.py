"""Which pairs a question gives: by type, caps, prompts, and from nothing's order."""

from dataclasses import fields, replace
from pathlib import Path
from random import Random

import pytest

from src.core.params import from_value, load_section
from src.core.records import to_json
from src.regime_w.arms import ARM_NAMES, PERSONA_OF, PROBE_A, PROBE_A_PRIME, PROBE_CF1
from src.regime_w.preferences import PAIRING_ARMS, Pair, PairMetrics, PairTally, PrefsSettings, build_pairs
from src.regime_w.scoring import ScoredTrajectory
from tests.regime_w.builders import rollout, scored

GUIDE = PrefsSettings(prompt="canonical", max_correctness_pairs=18, max_coherence_pairs=4, min_reward_gap=0.01)
ALL = replace(GUIDE, max_correctness_pairs=1000, max_coherence_pairs=1000)


def trajectories(correct=(), rewards=None, texts=None) -> list[ScoredTrajectory]:
    """Eleven trajectories with texts of their own and equal rewards, unless told otherwise."""
    rewards, texts = rewards or {}, texts or {}
    return [
        scored(
            arm,
            texts.get(arm, f"by {arm}\nAnswer: 1"),
            correct=arm in correct,
            reward=rewards.get(arm, 0.5),
            answer="1" if arm in correct else "2",
        )
        for arm in ARM_NAMES
    ]


def build(of_question: list[ScoredTrajectory], settings: PrefsSettings = GUIDE, question_id: str = "q1") -> list[Pair]:
    return build_pairs(rollout(of_question, question_id=question_id), settings)


def couples(pairs: list[Pair]) -> set[tuple[str, str]]:
    return {(pair.chosen_arm, pair.rejected_arm) for pair in pairs}


def test_a_pair_carries_these_fields():
    content = ["question_id", "question", "prompt", "chosen", "rejected"]
    origin = ["pair_type", "chosen_arm", "rejected_arm", "chosen_reward", "rejected_reward"]
    assert [item.name for item in fields(Pair)] == content + origin


def test_correct_is_chosen_over_incorrect_whatever_the_rewards():
    right = ("wolfram_0", PROBE_A)
    pairs = build(trajectories(right, rewards={"wolfram_0": 0.1, "maudlin_0": 0.9}), ALL)
    correctness = [pair for pair in pairs if pair.pair_type == "correctness"]
    wrong = set(PAIRING_ARMS) - set(right)
    assert couples(correctness) == {(c, r) for c in right for r in wrong}
    pair = next(pair for pair in correctness if couples([pair]) == {("wolfram_0", "maudlin_0")})
    assert pair == Pair(
        "q1", "How many?", f"prompt of {PROBE_A}", "by wolfram_0\nAnswer: 1", "by maudlin_0\nAnswer: 1",
        "correctness", "wolfram_0", "maudlin_0", 0.1, 0.9,
    )  # fmt: skip


def test_coherence_pairs_are_of_correct_trajectories_that_differ_enough():
    rewards = {"wolfram_0": 0.75, "wolfram_1": 0.5, "wolfram_2": 0.625, "maudlin_0": 1.0}
    right = ("wolfram_0", "wolfram_1", "wolfram_2")
    pairs = build(trajectories(right, rewards), replace(GUIDE, max_correctness_pairs=0, min_reward_gap=0.125))
    # The gap must be more than 0.125, and maudlin_0 is wrong.
    found = [(p.chosen_arm, p.rejected_arm, p.pair_type) for p in pairs]
    assert found == [("wolfram_0", "wolfram_1", "coherence")]
    assert (pairs[0].chosen_reward, pairs[0].rejected_reward) == (0.75, 0.5)


def test_what_a_whole_question_is_worth_moves_no_pair():
    """s_end, s_path and s_cf are alike on both sides of a pair, so their weights cannot choose."""
    rewards = {arm: place / 16 for place, arm in enumerate(ARM_NAMES)}
    raised = {arm: reward + 0.5 for arm, reward in rewards.items()}
    right = ARM_NAMES[2:7]
    assert couples(build(trajectories(right, rewards))) == couples(build(trajectories(right, raised)))


def test_equal_rewards_make_no_pair_even_without_a_min_gap():
    assert build(trajectories(ARM_NAMES), replace(GUIDE, min_reward_gap=0.0)) == []


def test_all_wrong_makes_no_pair():
    assert build(trajectories(), ALL) == []


def test_the_altered_story_makes_no_pair():
    rewards = {arm: place / 10 for place, arm in enumerate(ARM_NAMES)}
    for right in [(PROBE_CF1,), PAIRING_ARMS, ARM_NAMES, ("wolfram_0", PROBE_CF1)]:
        pairs = build(trajectories(right, rewards), ALL)
        assert PROBE_CF1 not in {arm for couple in couples(pairs) for arm in couple}
    assert build(trajectories((PROBE_CF1,), rewards), ALL) == []


def test_equal_texts_make_no_pair():
    same = {"wolfram_0": "same", "maudlin_0": "same", "maudlin_1": "same"}
    rewards = {"wolfram_0": 0.9, "maudlin_1": 0.1}
    pairs = couples(build(trajectories(("wolfram_0", "maudlin_1"), rewards, same), ALL))
    assert ("wolfram_0", "maudlin_1") not in pairs and ("wolfram_0", "maudlin_0") not in pairs
    assert ("wolfram_0", "maudlin_2") in pairs


# --- caps ---


def test_caps_by_default():
    rewards = {arm: place / 10 for place, arm in enumerate(ARM_NAMES)}
    pairs = build(trajectories(PAIRING_ARMS[:5], rewards))  # 25 correctness and 10 coherence pairs are there
    assert [p.pair_type for p in pairs] == ["correctness"] * 18 + ["coherence"] * 4


def test_the_coherence_cap_keeps_the_widest_gaps_in_their_order():
    rewards = {"wolfram_0": 0.0, "wolfram_1": 0.25, "wolfram_2": 0.5, "wolfram_3": 1.0}
    pairs = build(trajectories(tuple(rewards), rewards), replace(GUIDE, max_correctness_pairs=0))
    assert [round(p.chosen_reward - p.rejected_reward, 9) for p in pairs] == [1.0, 0.75, 0.5, 0.5]


def test_caps_keep_the_same_pairs_in_any_order_of_trajectories():
    random = Random(3)
    rewards = {arm: random.choice([0.2, 0.4, 0.6]) for arm in ARM_NAMES}  # with ties
    of_question = trajectories(PAIRING_ARMS[::2], rewards)
    settings = replace(GUIDE, max_correctness_pairs=7, max_coherence_pairs=2)
    pairs = build(of_question, settings)
    shuffled = rollout(of_question)
    for _ in range(30):
        random.shuffle(of_question)
        object.__setattr__(shuffled, "trajectories", tuple(of_question))  # which no Rollout that is read or made can be
        assert build_pairs(shuffled, settings) == pairs


def test_a_larger_cap_keeps_what_a_smaller_kept():
    of_question = trajectories(PAIRING_ARMS[:5])
    kept = [couples(build(of_question, replace(GUIDE, max_correctness_pairs=cap))) for cap in range(26)]
    assert [len(some) for some in kept] == list(range(26))
    assert all(fewer <= more for fewer, more in zip(kept, kept[1:], strict=False))


def test_the_cap_favours_no_arm_over_the_questions():
    """Of 25 pairs each question keeps 5: over 400 questions each is kept about 80 times (deviation 8)."""
    count = dict.fromkeys(couples(build(trajectories(PAIRING_ARMS[:5]), ALL)), 0)
    five = replace(GUIDE, max_correctness_pairs=5)
    for number in range(400):
        kept = build(trajectories(PAIRING_ARMS[:5]), five, f"question {number}")
        for couple in couples(kept):
            count[couple] += 1
    assert all(40 < times < 120 for times in count.values())


def test_the_sample_by_hash_is_the_same_in_every_process_and_version():
    pairs = build(trajectories(PAIRING_ARMS[:5]), replace(GUIDE, max_correctness_pairs=2))
    assert couples(pairs) == {("wolfram_0", "wolfram_rephrase"), ("wolfram_3", "maudlin_2")}


# --- prompts ---


def test_own_prompts_stay_within_a_persona():
    rewards = {arm: place / 10 for place, arm in enumerate(ARM_NAMES)}
    own = replace(GUIDE, prompt="own", max_correctness_pairs=1000, max_coherence_pairs=1000)
    pairs = build(trajectories(PAIRING_ARMS[::2], rewards), own)
    assert {PERSONA_OF[p.chosen_arm] for p in pairs} == {"wolfram", "maudlin"}
    assert all(PERSONA_OF[p.chosen_arm] == PERSONA_OF[p.rejected_arm] for p in pairs)
    assert all(p.prompt == f"prompt of {p.chosen_arm}" for p in pairs)


def test_own_prompt_of_two_probes_is_the_chosen_ones():
    own = replace(GUIDE, prompt="own")
    pairs = build(trajectories((PROBE_A_PRIME,)), own)
    assert {p.prompt for p in pairs if p.rejected_arm == PROBE_A} == {f"prompt of {PROBE_A_PRIME}"}


# --- broken input ---


def test_not_the_eleven_arms_is_an_error():
    with pytest.raises(ValueError, match="it has 10 trajectories, by wolfram_0.*maudlin_2, maudlin_3"):
        build([t for t in trajectories() if t.arm_name != "maudlin_2"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prompt", "wolfram"),
        ("max_correctness_pairs", -1),
        ("max_coherence_pairs", -1),
        ("min_reward_gap", -0.01),
        ("min_reward_gap", float("nan")),
        ("min_reward_gap", float("inf")),
    ],
)
def test_settings_out_of_range_are_an_error_that_names_the_key(key: str, value):
    with pytest.raises(ValueError, match=f"params.yaml: prefs.{key} is {value!r}: it must be "):
        from_value(PrefsSettings, to_json(GUIDE) | {key: value}, "params.yaml: prefs")


def test_the_settings_of_the_guide_stand_in_params_yaml():
    assert load_section("prefs", PrefsSettings, Path(__file__).parents[2] / "params.yaml") == GUIDE


# --- metrics ---


def pair_metrics(rollouts, pairs_of) -> PairMetrics:
    tally = PairTally()
    for one, pairs in zip(rollouts, pairs_of, strict=True):
        tally.add(one, pairs)
    return tally.metrics()


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
    assert pair_metrics(rollouts, pairs_of) == PairMetrics(
        questions=3,
        pairs=3,
        correctness_pairs=2,
        coherence_pairs=1,
        correctness_share=2 / 3,
        coherence_share=1 / 3,
        questions_all_correct=1,
        questions_all_wrong=1,
        questions_without_pair=2,
        mean_length_difference_tokens=pytest.approx(-4 / 3),
        pairs_rejected_without_answer=1,
    )


def test_metrics_without_any_pair_are_numbers():
    metrics = pair_metrics([rollout(trajectories())], [[]])
    assert metrics.pairs == metrics.correctness_share == metrics.coherence_share == metrics.mean_length_difference_tokens == 0
