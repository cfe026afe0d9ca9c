"""Stage `prefs`: pairs with all that is known of them, and the texts alone for training."""

import json
from pathlib import Path

from src.core import files
from src.core.records import read_metrics, read_records
from src.regime_w.pair_metrics import PairMetrics
from src.regime_w.preferences import Pair
from src.stages import prefs, rollouts
from src.training.pairs import TrainingPair
from tests.stages.small_run import NUTS, PARAMS, PENS, run, trajectories, write_sampled

LONG = "She has 3 pens.\n3 + 2 = 5\nSo there are 5 pens.\nAnswer: 5"
SAMPLED = [
    *trajectories(PENS, {"wolfram_0": "Answer: 6", "maudlin_0": LONG, "maudlin_1": "Pens.\nAnswer: 5"}, "3 + 2 = 5\nAnswer: 5"),
    *trajectories(NUTS, {"wolfram_1": "9 - 2 = 8\nAnswer: 8"}, "9 - 2 = 7\nAnswer: 7"),
]
PREFERENCES, TRAINING = Path("data/coherence_preferences.jsonl"), Path("data/training_pairs.jsonl")


def build(folder: Path, monkeypatch, sampled=SAMPLED, **params) -> None:
    write_sampled(folder, sampled)
    run(rollouts.main, folder, monkeypatch, **params)
    run(prefs.main, folder, monkeypatch, **params)


def test_training_reads_the_texts_of_every_pair_sorted(tmp_path, monkeypatch):
    build(tmp_path, monkeypatch)
    pairs = read_records(PREFERENCES, Pair)
    texts = [(pair.prompt, pair.chosen, pair.rejected) for pair in read_records(TRAINING, TrainingPair)]
    assert {pair.pair_type for pair in pairs} == {"correctness", "coherence"}
    assert texts == sorted((pair.prompt, pair.chosen, pair.rejected) for pair in pairs)
    assert len(set(texts)) < len(texts), "arms that wrote the same text give pairs of the same texts, and all of them count"
    assert all(json.loads(line).keys() == {"prompt", "chosen", "rejected"} for line in TRAINING.open())


def test_a_weight_that_changes_rewards_and_no_pair_leaves_the_bytes_that_train_reads(tmp_path, monkeypatch):
    build(tmp_path, monkeypatch)
    before, pairs = TRAINING.read_bytes(), PREFERENCES.read_bytes()
    weights = PARAMS["scoring"]["weights"] | {"cf": 0.7, "end": 0.1}
    build(tmp_path, monkeypatch, scoring=PARAMS["scoring"] | {"weights": weights})
    assert PREFERENCES.read_bytes() != pairs
    assert TRAINING.read_bytes() == before


def test_pairs_that_do_not_fit_into_memory_are_sorted_all_the_same(tmp_path, monkeypatch):
    build(tmp_path, monkeypatch)
    before = TRAINING.read_bytes()
    monkeypatch.setattr(files, "SORTED_AT_ONCE", 3)
    run(prefs.main, tmp_path, monkeypatch)
    assert TRAINING.read_bytes() == before
    assert {entry.suffix for entry in Path("data").iterdir()} == {".jsonl"}


def test_pairs_are_counted_and_a_lack_of_coherence_pairs_is_warned_of(tmp_path, monkeypatch, capsys):
    build(tmp_path, monkeypatch)
    metrics = read_metrics(Path("metrics/prefs.json"), PairMetrics)
    assert metrics.pairs == len(read_records(PREFERENCES, Pair)) == metrics.correctness_pairs + metrics.coherence_pairs
    assert (metrics.questions, metrics.questions_without_pair) == (2, 0)
    assert "prefs: warning" not in capsys.readouterr().out
    build(tmp_path, monkeypatch, prefs=PARAMS["prefs"] | {"min_reward_gap": 5.0})
    assert "prefs: warning: no coherence pair" in capsys.readouterr().out


def test_questions_on_which_all_agree_give_empty_files(tmp_path, monkeypatch):
    build(tmp_path, monkeypatch, [*trajectories(PENS, {}, "Answer: 5"), *trajectories(NUTS, {}, "Answer: 7")])
    assert PREFERENCES.read_bytes() == TRAINING.read_bytes() == b""
    assert read_metrics(Path("metrics/prefs.json"), PairMetrics).pairs == 0
