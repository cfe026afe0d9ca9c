import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow
import pytest
from pyarrow.parquet import write_table

from src.core.errors import InputError
from src.regime_w.questions import Question
from src.sources.files import Row, Splits
from src.sources.gsm8k import PLATINUM, TEST, TRAIN, TestSet, content_digest, find_split
from src.stages.data import DataSettings, check_disjoint, load_splits, normalized
from tests.hub_server import HubServer, hub_environment

SHARED = os.environ.get("REGIME_W_SHARED_DATA")
real_text = pytest.mark.skipif(SHARED is None, reason="GSM8K is not ours to ship; REGIME_W_SHARED_DATA names a folder with it")

ROWS = [
    {"question": f"Ann has {n} pens and buys 2. How many has she?", "answer": f"{n} + 2 = {n + 2}\n#### {n + 2}"}
    for n in range(9)
]


def write(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(
    source: Path | str,
    train: int | None = None,
    test: int | None = None,
    test_set: TestSet | None = None,
    max_question_characters: int = 4000,
    held_out: int | None = None,
) -> Splits:
    return load_splits(DataSettings(str(source), train, test, held_out, test_set, max_question_characters))


def write_parquet(path: Path, rows: list) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def corrected(rows: list) -> list:
    """The rows as Platinum might have them: the first dropped, the second with another answer."""
    return [rows[1] | {"answer": "#### 99", "cleaning_status": "revised"}, *(r | {"cleaning_status": None} for r in rows[2:])]


def test_a_folder_in_gsm8ks_layout(tmp_path):
    write(tmp_path / "gsm8k_train.jsonl", ROWS[:6])
    write(tmp_path / "gsm8k_test.jsonl", ROWS[6:])
    train, test = load(tmp_path, train=4)
    assert [q.gold for q in train] == ["2", "3", "4", "5"]
    assert [q.id for q in test] == [f"test-{n:05d}" for n in range(3)]


def test_a_folder_in_the_layout_of_the_hub_gives_the_same_questions(tmp_path):
    jsonl, hub = tmp_path / "jsonl", tmp_path / "hub"
    jsonl.mkdir()
    write(jsonl / "train.jsonl", ROWS[:5])
    write(jsonl / "test.jsonl", ROWS[5:])
    write(jsonl / "platinum_test.jsonl", corrected(ROWS[5:]))
    write_parquet(hub / "gsm8k/main/train-00000-of-00001.parquet", ROWS[:5])
    write_parquet(hub / "gsm8k/main/test-00000-of-00001.parquet", ROWS[5:])
    write_parquet(hub / "gsm8k-platinum/main/test-00000-of-00001.parquet", corrected(ROWS[5:]))
    for test_set in (None, "gsm8k", "platinum", "both"):
        assert load(hub, test_set=test_set) == load(jsonl, test_set=test_set)


def test_both_sets_are_scored_from_one_set_of_questions(tmp_path):
    write(tmp_path / "train.jsonl", ROWS[:5])
    write(tmp_path / "test.jsonl", ROWS[5:])
    write(tmp_path / "platinum_test.jsonl", corrected(ROWS[5:]))
    _, test = load(tmp_path, test_set="both")
    assert [q.gsm8k_gold for q in test] == ["7", "8", "9", "10"]
    assert [q.gold for q in test] == ["7", "99", "9", "10"]
    assert [q.in_platinum for q in test] == [False, True, True, True]
    assert test[1].cleaning_status == "revised" and test[0].cleaning_status is None
    assert [q.gold for q in load(tmp_path, test_set="platinum")[1]] == ["99", "9", "10"]


def test_a_platinum_question_that_gsm8k_lacks_is_an_error(tmp_path):
    write(tmp_path / "train.jsonl", ROWS[:5])
    write(tmp_path / "test.jsonl", ROWS[5:])
    write(tmp_path / "platinum_test.jsonl", ROWS[4:])
    with pytest.raises(InputError, match="1 questions of GSM8K-Platinum are not in GSM8K's test, the first 'Ann has 4 pens"):
        load(tmp_path, test_set="both")


def test_two_files_of_one_split_are_an_error(tmp_path):
    write(tmp_path / "train.jsonl", ROWS[:5])
    write(tmp_path / "gsm8k_train.jsonl", ROWS[5:])
    with pytest.raises(InputError, match="with both train.jsonl and gsm8k_train.jsonl, each a GSM8K train set; leave one"):
        load(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "train.jsonl",
        "gsm8k_train.jsonl",
        "train.parquet",
        "train-00000-of-00001.parquet",
        "main/train.jsonl",
        "main/train-00000-of-00001.parquet",
        "gsm8k/main/train-00000-of-00001.parquet",
    ],
)
def test_a_split_is_found_by_the_names_that_it_goes_by(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert find_split(tmp_path, TRAIN) == [path]


def test_all_shards_of_a_split_are_read_in_order(tmp_path):
    write_parquet(tmp_path / "main/train-00001-of-00002.parquet", ROWS[3:6])
    write_parquet(tmp_path / "main/test.parquet", ROWS[6:])
    with pytest.raises(InputError, match="train-00001-of-00002.parquet: 1 of 2 files are there; fetch the others too"):
        load(tmp_path)
    write_parquet(tmp_path / "main/train-00000-of-00002.parquet", ROWS[:3])
    assert [q.gold for q in load(tmp_path)[0]] == ["2", "3", "4", "5", "6", "7"]


def test_first_questions_that_platinum_dropped_are_no_test(tmp_path):
    write(tmp_path / "train.jsonl", ROWS[:5])
    write(tmp_path / "test.jsonl", ROWS[5:])
    write(tmp_path / "platinum_test.jsonl", corrected(ROWS[5:]))
    assert len(load(tmp_path, test=2, test_set="both")[1]) == 2
    with pytest.raises(InputError, match="data.test_questions is 1, but none of these is in GSM8K-Platinum"):
        load(tmp_path, test=1, test_set="both")


def test_it_is_said_whether_a_copy_is_what_was_published(tmp_path, capsys):
    write(tmp_path / "train.jsonl", ROWS[:5])
    write(tmp_path / "test.jsonl", ROWS[5:])
    load(tmp_path)
    assert "train.jsonl: 5 questions; content: not the published GSM8K train set of 7,473" in capsys.readouterr().out


def test_the_digest_is_of_texts_and_their_order_alone():
    rows = [Row(f"q.jsonl:{number}", columns) for number, columns in enumerate(ROWS[:2], start=1)]
    assert content_digest([Row(row.place, row.columns | {"cleaning_status": None}) for row in rows]) == content_digest(rows)
    assert content_digest(rows[::-1]) != content_digest(rows)
    # jq -ca '[.question, .answer]' | sha256sum
    accented = [Row("q.jsonl:1", {"question": "Zo\u00eb?", "answer": "#### 2\n"})]
    assert content_digest(accented) == "8b830daa3fe14cbcae4a27c4d771c6cf4f12a17a1039838e18a82001cb9c9e86"


def test_a_parquet_file_cut_short_is_an_error(tmp_path):
    path = write_parquet(tmp_path / "q.parquet", ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(InputError, match="q.parquet: not a whole Parquet file"):
        load(path, test=2)
    path.write_bytes(whole[:4] + bytes(60) + whole[64:])  # the footer is right, a page is not
    with pytest.raises(InputError, match="q.parquet: not a whole Parquet file"):
        load(path, test=2)


def test_one_parquet_file_names_the_row_of_a_bad_question(tmp_path):
    path = write_parquet(tmp_path / "q.parquet", [*ROWS[:3], {"question": "How many?", "answer": "many"}])
    with pytest.raises(InputError, match="q.parquet row 4: no gold number"):
        load(path, test=2)


def test_a_test_set_is_of_gsm8k_alone(tmp_path):
    with pytest.raises(InputError, match="data.test_set is 'platinum', but 'sandbox' has a test of its own; give null"):
        load("sandbox", train=3, test=3, test_set="platinum")


@real_text
@pytest.mark.parametrize(("test_set", "questions"), [("platinum", 1209), ("gsm8k", 1319), ("both", 1319)])
def test_the_published_sets_from_a_folder(test_set, questions, capsys):
    train, test = load(SHARED, test_set=test_set)
    assert (len(train), len(test)) == (7473, questions)
    output = capsys.readouterr().out
    assert "content: the published GSM8K train set" in output and "not the published" not in output
    assert ("the guide counts 1,210, but 1,209 were published" in output) == (test_set != "gsm8k")
    if test_set == "both":
        assert sum(q.in_platinum for q in test) == 1209
        assert sum(q.gold != q.gsm8k_gold for q in test) == 10


# --- the hub ---

SPLITS_CARD = "---\nconfigs:\n- config_name: main\n  data_files:\n{}---\n"
SPLIT_CARD = "  - split: {0}\n    path: main/{0}-*\n"


def hub_repository(folder: Path, commit: str, **splits: list) -> dict[str, Path]:
    """A data set as the hub holds it: a card that names the files of each split, and the files."""
    for split, rows in splits.items():
        write_parquet(folder / f"main/{split}-00000-of-00001.parquet", rows)
    (folder / "README.md").write_text(SPLITS_CARD.format("".join(SPLIT_CARD.format(split) for split in splits)))
    return {commit: folder}


def run_data_stage(folder: Path, endpoint: str, test_set: str, **variables: str) -> subprocess.CompletedProcess:
    """The real stage in a process of its own: the libraries read the hub's address as they are imported."""
    root = Path(__file__).parents[2]
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "params.yaml").write_text("profile: small\n")
    (folder / "profiles/small.yaml").write_text(
        f"data: {{source: hub, test_set: {test_set}, train_questions: null, test_questions: null, held_out: null, "
        "max_question_characters: 4000}\n"
    )
    environment = hub_environment(endpoint, folder / "hub") | {"PYTHONPATH": str(root)} | variables
    command = [sys.executable, "-m", "src.stages.data"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_a_set_on_the_hub_that_is_not_what_was_published_is_refused(tmp_path):
    gsm8k = hub_repository(tmp_path / "gsm8k", TRAIN.commit, train=ROWS[:6], test=ROWS[6:])
    with HubServer({("dataset", TRAIN.name): gsm8k}) as hub:
        done = run_data_stage(tmp_path, hub.url, "gsm8k")
        assert any(TRAIN.commit in asked for asked in hub.requests)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: openai/gsm8k train at 740312a has 6 rows of content" in done.stderr
    assert "but 7473 of d1e8a5a4ae21 were published" in done.stderr
    assert not (tmp_path / "data/train.jsonl").exists()


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{}, {"HF_HUB_OFFLINE": "1"}])
def test_without_a_network_one_error_says_which_file_to_give(tmp_path, variables):
    done = run_data_stage(tmp_path, "http://127.0.0.1:9", "platinum", **variables)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1
    assert "openai/gsm8k train at 740312a cannot be fetched (ConnectionError: " in done.stderr
    assert "set data.source in the profile to a folder that holds gsm8k_train.jsonl, gsm8k_test.jsonl and" in done.stderr


@pytest.mark.slow
def test_a_hub_that_fails_or_refuses_is_one_error(tmp_path):
    gsm8k = hub_repository(tmp_path / "gsm8k", TRAIN.commit, train=ROWS[:6], test=ROWS[6:])
    other_revision = {"f" * 40: gsm8k[TRAIN.commit]}
    cut = shutil.copytree(gsm8k[TRAIN.commit], tmp_path / "cut")
    for file in cut.glob("main/*.parquet"):
        file.write_bytes(file.read_bytes()[:-20])
    cases = (
        ({}, None, "DatasetNotFoundError: Dataset 'openai/gsm8k' doesn't exist"),
        ({("dataset", TRAIN.name): other_revision}, None, f"DatasetNotFoundError: Revision '{TRAIN.commit}' doesn't exist"),
        ({("dataset", TRAIN.name): {TRAIN.commit: cut}}, None, "ArrowInvalid: Parquet magic bytes not found"),
        ({("dataset", TRAIN.name): gsm8k}, 401, "HfHubHTTPError: Client error '401 Unauthorized'"),
        ({("dataset", TRAIN.name): gsm8k}, 403, "FileNotFoundError: "),
    )
    for number, (repositories, status, cause) in enumerate(cases):
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        with HubServer(repositories, status) as hub:
            done = run_data_stage(folder, hub.url, "gsm8k")
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        assert f"error: data.source is 'hub', but openai/gsm8k train at 740312a cannot be fetched ({cause}" in done.stderr


@real_text
@pytest.mark.slow
def test_the_published_sets_from_the_hub(tmp_path):
    def rows(name: str) -> list[dict]:
        return [json.loads(line) for line in (Path(SHARED) / name).read_text().splitlines()]

    kept = ("question", "answer", "cleaning_status")
    platinum = [{key: row[key] for key in kept} for row in rows("gsm8k_platinum_test.jsonl")]
    repositories = {
        ("dataset", TRAIN.name): hub_repository(
            tmp_path / "a", TRAIN.commit, train=rows("gsm8k_train.jsonl"), test=rows("gsm8k_test.jsonl")
        ),
        ("dataset", PLATINUM.name): hub_repository(tmp_path / "b", PLATINUM.commit, test=platinum),
    }
    assert TEST.commit == TRAIN.commit
    with HubServer(repositories) as hub:
        done = run_data_stage(tmp_path, hub.url, "both")
    assert done.returncode == 0, done.stderr
    assert "data: 7,473 questions to train on, 1,319 to test on" in done.stdout
    assert "content: the published GSM8K-Platinum test set; the guide counts 1,210, but 1,209 were published" in done.stdout
    test = [json.loads(line) for line in (tmp_path / "data/test.jsonl").open()]
    assert sum(q["in_platinum"] for q in test) == 1209
    assert sum(q.get("cleaning_status") == "revised" for q in test) == 10


def test_one_file_gives_its_last_rows_to_the_test(tmp_path):
    train, test = load(write(tmp_path / "questions.jsonl", ROWS), test=2)
    assert [q.gold for q in train + test] == [str(n + 2) for n in range(9)]
    assert len(test) == 2


def test_its_own_id_gold_and_cleaning_status_are_kept(tmp_path):
    row = ROWS[0] | {"answer": "#### 1000.5", "id": "mine", "gold": "1,000.50", "cleaning_status": "revised", "index": 7}
    train, _ = load(write(tmp_path / "q.jsonl", [row, ROWS[1]]), test=1)
    assert train == [Question("mine", ROWS[0]["question"], "#### 1000.5", "1000.5", cleaning_status="revised")]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ('{"question": "How many?", "answ', r"q.jsonl:2: not a whole JSON object .* the line may be cut"),
        ("[1]", r"q.jsonl:2: a list, where an object"),
        ('{"question": "How many?"}', r"q.jsonl:2: `answer` is None"),
        ('{"question": "How many?", "answer": "many\\n#### many"}', r"q.jsonl:2: no gold number"),
        ('{"question": "How many?", "answer": "#### 2", "id": ""}', r"q.jsonl:2: the id is ''"),
        (json.dumps(ROWS[0]), r"q.jsonl:2: the question of .*q.jsonl:1 again"),
    ],
)
def test_a_bad_line_is_named(tmp_path, broken, message):
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n" + broken + "\n" + json.dumps(ROWS[1]) + "\n")
    with pytest.raises(InputError, match=message):
        load(path, test=1)


def test_a_source_that_is_not_there_says_what_to_give(tmp_path):
    with pytest.raises(InputError, match="no such file or folder, and it is neither 'sandbox' nor 'hub'"):
        load(tmp_path / "nothing")
    with pytest.raises(InputError, match="no GSM8K train set: none of train.jsonl, gsm8k_train.jsonl.* is in . or main or"):
        load(tmp_path)


def test_more_questions_than_there_are_is_an_error(tmp_path):
    with pytest.raises(InputError, match="data.train_questions is 8, but .* has 7"):
        load(write(tmp_path / "q.jsonl", ROWS), train=8, test=2)


@pytest.mark.parametrize(("name", "place"), [("train.jsonl", "train.jsonl:3"), ("test.parquet", "test.parquet row 3")])
def test_a_question_of_10_mb_is_refused_at_the_door(tmp_path, name, place):
    long = [*ROWS[5:7], {"question": "How many? " * 10**6, "answer": "#### 2"}]
    write(tmp_path / "train.jsonl", long if name == "train.jsonl" else ROWS[:5])
    if name == "train.jsonl":
        write(tmp_path / "test.jsonl", ROWS[:5])
    else:
        write_parquet(tmp_path / name, long)
    message = f"{place}: `question` has 10,000,000 characters, more than data.max_question_characters = 4,000; leave the row out"
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_the_limit_of_a_text_is_a_parameter(tmp_path):
    longest = max(len(text) for row in ROWS for text in row.values())
    path = write(tmp_path / "q.jsonl", ROWS)
    assert len(load(path, test=2, max_question_characters=longest).train) == 7
    with pytest.raises(InputError, match=f"q.jsonl:1: .* has {longest} characters, more than .* = {longest - 1};"):
        load(path, test=2, max_question_characters=longest - 1)


# --- leaks ---


def split_pair(learned: str, tested: str) -> Splits:
    """One question to train on and one to test on."""
    return Splits([Question("train-00000", learned, "#### 5", "5")], [Question("test-00000", tested, "#### 5", "5")])


@pytest.mark.parametrize(
    "tested",
    [
        "Zoë’s cat has 3 fine straße toys. How many?",
        "zoë’s CAT has 3 fine STRASSE toys. how many?",
        "  Zoë’s cat has  3 fine\tstraße toys.\n\nHow many?\r\n",
        "Zoë’s cat has 3\u00a0fine straße toys.\u2003How many?",
        "Zoe\u0308’s cat has 3 \ufb01ne straße toys. How many?",
        "Zoë’s cat has ３ fine straße toys. How many?",
        "\ufeffZoë’s cat has 3 fine stra\u00adße toys. How\u200b many?",
    ],
    ids=["the same", "case", "white space", "wide spaces", "letters of two signs", "wide digits", "no width"],
)
def test_a_question_in_both_splits_is_found_whatever_its_case_and_white_space(tested):
    with pytest.raises(InputError) as caught:
        check_disjoint(split_pair("Zoë’s cat has 3 fine straße toys. How many?", tested))
    message = str(caught.value)
    assert message.startswith("1 questions are in both splits (case and white space aside), the first 'test-00000' of the test")
    assert "which is 'train-00000' of the training set" in message and "see to data.source" in message


@pytest.mark.parametrize(
    "tested", ["Ann has 4 pens.", "Ann has 3 pens", "Ann has 3 pens. Bob?", "An has 3 pens.", "Ann has3 pens."]
)
def test_another_question_is_no_leak(tested):
    check_disjoint(split_pair("Ann has 3 pens.", tested))


def test_a_copied_question_stops_the_stage_before_it_writes(tmp_path):
    write(tmp_path / "train.jsonl", ROWS[:5])
    write(tmp_path / "test.jsonl", [*ROWS[5:], ROWS[2] | {"question": "ann has 2 pens  and buys 2. How many\nhas she?"}])
    splits = load(tmp_path)
    with pytest.raises(InputError, match="the first 'test-00004' of the test, .* which is 'train-00002' of the training set"):
        check_disjoint(splits)


def test_the_sandbox_asks_no_training_question_in_the_test():
    check_disjoint(load("sandbox", train=2000, test=400))


@real_text
@pytest.mark.parametrize("test_set", ["platinum", "both"])
def test_gsm8k_has_no_question_in_both_splits_nor_twice_in_one_and_no_worked_solution_against_its_gold(test_set):
    """By counting the same 7,473 and 1,319 texts after as before, no two of a split are one."""
    splits = load(SHARED, test_set=test_set)
    check_disjoint(splits)
    for questions in splits:
        assert len({normalized(question.question) for question in questions}) == len(questions)


# --- questions held out for choices ---


def test_problems_that_are_held_out_are_tested_on_and_not_among_those_to_train_on():
    every = load("sandbox", train=40, test=5)
    train, held_out = load("sandbox", train=40, test=10, held_out=20)
    assert held_out == every.train[20:30]
    assert [replace(question, index=None) for question in train] == every.train[:20] + every.train[30:]
    assert [question.index for question in train] == [*range(20), *range(30, 40)]
    assert all(question.index is None for question in (*held_out, *every.train))
    check_disjoint(Splits(train, held_out))


def test_a_folder_of_which_questions_are_held_out_needs_no_test(tmp_path):
    write(tmp_path / "train.jsonl", ROWS)
    train, held_out = load(tmp_path, test=2, held_out=7)
    assert [q.gold for q in held_out] == ["9", "10"] and [q.index for q in train] == list(range(7))
    with pytest.raises(InputError, match="which holds no GSM8K test set"):
        load(tmp_path, test=2)


def test_a_single_file_keeps_its_last_rows_for_the_test_that_is_not_read(tmp_path):
    train, held_out = load(write(tmp_path / "rows.jsonl", ROWS), test=2, held_out=0)
    assert [q.gold for q in held_out] == ["2", "3"] and [q.gold for q in train] == ["4", "5", "6", "7", "8"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"test": 3, "held_out": 7}, "hold out questions 7 to 9, but .* has 9 to train on; lower one of them"),
        ({"test": 9, "held_out": 0}, "no question is left to train on"),
        ({"train": 6, "test": 2, "held_out": 5}, "hold out questions 5 to 6, but .* has 6 to train on"),
        ({"held_out": 5}, "held_out is 5, but test_questions is null"),
    ],
)
def test_more_questions_held_out_than_there_are_is_an_error(tmp_path, values, words):
    write(tmp_path / "train.jsonl", ROWS)
    with pytest.raises(InputError, match=words):
        load(tmp_path, **values)


def test_a_question_that_is_held_out_and_stands_again_among_those_to_train_on_is_an_error(tmp_path):
    write(tmp_path / "train.jsonl", [*ROWS, ROWS[0] | {"question": ROWS[0]["question"].upper()}])
    with pytest.raises(InputError, match="1 questions are in both splits"):
        check_disjoint(load(tmp_path, test=2, held_out=8))
