"""The scores, on examples worked by hand and against a second, naive implementation."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from src.core.params import from_value, load_section
from src.core.records import to_json
from src.regime_w.answers import canonical, extract_answer, reasoning
from src.regime_w.arms import ARM_NAMES, PROBE_A, PROBE_A_PRIME, PROBE_CF1
from src.regime_w.scoring import (
    GUIDE_SETTINGS,
    PathWeights,
    QualityWeights,
    RewardWeights,
    Rollout,
    ScoringSettings,
    s_cf_for_question,
    s_end_for_question,
    s_path_for_question,
    score_question,
)
from src.regime_w.texts import Trajectory
from tests.regime_w.builders import eleven, question, rollout, trajectory, variance


def scores_of(trajectories: Sequence[Trajectory], gold: str, settings: ScoringSettings = GUIDE_SETTINGS) -> Rollout:
    return score_question(question(gold), trajectories, settings)


# --- questions, by hand ---


def test_s_end_is_the_share_of_the_commonest_vote():
    """Votes 5 5 5 6 6 7, two arms without: 3 of all 8, not of the 6 that voted."""
    answers = ["5", "5.0", "10/2", "6", "6", "7"]
    votes = variance(*(f"Answer: {a}" for a in answers), "no idea", "Answer: 5 or 6")
    assert s_end_for_question(eleven("Answer: 6", **votes)) == 3 / 8


def test_no_answers_do_not_agree():
    assert s_end_for_question(eleven("I give up")) == 0
    assert s_cf_for_question(eleven("I give up")) == 0


def test_probes_have_no_vote():
    votes = variance(*["Answer: 1"] * 8)
    assert s_end_for_question(eleven("Answer: 2", **votes)) == 1
    assert s_path_for_question(eleven("a b c d e", **votes)) == 1


def test_s_path_weighs_length_and_overlap():
    """Four texts "a b" and four "a b c d": L is 2 and 4, mean 3, population deviation 1.

    Length coherence 1 - 1/3 = 2/3. Of 28 pairs 12 are of equal texts (J = 1) and 16 are not (J = 2/4),
    so overlap = (12 + 8) / 28 = 5/7. Together 0.4 * 2/3 + 0.6 * 5/7.
    """
    texts = variance(*["a b\nAnswer: 1", "a b c d\nAnswer: 2"] * 4)
    assert s_path_for_question(eleven(**texts)) == pytest.approx(0.4 * 2 / 3 + 0.6 * 5 / 7, abs=1e-12)


def test_length_coherence_falls_to_zero_and_no_further():
    """One text of 8 tokens, seven of none: mean 1, deviation sqrt(7) > 1. 21 of 28 pairs are both empty."""
    texts = variance("a b c d e f g h", *[""] * 7)
    assert s_path_for_question(eleven(**texts)) == pytest.approx(0.6 * 21 / 28, abs=1e-12)


def test_without_any_reasoning_all_paths_are_alike():
    assert s_path_for_question(eleven("Answer: 5")) == 1


@pytest.mark.parametrize(
    ("cf1", "a", "a_prime", "score"),
    [
        ("5", "5.0", "5", 1),
        ("5", "5", "6", 0.5),
        ("5", "none", "5", 0.5),
        ("5", "6", "6", 0),
        ("none", "5", "5", 0),
    ],
)
def test_s_cf_is_the_share_of_probes_that_cf1_agrees_with(cf1: str, a: str, a_prime: str, score: float):
    answers = {PROBE_CF1: cf1, PROBE_A: a, PROBE_A_PRIME: a_prime}
    texts = {arm: f"Answer: {answer}" for arm, answer in answers.items()}
    assert s_cf_for_question(eleven("Answer: 5", **texts)) == score


def test_consensus_is_the_commonest_answer_and_the_smallest_of_several():
    texts = variance(*(f"Answer: {a}" for a in ["9", "9", "9", "10", "10", "10", "1", "2"]))
    assert scores_of(eleven("Answer: 1", **texts), "1").consensus == "9"
    assert scores_of(eleven("Answer: none"), "1").consensus is None


# --- trajectories, by hand ---


def test_credits_of_trajectories():
    """A "a b c d", A' "a b" and another answer, CF1 "x", all variance arms "a b c" but wolfram_0, "a" without an answer.

    end        wolfram_1: 6 of the other 7; A and CF1: 7 of 8; A' and wolfram_0, which has no answer: none.
    path       length and overlap are the same but for CF1. wolfram_1: six texts are equal, wolfram_0 has 1 of 3 tokens,
               (6 + 1/3) / 7. wolfram_0: 1/3. A: (7 * 3/4 + 1/4) / 8. A': (7 * 2/3 + 1/2) / 8. CF1: no token is shared, and its
               length is 1 of 3 seven times and once the same, 0.4 * (7/3 + 1) / 8.
    cf         whether the answer is CF1's; CF1 itself has s_cf, (1 + 0) / 2.
    conciseness  the least L of the answered is CF1's 1 (wolfram_0 has 1 as well, but no answer).
    alignment  wolfram_1: (3/4 + 2/3) / 2. A and A': J(A, A') = 2/4. CF1: 0. wolfram_0: (1/4 + 1/2) / 2.
    """
    texts = {"wolfram_0": "a", PROBE_A: "a b c d #### 5", PROBE_A_PRIME: "a b #### 6", PROBE_CF1: "x #### 5"}
    scores = scores_of(eleven("a b c #### 5", **texts), "5")
    of_arm = {t.arm_name: t for t in scores.trajectories}
    expected = {
        "wolfram_0": (0, 1 / 3, 0, 0, 3 / 8),
        "wolfram_1": (6 / 7, 19 / 21, 1, 1 / 3, 17 / 24),
        PROBE_A: (7 / 8, 11 / 16, 1, 1 / 4, 1 / 2),
        PROBE_A_PRIME: (0, 31 / 48, 0, 1 / 2, 1 / 2),
        PROBE_CF1: (7 / 8, 1 / 6, 1 / 2, 1, 0),
    }
    assert (scores.s_end, scores.s_cf) == (7 / 8, 1 / 2)
    for arm, (end, path, cf, conciseness, alignment) in expected.items():
        found = of_arm[arm]
        quality = 0.4 * conciseness + 0.6 * alignment
        reward = 0.4 * end + 0.2 * path + 0.2 * cf + 0.4 * quality
        parts = (found.end, found.path, found.cf, found.conciseness, found.alignment)
        assert parts == pytest.approx((end, path, cf, conciseness, alignment), abs=1e-12)
        assert (found.quality, found.reward) == pytest.approx((quality, reward), abs=1e-12)
    assert [t.arm_name for t in scores.trajectories if not t.correct] == ["wolfram_0", PROBE_A_PRIME]
    assert (of_arm["wolfram_0"].answer, of_arm[PROBE_A].answer) == (None, "5")


def test_by_question_the_scores_of_the_question_stand_in_the_reward():
    texts = {"wolfram_0": "a", PROBE_A: "a b c d #### 5", PROBE_A_PRIME: "a b #### 6", PROBE_CF1: "x #### 5"}
    by_trajectory = scores_of(eleven("a b c #### 5", **texts), "5")
    by_question = scores_of(eleven("a b c #### 5", **texts), "5", replace(GUIDE_SETTINGS, credit="question"))
    shared = 0.4 * by_question.s_end + 0.2 * by_question.s_path + 0.2 * by_question.s_cf
    for one, other in zip(by_question.trajectories, by_trajectory.trajectories, strict=True):
        assert one.reward == pytest.approx(shared + 0.4 * one.quality, abs=1e-12)
        assert replace(one, reward=0) == replace(other, reward=0)


def test_a_bare_answer_is_no_short_reasoning():
    """The least L above 0 is 2, whatever the bare answers; a bare answer has no conciseness, and takes none from others."""
    texts = {"wolfram_0": "Answer: 5", "wolfram_1": "a b\nAnswer: 5"}
    of_arm = {t.arm_name: t.conciseness for t in scores_of(eleven("a b c d\nAnswer: 5", **texts), "5").trajectories}
    assert (of_arm["wolfram_0"], of_arm["wolfram_1"], of_arm["wolfram_2"]) == (0, 1, 1 / 2)
    assert {t.conciseness for t in scores_of(eleven("Answer: 5"), "5").trajectories} == {0}


def test_what_was_written_is_carried_over_with_its_scores():
    trajectories = [
        trajectory(arm, f"by {arm}", prompt=f"ask {arm}", seed=n, temperature=n / 10, n_tokens=n, finish_reason="length")
        for n, arm in enumerate(ARM_NAMES)
    ]
    asked = question("1/3", id="q7", question="Why?")
    scores = score_question(asked, trajectories[::-1], GUIDE_SETTINGS)
    assert (scores.question_id, scores.question, scores.gold) == ("q7", "Why?", "1/3")
    for found, written in zip(scores.trajectories, trajectories, strict=True):
        for key in ("arm_name", "prompt", "text", "seed", "temperature", "n_tokens", "finish_reason"):
            assert getattr(found, key) == getattr(written, key)


def test_the_best_reward_is_the_sum_of_the_weights():
    scores = scores_of(eleven("a b\nAnswer: 5"), "5")
    assert [t.reward for t in scores.trajectories] == pytest.approx([1.2] * 11)


def test_gold_decides_nothing_but_correct():
    texts = eleven("a b\nAnswer: 5", wolfram_0="c\nAnswer: 6")
    five = scores_of(texts, "5").trajectories
    six = scores_of(texts, "6").trajectories
    assert [t.correct for t in five] != [t.correct for t in six]
    assert [replace(t, correct=True) for t in five] == [replace(t, correct=True) for t in six]


def test_settings_are_used():
    texts = eleven("a b\nAnswer: 5", wolfram_0="a\nAnswer: 5")
    only = ScoringSettings("trajectory", RewardWeights(0, 0, 0, 1), PathWeights(0, 1), QualityWeights(1, 0))
    scores = scores_of(texts, "5", only)
    assert [t.reward for t in scores.trajectories] == [1.0] + [0.5] * 10
    assert scores.s_path == s_path_for_question(texts, only) != s_path_for_question(texts)


# --- against a second implementation ---


def naive_scores(texts: dict[str, str]) -> tuple[float, float, float, dict[str, tuple[float, ...]]]:
    """s_end, s_path, s_cf, and by arm the credits and the reward, from the definitions, with nothing shared but reading."""
    answers = {arm: extract_answer(text) for arm, text in texts.items()}
    token = r"[a-z]+|\d+(?:\.\d+)?|[+\-*/=%]"
    words = {arm: re.findall(token, reasoning(text).lower()) for arm, text in texts.items()}

    def alike(x: str, y: str) -> float:
        either = [w for w in set(words[x] + words[y])]
        return sum(w in words[x] and w in words[y] for w in either) / len(either) if either else 1

    voters = [f"{persona}_{i}" for persona in ("wolfram", "maudlin") for i in range(4)]
    end = max(sum(answers[v] is not None and answers[v] == answers[w] for v in voters) for w in voters) / 8
    lengths = [len(words[v]) for v in voters]
    mean = sum(lengths) / 8
    even = 1 - min(1, (sum(n * n for n in lengths) / 8 - mean**2) ** 0.5 / mean) if mean else 1
    path = 0.4 * even + 0.6 * sum(alike(x, y) for x, y in combinations(voters, 2)) / 28
    story = answers["maudlin_cf1"]
    cf = sum(story is not None and answers[p] == story for p in ("wolfram_standard", "wolfram_rephrase")) / 2
    reasoned = [len(words[arm]) for arm in texts if answers[arm] is not None and words[arm]]
    credit_of = {}
    for arm in texts:
        others = [v for v in voters if v != arm]
        by_end = sum(answers[arm] is not None and answers[v] == answers[arm] for v in others) / len(others)
        by_path = 0.0
        for v in others:
            longer = max(len(words[arm]), len(words[v]), 1)
            by_path += 0.4 * (1 - abs(len(words[arm]) - len(words[v])) / longer) + 0.6 * alike(arm, v)
        by_path /= len(others)
        by_cf = cf if arm == "maudlin_cf1" else float(story is not None and answers[arm] == story)
        short = min(reasoned) / len(words[arm]) if answers[arm] is not None and words[arm] else 0.0
        probes = [p for p in ("wolfram_standard", "wolfram_rephrase") if p != arm]
        near = sum(alike(arm, p) for p in probes) / len(probes)
        quality = 0.4 * short + 0.6 * near
        reward = 0.4 * by_end + 0.2 * by_path + 0.2 * by_cf + 0.4 * quality
        credit_of[arm] = (by_end, by_path, by_cf, short, near, quality, reward)
    return end, path, cf, credit_of


def random_text(random: Random) -> str:
    words = random.choices(["take", "add", "3", "4.5", "+", "=", "eggs", "So,", "%"], k=random.randint(0, 12))
    endings = ["\nAnswer: 3", "\nAnswer: 3.0", " #### 4", "\nAnswer: 1/3", "", "\nAnswer: 3 or 4"]
    return " ".join(words) + random.choice(endings)


def test_agrees_with_a_naive_implementation():
    random = Random(7)
    for _ in range(300):
        texts = {arm: random_text(random) for arm in ARM_NAMES}
        trajectories = eleven(**texts)
        end, path, cf, credit_of = naive_scores(texts)
        scores = scores_of(trajectories, "3")
        assert (scores.s_end, scores.s_cf) == (end, cf)
        assert scores.s_path == pytest.approx(path, abs=1e-9)
        for t in scores.trajectories:
            found = (t.end, t.path, t.cf, t.conciseness, t.alignment, t.quality, t.reward)
            assert found == pytest.approx(credit_of[t.arm_name], abs=1e-9)
        assert s_end_for_question(trajectories) == end
        assert s_path_for_question(trajectories) == scores.s_path
        assert s_cf_for_question(trajectories) == cf
        for t in scores.trajectories:
            answer = extract_answer(texts[t.arm_name])
            assert t.answer == (None if answer is None else canonical(answer))
            assert 0 <= t.conciseness <= 1 and 0 <= t.alignment <= 1 and 0 <= t.reward <= 1.2 + 1e-12


def test_order_of_trajectories_changes_nothing():
    random = Random(8)
    trajectories = eleven(**{arm: random_text(random) for arm in ARM_NAMES})
    scores = scores_of(trajectories, "3")
    assert [t.arm_name for t in scores.trajectories] == list(ARM_NAMES)
    for _ in range(20):
        random.shuffle(trajectories)
        assert scores_of(trajectories, "3") == scores


# --- broken input ---


@pytest.mark.parametrize(
    "score",
    [
        s_end_for_question,
        s_path_for_question,
        s_cf_for_question,
        lambda trajectories: scores_of(trajectories, "1"),
    ],
)
def test_not_the_eleven_arms_is_an_error_that_names_them(score):
    trajectories = eleven("Answer: 1")
    with pytest.raises(ValueError, match="lacks maudlin_3, maudlin_cf1"):
        score([t for t in trajectories if t.arm_name not in ("maudlin_3", PROBE_CF1)])
    with pytest.raises(ValueError, match="more than once wolfram_0"):
        score([*trajectories, trajectories[0]])
    with pytest.raises(ValueError, match="unknown wolfram_9"):
        score([*trajectories, trajectory("wolfram_9")])


def test_a_rollout_holds_the_eleven_arms_in_order():
    trajectories = scores_of(eleven("Answer: 1"), "1").trajectories
    assert [t.arm_name for t in trajectories] == list(ARM_NAMES)
    with pytest.raises(ValueError, match="it has 10 trajectories, .* it must be the 11 arms in this order: wolfram_0, "):
        rollout(trajectories[:10])


# --- settings ---

WEIGHTS = {"weights": RewardWeights, "path": PathWeights, "quality": QualityWeights}
KEYS = [(section, key) for section, weights in WEIGHTS.items() for key in weights.__dataclass_fields__]


def with_weight(section: str, **weights: float) -> dict:
    """The section `scoring` of params.yaml with other weights of one of its parts."""
    settings = to_json(GUIDE_SETTINGS)
    return settings | {section: settings[section] | weights}


@pytest.mark.parametrize(("section", "key"), KEYS)
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_weights_must_be_finite_and_not_negative(section: str, key: str, value: float):
    with pytest.raises(ValueError, match=f"params.yaml: scoring.{section}.{key} is {value}: it must be "):
        from_value(ScoringSettings, with_weight(section, **{key: value}), "params.yaml: scoring")
    zero = from_value(ScoringSettings, with_weight(section, **{key: 0}), "params.yaml: scoring")
    assert to_json(zero)[section][key] == 0


@pytest.mark.parametrize(("section", "weights"), WEIGHTS.items())
def test_weights_may_not_all_be_zero(section: str, weights: type):
    zeros = dict.fromkeys(weights.__dataclass_fields__, 0.0)
    told = f"the weights {', '.join(zeros)} are all 0; give more than 0 to one"
    with pytest.raises(ValueError, match=f"params.yaml: scoring.{section} is refused: {told}"):
        from_value(ScoringSettings, with_weight(section, **zeros), "params.yaml: scoring")
    with pytest.raises(ValueError, match=told):
        weights(**zeros)


def test_the_weights_of_the_guide_stand_in_params_yaml():
    assert load_section("scoring", ScoringSettings, Path(__file__).parents[2] / "params.yaml") == GUIDE_SETTINGS
