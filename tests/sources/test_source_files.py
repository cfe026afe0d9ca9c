"""What is said of a source that cannot be read: one line with the path, the cause, and a command that cures it."""

import json
import shutil
import subprocess
from pathlib import Path

import pyarrow
import pytest
from pyarrow.parquet import write_table

from src.core.errors import InputError
from src.sources.files import Row, questions_of, read_rows

ROWS = [
    {"question": f"Zoë has {n} pens and buys 2. How many has she?", "answer": f"{n} + 2 = {n + 2}\n#### {n + 2}"}
    for n in range(4)
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
MAX_CHARACTERS = 4000


def columns_of(path: Path) -> list[dict]:
    return [dict(row.columns) for row in read_rows(path)]


def message_of(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        columns_of(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


def cured(message: str, end: str = "") -> Path:
    """The file that the command of a message writes."""
    command = message.partition("can be read: ")[2].removesuffix(end)
    subprocess.run(["sh", "-c", command], check=True, timeout=30)
    return Path(command.partition(" > ")[2].strip("'"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name a shell would take apart."""
    folder = tmp_path / "my questions"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", "UTF-16BE"),
        ("utf-32", "UTF-32"),
        ("utf-32-le", "UTF-32LE"),
        ("utf-32-be", "UTF-32BE"),
    ],
)
@pytest.mark.parametrize("content", [LINES, "\n" + LINES, json.dumps(ROWS)], ids=["lines", "a blank line first", "an array"])
def test_another_encoding_of_unicode_is_named_with_the_command_that_makes_it_utf_8(folder, encoding, named, content):
    path = folder / "questions.json"
    path.write_bytes(content.encode(encoding))
    message = message_of(path)
    assert message.startswith(f"{path}: {named}, not UTF-8; make a file of it that can be read: iconv -f {named} -t UTF-8 ")
    assert cured(message).read_text(encoding="utf-8") == content


def test_utf_16_of_the_other_byte_order_is_known_by_its_mark(folder):
    path = folder / "questions.jsonl"
    path.write_bytes(b"\xfe\xff" + LINES.encode("utf-16-be"))
    new = cured(message_of(path))
    assert new == folder / "questions.new.jsonl" and columns_of(new) == ROWS


@pytest.mark.parametrize(("encoding", "named"), [("latin-1", "LATIN1"), ("cp1252", "WINDOWS-1252")])
def test_letters_of_one_byte_are_named_by_line_with_the_command_that_makes_them_utf_8(folder, encoding, named):
    """Windows has a curved apostrophe, which Latin-1 lacks."""
    rows = [*ROWS, {"question": "Is 2 Zoë’s?" if encoding == "cp1252" else "Is 2 Zoë's?", "answer": "#### 2"}]
    path = folder / "questions.jsonl"
    path.write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(encoding))
    message = message_of(path)
    assert message.startswith(f"{path}:1: not a whole JSON object (not UTF-8: byte 17 is 0xeb); if the file is in {named}, make")
    assert columns_of(cured(message, "; else the line may be cut: fetch the file again")) == rows


def test_bytes_that_are_no_text_are_not_taken_for_latin_1(folder):
    path = folder / "questions.jsonl"
    path.write_bytes(LINES.encode() + b'{"question": "\xff\x00\x03"}\n')
    assert message_of(path).endswith("(not UTF-8: byte 15 is 0xff); the line may be cut: fetch the file again")


@pytest.mark.parametrize("indent", [None, 2], ids=["in one line", "over lines"])
@pytest.mark.parametrize("cut", [None, -5], ids=["whole", "cut"])
def test_a_json_array_is_told_from_json_lines(folder, indent, cut):
    path = folder / "questions.json"
    path.write_text(json.dumps(ROWS, indent=indent)[:cut])
    message = message_of(path)
    if indent is None and cut:
        assert message.startswith(f"{path}:1: not a whole JSON object (")
        return
    beside = folder / "questions.jsonl"
    assert message == (
        f"{path}: a JSON array, where an object a line is wanted; make a file of it that can be read: "
        f"jq -c '.[]' '{path}' > '{beside}'"
    )
    if shutil.which("jq") and cut is None:
        assert columns_of(cured(message)) == ROWS


def test_lines_with_an_array_each_are_told_by_line(folder):
    path = folder / "questions.jsonl"
    path.write_text('["How many?", "#### 2"]\n["How many more?", "#### 3"]\n')
    assert message_of(path).startswith(f"{path}:1: a list, where an object with `question` and `answer` is wanted")


@pytest.mark.parametrize("name", ["questions.jsonl", "train.parquet"])
def test_an_empty_file_is_named(folder, name):
    (folder / name).touch()
    assert message_of(folder / name).startswith(f"{folder / name}: an empty file, ")


def test_a_file_of_blank_lines_is_an_empty_one(folder):
    (folder / "q.jsonl").write_text("\n  \n")
    assert message_of(folder / "q.jsonl").startswith(f"{folder / 'q.jsonl'}: an empty file, which holds no question; fetch it")


def test_a_table_without_rows_is_named_by_its_path(folder):
    path = folder / "train.parquet"
    write_table(pyarrow.table({"question": [], "answer": []}), path)
    with pytest.raises(InputError, match=f"^{path}: the source holds no question; fetch it again"):
        questions_of(read_rows(path), "train", str(path), MAX_CHARACTERS)


# --- texts beyond the limit ---


def question_of(**columns: object) -> object:
    return questions_of([Row("q.jsonl:7", ROWS[0] | columns)], "q", "q.jsonl", MAX_CHARACTERS)


@pytest.mark.parametrize("key", ["question", "answer", "id", "gold", "cleaning_status"])
def test_a_text_beyond_the_limit_is_refused_by_line_with_its_length(key):
    with pytest.raises(InputError) as caught:
        question_of(**{key: "x" * 10_000_000})
    assert str(caught.value) == (
        f"q.jsonl:7: `{key}` has 10,000,000 characters, more than data.max_question_characters = 4,000; leave the row out, "
        "shorten the text, or raise the limit in the profile"
    )


def test_a_text_of_just_the_limit_is_kept():
    long = "x" * MAX_CHARACTERS
    [question] = question_of(question=long)
    assert question.question == long
    with pytest.raises(InputError, match="`question` has 4,001 characters"):
        question_of(question=long + "x")


def test_a_column_that_is_not_kept_may_be_long():
    [question] = question_of(source_page="x" * (MAX_CHARACTERS + 1))
    assert question.gold == "2"


# --- gold ---


@pytest.mark.parametrize(("gold", "ending"), [("3", "#### 2"), ("1,000", "#### 100"), ("-2", "#### 2"), ("0.5", "Answer: 1/3")])
def test_a_gold_that_contradicts_the_worked_solution_is_told_with_both(gold, ending):
    with pytest.raises(InputError) as caught:
        question_of(answer=f"so\n{ending}", gold=gold)
    stated = ending.split()[-1]
    assert str(caught.value) == (
        f"q.jsonl:7: `gold` is {gold!r}, but the worked solution in `answer` ends in {stated!r}; "
        "correct the one that is wrong, or leave `gold` out"
    )


@pytest.mark.parametrize(("gold", "ending", "kept"), [("1,000.50", "#### 1000.5", "1000.5"), ("1/2", "#### $0.50", "0.5")])
def test_a_gold_may_be_written_otherwise_than_in_the_worked_solution(gold, ending, kept):
    [question] = question_of(answer=ending, gold=gold)
    assert question.gold == kept


def test_a_gold_stands_alone_where_the_worked_solution_says_no_number():
    [question] = question_of(answer="count them", gold="2")
    assert question.gold == "2"
