"""docs/your-own.md against the code: each message that it shows is the one that a broken model or file gives, and no other."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.params import load_profile_section
from src.core.records import to_json
from src.ops import new_profile
from src.regime_w.statistics import difference_at_power
from src.stages.data import DataSettings, check_disjoint, load_splits
from src.stages.train import leave_untrained
from src.training.dpo_settings import load_training_settings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/your-own.md").read_text(encoding="utf-8")
CHECKS = PAGE.split("## What the checks say")[1]
HOME = "/home/you"  # the folder of the page's files
[ROW] = [json.loads(line) for line in re.findall(r"```json\n(.*?)\n```", PAGE)]
PROFILE = Path("profiles/mine.yaml")


def messages() -> list[str]:
    """Every message that the page shows, in its order."""
    return [line for block in re.findall(r"^```\n(.*?)^```", CHECKS, flags=re.M | re.S) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository's settings, with questions like the page's own."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    write_rows(ROW, *others(3))
    return tmp_path


def write_rows(*rows: dict) -> None:
    Path("questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def others(count: int) -> list[dict]:
    return [{"question": f"What is {n} and 2?", "answer": f"#### {n + 2}"} for n in range(count)]


def change_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def make_profile(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    monkeypatch.setattr(sys, "argv", ["new_profile", "mine", "--model", model, "--data", "questions.jsonl"])
    new_profile.main()


# --- what breaks, by the name that the page gives it ---


def bare_name(folder: Path, make: Callable[[str], None]) -> None:
    make("owner/name")


def bare_number_as_text(folder: Path, make: Callable[[str], None]) -> None:
    write_rows(ROW | {"answer": "13"}, *others(3))
    make("hub:owner/name@1234567")


def bare_number(folder: Path, make: Callable[[str], None]) -> None:
    write_rows(ROW | {"answer": 13}, *others(3))
    make("hub:owner/name@1234567")


def no_end_token(folder: Path, make: Callable[[str], None]) -> None:
    change_json(folder / "model/tokenizer_config.json", eos_token=None)
    make("model")


def two_end_tokens(folder: Path, make: Callable[[str], None]) -> None:
    for file in ("config.json", "generation_config.json"):
        change_json(folder / "model" / file, eos_token_id=1)
    make("model")


def begin_token_twice(folder: Path, make: Callable[[str], None]) -> None:
    (folder / "model/chat_template.jinja").write_text("{{ bos_token }}{{ messages[0].content }}\n\n")
    make("model")


def special_token(folder: Path, make: Callable[[str], None]) -> None:
    write_rows(ROW | {"question": f"{ROW['question']}</s>"}, *others(3))
    make("model")


def no_chat_template(folder: Path, make: Callable[[str], None]) -> None:
    from src.engines.runner import load_tokenizer  # torch takes seconds, which few tests need
    from src.models.templates import wrap_prompt

    (folder / "checkpoints").mkdir()
    (folder / "model").rename(folder / "checkpoints/base")
    make("hub:owner/name@1234567")
    template = re.findall(r"^  template: (\w+)$", PROFILE.read_text(), flags=re.M)
    wrap_prompt("1 + 1?", template[0], load_tokenizer(Path("checkpoints/base")))


def overlap(folder: Path, make: Callable[[str], None]) -> None:
    again = ROW["question"].replace("Ann", "ANN").replace("5. ", "5.  ")
    write_rows(ROW, *others(2), ROW | {"question": again})
    make("hub:owner/name@1234567")
    check_disjoint(load_splits(load_profile_section("data", DataSettings, PROFILE)))


def too_few_pairs(folder: Path, make: Callable[[str], None]) -> None:
    make("hub:owner/name@1234567")
    leave_untrained(3, load_training_settings(0, PROFILE), folder / "adapter")


BROKEN = (
    bare_name, bare_number_as_text, bare_number, no_end_token, two_end_tokens, begin_token_twice, special_token,
    no_chat_template, overlap, too_few_pairs,
)  # fmt: skip


@pytest.mark.parametrize(("place", "breaks"), list(enumerate(BROKEN)), ids=[breaks.__name__ for breaks in BROKEN])
def test_a_message_of_the_page_is_what_is_told(folder, checkpoint, monkeypatch, place, breaks):
    shutil.copytree(checkpoint, folder / "model")
    with pytest.raises(InputError) as told:
        breaks(folder, lambda model: make_profile(monkeypatch, model))
    assert str(told.value).replace(str(folder), HOME) == messages()[place]


def test_the_page_shows_no_other_message():
    assert len(messages()) == len(BROKEN)


# --- its cures, its figures ---


def test_without_the_begin_token_in_its_template_the_model_is_taken(folder, checkpoint, monkeypatch):
    shutil.copytree(checkpoint, folder / "model")
    with pytest.raises(InputError, match="twice"):
        begin_token_twice(folder, lambda model: make_profile(monkeypatch, model))
    template = folder / "model/chat_template.jinja"
    template.write_text(template.read_text().replace("{{ bos_token }}", ""))
    make_profile(monkeypatch, "model")
    assert PROFILE.exists()


def test_a_model_whose_turns_begin_with_its_begin_token_is_taken(folder, checkpoint, monkeypatch):
    model = shutil.copytree(checkpoint, folder / "model")
    (model / "chat_template.jinja").write_text("<s>user: {{ messages[0].content }}<s>assistant:\n\n")
    change_json(model / "tokenizer.json", post_processor=None)
    make_profile(monkeypatch, "model")
    assert "  template: chat\n" in PROFILE.read_text()


@pytest.mark.skipif(shutil.which("jq") is None, reason="the cure is jq's")
@pytest.mark.parametrize("answer", [13, "13"])
def test_the_cure_for_bare_numbers_makes_questions_of_them(folder, monkeypatch, answer):
    write_rows(ROW | {"answer": answer}, *others(3))
    Path("questions.jsonl").rename("all.jsonl")
    [command] = re.findall(r"`(jq [^`]+)`", PAGE)
    subprocess.run(["bash", "-euc", command], check=True)
    make_profile(monkeypatch, "hub:owner/name@1234567")
    [first, *_] = load_splits(load_profile_section("data", DataSettings, PROFILE)).train
    assert first.gold == "13"


def test_the_pad_token_that_is_taken_is_named(folder, checkpoint):
    from src.models.pretrained import describe

    shutil.copytree(checkpoint, folder / "model")
    change_json(folder / "model/tokenizer_config.json", pad_token=None)
    pad = to_json(describe(folder / "model").tokens)["pad"]
    assert f'`"pad": {json.dumps(pad)}`' in CHECKS


def test_what_the_page_says_of_answers_is_what_the_parser_does():
    from src.regime_w.answers import extract_answer

    assert extract_answer(ROW["answer"]) == 13 and "`#### <number>` or `Answer: <number>`" in PAGE
    assert extract_answer("Answer: 18.00") == 18 == extract_answer("#### $18 dollars")
    assert extract_answer("#### 1/3") != extract_answer("#### 0.33")
    assert extract_answer("#### 1,800") == 1800
    assert extract_answer("#### 3-4") is None and extract_answer("#### 3 or 4") is None


def test_the_page_has_the_power_that_the_code_computes():
    rows = re.findall(r"^\| ([\d,]+) \| (\S+) \| (\S+) \| (\S+) \|$", PAGE, flags=re.M)
    assert len(rows) == 4
    for questions, *cells in rows:
        count = int(questions.replace(",", ""))
        for share, cell in zip((0.05, 0.1, 0.2), cells, strict=True):
            least = difference_at_power(round(share * count), count)
            assert cell == ("none" if least is None else f"{100 * least:.1f}"), (questions, share)
