"""Which pairs a question gives: by type, caps, prompts, and from nothing's order."""

from dataclasses import fields, replace
from pathlib import Path
from random import Random

import pytest

from src.core.params import from_value, load_section
from src.core.records import to_json
from src.regime_w.arms import ARM_NAMES, PERSONA_OF, PROBE_A, PROBE_A_PRIME, PROBE_CF1
from src.regime_w.preferences import PAIRING_ARMS, Pair, PrefsSettings, build_pairs
from src.regime_w.scoring import ScoredTrajectory
from tests.regime_w.builders import rollout, scored

GUIDE = PrefsSettings(
    labels="gold",
    prompt="canonical",
    coherence_by="reward",
    correctness_by="hash",
    max_correctness_pairs=18,
    max_coherence_pairs=4,
    min_reward_gap=0.01,
)
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


def test_what_all_trajectories_of_a_question_share_moves_no_pair():
    """So the scores of a question, which `scoring.credit: question` puts into rewards, cannot choose."""
    rewards = {arm: place / 16 for place, arm in enumerate(ARM_NAMES)}
    raised = {arm: reward + 0.5 for arm, reward in rewards.items()}
    right = ARM_NAMES[2:7]
    assert couples(build(trajectories(right, rewards))) == couples(build(trajectories(right, raised)))


@pytest.mark.parametrize(
    ("labels", "right"),
    [
        pytest.param("gold", ARM_NAMES, id="of two that are right"),
        pytest.param("none", ARM_NAMES, id="of the same answer"),
        pytest.param("none", ("wolfram_0",), id="of different answers"),
    ],
)
def test_a_gap_of_exactly_the_least_makes_no_pair_whatever_the_last_bits_are(labels, right):
    """0.51 - 0.5 is more than 0.01 in the last bits of a float, and 0.21 - 0.2 is less."""
    settings = replace(GUIDE, labels=labels)
    for reward in (0.2, 0.5, 0.7, 0.9):
        gap = {arm: reward for arm in ARM_NAMES} | {"wolfram_0": reward + 0.01}
        wider = gap | {"wolfram_0": reward + 0.0101}
        assert build(trajectories(right, gap), settings) == []
        assert build(trajectories(right, wider), settings) != []


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


# --- without labels ---

UNLABELLED = replace(ALL, labels="none", max_coherence_pairs=0)


def with_answers(answers: dict[str, str | None], rewards: dict[str, float], **values) -> list[ScoredTrajectory]:
    """Eleven trajectories: `answers` by arm, "9" for every other arm, with a reward of 0.5 unless told otherwise."""
    return [scored(arm, f"by {arm}", answer=answers.get(arm, "9"), reward=rewards.get(arm, 0.5), **values) for arm in ARM_NAMES]


def test_without_labels_the_higher_reward_is_chosen_of_two_different_answers():
    of_question = with_answers({"wolfram_0": "7", "wolfram_1": "8"}, {"wolfram_0": 0.8, "wolfram_1": 0.3})
    pairs = build(of_question, UNLABELLED)
    rest = set(PAIRING_ARMS) - {"wolfram_0", "wolfram_1"}
    assert {pair.pair_type for pair in pairs} == {"consensus"}
    assert couples(pairs) == {("wolfram_0", "wolfram_1"), *(("wolfram_0", r) for r in rest), *((r, "wolfram_1") for r in rest)}


def test_without_labels_a_text_without_an_answer_is_never_chosen_and_two_make_no_pair():
    of_question = with_answers(dict.fromkeys(("wolfram_0", "wolfram_1"), None), {"wolfram_0": 0.8, "wolfram_1": 0.3})
    assert couples(build(of_question, UNLABELLED)) == {(r, "wolfram_1") for r in set(PAIRING_ARMS) - {"wolfram_0", "wolfram_1"}}


def test_without_labels_rewards_must_differ_by_more_than_the_gap():
    of_question = with_answers({"wolfram_0": "7"}, {"wolfram_0": 0.75})
    assert build(of_question, replace(UNLABELLED, min_reward_gap=0.25)) == []
    assert len(build(of_question, replace(UNLABELLED, min_reward_gap=0.125))) == len(PAIRING_ARMS) - 1


def test_without_labels_the_cap_keeps_the_widest_margins():
    rewards = {arm: place / 16 for place, arm in enumerate(ARM_NAMES)}
    of_question = with_answers({arm: str(place % 3) for place, arm in enumerate(ARM_NAMES)}, rewards)
    every = build(of_question, UNLABELLED)
    kept = build(of_question, replace(UNLABELLED, max_correctness_pairs=5))
    assert kept == every[:5]
    margins = [pair.chosen_reward - pair.rejected_reward for pair in every]
    assert margins == sorted(margins, reverse=True) and len(every) > 18


def test_without_labels_coherence_pairs_are_of_two_with_the_same_answer_whether_right_or_wrong():
    only = replace(ALL, labels="none", max_correctness_pairs=0)
    of_question = with_answers({"wolfram_0": "7", "wolfram_1": "7", "wolfram_2": None, "wolfram_3": None},
                               {"wolfram_0": 0.8, "wolfram_3": 0.9, "maudlin_0": 0.6}, correct=False)  # fmt: skip
    pairs = build(of_question, only)
    rest = set(PAIRING_ARMS) - {"wolfram_0", "wolfram_1", "wolfram_2", "wolfram_3", "maudlin_0"}
    assert couples(pairs) == {("wolfram_0", "wolfram_1"), *(("maudlin_0", r) for r in rest)}
    assert {pair.pair_type for pair in pairs} == {"coherence"}


@pytest.mark.parametrize("labels", ["none", "random", "steps"])
def test_without_gold_labels_the_gold_answer_changes_nothing(labels: str):
    random = Random(11)
    settings = replace(GUIDE, labels=labels, max_correctness_pairs=7, max_coherence_pairs=2)
    found = 0
    for number in range(50):
        of_question = [
            scored(arm, random.choice(["", "so ", "so it is "]) + f"Answer: {number}", answer=answer, reward=random.random())
            for arm in ARM_NAMES
            for answer in [random.choice(["1", "2", None])]
        ]
        regraded = [replace(t, correct=random.random() < 0.5) for t in of_question]
        one = build_pairs(rollout(of_question, gold="1"), settings)
        assert one == build_pairs(rollout(regraded, gold="2"), settings)
        found += len(one)
    assert found > 100


# --- controls ---


def test_random_sides_are_of_different_answers_and_fall_evenly():
    settings, first = replace(GUIDE, labels="random"), 0
    for number in range(400):
        pairs = build(with_answers({"wolfram_0": "7"}, {"wolfram_0": 0.9}), settings, f"question {number}")
        assert {pair.pair_type for pair in pairs} == {"consensus"} and len(pairs) == 9
        assert all("wolfram_0" in couple for couple in couples(pairs))
        first += sum(pair.chosen_arm == "wolfram_0" for pair in pairs)
    assert 1680 < first < 1920  # of 3,600; the deviation of a fair coin is 30


def test_random_sides_need_an_answer_on_one_of_them():
    pairs = build(with_answers(dict.fromkeys(("wolfram_0", "wolfram_1"), None), {}), replace(ALL, labels="random"))
    assert len(pairs) == 16 and not any({"wolfram_0", "wolfram_1"} == set(couple) for couple in couples(pairs))


def test_steps_are_preferred_to_a_bare_answer_of_another_value_and_nothing_else_counts():
    texts = {"wolfram_0": "Answer: 7", "wolfram_1": "Answer: 9"}
    of_question = [replace(t, text=texts.get(t.arm_name, t.text)) for t in with_answers({"wolfram_0": "7"}, {"wolfram_0": 1.0})]
    pairs = build(of_question, replace(ALL, labels="steps"))
    assert couples(pairs) == {(arm, "wolfram_0") for arm in set(PAIRING_ARMS) - {"wolfram_0", "wolfram_1"}}
    assert {pair.pair_type for pair in pairs} == {"consensus"}


def test_coherence_by_length_looks_at_length_alone():
    texts = {"wolfram_0": "a\nAnswer: 1", "wolfram_1": "a b c\nAnswer: 1", "wolfram_2": "d e f\nAnswer: 1"}
    of_question = trajectories(tuple(texts), {"wolfram_0": 0.9}, texts)
    by = {rule: replace(ALL, coherence_by=rule, max_correctness_pairs=0) for rule in ("shorter", "longer")}
    assert couples(build(of_question, by["shorter"])) == {("wolfram_0", "wolfram_1"), ("wolfram_0", "wolfram_2")}
    assert couples(build(of_question, by["longer"])) == {("wolfram_1", "wolfram_0"), ("wolfram_2", "wolfram_0")}


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


def test_correctness_by_margin_keeps_the_widest_rewards():
    rewards = {arm: place / 16 for place, arm in enumerate(ARM_NAMES)}
    of_question = trajectories(PAIRING_ARMS[3:6], rewards)
    margin = replace(GUIDE, correctness_by="margin", max_coherence_pairs=0, max_correctness_pairs=4)
    gaps = sorted((pair.chosen_reward - pair.rejected_reward for pair in build(of_question, ALL)
                   if pair.pair_type == "correctness"), reverse=True)  # fmt: skip
    assert [pair.chosen_reward - pair.rejected_reward for pair in build(of_question, margin)] == gaps[:4]


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
        ("labels", "silver"),
        ("coherence_by", "length"),
        ("correctness_by", "reward"),
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
