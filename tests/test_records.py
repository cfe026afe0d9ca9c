"""Records at the door: what is written is read back, and what is broken is named by file, line and key."""

import json
from pathlib import Path

import pytest

from src.errors import InputError
from src.records import read_json, read_records, write_json, write_records
from src.regime_w.arms import ARM_NAMES


def question(**changes) -> dict:
    return {"id": "train-0", "question": "1 + 1?", "answer": "1 + 1 = 2\n#### 2", "gold": "2"} | changes


def trajectory(**changes) -> dict:
    record = {
        "question_id": "train-0",
        "arm_name": "wolfram_0",
        "seed": 42,
        "temperature": 0.2,
        "prompt": "1 + 1?",
        "text": "Answer: 2",
        "n_tokens": 4,
        "finish_reason": "stop",
    }
    return record | changes


def scored(arm_name: str, **changes) -> dict:
    scores = {"conciseness": 1.0, "alignment": 0.5, "quality": 0.7, "reward": 1.1}
    record = trajectory(arm_name=arm_name) | {"answer": "2", "correct": True} | scores | changes
    del record["question_id"]
    return record


def rollouts(**changes) -> dict:
    record = {
        "question_id": "train-0",
        "question": "1 + 1?",
        "gold": "2",
        "s_end": 1.0,
        "s_path": 0.8,
        "s_cf": 0.5,
        "consensus": "2",
        "trajectories": [scored(name) for name in ARM_NAMES],
    }
    return record | changes


def preference(**changes) -> dict:
    record = {
        "question_id": "train-0",
        "question": "1 + 1?",
        "prompt": "Solve: 1 + 1?",
        "chosen": "Answer: 2",
        "rejected": "Answer: 3",
        "pair_type": "correctness",
        "chosen_arm": "wolfram_0",
        "rejected_arm": "maudlin_3",
        "chosen_reward": 1.0,
        "rejected_reward": 0.4,
    }
    return record | changes


def evaluation(**changes) -> dict:
    record = {
        "id": "test-0",
        "question": "1 + 1?",
        "gold": "2",
        "text": "I do not know.",
        "answer": None,
        "correct": False,
        "n_tokens": 5,
        "finish_reason": "length",
    }
    return record | changes


GOOD = {
    "question": question(),
    "trajectory": trajectory(),
    "rollouts": rollouts(),
    "preference": preference(),
    "evaluation": evaluation(),
}


def without(record: dict, key: str) -> dict:
    return {name: value for name, value in record.items() if name != key}


def put(folder: Path, *lines: dict | bytes) -> Path:
    """A file of these lines, each a record or raw bytes."""
    path = folder / "records.jsonl"
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"".join(line + b"\n" for line in raw))
    return path


def refusal(path: Path, kind: str) -> str:
    with pytest.raises(InputError) as error:
        read_records(path, kind)
    return str(error.value)


# --- what is good goes through ---


@pytest.mark.parametrize("kind", GOOD)
def test_each_kind_is_read_as_it_was_written(tmp_path, kind):
    path = tmp_path / "new" / "folder" / "x.jsonl"
    write_records(path, kind, [GOOD[kind]])
    assert read_records(path, kind) == [GOOD[kind]]
    assert [entry.name for entry in path.parent.iterdir()] == ["x.jsonl"]


def test_texts_of_any_script_and_line_separator_survive_as_ascii(tmp_path):
    texts = ["Žofie’s 3 €", "one\u2028two\u2029three\x85four\x0bfive\r\nsix", 'tab\t"quote" \\ 😀', ""]
    records = [trajectory(question_id=f"q{i}", text=text) for i, text in enumerate(texts)]
    path = tmp_path / "t.jsonl"
    write_records(path, "trajectory", iter(records))
    assert path.read_bytes().isascii()
    assert path.read_bytes().count(b"\n") == len(records)
    assert read_records(path, "trajectory") == records


def test_a_raw_line_separator_inside_a_text_does_not_end_the_line(tmp_path):
    record = question(question="a\u2028b\x85c?")
    path = put(tmp_path, json.dumps(record, ensure_ascii=False).encode(), question(id="train-1"))
    assert read_records(path, "question") == [record, question(id="train-1")]


def test_a_last_line_without_newline_is_whole_if_its_json_is(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_bytes(json.dumps(question()).encode())
    assert read_records(path, "question") == [question()]


def test_questions_may_carry_their_optional_keys(tmp_path):
    record = question(kind="sums", restated="What is 1 + 1?", altered="2 pears?", cleaning_status=None)
    assert read_records(put(tmp_path, record), "question") == [record]


def test_one_question_has_eleven_trajectories_in_the_flat_file(tmp_path):
    records = [trajectory(arm_name=name) for name in ARM_NAMES]
    assert read_records(put(tmp_path, *records), "trajectory") == records


# --- broken files ---


def test_a_missing_file_says_what_to_run(tmp_path):
    message = refusal(tmp_path / "none.jsonl", "question")
    assert "none.jsonl does not exist" in message and "run the stage that writes it" in message


def test_a_folder_is_no_file(tmp_path):
    assert "is a folder" in refusal(tmp_path, "question")


def test_an_empty_file_is_an_error(tmp_path):
    assert "is empty" in refusal(put(tmp_path), "question")


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b'{"id": "train-1", "question": "1 +', "Unterminated string"),
        (b'{"id": "train-1"', "Expecting ',' delimiter"),
        (b"", "the line is blank"),
        (b"{'id': 1}", "property name enclosed in double quotes"),
        (b'{"id": "\xff"}', "not UTF-8: byte 9 is 0xff"),
        (b'{"id": NaN}', "NaN is not a number that JSON knows"),
        (b'{"id": -Infinity}', "-Infinity"),
        (b'{"id": "a", "id": "b"}', "key 'id' stands twice"),
        (b"[" * 100_000, "nested too deep"),
        (b'["train-1"]', "not a JSON object"),
        (b"null", "not a JSON object"),
    ],
)
def test_a_broken_line_is_named_by_number_and_cause(tmp_path, line, cause):
    path = put(tmp_path, question(), line, question(id="train-2"))
    message = refusal(path, "question")
    assert message.startswith(f"{path}:2: ")
    assert cause in message
    assert "the stage that writes the file again" in message


# --- broken records ---


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind, record in GOOD.items() for key in record])
def test_every_key_is_required_and_may_not_be_of_another_type(tmp_path, kind, key):
    assert f":1: key {key!r} is missing" in refusal(put(tmp_path, without(GOOD[kind], key)), kind)
    message = refusal(put(tmp_path, GOOD[kind] | {key: {"an": "object"}}), kind)
    assert f":1: key {key!r} is {{'an': 'object'}}" in message


@pytest.mark.parametrize("key", scored("wolfram_0"))
def test_so_is_every_key_of_a_scored_trajectory(tmp_path, key):
    trajectories = rollouts()["trajectories"]
    lacking = [*trajectories[:3], without(trajectories[3], key), *trajectories[4:]]
    message = refusal(put(tmp_path, rollouts(trajectories=lacking)), "rollouts")
    assert f"[3]: key {key!r} is missing" in message
    wrong = [*trajectories[:3], trajectories[3] | {key: {}}, *trajectories[4:]]
    message = refusal(put(tmp_path, rollouts(trajectories=wrong)), "rollouts")
    assert f"[3]: key {key!r} is {{}}" in message


@pytest.mark.parametrize("kind", GOOD)
def test_an_unknown_key_is_an_error_that_lists_the_known(tmp_path, kind):
    message = refusal(put(tmp_path, GOOD[kind] | {"golden": 1}), kind)
    assert "key 'golden' is unknown (known: " in message
    assert all(key in message for key in GOOD[kind])


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("question", {"id": " \t"}),
        ("question", {"question": ""}),
        ("question", {"gold": "many"}),
        ("question", {"gold": ""}),
        ("question", {"gold": 2}),
        ("question", {"cleaning_status": 0}),
        ("trajectory", {"arm_name": "wolfram_4"}),
        ("trajectory", {"seed": True}),
        ("trajectory", {"seed": 42.0}),
        ("trajectory", {"temperature": -0.1}),
        ("trajectory", {"temperature": True}),
        ("trajectory", {"temperature": "0.2"}),
        ("trajectory", {"text": None}),
        ("trajectory", {"text": "half \ud83d"}),
        ("trajectory", {"n_tokens": -1}),
        ("trajectory", {"finish_reason": "eos"}),
        ("rollouts", {"s_end": 1.01}),
        ("rollouts", {"s_cf": -0.5}),
        ("rollouts", {"gold": "two"}),
        ("rollouts", {"trajectories": None}),
        ("preference", {"pair_type": "other"}),
        ("preference", {"chosen_arm": "nobody"}),
        ("evaluation", {"correct": 1}),
        ("evaluation", {"correct": None}),
        ("evaluation", {"answer": 2}),
    ],
)
def test_a_value_out_of_its_range_is_named_by_key(tmp_path, kind, changes):
    (key,) = changes
    message = refusal(put(tmp_path, GOOD[kind] | changes), kind)
    assert f"records.jsonl:1: key {key!r}" in message


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" + b"0" * 400])
def test_numbers_too_large_for_a_float_are_refused(tmp_path, number):
    line = json.dumps(preference()).encode().replace(b'"chosen_reward": 1.0', b'"chosen_reward": ' + number)
    assert "not a finite number" in refusal(put(tmp_path, line), "preference")


def test_all_faults_of_a_record_are_told_at_once(tmp_path):
    message = refusal(put(tmp_path, without(trajectory(seed="x", extra=1), "text")), "trajectory")
    assert "'text' is missing" in message and "'extra' is unknown" in message and "'seed' is 'x'" in message


@pytest.mark.parametrize("names", [ARM_NAMES[:8], ARM_NAMES[::-1], (*ARM_NAMES, "wolfram_0"), (*ARM_NAMES[:10], "wolfram_0"), ()])
def test_rollouts_hold_the_eleven_arms_in_order(tmp_path, names):
    message = refusal(put(tmp_path, rollouts(trajectories=[scored(name) for name in names])), "rollouts")
    assert f"has {len(names)} trajectories" in message
    assert ", ".join(ARM_NAMES) in message


@pytest.mark.parametrize("kind", GOOD)
def test_a_record_that_stands_twice_is_named_by_both_lines(tmp_path, kind):
    key = "id" if "id" in GOOD[kind] else "question_id"
    path = put(tmp_path, GOOD[kind], GOOD[kind] | {key: "another"}, GOOD[kind])
    message = refusal(path, kind)
    assert message.startswith(f"{path}:3: ")
    assert "on line 1 already" in message and GOOD[kind][key] in message


# --- writing ---


def test_a_bad_record_is_not_written_and_leaves_the_old_file(tmp_path):
    path = put(tmp_path, question())
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"records.jsonl:2: key 'gold'"):
        write_records(path, "question", [question(id="a"), question(id="b", gold="?")])
    with pytest.raises(InputError, match="line 1 already"):
        write_records(path, "question", [question(), question()])
    with pytest.raises(InputError, match="no records of kind 'question'"):
        write_records(path, "question", [])
    with pytest.raises(InputError, match="not a finite number"):
        write_records(path, "preference", [preference(chosen_reward=float("nan"))])
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_writer_that_is_stopped_leaves_the_old_file(tmp_path):
    path = put(tmp_path, question())
    before = path.read_bytes()

    def stopped():
        yield question(id="a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_records(path, "question", stopped())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


# --- single values ---


def test_json_is_written_in_order_indented_and_read_back(tmp_path):
    path = tmp_path / "metrics" / "x.json"
    write_json(path, {"b": 1, "a": [0.5, None], "name": "é"})
    assert path.read_bytes() == b'{\n  "b": 1,\n  "a": [\n    0.5,\n    null\n  ],\n  "name": "\\u00e9"\n}\n'
    assert read_json(path) == {"b": 1, "a": [0.5, None], "name": "é"}
    assert [entry.name for entry in path.parent.iterdir()] == ["x.json"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_json_with_a_number_that_is_none_is_not_written(tmp_path, bad):
    path = tmp_path / "x.json"
    with pytest.raises(InputError, match="x.json cannot be written"):
        write_json(path, {"loss": bad})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "Expecting value"),
        (b'{"a": 1', "column 8"),
        (b'{\n  "a" 1\n}\n', "line 2, column 7"),
        (b'{"a": NaN}', "NaN"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_broken_json_is_named_by_file_and_cause(tmp_path, content, cause):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_json(path)
    assert str(error.value).startswith(f"{path}: ") and cause in str(error.value)


def test_missing_json_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match="none.json does not exist.*run the stage that writes it"):
        read_json(tmp_path / "none.json")
