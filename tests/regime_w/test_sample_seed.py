"""The seeds of sampled texts: of the question and the sample's number alone, and of no arm."""

from itertools import product

from src.regime_w.arms import build_all_arms, request_seed
from src.regime_w.sample_seed import sample_seed


def test_each_question_and_number_has_a_seed_of_its_own_that_every_process_finds():
    seeds = {sample_seed(question, sample) for question, sample in product(("q1", "q2", "1:q"), range(100))}
    assert len(seeds) == 300 and all(0 <= seed < 2**63 for seed in seeds)
    # SHA-256 of "-1:0:q1" and "-1:1:q1", as sha256sum gives it: the first eight bytes, halved.
    assert sample_seed("q1", 0) == 0xE50EDADC3D0BA833 >> 1
    assert sample_seed("q1", 1) == 0x5CA44442E975EC51 >> 1


def test_no_arm_of_any_run_draws_by_the_same_seeds():
    of_arms = {
        request_seed(arm.seed, "q1", number) for run in range(5) for arm in build_all_arms(run_seed=run) for number in range(9)
    }
    assert of_arms.isdisjoint(sample_seed("q1", sample) for sample in range(100))
