"""The guide's troubles of rollouts and pairs that stop nothing are said aloud, with their likely cause."""

from dataclasses import replace

from src.regime_w.pair_metrics import PairMetrics
from src.regime_w.rollout_metrics import Distribution, RolloutMetrics
from src.stages.prefs import pair_warnings
from src.stages.rollouts import rollout_warnings
from tests.regime_w.test_preferences import GUIDE

PAIRS = PairMetrics(
    questions=5,
    pairs=9,
    correctness_pairs=9,
    consensus_pairs=0,
    coherence_pairs=0,
    correctness_share=1.0,
    consensus_share=0.0,
    coherence_share=0.0,
    chosen_correct_share=1.0,
    questions_all_correct=0,
    questions_all_wrong=3,
    questions_without_pair=3,
    mean_length_difference_tokens=0.0,
    pairs_rejected_without_answer=0,
)
VARIES = Distribution(mean=0.5, std=0.2, min=0.1, max=0.9)
SCORES = RolloutMetrics(
    questions=5,
    trajectories=55,
    s_end=VARIES,
    s_path=VARIES,
    s_cf=VARIES,
    reward=VARIES,
    no_answer_share=0.0,
    truncated_share=0.0,
    arms=(),
    signals=(),
)


def test_a_score_that_is_the_same_for_every_question():
    assert rollout_warnings(SCORES) == []
    (warning,) = rollout_warnings(replace(SCORES, s_cf=replace(VARIES, std=0.0)))
    assert warning.startswith("s_cf is 0.50 for every question")


def test_no_coherence_pair():
    (warning,) = pair_warnings(PAIRS, GUIDE)
    assert "prefs.min_reward_gap = 0.01; 3 questions have no correct one" in warning
    assert pair_warnings(replace(PAIRS, coherence_pairs=1), GUIDE) == []
