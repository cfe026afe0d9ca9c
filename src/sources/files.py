"""Questions in files: rows of JSON Lines or Parquet with the columns of GSM8K, `question` and `answer`."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from src.core.errors import InputError, shown
from src.core.files import parse_json, require_file
from src.core.shapes import Faults, check_value
from src.regime_w.answers import canonical, extract_answer, parse_number
from src.regime_w.questions import Question

# What a file in another encoding of Unicode begins with: its mark, or one of JSON's first signs, which are ASCII. The longer
# ones come first, as UTF-32's mark begins with UTF-16's.
ENCODINGS = (
    (re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff"), "UTF-32"),
    (re.compile(rb"[^\0]\0\0\0"), "UTF-32LE"),
    (re.compile(rb"\0\0\0[^\0]"), "UTF-32BE"),
    (re.compile(rb"\xff\xfe|\xfe\xff"), "UTF-16"),
    (re.compile(rb"[^\0]\0"), "UTF-16LE"),
    (re.compile(rb"\0[^\0]"), "UTF-16BE"),
)
CONTROL_CHARACTERS = re.compile(rb"[\x00-\x08\x0e-\x1f]")  # which a text in any encoding of one byte a letter does without
# The columns of a source that are kept.
TEXTS = ("id", "question", "answer", "gold", "cleaning_status")


@dataclass(frozen=True)
class Row:
    """One row of a source as it stands there: nothing of it is checked.

    place    for messages: `questions.jsonl:3`, `openai/gsm8k train row 3`
    columns  values of JSON's types by name
    """

    place: str
    columns: Mapping[str, Any]


class Splits(NamedTuple):
    train: list[Question]
    test: list[Question]


# --- rows ---


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file in order; InputError names the file and its line or row."""
    require_file(path, "fetch it again or name another in data.source")
    yield from _parquet_rows(path) if path.suffix == ".parquet" else _json_rows(path)


def _parquet_rows(path: Path) -> Iterator[Row]:
    from pyarrow import ArrowException  # takes a while, which other sources need not wait for
    from pyarrow.parquet import read_table

    if not path.stat().st_size:
        raise InputError(f"{path}: an empty file, not a whole Parquet file; fetch it again or name another in data.source")
    try:
        rows = read_table(path).to_pylist()
    except (ArrowException, OSError, UnicodeDecodeError) as error:  # no Parquet, broken pages, texts not in UTF-8
        raise InputError(f"{path}: not a whole Parquet file ({error}); fetch it again") from error
    yield from (Row(f"{path} row {number}", row) for number, row in enumerate(rows, start=1))


def _json_rows(path: Path) -> Iterator[Row]:
    data = path.read_bytes()
    _refuse_other_formats(path, data)
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            columns = parse_json(line)
        except ValueError as error:
            raise InputError(f"{place}: not a whole JSON object ({error}); {_line_cure(path, data, error)}") from error
        if not isinstance(columns, dict):
            raise InputError(
                f"{place}: a {type(columns).__name__}, where an object with `question` and `answer` is wanted; repair it"
            )
        yield Row(place, columns)


# --- files that are no JSON Lines in UTF-8 ---


def _refuse_other_formats(path: Path, data: bytes) -> None:
    """InputError for an empty file, another encoding of Unicode and one JSON array, with the command that converts it."""
    if not data.strip():
        raise InputError(f"{path}: an empty file, which holds no question; fetch it again or name another in data.source")
    for beginning, encoding in ENCODINGS:
        if beginning.match(data):
            raise InputError(f"{path}: {encoding}, not UTF-8; {_converted(path, f'iconv -f {encoding} -t UTF-8')}")
    if _is_array(data):
        an_object_a_line = "jq -c '.[]'"
        raise InputError(f"{path}: a JSON array, where an object a line is wanted; {_converted(path, an_object_a_line)}")


def _is_array(data: bytes) -> bool:
    """Whether the file is one JSON array, whole or cut; several lines with an array each are none."""
    if not data.lstrip().startswith(b"["):
        return False
    first_line, _, rest = data.strip().partition(b"\n")
    try:
        parse_json(first_line)
    except ValueError:
        return b"\n" in data.strip()  # an array over several lines; a broken one of one line is told as a line
    return not rest.strip()


def _line_cure(path: Path, data: bytes, error: ValueError) -> str:
    """What to do about a line that is no JSON."""
    again = "the line may be cut: fetch the file again"
    if not isinstance(error.__cause__, UnicodeDecodeError) or CONTROL_CHARACTERS.search(data):
        return again
    # Both have the same letters; Windows has signs, such as curved quotes, where Latin-1 has none.
    encoding = "WINDOWS-1252" if re.search(rb"[\x80-\x9f]", data) else "LATIN1"
    return f"if the file is in {encoding}, {_converted(path, f'iconv -f {encoding} -t UTF-8')}; else {again}"


def _converted(path: Path, command: str) -> str:
    """The command that makes JSON Lines in UTF-8 of a file, beside it."""
    beside = path.with_suffix(".jsonl" if path.suffix != ".jsonl" else ".new.jsonl")
    return f"make a file of it that can be read: {command} {shlex.quote(str(path))} > {shlex.quote(str(beside))}"


# --- questions ---


def questions_of(rows: Iterable[Row], name: str, place: str, max_characters: int) -> list[Question]:
    """The questions of the rows; one without an id of its own is named <name>-<index>.

    place           of all rows, for messages
    max_characters  of a question, and of any other text of its row

    Raises InputError for a row that gives no question or has too long a text, for a question or an id that comes twice, and
    for no rows at all.
    """
    questions: list[Question] = []
    place_of: dict[tuple[str, str], str] = {}
    for row in rows:
        _refuse_long_texts(row, max_characters)
        question = _question(row, f"{name}-{len(questions):05d}")
        for key, value in (("question", question.question), ("id", question.id)):
            first_place = place_of.setdefault((key, value), row.place)
            if first_place != row.place:
                raise InputError(f"{row.place}: the {key} of {first_place} again; remove one of them")
        questions.append(question)
    if not questions:
        raise InputError(f"{place}: the source holds no question; fetch it again or name another in data.source")
    return questions


def _refuse_long_texts(row: Row, max_characters: int) -> None:
    """InputError for a text beyond the limit: every later stage would carry it, and no model could read it."""
    for key in TEXTS:
        text = row.columns.get(key)
        if isinstance(text, str) and len(text) > max_characters:
            raise InputError(
                f"{row.place}: `{key}` has {len(text):,} characters, more than data.max_question_characters = "
                f"{max_characters:,}; leave the row out, shorten the text, or raise the limit in the profile"
            )


def _question(row: Row, default_id: str) -> Question:
    """The question of a row of GSM8K's layout; an `id` of its own is kept, and so is `cleaning_status`."""
    columns = row.columns
    for key in ("question", "answer"):
        if not isinstance(columns.get(key), str) or not columns[key].strip():
            raise InputError(f"{row.place}: `{key}` is {shown(columns.get(key))}, where a text is wanted; repair the row")
    gold, identity = _gold(row), columns.get("id", default_id)
    if not isinstance(identity, str) or not identity.strip():
        raise InputError(f"{row.place}: the id is {shown(identity)}; give a text that is not empty, or leave the key out")
    values = {"id": identity, "question": columns["question"], "answer": columns["answer"], "gold": gold}
    if "cleaning_status" in columns:
        values["cleaning_status"] = columns["cleaning_status"]
    try:
        return check_value(Question, values)
    except Faults as faults:
        found = "; ".join(f"key {fault.path!r} {fault.words}" for fault in faults.faults)
        raise InputError(f"{row.place}: {found}; repair the row") from faults


def _gold(row: Row) -> str:
    """The right answer in canonical form: the column `gold`, or what the worked solution ends in.

    Where both say a number they must say the same one. What is published has no `gold`, and the ten answers that Platinum
    corrects are corrected in the worked solution, so a contradiction is a mistake in the file, and only its owner knows which
    of the two is right.
    """
    gold, answer = row.columns.get("gold"), row.columns["answer"]
    if not isinstance(gold, str | None):
        raise InputError(f"{row.place}: `gold` is {shown(gold)}, where a text is wanted; put it in quotes, or leave the key out")
    stated = extract_answer(answer)
    value = stated if gold is None else parse_number(gold)
    if value is None:
        raise InputError(
            f"{row.place}: no gold number (gold {shown(gold)}, answer ends {answer[-40:]!r}); end the answer with `#### <number>`"
        )
    if stated is not None and stated != value:
        raise InputError(
            f"{row.place}: `gold` is {shown(gold)}, but the worked solution in `answer` ends in {shown(canonical(stated))}; "
            "correct the one that is wrong, or leave `gold` out"
        )
    return canonical(value)


# --- a single file ---


def check_single_file(path: Path, test_questions: int | None) -> int:
    """`test_questions`; InputError for a file that is missing, and for a missing count. The file is not read."""
    if not os.path.isfile(path):  # which, unlike Path's, takes no text amiss, however long
        raise InputError(
            f"data.source is {shown(str(path), 200)}: no such file or folder, and it is neither 'sandbox' nor 'hub'; "
            "give the path of a JSON Lines or Parquet file of `question` and `answer`, or of a folder with a file of each split"
        )
    if test_questions is None:
        raise InputError(
            f"data.source is the single file {path}: data.test_questions must say how many of its last rows are the test"
        )
    return test_questions


def read_single_file(path: Path, test_questions: int | None, max_characters: int) -> Splits:
    """The questions of one file, of which the last `test_questions` become the test; `max_characters` as in `questions_of`.

    Raises InputError as `check_single_file` and `questions_of` do, and for a count that leaves no training.
    """
    count = check_single_file(path, test_questions)
    questions = questions_of(read_rows(path), path.stem, str(path), max_characters)
    if len(questions) <= count:
        raise InputError(f"{path} has {len(questions)} rows, and data.test_questions = {count} leaves none to train on")
    return Splits(questions[:-count], questions[-count:])
