import json
from pathlib import Path

import pytest

from src.errors import InputError
from src.stages.data import DataSettings, load_splits

ROWS = [
    {"question": f"Ann has {n} pens and buys 2. How many has she?", "answer": f"{n} + 2 = {n + 2}\n#### {n + 2}"}
    for n in range(9)
]


def write(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(source, train=None, test=None):
    return load_splits(DataSettings(str(source), train, test))


def test_a_folder_in_gsm8ks_layout(tmp_path):
    write(tmp_path / "gsm8k_train.jsonl", ROWS[:6])
    write(tmp_path / "gsm8k_test.jsonl", ROWS[6:])
    train, test = load(tmp_path, train=4)
    assert [q["gold"] for q in train] == ["2", "3", "4", "5"]
    assert [q["id"] for q in test] == [f"gsm8k_test-test-{n:05d}" for n in range(3)]


def test_one_file_gives_its_last_rows_to_the_test(tmp_path):
    train, test = load(write(tmp_path / "questions.jsonl", ROWS), test=2)
    assert [q["gold"] for q in train + test] == [str(n + 2) for n in range(9)]
    assert len(test) == 2


def test_its_own_id_gold_and_cleaning_status_are_kept(tmp_path):
    row = ROWS[0] | {"id": "mine", "gold": "1,000.50", "cleaning_status": "revised", "index": 7}
    train, _ = load(write(tmp_path / "q.jsonl", [row, ROWS[1]]), test=1)
    assert train == [ROWS[0] | {"id": "mine", "gold": "1000.5", "cleaning_status": "revised"}]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ('{"question": "How many?", "answ', r"q.jsonl:2: not a whole JSON object .* the line may be cut"),
        ("[1]", r"q.jsonl:2: a list, where an object"),
        ('{"question": "How many?"}', r"q.jsonl:2: `answer` is None"),
        ('{"question": "How many?", "answer": "many\\n#### many"}', r"q.jsonl:2: no gold number"),
        ('{"question": "How many?", "answer": "#### 2", "id": ""}', r"q.jsonl:2: the id is ''"),
        (json.dumps(ROWS[0]), r"q.jsonl:2: the question of line 1 again"),
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
    with pytest.raises(InputError, match="has neither train.jsonl nor gsm8k_train.jsonl"):
        load(tmp_path)


def test_more_questions_than_there_are_is_an_error(tmp_path):
    with pytest.raises(InputError, match="data.train_questions is 8, but .* has 7"):
        load(write(tmp_path / "q.jsonl", ROWS), train=8, test=2)
