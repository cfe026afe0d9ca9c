"""Records and metrics at the door: what is written is read back, and what is broken is named by file, line and key."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, read_records, stream_records, to_json, write_metrics, write_records
from src.regime_w.arms import ARM_NAMES
from src.regime_w.evaluation import Evaluation
from src.regime_w.preferences import Pair
from src.regime_w.questions import Question
from src.regime_w.sampled import SampledEvaluation
from src.regime_w.scoring import Rollout, ScoredTrajectory
from src.regime_w.texts import PolicyText, Trajectory
from src.training.pairs import TrainingPair
from tests.regime_w import builders

GOOD = {
    Question: builders.question(),
    Trajectory: builders.trajectory("wolfram_0", "Answer: 2"),
    Rollout: builders.rollout(),
    Pair: builders.pair(),
    TrainingPair: TrainingPair(prompt="Solve: how many?", chosen="Answer: 2", rejected="Answer: 3"),
    PolicyText: builders.policy_text(),
    Evaluation: builders.evaluation(),
}
# Records with the optional key `sampled`, which holds a list of objects, and an object.
SAMPLED = {
    PolicyText: builders.policy_text(sampled=builders.sampled_texts("Answer: 2", "I see")),
    Evaluation: builders.evaluation(sampled=SampledEvaluation(3, 0.35, 2, 1, "2", 2, True)),
}
MAY_STAND_TWICE = {TrainingPair}
MAY_BE_EMPTY = {Pair, TrainingPair}
of_each_kind = pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)


def as_json(kind: type, /, **changes: Any) -> dict[str, Any]:
    """A good record of the kind as JSON has it, with other values."""
    return to_json(GOOD[kind]) | changes


def without(record: dict, key: str) -> dict:
    return {name: value for name, value in record.items() if name != key}


def put(folder: Path, *lines: dict | bytes) -> Path:
    """A file of these lines, each a record or raw bytes."""
    path = folder / "records.jsonl"
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"".join(line + b"\n" for line in raw))
    return path


def refusal(path: Path, kind: type) -> str:
    with pytest.raises(InputError) as error:
        read_records(path, kind)
    return str(error.value)


# --- what is good goes through ---


@of_each_kind
def test_each_kind_is_read_as_it_was_written(tmp_path, kind):
    path = tmp_path / "new" / "folder" / "x.jsonl"
    write_records(path, kind, [GOOD[kind]])
    assert read_records(path, kind) == [GOOD[kind]]
    assert [entry.name for entry in path.parent.iterdir()] == ["x.jsonl"]


def test_a_line_has_the_keys_in_the_order_of_the_fields_and_no_optional_key_that_is_not_given(tmp_path):
    path = tmp_path / "x.jsonl"
    write_records(path, Question, [builders.question(kind="sums")])
    expected = '{"id": "q1", "question": "How many?", "answer": "#### 2", "gold": "2", "kind": "sums"}\n'
    assert path.read_text() == expected


@pytest.mark.parametrize("kind", SAMPLED)
def test_an_optional_key_may_hold_objects_and_is_left_out_where_there_are_none(tmp_path, kind):
    without_any, with_some = GOOD[kind], replace(SAMPLED[kind], id="q2")
    path = tmp_path / "x.jsonl"
    write_records(path, kind, [without_any, with_some])
    assert read_records(path, kind) == [without_any, with_some]
    first, second = (json.loads(line) for line in path.open())
    assert second.keys() - first.keys() == {"sampled"} and second["sampled"] == to_json(with_some)["sampled"]
    again = put(tmp_path, first | {"sampled": None}, second)
    assert read_records(again, kind) == [without_any, with_some]


@pytest.mark.parametrize("kind", SAMPLED)
def test_a_fault_within_an_optional_key_is_found(tmp_path, kind):
    inner, key = ("sampled[1]", "text") if kind is PolicyText else ("sampled", "right")
    line = json.dumps(to_json(SAMPLED[kind]))
    at = line.rindex(f'"{key}"')
    twice = f'{line[:at]}"{key}": "x", {line[at:]}'
    assert f":1: key {key!r} stands twice in one object" in refusal(put(tmp_path, twice.encode()), kind)
    unknown = f'{line[:at]}"{key}s": 1, {line[at:]}'
    assert f":1: key '{inner}.{key}s' is unknown" in refusal(put(tmp_path, unknown.encode()), kind)
    other = f'{line[:at]}"{key}": {{}}, {line[line.index(",", at) + 1 :]}'
    assert f":1: key '{inner}.{key}' is {{}}: it must be " in refusal(put(tmp_path, other.encode()), kind)


def test_a_key_whose_value_may_be_null_is_written_all_the_same(tmp_path):
    path = tmp_path / "x.jsonl"
    write_records(path, Evaluation, [builders.evaluation(answer=None)])
    assert json.loads(path.read_text())["answer"] is None
    assert ":1: key 'answer' is missing; add it" in refusal(put(tmp_path, without(as_json(Evaluation), "answer")), Evaluation)


def test_texts_of_any_script_and_line_separator_survive_as_ascii(tmp_path):
    texts = ["Žofie’s 3 €", "one\u2028two\u2029three\x85four\x0bfive\r\nsix", 'tab\t"quote" \\ 😀', ""]
    records = [builders.trajectory("wolfram_0", text, question_id=f"q{i}") for i, text in enumerate(texts)]
    path = tmp_path / "t.jsonl"
    write_records(path, Trajectory, iter(records))
    assert path.read_bytes().isascii()
    assert path.read_bytes().count(b"\n") == len(records)
    assert read_records(path, Trajectory) == records


def test_a_raw_line_separator_inside_a_text_does_not_end_the_line(tmp_path):
    record = as_json(Question, question="a\u2028b\x85c?")
    path = put(tmp_path, json.dumps(record, ensure_ascii=False).encode(), as_json(Question, id="q2"))
    assert read_records(path, Question) == [builders.question(question="a\u2028b\x85c?"), builders.question(id="q2")]


def test_a_last_line_without_newline_is_whole_if_its_json_is(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_bytes(json.dumps(as_json(Question)).encode())
    assert read_records(path, Question) == [GOOD[Question]]


def test_a_line_may_end_as_windows_ends_it(tmp_path):
    path = put(tmp_path, json.dumps(as_json(Question)).encode() + b"\r", as_json(Question, id="q2"))
    assert read_records(path, Question) == [GOOD[Question], builders.question(id="q2")]


def test_questions_may_carry_their_optional_keys(tmp_path):
    record = {"kind": "sums", "restated": "What is 1 + 1?", "altered": "2 pears?", "cleaning_status": None}
    assert read_records(put(tmp_path, as_json(Question, **record)), Question) == [builders.question(**record)]


def test_one_question_has_eleven_trajectories_in_the_flat_file(tmp_path):
    records = [as_json(Trajectory, arm_name=name) for name in ARM_NAMES]
    assert [record.arm_name for record in read_records(put(tmp_path, *records), Trajectory)] == list(ARM_NAMES)


def test_a_whole_number_does_for_a_number(tmp_path):
    [record] = read_records(put(tmp_path, as_json(Pair, chosen_reward=1)), Pair)
    assert record.chosen_reward == 1.0 and type(record.chosen_reward) is float


# --- broken files ---


def test_a_missing_file_says_what_to_run(tmp_path):
    message = refusal(tmp_path / "none.jsonl", Question)
    assert "none.jsonl does not exist" in message and "run the stage that writes it" in message


def test_a_folder_is_no_file(tmp_path):
    assert "is a folder" in refusal(tmp_path, Question)


@of_each_kind
def test_an_empty_file_is_an_error_unless_the_kind_may_have_no_record(tmp_path, kind):
    path = put(tmp_path)
    if kind in MAY_BE_EMPTY:
        assert read_records(path, kind) == []
        write_records(path, kind, [])
        assert path.read_bytes() == b""
    else:
        assert "is empty; run the stage that writes it again" in refusal(path, kind)
        with pytest.raises(InputError, match=f"no records of kind {kind.__name__} to write"):
            write_records(path, kind, [])


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
        (b'{"id": {"a": 1, "a": 2}}', "key 'a' stands twice"),
        (b'{"id": ' + b"9" * 5000 + b"}", "a number of 5000 digits is longer than any here"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_a_broken_line_is_named_by_number_and_cause(tmp_path, line, cause):
    path = put(tmp_path, as_json(Question), line, as_json(Question, id="q3"))
    message = refusal(path, Question)
    assert message.startswith(f"{path}:2: ")
    assert cause in message
    assert "Repair the line, or run the stage that writes the file again" in message


@pytest.mark.parametrize("line", [b'["train-1"]', b"null", b"3", b'"text"'])
def test_a_line_that_is_no_object_is_named_by_number(tmp_path, line):
    path = put(tmp_path, as_json(Question), line, as_json(Question, id="q3"))
    message = refusal(path, Question)
    assert message.startswith(f"{path}:2: it holds {json.loads(line)!r}, not a JSON object. As a record of kind Question ")
    assert "repair it, or run the stage that writes the file again" in message


@pytest.mark.parametrize("depth", [150, 300, 900])
def test_deep_brackets_in_a_value_are_refused(tmp_path, depth):
    line = (
        json.dumps(as_json(Question, question=0))
        .encode()
        .replace(b'"question": 0', b'"question": ' + b"[" * depth + b"]" * depth)
    )
    assert refusal(put(tmp_path, line), Question).startswith(f"{tmp_path / 'records.jsonl'}:1: ")


# --- broken records ---

CASES_OF_KEYS = [(kind, key) for kind in GOOD for key in as_json(kind)]
NAMES = [f"{kind.__name__}-{key}" for kind, key in CASES_OF_KEYS]


@pytest.mark.parametrize(("kind", "key"), CASES_OF_KEYS, ids=NAMES)
def test_every_key_is_required_and_may_not_be_of_another_type(tmp_path, kind, key):
    assert f":1: key {key!r} is missing; add it" in refusal(put(tmp_path, without(as_json(kind), key)), kind)
    message = refusal(put(tmp_path, as_json(kind) | {key: {"an": "object"}}), kind)
    assert f":1: key {key!r} is {{'an': 'object'}}: it must be " in message


@pytest.mark.parametrize("key", [item.name for item in fields(ScoredTrajectory)])
def test_so_is_every_key_of_a_scored_trajectory(tmp_path, key):
    trajectories = as_json(Rollout)["trajectories"]
    lacking = [*trajectories[:3], without(trajectories[3], key), *trajectories[4:]]
    message = refusal(put(tmp_path, as_json(Rollout, trajectories=lacking)), Rollout)
    assert f":1: key 'trajectories[3].{key}' is missing" in message
    wrong = [*trajectories[:3], trajectories[3] | {key: {}}, *trajectories[4:]]
    message = refusal(put(tmp_path, as_json(Rollout, trajectories=wrong)), Rollout)
    assert f":1: key 'trajectories[3].{key}' is {{}}" in message


@of_each_kind
def test_an_unknown_key_is_an_error_that_lists_the_known(tmp_path, kind):
    message = refusal(put(tmp_path, as_json(kind) | {"zzzz": 1}), kind)
    assert "key 'zzzz' is unknown (known: " in message
    assert all(item.name in message for item in fields(kind))


def test_an_unknown_key_that_is_like_a_known_one_is_told_with_it(tmp_path):
    message = refusal(put(tmp_path, as_json(Question, anser="#### 2")), Question)
    assert "key 'anser' is unknown; did you mean 'answer'? (known: " in message


def test_a_word_that_is_like_a_known_one_is_told_with_it(tmp_path):
    message = refusal(put(tmp_path, as_json(Trajectory, finish_reason="lenght")), Trajectory)
    assert "key 'finish_reason' is 'lenght': it must be 'stop' or 'length'; did you mean 'length'?" in message


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        (Question, {"id": " \t"}, "it must not be blank"),
        (Question, {"question": ""}, "it must not be blank"),
        (Question, {"gold": "many"}, "it must match pattern"),
        (Question, {"gold": ""}, "it must match pattern"),
        (Question, {"gold": "1/0"}, "it must match pattern"),
        (Question, {"gold": "2\n"}, "it must match pattern"),
        (Question, {"gold": 2}, "it must be a valid string"),
        (Question, {"cleaning_status": 0}, "it must be a valid string"),
        (Trajectory, {"arm_name": "wolfram_4"}, "it must be 'wolfram_0', "),
        (Trajectory, {"seed": True}, "it must be a valid integer"),
        (Trajectory, {"seed": 42.0}, "it must be a valid integer"),
        (Trajectory, {"seed": 2**63}, "it must be less than 9223372036854775808"),
        (Trajectory, {"seed": -(2**63) - 1}, "it must be greater than or equal to -9223372036854775808"),
        (Trajectory, {"seed": 10**400}, "it must be less than 9223372036854775808"),
        (Trajectory, {"temperature": -0.1}, "it must be greater than or equal to 0"),
        (Trajectory, {"temperature": True}, "it must be a valid number"),
        (Trajectory, {"temperature": "0.2"}, "it must be a valid number"),
        (Trajectory, {"text": None}, "it must be a valid string"),
        (Trajectory, {"text": "half \ud83d"}, "half a surrogate pair is no character"),
        (Trajectory, {"n_tokens": -1}, "it must be greater than or equal to 0"),
        (Trajectory, {"n_tokens": 2**63}, "it must be less than 9223372036854775808"),
        (Trajectory, {"finish_reason": "eos"}, "it must be 'stop' or 'length'"),
        (Rollout, {"s_end": 1.01}, "it must be less than or equal to 1"),
        (Rollout, {"s_cf": -0.5}, "it must be greater than or equal to 0"),
        (Rollout, {"gold": "two"}, "it must match pattern"),
        (Rollout, {"trajectories": None}, "it must be a valid array"),
        (Pair, {"pair_type": "other"}, "it must be 'correctness', 'consensus' or 'coherence'"),
        (Pair, {"chosen_arm": "nobody"}, "it must be 'wolfram_0', "),
        (TrainingPair, {"prompt": " "}, "it must not be blank"),
        (PolicyText, {"text": "\udc00"}, "half a surrogate pair is no character"),
        (Evaluation, {"correct": 1}, "it must be a valid boolean"),
        (Evaluation, {"correct": None}, "it must be a valid boolean"),
        (Evaluation, {"answer": 2}, "it must be a valid string"),
    ],
)
def test_a_value_out_of_its_range_is_named_by_key(tmp_path, kind, changes, words):
    (key,) = changes
    message = refusal(put(tmp_path, as_json(kind) | changes), kind)
    assert message.startswith(f"{tmp_path / 'records.jsonl'}:1: key {key!r} is ")
    assert words in message
    assert f"As a record of kind {kind.__name__} it is not readable; repair it, or run the stage" in message


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" + b"0" * 400])
def test_numbers_too_large_for_a_float_are_refused(tmp_path, number):
    line = json.dumps(as_json(Pair)).encode().replace(b'"chosen_reward": 1.0', b'"chosen_reward": ' + number)
    message = refusal(put(tmp_path, line), Pair)
    assert ":1: key 'chosen_reward' is " in message and "it must be a finite number" in message


def test_half_a_surrogate_pair_is_found_anywhere(tmp_path):
    trajectories = as_json(Rollout)["trajectories"]
    trajectories[4]["text"] = "\ud83d"
    message = refusal(put(tmp_path, as_json(Rollout, question="\udfff", trajectories=trajectories)), Rollout)
    assert ":1: key 'question' is '\\udfff': half a surrogate pair is no character; " in message
    assert "key 'trajectories[4].text' is '\\ud83d': half a surrogate pair" in message
    assert "half a surrogate pair" in refusal(put(tmp_path, as_json(Question) | {"\ud83d": 1}), Question)
    assert read_records(put(tmp_path, as_json(Question, question="\ud83d\ude00")), Question)[0].question == "😀"


def test_all_faults_of_a_record_are_told_at_once(tmp_path):
    record = without(as_json(Trajectory, seed="x", extra=1), "text")
    message = refusal(put(tmp_path, record), Trajectory)
    assert "'text' is missing" in message and "'extra' is unknown" in message and "'seed' is 'x'" in message
    assert "\n" not in message


def test_of_many_faults_the_first_five_are_told(tmp_path):
    record = {key: {} for key in as_json(Pair)}
    assert refusal(put(tmp_path, record), Pair).count("key ") == 5


@pytest.mark.parametrize("names", [ARM_NAMES[:8], ARM_NAMES[::-1], (*ARM_NAMES, "wolfram_0"), (*ARM_NAMES[:10], "wolfram_0"), ()])
def test_rollouts_hold_the_eleven_arms_in_order(tmp_path, names):
    trajectories = [to_json(builders.scored(name)) for name in names]
    message = refusal(put(tmp_path, as_json(Rollout, trajectories=trajectories)), Rollout)
    assert f":1: it is refused: it has {len(names)} trajectories, by {', '.join(names) or 'none'}; " in message
    assert f"it must be the 11 arms in this order: {', '.join(ARM_NAMES)}" in message


@of_each_kind
def test_a_record_that_stands_twice_is_named_by_both_lines(tmp_path, kind):
    if kind in MAY_STAND_TWICE:
        assert read_records(put(tmp_path, as_json(kind), as_json(kind)), kind) == [GOOD[kind]] * 2
        return
    key = kind.IDENTITY[0]
    path = put(tmp_path, as_json(kind), as_json(kind) | {key: "another"}, as_json(kind))
    message = refusal(path, kind)
    assert message.startswith(f"{path}:3: ")
    assert f"{key} {as_json(kind)[key]!r}" in message
    apart = f"records of kind {kind.__name__} that share a {key} must stand together"
    rule = apart if len(kind.IDENTITY) > 1 else f"a record of kind {kind.__name__} may stand only once"
    assert f"on line 1 already, and {rule}; " in message
    message = refusal(put(tmp_path, as_json(kind), as_json(kind)), kind)
    assert f":2: {key} " in message
    assert f"on line 1 already, and a record of kind {kind.__name__} may stand only once; " in message


def test_records_that_share_the_first_field_of_their_identity_stand_together_when_they_are_written(tmp_path):
    one, other = builders.trajectory("wolfram_0"), builders.trajectory("wolfram_1")
    between = builders.trajectory("wolfram_0", question_id="q2")
    with pytest.raises(InputError, match=r"t.jsonl:3: question_id 'q1' stands on line 1 already, .* must stand together"):
        write_records(tmp_path / "t.jsonl", Trajectory, [one, between, other])
    write_records(tmp_path / "t.jsonl", Trajectory, [one, other, between])


@pytest.mark.parametrize(
    "twice",
    [
        b'"text": "a"',
        b'"text":"a"',
        b'"text" : "a"',
        b'"text"  :"a"',
        b'"text"\t: "a"',
        b'"text"\r:"a"',
        b'"te\\u0078t": "a"',
        b'"n_tokens": 4',
    ],
)
def test_a_key_that_stands_twice_is_found_however_it_is_written(tmp_path, twice):
    line = json.dumps(as_json(Trajectory)).encode()
    path = put(tmp_path, b"{" + twice + b", " + line[1:])
    key = "n_tokens" if b"n_tokens" in twice else "text"
    assert f":1: key {key!r} stands twice in one object" in refusal(path, Trajectory)
    arm = b'"arm_name": "maudlin_0"'
    inner = json.dumps(as_json(Rollout)).encode().replace(arm, twice + b", " + arm)
    assert f":1: key {key!r} stands twice in one object" in refusal(put(tmp_path, inner), Rollout)


@pytest.mark.parametrize("text", ['"', '":', ' "a": 1', "\\", '\\"', '\\": "', " : ", '", "text": "b'])
def test_a_text_that_looks_like_keys_holds_none(tmp_path, text):
    path = tmp_path / "t.jsonl"
    write_records(path, Trajectory, [builders.trajectory("wolfram_0", text)])
    assert [record.text for record in read_records(path, Trajectory)] == [text]


def test_keys_may_come_in_any_order_and_are_written_in_that_of_the_fields(tmp_path):
    path = put(tmp_path, dict(reversed(as_json(Trajectory).items())))
    write_records(tmp_path / "t.jsonl", Trajectory, read_records(path, Trajectory))
    assert [list(json.loads(line)) for line in (tmp_path / "t.jsonl").open()] == [list(as_json(Trajectory))]


def test_records_come_one_by_one_with_their_lines_until_one_is_broken(tmp_path):
    records = stream_records(put(tmp_path, as_json(Question), as_json(Question, id="q2"), b"{"), Question)
    assert next(records) == (1, GOOD[Question])
    assert next(records) == (2, builders.question(id="q2"))
    with pytest.raises(InputError, match="records.jsonl:3: not JSON"):
        next(records)


@pytest.mark.parametrize(
    ("kind", "first", "second"), [(Question, "gsm8k_gold", "in_platinum"), (Evaluation, "gsm8k_correct", "in_platinum")]
)
def test_keys_that_belong_together_are_in_all_records_of_a_file_or_in_none(tmp_path, kind, first, second):
    values = {first: "5" if kind is Question else True, second: True}
    one, other = as_json(kind), as_json(kind) | {kind.IDENTITY[0]: "q2"}
    assert len(read_records(put(tmp_path, one | values, other | values), kind)) == 2
    of_the_keys = f"of the keys {first}, {second} it has "
    for key in values:
        only_one = without(one | values, key)
        held = next(name for name in values if name != key)
        assert f":1: {of_the_keys}{held}, but all records of the file" in refusal(put(tmp_path, only_one), kind)
    assert f":2: {of_the_keys}none, but all" in refusal(put(tmp_path, one | values, other), kind)
    both = ", ".join(sorted(values))
    assert f":2: {of_the_keys}{both}, but all" in refusal(put(tmp_path, one, other | values), kind)


# --- writing ---


def test_a_bad_record_is_not_written_and_leaves_the_old_file(tmp_path):
    path = put(tmp_path, as_json(Question))
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"records.jsonl:2: key 'gold' is '\?'.*it cannot be written; the stage that made it"):
        write_records(path, Question, [builders.question(id="a"), builders.question(id="b", gold="?")])
    with pytest.raises(InputError, match="line 1 already"):
        write_records(path, Question, [builders.question(), builders.question()])
    with pytest.raises(InputError, match="no records of kind Question"):
        write_records(path, Question, [])
    with pytest.raises(InputError, match="records.jsonl:1: key 'chosen_reward' is nan: it must be a finite number"):
        write_records(path, Pair, [builders.pair(chosen_reward=float("nan"))])
    with pytest.raises(InputError, match="records.jsonl:1: key 'text' is .*half a surrogate pair"):
        write_records(path, Trajectory, [builders.trajectory("wolfram_0", "\ud83d")])
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_writer_that_is_stopped_leaves_the_old_file(tmp_path):
    path = put(tmp_path, as_json(Question))
    before = path.read_bytes()

    def stopped():
        yield builders.question(id="a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_records(path, Question, stopped())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


# --- metrics ---


@dataclass(frozen=True)
class Part:
    mean: float
    std: float


@dataclass(frozen=True)
class Figures:
    name: str
    share: float | None
    parts: tuple[Part, ...]
    note: str | None = None


FIGURES = Figures("é", None, (Part(0.5, 0.0), Part(1.0, 2.0)))


def test_metrics_are_written_indented_in_the_order_of_the_fields_and_read_back(tmp_path):
    path = tmp_path / "metrics" / "x.json"
    write_metrics(path, FIGURES)
    assert path.read_bytes() == (
        b'{\n  "name": "\\u00e9",\n  "share": null,\n  "parts": [\n'
        b'    {\n      "mean": 0.5,\n      "std": 0.0\n    },\n    {\n      "mean": 1.0,\n      "std": 2.0\n    }\n  ]\n}\n'
    )
    assert read_metrics(path, Figures) == FIGURES
    assert [entry.name for entry in path.parent.iterdir()] == ["x.json"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_metrics_with_a_number_that_is_none_are_not_written(tmp_path, bad):
    with pytest.raises(InputError, match="x.json cannot be written"):
        write_metrics(tmp_path / "x.json", Part(bad, 0.0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "not JSON: Expecting value"),
        (b'{"name": "x"', "not JSON"),
        (b"[]", "it holds [], not a JSON object"),
        (b'{"name": "x", "share": NaN, "parts": []}', "NaN is not a number"),
        (b'{"name": "x", "share": 1e999, "parts": []}', "key 'share' is inf: it must be a finite number"),
        (b'{"name": "x", "name": "x", "share": 1, "parts": []}', "key 'name' stands twice"),
        (b'{"share": 1, "parts": [{"mean": 1, "std": "a"}], "nam": 1}', "key 'parts[0].std' is 'a': it must be a valid number"),
        (b'{"share": 1, "parts": [{"mean": 1, "std": "a"}], "nam": 1}', "key 'name' is missing; add it"),
        (b'{"share": 1, "parts": [{"mean": 1, "std": "a"}], "nam": 1}', "key 'nam' is unknown; did you mean 'name'?"),
        (b'{"name": "x", "share": 1, "parts": [3]}', "key 'parts[0]' is 3: it must be an object with the keys mean, std"),
        (b'{"name": "x", "share": 1, "parts": {}}', "key 'parts' is {}: it must be a valid array"),
    ],
)
def test_broken_metrics_are_named_by_file_and_key(tmp_path, content, cause):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_metrics(path, Figures)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and cause in message and message.endswith("; run the stage that writes it again")


def test_missing_metrics_say_what_to_run(tmp_path):
    with pytest.raises(InputError, match="none.json does not exist.*run the stage that writes it"):
        read_metrics(tmp_path / "none.json", Figures)
