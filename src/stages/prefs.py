"""Stage `prefs`: preference pairs, correct over incorrect, then coherent over less coherent.

Reads   data/regime_w_rollouts.jsonl
Writes  data/coherence_preferences.jsonl  a pair a line
        data/training_pairs.jsonl         prompt, chosen and rejected alone, sorted: all that stage `train` reads of a pair
        metrics/prefs.json                pairs by type, and the questions that gave none
Params  prefs
"""

from collections.abc import Iterable
from pathlib import Path

from src.core.command import command_line
from src.core.params import load_section
from src.core.records import read_records, write_metrics, write_records
from src.regime_w.preferences import Pair, PairMetrics, PrefsSettings, build_pairs, pair_metrics
from src.regime_w.scoring import Rollout
from src.stages import run_stage
from src.training.pairs import TrainingPair


def training_pairs(pairs: Iterable[Pair]) -> list[TrainingPair]:
    """The texts of the pairs, sorted: rewards, which may order the pairs of a question, leave no trace."""
    texts = (TrainingPair(pair.prompt, pair.chosen, pair.rejected) for pair in pairs)
    return sorted(texts, key=lambda pair: (pair.prompt, pair.chosen, pair.rejected))


def pair_warnings(metrics: PairMetrics, settings: PrefsSettings) -> list[str]:
    """What makes the pairs teach less than they could, a line each with the likely cause."""
    if metrics.coherence_pairs or not metrics.pairs:
        return []
    return [
        "no coherence pair: no question has two correct trajectories whose rewards differ by more than prefs.min_reward_gap = "
        f"{settings.min_reward_gap}; {metrics.questions_all_wrong} questions have no correct one at all"
    ]


def main() -> None:
    command_line("python -m src.stages.prefs", __doc__).parse_args()
    settings = load_section("prefs", PrefsSettings)
    rollouts = read_records(Path("data/regime_w_rollouts.jsonl"), Rollout)
    pairs_of = [build_pairs(rollout, settings) for rollout in rollouts]
    pairs = [pair for of_question in pairs_of for pair in of_question]
    metrics = pair_metrics(rollouts, pairs_of)
    write_records(Path("data/coherence_preferences.jsonl"), Pair, pairs)
    write_records(Path("data/training_pairs.jsonl"), TrainingPair, training_pairs(pairs))
    write_metrics(Path("metrics/prefs.json"), metrics)
    for warning in pair_warnings(metrics, settings):
        print(f"prefs: warning: {warning}")


if __name__ == "__main__":
    run_stage(main)
