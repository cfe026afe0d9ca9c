"""Questions in files: rows of JSON Lines or Parquet with the columns of GSM8K, `question` and `answer`."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from src.core.errors import InputError, shown
from src.core.files import parse_json, require_file
from src.core.shapes import Faults, check_value
from src.regime_w.answers import canonical, extract_answer, parse_number
from src.regime_w.questions import Question


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

    try:
        rows = read_table(path).to_pylist()
    except (ArrowException, OSError, UnicodeDecodeError) as error:  # no Parquet, broken pages, texts not in UTF-8
        raise InputError(f"{path}: not a whole Parquet file ({error}); fetch it again") from error
    yield from (Row(f"{path} row {number}", row) for number, row in enumerate(rows, start=1))


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            columns = parse_json(line)
        except ValueError as error:
            raise InputError(f"{place}: not a whole JSON object ({error}); the line may be cut: fetch the file again") from error
        if not isinstance(columns, dict):
            raise InputError(
                f"{place}: a {type(columns).__name__}, where an object with `question` and `answer` is wanted; repair it"
            )
        yield Row(place, columns)


# --- questions ---


def questions_of(rows: Iterable[Row], name: str) -> list[Question]:
    """The questions of the rows; one without an id of its own is named <name>-<index>.

    Raises InputError for a row that gives no question, for a question or an id that comes twice, and for no rows at all.
    """
    questions: list[Question] = []
    place_of: dict[tuple[str, str], str] = {}
    for row in rows:
        question = _question(row, f"{name}-{len(questions):05d}")
        for key, value in (("question", question.question), ("id", question.id)):
            first_place = place_of.setdefault((key, value), row.place)
            if first_place != row.place:
                raise InputError(f"{row.place}: the {key} of {first_place} again; remove one of them")
        questions.append(question)
    if not questions:
        raise InputError(f"{name}: the source holds no question; fetch it again or name another in data.source")
    return questions


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
    """The right answer in canonical form: the column `gold`, or what the worked solution ends in."""
    gold, answer = row.columns.get("gold"), row.columns["answer"]
    if not isinstance(gold, str | None):
        raise InputError(f"{row.place}: `gold` is {shown(gold)}, where a text is wanted; put it in quotes, or leave the key out")
    value = extract_answer(answer) if gold is None else parse_number(gold)
    if value is None:
        raise InputError(
            f"{row.place}: no gold number (gold {shown(gold)}, answer ends {answer[-40:]!r}); end the answer with `#### <number>`"
        )
    return canonical(value)


# --- a single file ---


def read_single_file(path: Path, test_questions: int | None) -> Splits:
    """The questions of one file, of which the last `test_questions` become the test.

    Raises InputError as `questions_of` does, and for a file that is missing, a missing count, or one that leaves no training.
    """
    if not os.path.isfile(path):  # which, unlike Path's, takes no text amiss, however long
        raise InputError(
            f"data.source is {shown(str(path), 200)}: no such file or folder, and it is neither 'sandbox' nor 'hub'; "
            "give the path of a JSON Lines or Parquet file of `question` and `answer`, or of a folder with a file of each split"
        )
    if test_questions is None:
        raise InputError(
            f"data.source is the single file {path}: data.test_questions must say how many of its last rows are the test"
        )
    questions = questions_of(read_rows(path), path.stem)
    if len(questions) <= test_questions:
        raise InputError(f"{path} has {len(questions)} rows, and data.test_questions = {test_questions} leaves none to train on")
    return Splits(questions[:-test_questions], questions[-test_questions:])
