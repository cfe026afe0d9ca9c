"""Records of the method for tests: each is whole and of the right type, and a test names what matters to it."""

from collections.abc import Iterable
from typing import Any

from src.regime_w.arms import ARM_NAMES, VARIANCE_ARMS, ArmName
from src.regime_w.cells import Cell
from src.regime_w.evaluation import Evaluation
from src.regime_w.evidence import Evidence
from src.regime_w.preferences import Pair
from src.regime_w.questions import Question
from src.regime_w.rounds import Round
from src.regime_w.scoring import Rollout, ScoredTrajectory
from src.regime_w.signals import Over, Signal, SignalWorth
from src.regime_w.texts import PolicyText, SampledText, Trajectory
from src.regime_w.verdict import RunVerdict, paired_verdict

# What `make evidence` leaves before its first cell.
NO_EVIDENCE = Evidence(("tiny",), ("guide",), 1, 1, 0, (), (), (), (), (), (), ())


def question(gold: str = "2", **values: Any) -> Question:
    return Question(**({"id": "q1", "question": "How many?", "answer": f"#### {gold}", "gold": gold} | values))


def trajectory(arm_name: ArmName, text: str = "", **values: Any) -> Trajectory:
    record = {
        "question_id": "q1",
        "arm_name": arm_name,
        "seed": 42,
        "temperature": 0.2,
        "prompt": f"prompt of {arm_name}",
        "text": text,
        "n_tokens": 4,
        "finish_reason": "stop",
    }
    return Trajectory(**(record | values))


def eleven(default: str = "", **texts: str) -> list[Trajectory]:
    """The trajectories of one question: `texts` by arm, `default` for every other arm."""
    return [trajectory(arm, texts.get(arm, default)) for arm in ARM_NAMES]


def variance(*texts: str) -> dict[str, str]:
    """Texts of the eight variance arms, for `eleven`."""
    return dict(zip(VARIANCE_ARMS, texts, strict=True))


def scored(arm_name: ArmName, text: str = "Answer: 2", **values: Any) -> ScoredTrajectory:
    record = {
        "arm_name": arm_name,
        "answer": "2",
        "correct": True,
        "end": 1.0,
        "path": 0.8,
        "cf": 1.0,
        "conciseness": 1.0,
        "alignment": 0.5,
        "quality": 0.7,
        "reward": 1.1,
        "prompt": f"prompt of {arm_name}",
        "text": text,
        "seed": 42,
        "temperature": 0.2,
        "n_tokens": 4,
        "finish_reason": "stop",
    }
    return ScoredTrajectory(**(record | values))


def rollout(trajectories: Iterable[ScoredTrajectory] | None = None, **values: Any) -> Rollout:
    """One question with its scores; eleven correct trajectories unless others are given."""
    record = {
        "question_id": "q1",
        "question": "How many?",
        "gold": "2",
        "s_end": 1.0,
        "s_path": 0.8,
        "s_cf": 0.5,
        "consensus": "2",
        "trajectories": tuple(scored(arm) for arm in ARM_NAMES) if trajectories is None else tuple(trajectories),
    }
    return Rollout(**(record | values))


def pair(**values: Any) -> Pair:
    record = {
        "question_id": "q1",
        "question": "How many?",
        "prompt": "Solve: how many?",
        "chosen": "Answer: 2",
        "rejected": "Answer: 3",
        "pair_type": "correctness",
        "chosen_arm": "wolfram_0",
        "rejected_arm": "maudlin_3",
        "chosen_reward": 1.0,
        "rejected_reward": 0.4,
    }
    return Pair(**(record | values))


def policy_text(text: str = "Answer: 2", **values: Any) -> PolicyText:
    return PolicyText(**({"id": "q1", "text": text, "n_tokens": 4, "finish_reason": "stop"} | values))


def sampled_texts(*written: str, temperature: float = 0.35) -> tuple[SampledText, ...]:
    """A question's texts in the order of their numbers."""
    return tuple(SampledText(number, temperature, text, 4, "stop") for number, text in enumerate(written))


def evaluation(**values: Any) -> Evaluation:
    """A text without an answer, which its limit of tokens ended."""
    record = {
        "id": "q1",
        "question": "How many?",
        "gold": "2",
        "text": "I do not know.",
        "answer": None,
        "correct": False,
        "n_tokens": 5,
        "finish_reason": "length",
    }
    return Evaluation(**(record | values))


def signal_worth(name: Signal, auc: float | None, over: Over = "within a question") -> SignalWorth:
    undefined = "no couple" if auc is None else None
    return SignalWorth(name, over, questions=10, couples=20, auc=auc, ci_low=auc, ci_high=auc, undefined=undefined)


def evidence_cell(world: str, seed: int, recipe: str, difference: float, **values: Any) -> Cell:
    """A run on a thousand questions of which half were right before."""
    record = {
        "world": world,
        "seed": seed,
        "recipe": recipe,
        "digest": "d1",
        "base": f"{world}{seed}.dir",
        "machine": "a processor, 1 thread",
        "trained": True,
        "pairs": 4000,
        "correctness_pairs": 3000,
        "consensus_pairs": 0,
        "coherence_pairs": 1000,
        "questions": 1000,
        "baseline_accuracy": 0.5,
        "coherence_accuracy": 0.5 + difference,
        "fixed": 100 + round(1000 * difference),
        "broken": 100,
        "difference": difference,
        "p_value": 0.04,
    }
    return Cell(**(record | values))


def training_round(number: int, before: str, after: str, **values: Any) -> Round:
    """A round by its marks of the held-out questions, before and after it."""
    marks = [{str(place): mark == "1" for place, mark in enumerate(text)} for text in (before, after)]
    record = {
        "number": number,
        "digest": f"d{number}",
        "base": f"b{number}.dir",
        "result": f"r{number}",
        "machine": "a processor, 1 thread",
        "first_question": 24 * (number - 1),
        "asked": 24,
        "trained": True,
        "pairs": 40,
        "correctness_pairs": 30,
        "consensus_pairs": 0,
        "coherence_pairs": 10,
        "verdict": RunVerdict(**vars(paired_verdict(*marks).verdict)),
        "correct_before": before,
        "correct": after,
    }
    return Round(**(record | values))
