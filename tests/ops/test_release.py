"""A release is the adapter and what its card says of it: whole, of this run, and loadable by the lines that the docs show."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from src.core.errors import InputError
from src.ops.card_facts import collect
from src.ops.release import RELEASE, write_release
from src.regime_w.evaluation import Accuracy
from src.regime_w.training_metrics import TrainMetrics
from src.report.card import Card, loading_lines, render, results_files
from src.sources.gsm8k import GSM8K_COMMIT, PLATINUM
from tests.ops.release_run import COHERENCE, METRICS, ROOT, VERDICT, call, write_checkpoints, write_run
from tests.report.pages import BASELINE

COMMIT = "38efa25" + "0" * 33
HUB_BASE = replace(METRICS["base"], source="hub:owner/model@38efa25", commit=COMMIT)
GSM8K = Accuracy(accuracy=0.75, ci_low=0.7259, ci_high=0.7726, correct=989, questions=1319)
UNTRAINED = TrainMetrics(trained=False, steps=0, reason="3 pairs are fewer than train.min_pairs")
# After the lines of the docs: whether the adapter is on, and the tokenizer is the base's.
LOOK = """
import torch
tokens = tokenizer("Ann has 3 pens.", return_tensors="pt")
with torch.no_grad():
    tuned = model(**tokens).logits
    with model.disable_adapter():
        print(bool((model(**tokens).logits - tuned).abs().max() > 0.01))
"""


def card_of(folder: Path, monkeypatch: pytest.MonkeyPatch, **values) -> Card:
    write_run(folder, **values)
    monkeypatch.chdir(folder)
    return collect("release", False, ROOT)


# --- the folder ---


@pytest.mark.slow
def test_the_lines_of_the_docs_load_what_make_release_writes(finished_run: Path):
    done = call(finished_run, sys.executable, "-m", "src.ops.release")
    assert done.returncode == 0, done.stderr
    [lines] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/publish.md").read_text(), flags=re.S)
    assert len(lines.replace("\n\n", "\n").splitlines()) == 5 and "peft" in lines
    card = (finished_run / RELEASE / "README.md").read_text()
    assert f"```python\n{lines}```" in card
    loaded = call(finished_run, sys.executable, "-c", lines + LOOK)
    assert loaded.stdout.strip() == "True", loaded.stderr
    assert done.stdout.splitlines() == sorted(done.stdout.splitlines())
    assert {"release/README.md", "release/eval_results.yaml", "release/base/model.safetensors"} <= set(done.stdout.splitlines())
    commit = call(finished_run, "git", "rev-parse", "HEAD").stdout.strip()
    assert f"commit `{commit}`" in card


@pytest.mark.slow
def test_a_run_that_is_out_of_date_is_not_released(finished_run: Path):
    stage = {"cmd": "true", "deps": ["params.yaml"], "outs": ["out.txt"]}
    (finished_run / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": stage}}))
    done = call(finished_run, sys.executable, "-m", "src.ops.release")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the results of train are not of the code and settings at hand")
    assert "`dvc repro`" in done.stderr and not (finished_run / RELEASE).exists()


def test_a_file_that_could_run_code_is_refused_and_the_last_release_stays(tmp_path, checkpoint, adapter, monkeypatch):
    card = card_of(tmp_path, monkeypatch)
    write_checkpoints(tmp_path, checkpoint, adapter)
    write_release(card, RELEASE)
    (tmp_path / "checkpoints/dpo_coherence_lora/training_args.bin").write_bytes(b"pickle")
    with pytest.raises(InputError, match=r"training_args\.bin is neither safetensors nor JSON"):
        write_release(card, RELEASE)
    assert (tmp_path / "release/README.md").exists()
    assert not list(tmp_path.rglob("*.bin"))[1:] and not (tmp_path / "release.part").exists()


def test_an_adapter_without_weights_is_refused(tmp_path, checkpoint, adapter, monkeypatch):
    card = card_of(tmp_path, monkeypatch)
    write_checkpoints(tmp_path, checkpoint, adapter)
    (tmp_path / "checkpoints/dpo_coherence_lora/adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"adapter_model\.safetensors does not exist .* run `dvc repro train`"):
        write_release(card, RELEASE)


def test_the_adapter_names_its_base_as_others_have_it(tmp_path, checkpoint, adapter, monkeypatch):
    card = card_of(tmp_path, monkeypatch, base=HUB_BASE)
    write_checkpoints(tmp_path, checkpoint, adapter)
    write_release(card, RELEASE)
    config = json.loads((tmp_path / "release/adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("owner/model", COMMIT)
    assert not (tmp_path / "release/base").exists()
    write_release(card_of(tmp_path, monkeypatch), RELEASE)
    assert json.loads((tmp_path / "release/adapter_config.json").read_text())["base_model_name_or_path"] is None


# --- the card ---


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"train": UNTRAINED}, "> **This adapter was not trained**: 3 pairs are fewer than train.min_pairs."),
        ({"verdict": replace(VERDICT, verdict="worse", difference=-0.05)}, "> **This adapter makes its base worse**"),
        ({"verdict": replace(VERDICT, verdict="no evidence", p_value=0.5)}, "> **No gain is shown**"),
    ],
)
def test_an_adapter_without_a_gain_says_so_before_anything_else(tmp_path, monkeypatch, metrics, words):
    page = render(card_of(tmp_path, monkeypatch, **metrics)).split("\n---\n", 1)[1]
    assert page.split("\n\n")[1].startswith(words)


def test_a_gain_needs_no_warning_and_has_its_interval(tmp_path, monkeypatch):
    page = render(card_of(tmp_path, monkeypatch)).split("\n---\n", 1)[1]
    assert "\n> " not in page
    assert "**improved**: +5.87 points of accuracy (95 % interval +4.13 to +7.69, exact McNemar p = 8e-11)" in page
    assert "| adapter | 920 of 1,210 | 76.03 | 73.55 – 78.35 |" in page
    assert "| base | 849 of 1,210 | 70.17 | 67.53 – 72.68 |" in page
    for part in ("Load it", "Base and data", "Settings", "Figures", "Limits", "Licence"):
        assert f"\n## {part}\n" in page


def test_the_hub_reads_its_head(tmp_path, monkeypatch):
    data = ModelCard(render(card_of(tmp_path, monkeypatch))).data
    [result] = data.eval_results
    assert (result.metric_type, result.metric_value, result.metric_args["low"]) == ("accuracy", 76.03, 73.55)
    assert (data.library_name, data.license, data.base_model, data.datasets) == ("peft", "apache-2.0", None, None)
    on_hub = {"data.source": "hub", "data.test_set": "platinum"}
    data = ModelCard(render(card_of(tmp_path, monkeypatch, profile=on_hub, base=HUB_BASE))).data
    assert (data.license, data.license_link) == ("other", "https://huggingface.co/owner/model")
    assert (data.base_model, data.datasets) == ("owner/model", ["openai/gsm8k"])


def test_a_path_of_this_machine_stands_in_no_card(tmp_path, monkeypatch):
    base = replace(METRICS["base"], source="/home/ann/model", adapter="/home/ann/adapter")
    page = render(card_of(tmp_path, monkeypatch, base=base, profile={"data.source": "/home/ann/data"}))
    assert "/home/ann" not in page
    assert "with another LoRA adapter merged into it" in page and 'from_pretrained("checkpoints/base"' in page


def test_the_lines_for_a_base_of_the_hub_name_its_commit(tmp_path, monkeypatch):
    card = card_of(tmp_path, monkeypatch, base=HUB_BASE)
    lines = loading_lines(card.base, "owner/adapter", on_hub=True).replace("\n\n", "\n").splitlines()
    assert len(lines) == 5
    assert lines[2] == f'base = AutoModelForCausalLM.from_pretrained("owner/model", revision="{COMMIT}", dtype="float32")'


# --- the results ---


def entries(card: Card) -> dict[str, list]:
    return {file.path: parse_eval_result_entries(yaml.safe_load(file.text)) for file in results_files(card)}


def test_a_benchmark_of_the_hub_stands_where_the_hub_reads_it(tmp_path, monkeypatch):
    both = {"data.source": "hub", "data.test_set": "both", "data.test_questions": None}
    before = replace(BASELINE, questions=1209, gsm8k=GSM8K)
    after = replace(COHERENCE, questions=1209, gsm8k=GSM8K)
    card = card_of(tmp_path, monkeypatch, profile=both, baseline=before, coherence=after)
    assert "| GSM8K test set | adapter | 989 of 1,319 | 75.00 | 72.59 – 77.26 |" in render(card)
    found = entries(card)
    assert set(found) == {".eval_results/gsm8k.yaml", "eval_results.yaml"}
    [entry] = found[".eval_results/gsm8k.yaml"]
    assert (entry.dataset_id, entry.task_id, entry.value, entry.dataset_revision) == ("openai/gsm8k", "gsm8k", 75.0, GSM8K_COMMIT)
    assert "95 % interval 72.59 to 77.26 by 1,319 questions" in entry.notes
    [entry] = found["eval_results.yaml"]
    assert (entry.dataset_id, entry.value) == (PLATINUM.name, 76.03)


@pytest.mark.parametrize(
    ("profile", "dataset"),
    [
        ({}, "regime-w-small-test"),
        ({"data.source": "hub", "data.test_set": "gsm8k"}, "openai/gsm8k"),  # 1,210 of its 1,319 questions
        ({"data.source": "hub", "data.held_out": 100}, "regime-w-small-test"),
        ({"data.source": "questions.jsonl"}, "regime-w-small-test"),
    ],
)
def test_what_is_no_whole_benchmark_stands_where_the_hub_does_not_look(tmp_path, monkeypatch, profile, dataset):
    [(path, [entry])] = entries(card_of(tmp_path, monkeypatch, profile=profile)).items()
    assert (path, entry.dataset_id, entry.value) == ("eval_results.yaml", dataset, 76.03)
