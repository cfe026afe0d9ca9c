"""The records of a run of two training and two test questions, as files in a folder."""

from dataclasses import replace
from pathlib import Path

from src.core.records import write_records
from src.regime_w.arms import ARM_NAMES
from src.regime_w.evaluation import Evaluation
from src.regime_w.preferences import Pair
from src.regime_w.questions import Question
from src.regime_w.scoring import Rollout
from tests.regime_w.builders import pair, rollout, scored
from tests.stages.small_run import NUTS, PENS

RIGHT, WRONG = "3 + 2 = 5\nAnswer: 5", "3 - 2 = 1\nAnswer: 1\x1b[2J"
TEST = (replace(PENS, id="test-pens"), replace(NUTS, id="test-nuts", kind="eating"))


def small_rollout() -> Rollout:
    """Of PENS: ten arms are right in one text, and wolfram_1 is wrong in one that would clear the screen."""
    right = [scored(arm, RIGHT, answer="5") for arm in ARM_NAMES]
    right[1] = replace(right[1], text=WRONG, answer="1", correct=False, reward=0.25)
    return rollout(right, question_id=PENS.id, question=PENS.question, gold="5", consensus="5")


def small_pair() -> Pair:
    return pair(
        question_id=PENS.id, question=PENS.question, chosen=RIGHT, rejected=WRONG, rejected_arm="wolfram_1", rejected_reward=0.25
    )


def evaluations(policy: str) -> list[Evaluation]:
    """Coherence answers both questions, baseline the first alone; its second text is a hedge."""
    texts = {"baseline": (RIGHT, "7 or 8\n#### 7"), "coherence": (RIGHT, "9 - 2 = 7\n#### 7")}[policy]
    answers = {"baseline": ("5", None), "coherence": ("5", "7")}[policy]
    return [
        Evaluation(one.id, one.question, one.gold, text, answer, answer is not None, 9, "stop", kind=one.kind)
        for one, text, answer in zip(TEST, texts, answers, strict=True)
    ]


def write_small_records(folder: Path) -> None:
    write_records(folder / "data/train.jsonl", Question, (PENS, NUTS))
    write_records(folder / "data/test.jsonl", Question, TEST)
    write_records(folder / "data/regime_w_rollouts.jsonl", Rollout, [small_rollout()])
    write_records(folder / "data/coherence_preferences.jsonl", Pair, [small_pair()])
    for policy in ("baseline", "coherence"):
        write_records(folder / f"outputs/{policy}_eval.jsonl", Evaluation, evaluations(policy))
