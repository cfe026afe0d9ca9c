"""Why a question gave the pairs that it gave: cases made by hand, and the counts against `build_pairs` itself."""

import random
import re
from dataclasses import replace
from typing import Any

import pytest

from src.regime_w.arms import ARM_NAMES, PERSONA_OF, PROBE_CF1
from src.regime_w.pair_reasons import pair_reason, pair_reasons
from src.regime_w.preferences import PAIRING_ARMS, PrefsSettings, build_pairs
from src.regime_w.scoring import Rollout
from tests.regime_w.builders import rollout, scored

GOLD = PrefsSettings("gold", "canonical", "reward", "hash", 18, 4, 0.01)
NONE, RANDOM, STEPS = (replace(GOLD, labels=labels) for labels in ("none", "random", "steps"))


def question(*answers: str | None, rewards: Any = None, texts: Any = None, cf1: str | None = "2") -> Rollout:
    """A question whose gold is 2, by the answers of the ten arms that make pairs; the last answer is that of all others."""
    of_arm = {}
    for place, arm in enumerate(PAIRING_ARMS):
        answer = answers[min(place, len(answers) - 1)]
        text = texts[place] if texts else f"step {place} so\n" + (f"Answer: {answer}" if answer else "")
        reward = rewards[place] if rewards else 1.0
        of_arm[arm] = scored(arm, text, answer=answer, correct=answer == "2", reward=reward)
    of_arm[PROBE_CF1] = scored(PROBE_CF1, "another", answer=cf1, correct=cf1 == "2", reward=9.0)
    return rollout([of_arm[arm] for arm in ARM_NAMES])


SAME = ["Answer: 2"] * 10
SPLIT = question(*("2" if PERSONA_OF[arm] == "wolfram" else "3" for arm in PAIRING_ARMS))


@pytest.mark.parametrize(
    ("asked", "settings", "different"),
    [
        (question("2"), GOLD, "none: all 10 are right"),
        (question("2", cf1="3"), GOLD, "none: all 10 are right"),
        (question("3"), GOLD, "none: none of the 10 is right; all have the same wrong answer"),
        (question("3", "4"), GOLD, "none: none of the 10 is right"),
        (question(None), GOLD, "none: none of the 10 has an answer"),
        (question("2", "3"), GOLD, "all 9 possible ones"),
        (question("2", "2", "2", "3"), GOLD, "18 of 21 possible ones, drawn by a hash: prefs.max_correctness_pairs is 18"),
        (
            question("2", "2", "2", "3"),
            replace(GOLD, correctness_by="margin"),
            "18 of 21 possible ones, the widest margins of reward: prefs.max_correctness_pairs is 18",
        ),
        (
            question("2", "3"),
            replace(GOLD, max_correctness_pairs=0),
            "none of 9 possible ones: prefs.max_correctness_pairs is 0",
        ),
        (
            SPLIT,
            replace(GOLD, prompt="own"),
            "none: right and wrong ones are of different personas, which prefs.prompt keeps apart",
        ),
        (question("3"), NONE, "none: all 10 have the same answer"),
        (question(None), NONE, "none: none of the 10 has an answer"),
        (
            question("2", "3"),
            NONE,
            "none: of different answers none has an answer and a reward that is higher by more than prefs.min_reward_gap = 0.01",
        ),
        (question("2", "3", rewards=[2.0] + [1.0] * 9), NONE, "all 9 possible ones"),
        (SPLIT, replace(NONE, prompt="own"), "none: different answers are of different personas, which prefs.prompt keeps apart"),
        (question("2"), RANDOM, "none: all 10 have the same answer"),
        (question("2", "2", "2", "3"), RANDOM, "18 of 21 possible ones, drawn by a hash: prefs.max_correctness_pairs is 18"),
        (question("2", "3"), STEPS, "none: of different answers none has reasoning where the other has none"),
        (question("2", "3", texts=["Answer: 2"] + ["so\nAnswer: 3"] * 9), STEPS, "all 9 possible ones"),
    ],
)
def test_pairs_of_different_answers(asked, settings, different):
    assert pair_reasons(asked, settings).different_answers == different


@pytest.mark.parametrize(
    ("asked", "settings", "coherence"),
    [
        (question("3"), GOLD, "none: none of the 10 is right; all have the same wrong answer"),
        (question("2", "3"), GOLD, "none: only one of the 10 is right"),
        (question("2"), GOLD, "none: rewards of the right ones lie within prefs.min_reward_gap = 0.01 of each other"),
        (question("2", texts=SAME), GOLD, "none: the right ones have the same text"),
        (
            question("2", "2", "3", texts=["Answer: 2"] * 2 + ["Answer: 3"] * 8),
            replace(GOLD, prompt="own"),
            "none: the right ones have the same text, or prefs.prompt keeps their personas apart",
        ),
        (
            question("2", rewards=range(10)),
            GOLD,
            "4 of 45 possible ones, the widest margins of reward: prefs.max_coherence_pairs is 4",
        ),
        (question("2", "2", "3", rewards=range(10)), GOLD, "the only possible one"),
        (question("2"), replace(GOLD, coherence_by="shorter"), "none: the right ones are of the same length"),
        (
            question("2", texts=[f"{'so ' * n}\nAnswer: 2" for n in range(10)]),
            replace(GOLD, coherence_by="longer"),
            "4 of 45 possible ones, the widest differences of length: prefs.max_coherence_pairs is 4",
        ),
        (
            question("2", rewards=range(10)),
            replace(GOLD, max_coherence_pairs=0),
            "none of 45 possible ones: prefs.max_coherence_pairs is 0",
        ),
        (question("1", "2", "3", "4", "5", "6", "7", "8", "9", "10"), NONE, "none: no two of the 10 have the same answer"),
        (question(None), NONE, "none: no two of the 10 have the same answer"),
        (question("3"), NONE, "none: rewards of those of the same answer lie within prefs.min_reward_gap = 0.01 of each other"),
        (question("3", texts=SAME), NONE, "none: those of the same answer have the same text"),
        (question("2"), RANDOM, "none: prefs.labels is random, which makes no coherence pairs"),
        (question("2"), STEPS, "none: prefs.labels is steps, which makes no coherence pairs"),
    ],
)
def test_coherence_pairs(asked, settings, coherence):
    assert pair_reasons(asked, settings).coherence == coherence


def test_whatever_the_question_as_many_pairs_are_told_as_are_made():
    draw = random.Random(0)
    told = re.compile(r"(?:all )?(\d+)(?: of \d+)? possible ones")
    for _ in range(150):
        asked = question(
            *draw.choices(["2", "3", None], k=10),
            rewards=draw.choices([0.5, 0.505, 0.9], k=10),
            texts=draw.choices(["Answer: 2", "so\nAnswer: 2", "so so"], k=10),
        )
        settings = PrefsSettings(
            draw.choice(["gold", "none", "random", "steps"]),
            draw.choice(["canonical", "own"]),
            draw.choice(["reward", "shorter", "longer"]),
            draw.choice(["hash", "margin"]),
            draw.choice([0, 3, 18]),
            draw.choice([0, 2, 4]),
            0.01,
        )
        made, reasons = build_pairs(asked, settings), pair_reasons(asked, settings)
        coherence = sum(pair.pair_type == "coherence" for pair in made)
        for words, count in ((reasons.different_answers, len(made) - coherence), (reasons.coherence, coherence)):
            found, only = told.match(words), words == "the only possible one"
            assert (int(found[1]) if found else int(only)) == count, words
            assert found or only or words.startswith("none"), words


@pytest.mark.parametrize(
    ("asked", "settings", "why"),
    [
        (question("2", "3"), GOLD, "right over wrong"),
        (question("2", None), GOLD, "right over no answer"),
        (question("2", "2", "3", rewards=range(10)), GOLD, "both right, reward 1.000 over 0.000"),
        (question("2", "3", rewards=[2.0] + [1.0] * 9), NONE, "another answer, reward 2.000 over 1.000"),
        (question("3", rewards=range(10)), NONE, "same answer, reward 9.000 over 0.000"),
        (question("2", "3"), RANDOM, "another answer, a hash decides"),
        (question("2", "3", texts=["Answer: 2"] + ["so\nAnswer: 3"] * 9), STEPS, "another answer, reasoning over none"),
        (
            question("2", texts=["so so\nAnswer: 2"] + ["so\nAnswer: 2"] * 9),
            replace(GOLD, coherence_by="longer"),
            "both right, the longer: 2 tokens of reasoning against 1",
        ),
    ],
)
def test_every_pair_has_its_reason(asked, settings, why):
    assert why in {pair_reason(pair, asked, settings) for pair in build_pairs(asked, settings)}
