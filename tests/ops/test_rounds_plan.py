"""Which questions rounds sample and hold out, by which settings they run, and which finished rounds stand; no round is run."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics
from src.ops.evidence_plan import Computing
from src.ops.rounds import MODELS, ROUNDS, changed_texts, go_on_from, read_rounds, write_rounds
from src.ops.rounds_plan import Layout, RoundsPlan, Source, layout_of, plan_of
from src.regime_w.rounds import Rounds
from tests.pipeline.conftest import ROOT
from tests.profiles import profile_text
from tests.regime_w.builders import evaluation, training_round

SANDBOX = Source("sandbox", 7473, 500, 1500, "sandbox")
HUB = replace(SANDBOX, name="hub")
BY = Computing("code", "versions")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The code and the settings, under a profile of which two rounds fit, as working folder."""
    for name in ("src", "profiles", "sweeps", "params.yaml", "versions.yaml", "dvc.yaml"):
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, tmp_path / name, ignore=ignored) if source.is_dir() else shutil.copy(source, tmp_path / name)
    (tmp_path / "profiles/tiny.yaml").write_text(profile_text({"base.sandbox.first_question": 78}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def plan(checkout: Path) -> RoundsPlan:
    return plan_of("tiny", "label-free", 2, 30, stop=True)


# --- questions ---


def test_rounds_sample_from_the_first_on_and_the_last_unseen_questions_are_held_out():
    layout = layout_of(HUB, 2, 500)
    assert layout == Layout(500, range(1000, 1500))
    assert [layout.questions(number) for number in (1, 2)] == [range(0, 500), range(500, 1000)]
    assert layout_of(replace(SANDBOX, first_learned=2000), 3, 500).held_out == range(1500, 2000)


def test_the_sandbox_makes_more_questions_for_rounds_that_do_not_fit_before_those_held_out():
    layout = layout_of(SANDBOX, 4, 500)
    assert layout.held_out == range(1000, 1500)
    assert [layout.questions(number).start for number in (1, 2, 3, 4)] == [0, 500, 7473, 7973]
    assert layout_of(SANDBOX, 3, 501).questions(2) == range(7473, 7973)


def test_of_a_pretrained_base_all_training_questions_are_unseen(tmp_path):
    pretrained = replace(SANDBOX, first_learned=None)
    assert layout_of(pretrained, 13, 500).held_out == range(6973, 7473)
    assert layout_of(replace(pretrained, name="hub", train_questions=None), 2, 500).held_out == range(6973, 7473)
    with pytest.raises(InputError, match="data.train_questions is null, and rounds must know how many"):
        layout_of(replace(pretrained, name=str(tmp_path), train_questions=None), 2, 500)


@pytest.mark.parametrize(
    ("source", "rounds", "held_out", "words"),
    [
        (HUB, 3, 500, "need 2000 training questions that the base never sees, but there are 1500, and 2 rounds fit"),
        (HUB, 3, 500, "or raise base.sandbox.first_question in the profile to 2000"),
        (HUB, 2, 501, "and 1 rounds fit"),
        (SANDBOX, 1, 2000, "and 0 rounds fit"),
        (replace(HUB, first_learned=None), 14, 500, "or raise data.train_questions in the profile to 7500"),
        (replace(SANDBOX, name="rows.jsonl"), 1, 10, "data.source is the single file rows.jsonl"),
    ],
)
def test_more_rounds_than_fit_are_refused_with_what_to_raise(source, rounds, held_out, words):
    with pytest.raises(InputError, match=words):
        layout_of(source, rounds, held_out)


# --- settings ---


def test_a_round_s_settings_are_the_recipe_s_its_questions_and_its_base(plan):
    files = plan.files_of(1, None)
    profile, params = json.loads(files.profile), json.loads(files.params)
    assert (params["profile"], params["prefs"]["labels"]) == ("tiny", "none")
    assert profile["data"]["held_out"] == 48 and profile["data"]["test_questions"] == 30
    assert (profile["sample"]["first_question"], profile["sample"]["questions"]) == (0, 24)
    assert (profile["base"]["source"], profile["base"]["adapter"]) == ("sandbox", None)
    first = training_round(1, "00", "11")
    later = json.loads(plan.files_of(2, first).profile)
    assert later["sample"]["first_question"] == 24 and later["data"] == profile["data"]
    assert later["base"] == profile["base"] | {"source": f"{MODELS}/r1/base", "adapter": f"{MODELS}/r1/adapter"}
    made = json.loads(plan.files_of(3, first).profile)
    assert (made["sample"]["first_question"], made["data"]["train_questions"]) == (700, 724)
    assert made["base"] == later["base"]


@pytest.mark.parametrize(("old", "new", "words"), [("first_question: 0", "first_question: -1", "sample.first_question is -1")])
def test_settings_that_are_not_good_are_refused_first(checkout, old, new, words):
    path = checkout / "profiles/tiny.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=words):
        plan_of("tiny", "guide", 2, 30, stop=True)


def test_an_unknown_recipe_is_refused(checkout):
    with pytest.raises(InputError, match="--recipe is 'gide', and sweeps/recipes.yaml has none such; name one of guide, "):
        plan_of("tiny", "gide", 2, 30, stop=True)


# --- finished rounds ---


def test_a_finished_round_stands_while_what_decides_it_and_those_before_stay(plan):
    first = training_round(1, "00", "11", digest=plan.digest(1, None, BY))
    second = training_round(2, "11", "11", digest=plan.digest(2, first, BY))
    assert plan.done((first, second), BY) == (first, second)
    assert plan.done((second,), BY) == ()
    assert replace(plan, wanted=1).done((first, second), BY) == (first,)
    assert plan.done((replace(first, result="other"), second), BY) == (replace(first, result="other"),)
    assert plan.done((replace(first, digest="other"), second), BY) == ()
    assert plan.done((first, second), Computing("other", "versions")) == ()


def test_the_level_of_the_verdict_decides_a_round(checkout, plan):
    params = checkout / "params.yaml"
    params.write_text(params.read_text().replace("alpha: 0.05", "alpha: 0.01"))
    assert plan_of("tiny", "label-free", 2, 30, stop=True).digest(1, None, BY) != plan.digest(1, None, BY)


def test_rounds_go_on_after_the_last_whose_models_are_there(tmp_path):
    rounds = (training_round(1, "00", "11"), training_round(2, "11", "11"))
    assert go_on_from(rounds, tmp_path) == ()
    (tmp_path / MODELS / "r1").mkdir(parents=True)
    assert go_on_from(rounds, tmp_path) == rounds[:1]
    (tmp_path / MODELS / "r2").mkdir()
    assert go_on_from(rounds, tmp_path) == rounds


def test_figures_and_page_are_written_and_read_again(plan):
    assert read_rounds(plan) == ()
    written = write_rounds(plan, (training_round(1, "0" * 30, "1" * 30),))
    assert read_metrics(ROUNDS / "tiny-label-free.json", Rounds) == written and read_rounds(plan) == written.rounds
    assert "recipe label-free" in (ROUNDS / "tiny-label-free.md").read_text()


def test_texts_that_merging_changed_are_counted():
    before = [evaluation(id="a", text="1"), evaluation(id="b", text="2")]
    assert changed_texts(before, before) == 0
    assert changed_texts(before, [before[0], evaluation(id="b", text="2 ")]) == 1
