"""Which runs are wanted and in which order, what makes a cell old, and what is refused; no run is done here."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from src.core.errors import InputError
from src.core.processor import processor_name
from src.core.records import write_metrics
from src.ops.evidence import CELLS, check_base, read_cells, scope_of, still_to_do, write_page
from src.ops.evidence_plan import (
    Computing,
    Group,
    Plan,
    chosen,
    committed_settings,
    computing,
    digest_of,
    groups,
    machine_kind,
    read_plan,
    settings_of,
    shape_of,
)
from src.ops.sweep import Point
from src.ops.worker import check_committed
from src.regime_w.evidence import COMPARISONS, PARTS
from src.regime_w.forecasts import PREFERS_BY
from tests.pipeline.conftest import KEPT, ROOT
from tests.profiles import profile_text
from tests.regime_w.builders import evidence_cell

GUIDE, RANDOM, RATE = Point("guide", ()), Point("random", ()), Point("rate", ("dpo.learning_rate=5e-6",))
PLAN = Plan(("a", "b"), ("guide", "rate"), (GUIDE, RANDOM, RATE))
RECIPES = """\
title: Recipes
worlds: [tiny]
core: [guide]
points:
- {name: guide, set: []}
- {name: strong, set: ["dpo.beta=0.2", "profile:sample.max_tokens=40"]}
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the code and the settings, with a plan of two recipes, as working folder."""
    for name in ("src", "profiles", "params.yaml", "versions.yaml", "dvc.yaml"):
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, tmp_path / name, ignore=ignored) if source.is_dir() else shutil.copy(source, tmp_path / name)
    (tmp_path / "profiles/tiny.yaml").write_text(profile_text())
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/recipes.yaml").write_text(RECIPES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


# --- what is wanted, and when ---


def test_the_core_goes_first_over_three_seeds_then_over_the_others_then_the_rest():
    core, rest = ("guide", "rate"), ("random",)
    assert groups(PLAN, 4) == (
        *(Group(world, seed, core) for seed in (0, 1, 2) for world in ("a", "b")),
        *(Group(world, 3, core) for world in ("a", "b")),
        *(Group(world, seed, rest) for seed in (0, 1, 2, 3) for world in ("a", "b")),
    )


def test_one_seed_has_no_later_ones():
    assert [group.seed for group in groups(PLAN, 1)] == [0, 0, 0, 0]


def test_a_core_of_all_recipes_leaves_no_rest():
    assert groups(replace(PLAN, core=PLAN.names()), 1) == (Group("a", 0, PLAN.names()), Group("b", 0, PLAN.names()))


def test_the_command_line_chooses_by_name():
    assert chosen("--worlds", None, ("a", "b")) == ("a", "b")
    assert chosen("--worlds", "b", ("a", "b")) == ("b",)
    with pytest.raises(InputError, match=r"--worlds: 'c' is unknown \(there are: a, b\); correct it"):
        chosen("--worlds", "a,c", ("a", "b"))
    with pytest.raises(InputError, match=r"--recipes is guide, guide; name each once"):
        chosen("--recipes", "guide,guide", ("guide",))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("worlds: [tiny]", "worlds: [tyni]", "sweeps/recipes.yaml: worlds: 'tyni' is unknown"),
        ("worlds: [tiny]", "worlds: []", "sweeps/recipes.yaml: worlds is empty"),
        ("core: [guide]", "core: [best]", "sweeps/recipes.yaml: core: 'best' is unknown (there are: guide, strong)"),
        ("core: [guide]\n", "", "'core' is missing"),
    ],
)
def test_a_plan_that_is_wrong_is_one_error(checkout, old, new, words):
    edit(checkout / "sweeps/recipes.yaml", old, new)
    with pytest.raises(InputError) as error:
        read_plan()
    assert words in str(error.value)


def test_each_recipe_of_the_repository_sets_what_is_there_to_another_value(monkeypatch):
    monkeypatch.chdir(ROOT)
    plan = read_plan()
    for world in plan.worlds:
        files = committed_settings(world)
        digests = [digest_of(settings_of(files, world, 0, recipe), BY) for recipe in plan.recipes]
        assert len(set(digests)) == len(plan.recipes), world


def test_each_recipe_that_is_compared_is_one_of_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert {name for versus in COMPARISONS for name in (versus.recipe, versus.other)} <= set(read_plan().names())


# --- settings ---


def test_the_settings_of_a_run_are_those_at_hand_with_its_own(checkout):
    recipe = Point("strong", ("dpo.beta=2e-1", "profile:sample.max_tokens=40"))
    files = settings_of(committed_settings("tiny"), "tiny", 3, recipe)
    params, profile = json.loads(files.params), json.loads(files.profile)
    before = yaml.safe_load((checkout / "params.yaml").read_text())
    assert (params["profile"], params["seed"], params["dpo"]["beta"]) == ("tiny", 3, 0.2)
    assert (profile["sample"]["max_tokens"], profile["train"]["too_few_pairs"]) == (40, "report")
    assert params["arms"] == before["arms"] and params["dpo"]["lora"] == before["dpo"]["lora"]


@pytest.mark.parametrize("setting", ["prefs.no_such=1", "no_such.key=1", "seed.more=1", "profile:sample.no_such=1"])
def test_a_recipe_that_sets_what_is_not_there_is_refused(checkout, setting):
    with pytest.raises(InputError, match=rf"recipes.yaml: odd: .* has no {setting.removeprefix('profile:').split('=')[0]}"):
        settings_of(committed_settings("tiny"), "tiny", 0, Point("odd", (setting,)))


# --- the digest ---


BY = Computing(code="a", versions="b")


def digest(seed: int = 0, recipe: Point = GUIDE, by: Computing | None = None) -> str:
    """By the code at hand, which takes a second to read, unless it is given."""
    return digest_of(settings_of(committed_settings("tiny"), "tiny", seed, recipe), by or computing())


def test_a_digest_is_of_seed_and_recipe(checkout):
    assert len({digest(by=BY), digest(1, by=BY), digest(0, RATE, BY)}) == 3
    assert digest(by=BY) == digest(0, RANDOM, BY)  # which sets nothing here


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("params.yaml", "  min_reward_gap: 0.01", "  min_reward_gap: 0.02"),
        ("params.yaml", "  beta: 0.1", "  beta: 0.2"),
        ("profiles/tiny.yaml", "questions: 24", "questions: 23"),
        ("src/regime_w/preferences.py", "import hashlib", "import hashlib  \nimport math"),
        ("src/training/dpo.py", "\n\n\n", "\n\nONE = 1\n\n"),
    ],
)
def test_what_decides_a_result_makes_a_cell_old(checkout, file, old, new):
    by = None if file.startswith("src") else BY
    before = digest(by=by)
    edit(checkout / file, old, new)
    assert digest(by=by) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("params.yaml", "policy: coherence", "policy: baseline"),
        ("params.yaml", "  # Strength of the pull", "  # Pull"),
        ("params.yaml", "  min_gain: 0.02", "  min_gain: 0.03"),
        ("profiles/tiny.yaml", "dollars_per_hour: 0", "dollars_per_hour: 1"),
        ("profiles/tiny.yaml", "too_few_pairs: report", "too_few_pairs: stop"),  # a run reports in any case
        ("src/regime_w/preferences.py", "import hashlib", "# Of the standard library.\nimport hashlib"),
        ("src/regime_w/preferences.py", '"""', '"""Otherwise: '),
        ("src/report/rendering.py", "import re", "import re\nimport math"),
        ("src/ops/evidence.py", "from threading import", "import math\nfrom threading import"),
        ("versions.yaml", 'matplotlib: "', 'matplotlib: "9'),
    ],
)
def test_what_decides_no_result_keeps_a_cell(checkout, file, old, new):
    by = None if file.startswith(("src", "versions")) else BY
    before = digest(by=by)
    path = checkout / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert digest(by=by) == before


def test_the_version_of_a_package_that_counts_makes_a_cell_old(checkout):
    before = digest()
    edit(checkout / "versions.yaml", 'torch: "', 'torch: "9')
    assert digest() != before


CODE = '''\
"""A module."""

class One:
    """A class."""

    def inner(self, x: int) -> int:
        """A method."""
        # A comment.
        return x + 1
'''


@pytest.mark.parametrize(
    ("code", "same"),
    [
        (CODE.replace("# A comment.", "# Another."), True),
        (CODE.replace("A method.", "Other words.").replace("A class.", "More words.").replace("A module.", "Words."), True),
        (CODE.replace('        """A method."""\n', ""), True),
        (CODE.replace("return x + 1", "return (x\n            + 1)"), True),
        (CODE.replace("x + 1", "x + 2"), False),
        (CODE.replace("x + 1", "x - 1"), False),
        (CODE.replace("x: int", "y: int"), False),
        (CODE.replace("return x + 1", "return x + 1\n        'no docstring'"), False),
        (CODE.replace("return x + 1", "return None"), False),
    ],
)
def test_words_of_a_module_do_not_count_and_what_it_does_does(tmp_path, code, same):
    for name, text in (("one.py", CODE), ("other.py", code)):
        (tmp_path / name).write_text(text)
    assert (shape_of(str(tmp_path / "one.py")) == shape_of(str(tmp_path / "other.py"))) is same


# --- cells and the page ---


def keep(*cells) -> None:
    for cell in cells:
        write_metrics(CELLS / f"{cell.world}/{cell.seed}/{cell.recipe}.json", cell)


def test_what_is_not_there_is_done_before_what_is_of_older_code(checkout):
    keep(evidence_cell("tiny", 0, "guide", 0.01, digest="of older code"))
    scope = scope_of(read_plan(), 2)
    assert [run.name() for run in still_to_do(scope, scope.runs)] == [
        "tiny/1/guide", "tiny/0/strong", "tiny/1/strong", "tiny/0/guide",
    ]  # fmt: skip


def test_the_page_is_of_the_cells_that_are_there_and_names_those_of_older_code(checkout):
    keep(
        evidence_cell("tiny", 0, "guide", 0.02, digest=digest(0)),
        evidence_cell("tiny", 1, "guide", 0.01, digest="of older code"),
        evidence_cell("tiny", 0, "gone", 0.01),
        evidence_cell("tiny", 2, "guide", 0.03, digest=digest(2)),  # beyond the seeds that are asked for
    )
    evidence = write_page(scope_of(read_plan(), 2))
    assert (evidence.current, evidence.wanted, evidence.older, evidence.left_out) == (1, 4, ("tiny/1/guide",), ("tiny/0/gone",))
    assert [(cell.recipe, cell.seed) for cell in evidence.cells] == [("guide", 0), ("guide", 1), ("guide", 2)]
    assert json.loads(Path("evidence/evidence.json").read_text())["effects"][0]["effect"]["units"] == 3
    assert "4 cells are wanted" in Path("evidence/README.md").read_text() and Path("evidence/evidence.svg").exists()


def test_the_command_writes_the_page_alone_when_told_to(checkout):
    keep(evidence_cell("tiny", 0, "guide", 0.02))
    command = [sys.executable, "-m", "src.ops.evidence", "--table-only", "--seeds", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "evidence/README.md: 0 of 2 cells, 1 of older code or settings\n"
    assert not Path(".work").exists()


def test_the_command_tells_what_is_left_and_what_it_costs_and_writes_nothing(checkout):
    settings = yaml.safe_load(Path("profiles/tiny.yaml").read_text())
    hours = {"install": 1, "base": 1, "sample": 0.5, "train": 0.25, "answer": 0.5}
    settings["machine"] |= {"hours": hours, "dollars_per_hour": 2}
    Path("profiles/tiny.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "src.ops.evidence", "--plan-only", "--seeds", "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    # 2 seeds of 1 + 0.5 + 0.25 hours, and 2 recipes on each of 0.25 + 0.25.
    assert done.stdout == "tiny: 4 runs on 2 seeds, about 5.5 hours, 11.00 dollars (estimates of its profile)\n", done.stderr
    assert not Path("evidence").exists() and not Path(".work").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "0"], "error: --seeds is 0; give 1 or more"),
        (["--workers", "0"], "error: --workers is 0; give 1 or more"),
        (["--worlds", "sandbox"], "error: --worlds: 'sandbox' is unknown (there are: tiny); correct it"),
        (["--recipes", "best"], "error: --recipes: 'best' is unknown (there are: guide, strong); correct it"),
    ],
)
def test_arguments_that_name_nothing_run_nothing(checkout, arguments, words):
    done = subprocess.run([sys.executable, "-m", "src.ops.evidence", *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"{words}\n")
    assert not Path(".work").exists() and not Path("evidence").exists()


def test_a_cell_in_another_s_place_is_refused(checkout):
    write_metrics(CELLS / "tiny/0/strong.json", evidence_cell("tiny", 0, "guide", 0.02))
    with pytest.raises(InputError, match=r"tiny/0/strong.json holds the cell of .*tiny/0/guide.json; remove it"):
        read_cells()


def test_a_cell_of_another_base_is_refused():
    there = evidence_cell("tiny", 0, "guide", 0.02, machine="the other processor, 2 threads")
    check_base(evidence_cell("tiny", 0, "strong", 0.01), [there])
    check_base(evidence_cell("tiny", 1, "strong", 0.01), [there])
    with pytest.raises(InputError) as error:
        check_base(evidence_cell("tiny", 0, "strong", 0.01, base="new.dir"), [there])
    for words in (
        "strong starts from another base than guide",
        "the other processor, 2 threads",
        "remove evidence/cells/tiny/0,",
    ):
        assert words in str(error.value)


# --- the commit ---


def git(*arguments: str) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True)


def test_runs_are_refused_until_what_decides_them_is_committed(checkout):
    git("init", "-q")
    with pytest.raises(InputError, match="there is no commit yet"):
        check_committed(checkout)
    git("add", "-A")
    git("commit", "-qm", "all")
    commit = check_committed(checkout)
    (checkout / "notes.txt").write_text("of no matter")
    assert check_committed(checkout) == commit
    edit(checkout / "params.yaml", "  beta: 0.1", "  beta: 0.2")
    (checkout / "src/regime_w/new.py").write_text("")
    with pytest.raises(InputError, match="^params.yaml, src/regime_w/new.py: not as the commit at hand has it"):
        check_committed(checkout)


def test_what_must_be_committed_is_all_that_a_run_s_copy_needs():
    """`KEPT` is what the tests of DVC copy to run a pipeline: all of it that a run reads is looked at."""
    from src.ops.worker import MUST_BE_COMMITTED

    for name in MUST_BE_COMMITTED:
        assert name.partition("/")[0] in KEPT and (ROOT / name).exists()


# --- the machine ---


def test_the_machine_is_the_processor_and_the_threads(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor 9000\nmodel name\t: B\n")
    assert processor_name(tmp_path / "cpuinfo") == "A Processor 9000"
    assert processor_name(tmp_path / "none")
    assert machine_kind(2) == f"{processor_name()}, 2 threads" and machine_kind(1).endswith(", 1 thread")


def test_a_recipe_that_is_told_beforehand_knows_no_gold_answer_and_weighs_its_signal_alone():
    for recipe, signal in PREFERS_BY.items():
        settings = dict(setting.split("=") for setting in read_plan().recipe(recipe).set)
        assert settings.pop("prefs.labels") == "none"
        weighed = [part for part in PARTS if settings.pop(f"scoring.weights.{part}", "as it is") != "0"]
        assert weighed == (list(PARTS) if signal == "reward" else [signal])
        assert not settings
