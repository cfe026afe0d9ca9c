"""The guide's troubles that stop nothing are said aloud, with their likely cause."""

from src.regime_w.preferences import PrefsSettings
from src.stages.prefs import pair_warnings
from src.stages.rollouts import rollout_warnings
from src.stages.train import training_warnings

SETTINGS = PrefsSettings(prompt="canonical", max_correctness_pairs=18, max_coherence_pairs=4, min_reward_gap=0.01)


def scores(**spreads: float) -> dict:
    return {name: {"mean": 0.5, "spread": spreads.get(name, 0.2)} for name in ("s_end", "s_path", "s_cf")}


def training(losses: list[float], fall: float = 0.2) -> dict:
    epochs = {str(n): {"mean_loss": loss} for n, loss in enumerate(losses, start=1)}
    return {"epochs": epochs, "logp_chosen_fall": fall}


def test_a_score_that_is_the_same_for_every_question():
    assert rollout_warnings(scores()) == []
    (warning,) = rollout_warnings(scores(s_cf=0.0))
    assert warning.startswith("s_cf is 0.50 for every question")


def test_no_coherence_pair():
    counts = {"pairs": 9, "coherence_pairs": 0, "questions_all_wrong": 3}
    (warning,) = pair_warnings(counts, SETTINGS)
    assert "prefs.min_reward_gap = 0.01; 3 questions have no correct one" in warning
    assert pair_warnings(counts | {"coherence_pairs": 1}, SETTINGS) == []


def test_a_flat_loss():
    assert training_warnings(training([0.69, 0.5, 0.4])) == []
    (warning,) = training_warnings(training([0.6931, 0.6931, 0.6930]))
    assert "did not fall from epoch to epoch (0.6931, 0.6931, 0.6930): a train.learning_rate that is too small" in warning


def test_chosen_texts_that_sink():
    (warning,) = training_warnings(training([0.6, 0.5], fall=3.0))
    assert "fell by 3.00 nats; both sides are sinking" in warning
