"""Stage `prefs`: preference pairs, correct over incorrect, then coherent over less coherent.

Reads   data/regime_w_rollouts.jsonl
Writes  data/coherence_preferences.jsonl  a pair a line
        metrics/prefs.json                pairs by type, and the questions that gave none
Params  prefs
"""

from collections.abc import Mapping
from pathlib import Path

from src.errors import run_stage
from src.params import load_section
from src.records import read_records, write_json, write_records
from src.regime_w.arms import ARM_NAMES, PROBE_A
from src.regime_w.preferences import PrefsSettings, build_pairs, pair_metrics


def pair_warnings(metrics: Mapping, settings: PrefsSettings) -> list[str]:
    """What makes the pairs teach less than they could, a line each with the likely cause."""
    if metrics["coherence_pairs"] or not metrics["pairs"]:
        return []
    return [
        "no coherence pair: no question has two correct trajectories whose rewards differ by more than prefs.min_reward_gap = "
        f"{settings.min_reward_gap}; {metrics['questions_all_wrong']} questions have no correct one at all"
    ]


def main() -> None:
    settings = load_section("prefs", PrefsSettings)
    rollouts = read_records(Path("data/regime_w_rollouts.jsonl"), "rollouts")
    pairs_of = [
        build_pairs(
            rollout["question_id"],
            rollout["question"],
            rollout["trajectories"],
            settings,
            # the canonical prompt as the model read it, template included
            canonical_prompt=rollout["trajectories"][ARM_NAMES.index(PROBE_A)]["prompt"],
        )
        for rollout in rollouts
    ]
    metrics = pair_metrics(rollouts, pairs_of)
    write_records(Path("data/coherence_preferences.jsonl"), "preference", [vars(pair) for pairs in pairs_of for pair in pairs])
    write_json(Path("metrics/prefs.json"), metrics)
    for warning in pair_warnings(metrics, settings):
        print(f"prefs: warning: {warning}")


if __name__ == "__main__":
    run_stage(main)
