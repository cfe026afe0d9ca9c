"""A sweep: what a point may be, what is read of its experiments, and the page and the picture of it."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.files import write_text
from src.core.records import write_metrics
from src.ops.sweep import Outcome, Point, collect, draw, named, page, read_points, remove_experiment
from src.regime_w.pair_metrics import PairMetrics
from src.regime_w.verdict import RunVerdict

ROOT = Path(__file__).parents[2]
# Figures of a sweep of learning rates.
GUIDE = RunVerdict(
    verdict="improved",
    questions=1210,
    baseline_accuracy=836 / 1210,
    coherence_accuracy=894 / 1210,
    difference=58 / 1210,
    ci_low=36 / 1210,
    ci_high=80 / 1210,
    p_value=2.98e-07,
    fixed=93,
    broken=35,
    smallest_detectable_difference=0.02,
    difference_at_power=0.03,
    questions_at_power=300,
)
PAIRS = PairMetrics(
    questions=500,
    pairs=4464,
    correctness_pairs=3289,
    consensus_pairs=0,
    coherence_pairs=1175,
    correctness_share=3289 / 4464,
    consensus_share=0.0,
    coherence_share=1175 / 4464,
    chosen_correct_share=1.0,
    questions_all_correct=1,
    questions_all_wrong=1,
    questions_without_pair=2,
    mean_length_difference_tokens=1.5,
    pairs_rejected_without_answer=0,
)
LOWER = replace(
    GUIDE, verdict="no evidence", coherence_accuracy=838 / 1210, difference=2 / 1210, ci_low=-3 / 1210, ci_high=8 / 1210,
    p_value=0.7265625, fixed=5, broken=3,
)  # fmt: skip
OUTCOMES = [Outcome("5e-6", 4464, LOWER, 0.7265625), Outcome("5e-5", 4464, GUIDE, 8.9e-07)]
PAGE = """\
# Learning rate of DPO

Profile sandbox, seed 0. Baseline 69.09%. p is of the exact McNemar test; Holm's is corrected for the number of points, as the \
best of many is often good by chance.

| point | pairs | coherence | difference, points | fixed / broken | p | p, Holm |
| --- | --- | --- | --- | --- | --- | --- |
| 5e-6 | 4,464 | 69.26% | +0.17 (-0.25 to +0.66) | 5 / 3 | 0.73 | 0.73 |
| 5e-5 | 4,464 | 73.88% | +4.79 (+2.98 to +6.61) | 93 / 35 | 3e-07 | 8.9e-07 |

![Learning rate of DPO](learning-rate.svg)
"""


# --- points ---


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml")))
def test_every_sweep_of_the_repository_can_be_read(name):
    points = read_points(ROOT / f"sweeps/{name}.yaml")
    assert len(points) > 1


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ('[{name: a b, set: []}]', "sweep.yaml: points[0] is refused: name 'a b': give letters, digits, dots and hyphens"),
        ('[{name: a, set: []}, {name: b, set: ["seed 1"]}]', "points[1] is refused: set 'seed 1': give key=value"),
        ('[{name: a, set: []}, {name: a, set: ["seed=1"]}]', "points are a, a; give each a name of its own"),
        ("[]", "points are none; give each a name of its own"),
        ("[{name: a}]", "points[0].set is missing; add it"),
        ("[{name: a, set: [], sets: []}]", "points[0].sets is unknown; did you mean 'set'?"),
        ("[{name: 5e-5, set: []}]", "points[0].name is 5e-05: it must be a valid string"),
    ],
)  # fmt: skip
def test_a_sweep_that_is_wrong_is_one_error(tmp_path, points, words):
    file = tmp_path / "sweep.yaml"
    file.write_text(f"title: A sweep\npoints: {points}\n")
    with pytest.raises(InputError) as error:
        read_points(file)
    assert words in str(error.value)


def test_one_point_is_named_or_refused_with_those_there_are():
    points = (Point("low", ()), Point("high", ("dpo.beta=1",)))
    assert named(points, "high", Path("sweeps/beta.yaml")) == points[1]
    with pytest.raises(InputError, match=r"--point is 'mid', and sweeps/beta.yaml has no such point \(it has low, high\)"):
        named(points, "mid", Path("sweeps/beta.yaml"))


@pytest.mark.parametrize("arguments", [[], ["no-such-sweep"], ["learning-rate", "now"], ["--fast"]])
def test_arguments_that_name_no_sweep_run_nothing(arguments):
    done = subprocess.run([sys.executable, "-m", "src.ops.sweep", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("usage: python -m src.ops.sweep")


# --- experiments ---


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository as working folder, in which a sweep of two points has run: DVC keeps an experiment as a commit and a ref."""
    monkeypatch.chdir(tmp_path)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test@example.org")
    git("init", "-q")
    for name, verdict in (("lower", LOWER), ("guide", GUIDE)):
        write_metrics(Path("metrics/verdict.json"), verdict)
        write_metrics(Path("metrics/prefs.json"), PAIRS)
        keep_as_experiment(f"rates-{name}")


def keep_as_experiment(name: str) -> None:
    git("add", "-A")
    git("commit", "-qm", name)
    git("update-ref", f"refs/exps/ab/cdef/{name}", "HEAD")


def test_outcomes_are_read_from_the_experiments_and_corrected_for_their_number(experiments):
    outcomes = collect("rates", [Point("lower", ()), Point("guide", ())])
    assert [outcome.point for outcome in outcomes] == ["lower", "guide"]
    assert [outcome.verdict for outcome in outcomes] == [LOWER, GUIDE]
    assert [outcome.pairs for outcome in outcomes] == [4464, 4464]
    assert [outcome.holm_p_value for outcome in outcomes] == [LOWER.p_value, 2 * GUIDE.p_value]


def test_metrics_of_another_form_are_one_error_that_names_the_experiment(experiments):
    write_text(Path("metrics/verdict.json"), '{"verdict": "improved", "difference_low": 1}')
    keep_as_experiment("rates-old")
    with pytest.raises(InputError, match=r"experiment rates-old: metrics/verdict.json: .*difference_low is unknown"):
        collect("rates", [Point("old", ())])


def test_an_experiment_that_is_removed_is_gone_of_all_commits_and_no_other_is(experiments):
    git("update-ref", "refs/exps/12/3456/rates-lower", "HEAD")
    remove_experiment("rates-lower")
    assert git("for-each-ref", "--format=%(refname)", "refs/exps") == "refs/exps/ab/cdef/rates-guide"


# --- the page ---


def test_the_page_has_a_row_for_each_point():
    assert page("Learning rate of DPO", "Profile sandbox, seed 0", OUTCOMES, "learning-rate.svg") == PAGE


def test_the_committed_page_is_of_that_form():
    """The same lines, whatever the figures in them."""
    committed = (ROOT / "sweeps/learning-rate.md").read_text()
    number = re.compile(r"[+-]?\d[\d.,]*(?:e-\d+)?")
    assert {number.sub("0", line) for line in committed.splitlines()} == {number.sub("0", line) for line in PAGE.splitlines()}


def test_the_same_outcomes_give_the_same_picture(tmp_path):
    for name in ("one", "other"):
        draw("Two rates", OUTCOMES, tmp_path / f"{name}.svg")
    picture = (tmp_path / "one.svg").read_bytes()
    assert picture == (tmp_path / "other.svg").read_bytes()
    assert b"5e-6" in picture and b"Two rates" in picture and picture.rstrip().endswith(b"</svg>")
