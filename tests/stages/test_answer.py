"""Stage `answer`: every test question is asked by the canonical prompt, of base or tuned policy: once greedily, then sampled."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from src.core.errors import InputError
from src.core.records import read_records, write_records
from src.engines.interface import Request
from src.engines.transformers_engine import TransformersEngine
from src.regime_w.arms import canonical_prompt
from src.regime_w.questions import Question
from src.regime_w.sample_seed import sample_seed
from src.regime_w.texts import PolicyText, SampledText
from src.stages import answer
from tests.profiles import profile_text

SAMPLED = {"answer.samples": 3, "answer.temperature": 0.7}


@pytest.fixture
def folder(checkpoint: Path, questions: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stage reads, for six questions and an adapter of noise."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/test.yaml").write_text(profile_text({"answer.max_tokens": 9} | SAMPLED))
    (tmp_path / "params.yaml").write_text("profile: test\n")
    write_records(tmp_path / "data/test.jsonl", Question, questions[:6])
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/base").symlink_to(checkpoint)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, config).save_pretrained(tmp_path / "checkpoints/dpo_coherence_lora")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, policy: str) -> list[PolicyText]:
    monkeypatch.setattr("sys.argv", ["answer", policy])
    answer.main()
    return read_records(Path(f"outputs/{policy}_answers.jsonl"), PolicyText)


def alone(written: list[PolicyText]) -> list[PolicyText]:
    """Without their sampled texts."""
    return [replace(one, sampled=None) for one in written]


def greedy_texts(engine: TransformersEngine, questions: list[Question]) -> list[PolicyText]:
    requests = [Request(q.id, canonical_prompt(q.question) + "\n\n", 0.0, 0, 9) for q in questions]
    wrote = {c.key: c for c in engine.generate(requests)}
    return [PolicyText(q.id, wrote[q.id].text, wrote[q.id].n_tokens, wrote[q.id].finish_reason) for q in questions]


def test_each_policy_writes_its_own_greedy_texts(folder, checkpoint, questions, monkeypatch):
    baseline, coherence = run(monkeypatch, "baseline"), run(monkeypatch, "coherence")
    assert alone(baseline) == greedy_texts(TransformersEngine(checkpoint, 3), questions[:6])
    tuned = TransformersEngine(checkpoint, 3, adapter_folder=folder / "checkpoints/dpo_coherence_lora")
    assert alone(coherence) == greedy_texts(tuned, questions[:6])
    assert all(one.text != other.text for one, other in zip(baseline, coherence, strict=True))


def test_the_baseline_needs_no_adapter_and_the_tuned_policy_does(folder, monkeypatch):
    (folder / "checkpoints/dpo_coherence_lora").rename(folder / "elsewhere")
    assert len(run(monkeypatch, "baseline")) == 6
    with pytest.raises(InputError, match=r"dpo_coherence_lora: no such checkpoint; .*\(`dvc repro train`\)"):
        run(monkeypatch, "coherence")


def test_a_test_set_in_which_no_question_decides_is_refused_before_any_is_asked(folder, questions, monkeypatch):
    dropped = [replace(question, gsm8k_gold=question.gold, in_platinum=False) for question in questions[:6]]
    write_records(folder / "data/test.jsonl", Question, dropped)
    with pytest.raises(InputError, match="^data/test.jsonl: no question is in GSM8K-Platinum, which decides; run `dvc repro"):
        run(monkeypatch, "baseline")
    assert not (folder / ".work").exists()


@pytest.mark.parametrize("arguments", [[], ["both"], ["baseline", "--again"]])
def test_another_policy_is_refused(folder, monkeypatch, arguments, capsys):
    monkeypatch.setattr("sys.argv", ["answer", *arguments])
    with pytest.raises(SystemExit) as ended:
        answer.main()
    assert ended.value.code == 2 and "usage: python -m src.stages.answer" in capsys.readouterr().err
    assert not (folder / "outputs").exists()


# --- sampled texts ---


def set_answer(folder: Path, **values: float) -> None:
    profile = {"answer.max_tokens": 9} | {f"answer.{key}": value for key, value in values.items()}
    (folder / "profiles/test.yaml").write_text(profile_text(profile))


def samples_of(written: list[PolicyText]) -> list[SampledText]:
    """Of all questions, those of a question by their numbers."""
    return [one for of_one in written for one in of_one.sampled or ()]


def test_each_question_has_its_samples_and_the_greedy_texts_are_those_without(folder, questions, checkpoint, monkeypatch):
    written = run(monkeypatch, "baseline")
    assert [one.id for one in written] == [q.id for q in questions[:6]]
    samples = samples_of(written)
    assert [one.sample for one in samples] == [*range(3)] * 6
    assert {one.temperature for one in samples} == {0.7} and len({one.text for one in samples}) > 12
    requests = [
        Request(f"{q.id} {n}", canonical_prompt(q.question) + "\n\n", 0.7, sample_seed(q.id, n), 9)
        for q in questions[:6]
        for n in range(3)
    ]
    texts = {c.key: c.text for request in requests for c in TransformersEngine(checkpoint, 1).generate([request])}
    assert [one.text for one in samples] == [texts[request.key] for request in requests]
    shutil.rmtree(".work")
    set_answer(folder, samples=0)
    assert run(monkeypatch, "baseline") == alone(written)
    assert "sampled" not in Path("outputs/baseline_answers.jsonl").read_text()


def test_more_samples_keep_the_earlier_ones_and_ask_the_new_ones_alone(folder, monkeypatch):
    earlier = samples_of(run(monkeypatch, "coherence"))
    asked = []
    generate = TransformersEngine.generate
    monkeypatch.setattr(TransformersEngine, "generate", lambda engine, given: asked.extend(given) or generate(engine, given))
    set_answer(folder, samples=5, temperature=0.7)
    assert [one for one in samples_of(run(monkeypatch, "coherence")) if one.sample < 3] == earlier
    assert len(asked) == 6 * 2 and all(request.temperature == 0.7 for request in asked)
    set_answer(folder, samples=2, temperature=0.7)
    assert samples_of(run(monkeypatch, "coherence")) == [one for one in earlier if one.sample < 2] and len(asked) == 6 * 2


def test_both_policies_draw_by_the_same_seeds_whatever_the_run_s_seed(folder, monkeypatch):
    asked: dict[str, list[int]] = {"baseline": [], "coherence": []}
    generate = TransformersEngine.generate
    for policy in asked:
        with monkeypatch.context() as patch:
            seeds = asked[policy]
            patch.setattr(
                TransformersEngine,
                "generate",
                lambda engine, given, seeds=seeds: seeds.extend(one.seed for one in given) or generate(engine, given),
            )
            run(monkeypatch, policy)
        (folder / "params.yaml").write_text("profile: test\nseed: 7\n")
    assert asked["baseline"] == asked["coherence"] and len(set(asked["baseline"])) == 1 + 6 * 3
