"""The command that writes a profile for a model and questions of one's own: what it finds out, refuses and leaves."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.params import parse_yaml
from src.ops import new_profile
from src.ops.own_model import MAX_LENGTH, MAX_TOKENS
from src.stages.all_settings import Settings, load_settings
from src.stages.data import load_splits

ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = f"hub:owner/name@{COMMIT}"


def rows(count: int, first: int = 0) -> str:
    questions = ((f"Ann has {n} pens and buys 2. How many has she?", f"{n} + 2 = {n + 2}\n#### {n + 2}") for n in range(count))
    lines = [json.dumps({"question": f"{first}. {question}", "answer": answer}) for question, answer in questions]
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository's settings, with ten questions beside them."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    (tmp_path / "questions.jsonl").write_text(rows(10))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Calls the command; what it printed."""

    def call(name: str = "mine", model: str = HUB, data: str = "questions.jsonl", *options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["new_profile", name, "--model", model, "--data", data, *options])
        new_profile.main()
        return capsys.readouterr().out

    return call


def settings_of(folder: Path, name: str = "mine") -> Settings:
    """As stage settings reads them."""
    return load_settings(Path("profiles") / f"{name}.yaml")


def with_template(checkpoint: Path, folder: Path, template: str | None) -> str:
    """A copy of the small model, with a chat template."""
    shutil.copytree(checkpoint, folder / "model")
    if template is not None:
        (folder / "model/chat_template.jinja").write_text(template)
    return "model"


# --- what it writes ---


def test_a_profile_of_the_hub_is_good_settings_and_says_what_comes_next(folder, write):
    before = (folder / "params.yaml").read_bytes()
    printed = write()
    settings = settings_of(folder)
    assert settings.base.source == HUB and settings.base.dtype == "bfloat16" and settings.engine.template == "chat"
    assert (settings.sample.max_tokens, settings.training.train.max_length) == (MAX_TOKENS, MAX_LENGTH)
    assert settings.data.source == str(folder / "questions.jsonl")
    assert (settings.data.test_questions, settings.sample.questions) == (5, 5)
    assert "the model's files are not here" in printed
    assert [line.strip() for line in printed.splitlines()[-3:]] == [
        "sed -i 's/^profile: .*/profile: mine/' params.yaml",
        "make doctor",
        "dvc repro",
    ]
    assert (folder / "params.yaml").read_bytes() == before


@pytest.mark.parametrize(("template", "wanted"), [(None, "plain"), ("{{ messages[0].content }}\n\n", "chat")])
def test_of_a_folder_template_size_and_lengths_are_found(folder, write, checkpoint, template, wanted):
    printed = write("mine", with_template(checkpoint, folder, template))
    settings = settings_of(folder)
    assert settings.base.source == str(folder / "model")
    assert settings.engine.template == wanted and f"template {wanted}" in printed
    assert settings.base.dtype == "float32"
    from safetensors.torch import load_file  # torch takes seconds, which the other tests need not wait

    weights = load_file(folder / "model/model.safetensors")
    assert f"{sum(weight.numel() for weight in weights.values()):,} parameters" in printed
    # A model of 512 positions reads the longest prompt, and what is left of them.
    tokens, length = settings.sample.max_tokens, settings.training.train.max_length
    assert 300 < tokens < 512 and length == 512


def test_memory_and_disk_grow_with_the_model(checkpoint):
    from src.ops.own_model import OwnModel

    large = OwnModel("model", "chat", "bfloat16", 512, 1024, parameters=7_000_000_000)
    assert (large.memory, large.disk) == (60.0, 29.0)


def test_every_key_has_its_unit_and_reason_above_it(folder, write, checkpoint):
    write("hub")
    write("local", with_template(checkpoint, folder, None))
    for name in ("hub", "local"):
        lines = (folder / f"profiles/{name}.yaml").read_text().splitlines()
        bare = [line for above, line in zip(lines, lines[1:], strict=False) if is_key(line) and not above.strip().startswith("#")]
        assert not bare
        assert all(len(line) <= 130 for line in lines if "source:" not in line)
        assert "{{" not in "\n".join(lines)


def is_key(line: str) -> bool:
    return re.match(r"  +\w+:", line) is not None


def test_the_lines_for_vllm_are_good_settings_once_the_comment_is_taken_off(folder, write):
    write()
    text = (folder / "profiles/mine.yaml").read_text()
    block = re.search(r"^  # vllm:\n(?:  #   .*\n)+", text, flags=re.M)
    assert block is not None
    block_text = re.sub(r"^  # ", "  ", block[0], flags=re.M)
    text = text.replace(block[0], "").replace("  vllm: null\n", block_text).replace("name: transformers", "name: vllm")
    (folder / "profiles/mine.yaml").write_text(text)
    vllm = settings_of(folder).engine.vllm
    assert vllm is not None and vllm.max_model_len == MAX_LENGTH


def test_a_folder_of_both_splits_is_taken_whole(folder, write):
    (folder / "both").mkdir()
    (folder / "both/train.jsonl").write_text(rows(6))
    (folder / "both/test.jsonl").write_text(rows(4, first=1))
    write("mine", HUB, "both")
    settings = settings_of(folder)
    assert settings.data.test_questions is None and settings.sample.questions == 6
    splits = load_splits(settings.data)
    assert (len(splits.train), len(splits.test)) == (6, 4)


def test_of_a_long_file_500_are_sampled_and_1209_are_the_test(folder, write):
    (folder / "long.jsonl").write_text(rows(3000))
    printed = write("mine", HUB, "long.jsonl")
    settings = settings_of(folder)
    assert (settings.data.test_questions, settings.sample.questions) == (1209, 500)
    assert "a gain of 2.6 points or more is found" in printed  # as docs/abel.md has it for as many


def test_a_path_with_signs_of_yaml_is_read_back_as_it_is(folder, write):
    strange = folder / "my: 'own' #1 \"ü\""
    strange.mkdir()
    shutil.copy(folder / "questions.jsonl", strange)
    write("mine", HUB, str(strange / "questions.jsonl"))
    assert settings_of(folder).data.source == str(strange / "questions.jsonl")
    assert parse_yaml((folder / "profiles/mine.yaml").read_text())["data"]["test_questions"] == 5


def test_another_template_and_longer_texts_are_taken_where_they_are_asked_for(folder, write):
    (folder / "long.jsonl").write_text(rows(3).replace("Ann", "Ann " * 1500))
    with pytest.raises(InputError, match="more than data.max_question_characters = 4,000"):
        write("mine", HUB, "long.jsonl")
    write("mine", HUB, "long.jsonl", "--max-characters", "9000", "--template", "plain")
    settings = settings_of(folder)
    assert settings.data.max_question_characters == 9000 and settings.engine.template == "plain"


# --- what it refuses ---


@pytest.mark.parametrize("name", ["", "a b", "../x", ".hidden", "1", "true", "null", "a/b", "x" * 61, "ü", "a.yaml", "a\nb"])
def test_a_name_that_no_profile_can_have_is_refused(folder, write, name):
    with pytest.raises(InputError, match="^NAME is .*, and becomes the name of a file"):
        write(name)
    assert {path.name for path in (folder / "profiles").iterdir()} == {path.name for path in (ROOT / "profiles").iterdir()}


def test_a_profile_that_is_there_is_not_overwritten(folder, write):
    before = (folder / "profiles/abel.yaml").read_bytes()
    with pytest.raises(InputError, match="profiles/abel.yaml is there already, and is not overwritten; give another NAME"):
        write("abel")
    assert (folder / "profiles/abel.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("owner/name", "a model of the hub is named with its commit.*: give hub:owner/name@<commit>"),
        ("owner/name@main", "give hub:owner/name@<commit>"),
        ("owner/name@38efa25", "give hub:owner/name@38efa25. The commit"),
        ("hub:owner/name", "--model is 'hub:owner/name' without a revision; pin one: hub:owner/name@<commit>"),
        ("hub:owner/name@main", "asked for at 'main', which is no commit: a branch or a tag may move"),
        ("./nowhere", "--model is './nowhere': no such folder"),
        ("profiles", "--model is the folder profiles, which lacks config.json"),
        ("sandbox", "--model is 'sandbox', which is trained here"),
    ],
)
def test_a_model_that_leads_nowhere_is_refused_with_the_cure(folder, write, model, message):
    with pytest.raises(InputError, match=message):
        write("mine", model)
    assert not (folder / "profiles/mine.yaml").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "--data is 'own.jsonl': no such file or folder .*; give the path of a JSON Lines"),
        ("", "own.jsonl: an empty file"),
        ('{"question": "1 + 1?"}\n', r"own.jsonl:1: `answer` is None, where a text is wanted"),
        ('{"prompt": "1 + 1?", "answer": "#### 2"}\n', r"own.jsonl:1: `question` is None, where a text is wanted"),
        ('{"question": "1 + 1?", "answer": "two"}\n', "own.jsonl:1: no gold number"),
        ('{"question": "1 + 1?", "answer": "#### 2"}\nquestion,answer\n', "own.jsonl:2: not a whole JSON object"),
        (rows(1), "own.jsonl has 1 question, and half of them are to be the test; give 2 or more"),
        (rows(2) + rows(1), "own.jsonl:3: the question of own.jsonl:1 again"),
    ],
)
def test_questions_that_cannot_be_graded_are_refused_by_their_line(folder, write, content, message):
    if content is not None:
        (folder / "own.jsonl").write_text(content)
    with pytest.raises(InputError, match=message):
        write("mine", HUB, "own.jsonl")
    assert not (folder / "profiles/mine.yaml").exists()


def test_a_folder_without_the_files_of_both_splits_is_refused(folder, write):
    with pytest.raises(InputError, match="which holds no GSM8K train set: none of train.jsonl"):
        write("mine", HUB, "profiles")


def test_a_question_that_leaves_no_room_for_an_answer_is_refused(folder, write, checkpoint):
    (folder / "long.jsonl").write_text(rows(3).replace("Ann", "Ann " * 800))
    model = with_template(checkpoint, folder, None)
    with pytest.raises(InputError, match="reads 512: no room is left for an answer; leave the longest questions out"):
        write("mine", model, "long.jsonl")


def test_another_folder_than_the_repository_is_told(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="run this from the repository's root"):
        write()


def test_no_characters_at_all_are_no_limit(folder, write):
    with pytest.raises(InputError, match="--max-characters is 0; give 1 or more"):
        write("mine", HUB, "questions.jsonl", "--max-characters", "0")


def test_more_end_tokens_of_the_generation_config_count(folder, write, checkpoint):
    """As at stage base, which reads the weights too: the tokenizer's end may stand in either file."""
    model = with_template(checkpoint, folder, None)
    config = json.loads((folder / "model/config.json").read_text())
    (folder / "model/config.json").write_text(json.dumps(config | {"eos_token_id": 1}))
    write("mine", model)
    (folder / "model/generation_config.json").unlink()
    with pytest.raises(InputError, match="the tokenizer ends a text by token 2"):
        write("other", model)
