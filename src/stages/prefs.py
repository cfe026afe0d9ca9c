"""Stage `prefs`: preference pairs, correct over incorrect, then coherent over less coherent; or coherent over less alone.

Reads   data/regime_w_rollouts.jsonl
Writes  data/coherence_preferences.jsonl  a pair a line
        data/training_pairs.jsonl         prompt, chosen and rejected alone, sorted: all that stage `train` reads of a pair
        metrics/prefs.json                pairs by type, and the questions that gave none
        metrics/pair_types.json           of each type, how often the chosen side is correct, shorter and longer
Params  prefs
"""

from collections.abc import Iterator
from pathlib import Path

from src.core.command import command_line
from src.core.files import SortedOnDisk
from src.core.params import load_section
from src.core.records import stream_records, write_metrics, write_records
from src.regime_w.pair_metrics import PairMetrics, PairTally
from src.regime_w.preferences import Pair, PrefsSettings, build_pairs
from src.regime_w.scoring import Rollout
from src.stages import run_stage
from src.training.pairs import PAIRS, TrainingPair

ROLLOUTS, PREFERENCES = Path("data/regime_w_rollouts.jsonl"), Path("data/coherence_preferences.jsonl")


def built(settings: PrefsSettings, tally: PairTally, texts: SortedOnDisk[tuple[str, str, str]]) -> Iterator[Pair]:
    """The pairs of each question, counted in `tally`; their texts alone go to `texts`."""
    for _, rollout in stream_records(ROLLOUTS, Rollout):
        pairs = build_pairs(rollout, settings)
        tally.add(rollout, pairs)
        for pair in pairs:
            texts.add((pair.prompt, pair.chosen, pair.rejected))
            yield pair


def pair_warnings(metrics: PairMetrics, settings: PrefsSettings) -> list[str]:
    """What makes the pairs teach less than they could, a line each with the likely cause."""
    wanted = settings.labels in ("gold", "none") and settings.max_coherence_pairs > 0
    if metrics.coherence_pairs or not metrics.pairs or not wanted:
        return []
    alike = "correct trajectories" if settings.labels == "gold" else "trajectories with the same answer"
    differ = "whose rewards differ" if settings.coherence_by == "reward" else "of different length"
    enough = f" by more than prefs.min_reward_gap = {settings.min_reward_gap}" if settings.coherence_by == "reward" else ""
    return [
        f"no coherence pair: no question has two {alike} {differ}{enough}; "
        f"{metrics.questions_all_wrong} questions have no correct one at all"
    ]


def main() -> None:
    command_line("python -m src.stages.prefs", __doc__).parse_args()
    settings = load_section("prefs", PrefsSettings)
    tally = PairTally()
    with SortedOnDisk[tuple[str, str, str]](PREFERENCES.parent) as texts:
        write_records(PREFERENCES, Pair, built(settings, tally, texts))
        # Sorted, so that rewards, which may order the pairs of a question, leave no trace.
        write_records(PAIRS, TrainingPair, (TrainingPair(*three) for three in texts))
    metrics = tally.metrics()
    write_metrics(Path("metrics/prefs.json"), metrics)
    write_metrics(Path("metrics/pair_types.json"), tally.types())
    for warning in pair_warnings(metrics, settings):
        print(f"prefs: warning: {warning}")


if __name__ == "__main__":
    run_stage(main)
