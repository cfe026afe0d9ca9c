"""The seed that a sampled text of a policy for a test question is asked with."""

from src.regime_w.arms import request_seed

# Where an arm's request has the arm's seed. Those are never below 0, so no draw of training serves an evaluation.
EVALUATION_SEED = -1


def sample_seed(question_id: str, sample: int) -> int:
    """Seed of a sample's request, 0 … 2**63 - 1, from these two and nothing else.

    sample  0 or more
    Not from the run's `seed`, policy, batch or number of samples: more samples leave the earlier ones as they are, and both
    policies draw by the same seeds.
    """
    return request_seed(EVALUATION_SEED, question_id, sample)
