"""Stage `sample`: every question is asked in eleven ways, and each text stands with how it was asked."""

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from src.core.errors import InputError
from src.core.records import read_records, write_records
from src.engines.transformers_engine import TransformersEngine
from src.regime_w.arms import ARM_NAMES, build_all_arms, build_prompt, request_seed
from src.regime_w.questions import Question
from src.regime_w.texts import Trajectory
from src.stages import sample
from src.stages.sample import SampleSettings, ask_by_all_arms, asked_questions
from tests.profiles import profile_text


@pytest.fixture
def folder(checkpoint: Path, questions: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stage reads, for two questions."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/test.yaml").write_text(profile_text({"sample.questions": 2, "sample.max_tokens": 8}))
    arms = Path(__file__).parents[2].joinpath("params.yaml").read_text().partition("\narms:")[2]
    (tmp_path / "params.yaml").write_text(f"profile: test\nseed: 3\narms:{arms}")
    write_records(tmp_path / "data/train.jsonl", Question, questions[:5])
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/base").symlink_to(checkpoint)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["sample"])
    return tmp_path


def test_questions_are_asked_in_file_order_and_arms_in_arm_order(questions, checkpoint):
    arms = build_all_arms()
    every = ask_by_all_arms(questions[:3], arms, "plain", 8, AutoTokenizer.from_pretrained(checkpoint))
    assert [(asked.question.id, asked.arm.name) for asked in every] == [(q.id, a) for q in questions[:3] for a in ARM_NAMES]
    assert len({asked.request.key for asked in every}) == 33
    one = every[14]
    assert one.request.prompt == build_prompt(one.arm, one.question.question) + "\n\n"
    assert one.request.temperature == one.arm.temperature and one.request.max_tokens == 8
    assert one.request.seed == request_seed(one.arm.seed, one.question.id)


def test_the_trajectories_are_what_the_base_writes(folder, checkpoint, questions):
    sample.main()
    records = read_records(folder / "data/trajectories.jsonl", Trajectory)
    arms = build_all_arms(run_seed=3)
    every = ask_by_all_arms(questions[:2], arms, "plain", 8, AutoTokenizer.from_pretrained(checkpoint))
    wrote = {c.key: c for c in TransformersEngine(checkpoint, 4).generate([asked.request for asked in every])}
    assert len(records) == len(every) == 22
    for record, asked in zip(records, every, strict=True):
        text = wrote[asked.request.key]
        assert record == Trajectory(
            question_id=asked.question.id,
            arm_name=asked.arm.name,
            seed=asked.arm.seed,
            temperature=asked.arm.temperature,
            prompt=asked.request.prompt,
            text=text.text,
            n_tokens=text.n_tokens,
            finish_reason=text.finish_reason,
        )


def test_more_questions_than_there_are_is_an_error(folder):
    (folder / "profiles/test.yaml").write_text(profile_text({"sample.questions": 6}))
    with pytest.raises(InputError, match="sample.questions is 6, but data/train.jsonl has 5; lower it, or raise data.train_q"):
        sample.main()


def test_questions_are_asked_from_the_first_that_is_named(questions):
    assert asked_questions(questions, SampleSettings(7, 3, 8)) == questions[7:10]
    assert asked_questions(questions, SampleSettings(57, 3, 8)) == questions[57:]
    with pytest.raises(InputError, match="which ask for 61 questions, but data/train.jsonl has 60; lower one of them"):
        asked_questions(questions, SampleSettings(58, 3, 8))


def test_what_is_held_out_counts_and_is_never_asked(questions):
    there = [replace(question, index=index) for index, question in enumerate(questions) if index not in range(20, 30)]
    assert asked_questions(there, SampleSettings(15, 5, 8)) == there[15:20]
    assert asked_questions(there, SampleSettings(30, 5, 8)) == there[20:25]
    with pytest.raises(
        InputError, match="sample asks questions 18 to 22, but 3 of them are held out and not in data/train.jsonl"
    ):
        asked_questions(there, SampleSettings(18, 5, 8))
    with pytest.raises(InputError, match="which ask for 61 questions, but data/train.jsonl has 60"):
        asked_questions(there, SampleSettings(59, 2, 8))


def test_a_template_that_the_tokenizer_lacks_is_an_error(folder):
    (folder / "profiles/test.yaml").write_text(profile_text({"engine.template": "chat", "sample.questions": 2}))
    with pytest.raises(InputError, match="engine.template is 'chat', but the tokenizer of .* has no chat template"):
        sample.main()


def test_the_seed_of_the_run_moves_every_request(questions, checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    runs = [ask_by_all_arms(questions[:2], build_all_arms(run_seed=seed), "plain", 8, tokenizer) for seed in (0, 1)]
    for one, other in zip(*runs, strict=True):
        assert one.request.seed != other.request.seed
        assert one.request == replace(other.request, seed=one.request.seed)
