"""Stage `data`: the questions to train on and to test on, in one form whatever their source.

Reads   the source that the profile names
Writes  data/train.jsonl, data/test.jsonl   a question a line: id, question, answer, gold
Params  profile: data
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from src.errors import InputError, run_stage, shown
from src.gsm8k import PLATINUM, TEST, TRAIN, PublishedSet, content_line, find_split, read_hub
from src.params import AT_LEAST_1, load_profile_section, require
from src.records import SCHEMAS, parse_json, require_file, write_records
from src.regime_w.answers import canonical, extract_answer, parse_number
from src.sandbox.problems import make_split


@dataclass(frozen=True)
class DataSettings:
    source: str  # `sandbox`, `hub`, or the path of a file, or of a folder with the splits of GSM8K (see src/gsm8k.py)
    train_questions: int | None  # the first so many; null takes all
    test_questions: int | None  # likewise
    # What the test is: GSM8K-Platinum, GSM8K's own test, or all of GSM8K's, scored on either; null is the source's own.
    test_set: Literal["platinum", "gsm8k", "both"] | None = None

    def __post_init__(self) -> None:
        require(self, AT_LEAST_1, "train_questions", "test_questions")


def load_splits(settings: DataSettings) -> tuple[list[dict], list[dict]]:
    """Question records (train, test) from the source; InputError if it cannot be read or is too small."""
    path, is_folder = Path(settings.source), os.path.isdir(settings.source)
    if settings.test_set is not None and settings.source != "hub" and not is_folder:
        raise InputError(f"data.test_set is {settings.test_set!r}, but {settings.source!r} has a test of its own; remove the key")
    if settings.source == "sandbox":
        if settings.train_questions is None or settings.test_questions is None:
            raise InputError("data.source is 'sandbox', which makes as many problems as asked: give both counts a number")
        train, test = make_split("train", settings.train_questions), make_split("test", settings.test_questions)
    elif settings.source == "hub" or is_folder:
        train = read_split(settings.source, TRAIN, "train")
        test = read_test(settings.source, settings.test_set or "gsm8k")
    else:
        train, test = from_file(path, settings.test_questions)
    train = first(train, settings.train_questions, "train_questions", settings.source)
    test = first(test, settings.test_questions, "test_questions", settings.source)
    if test and not any(record.get("in_platinum", True) for record in test):
        raise InputError(f"data.test_questions is {len(test)}, but none of these is in GSM8K-Platinum, which decides; raise it")
    return train, test


def first(rows: list[dict], count: int | None, key: str, source: str) -> list[dict]:
    if count is not None and count > len(rows):
        raise InputError(f"data.{key} is {count}, but {source} has {len(rows)}; lower it or give null for all")
    return rows[:count]


def read_test(source: str, test_set: Literal["platinum", "gsm8k", "both"]) -> list[dict]:
    """The test questions; of `both`, each with its gold by GSM8K and whether Platinum has it, and then with Platinum's gold."""
    if test_set == "gsm8k":
        return read_split(source, TEST, "test")
    platinum = read_split(source, PLATINUM, "platinum")
    if test_set == "platinum":
        return platinum
    better = {record["question"]: record for record in platinum}
    every = read_split(source, TEST, "test")
    if strange := better.keys() - {record["question"] for record in every}:
        raise InputError(
            f"{len(strange)} questions of GSM8K-Platinum are not in GSM8K's test, the first {min(strange)[:60]!r}; data.test_set "
            "'both' needs the test set that Platinum was made from"
        )
    return [score_on_both(record, better.get(record["question"])) for record in every]


def score_on_both(record: dict, platinum: dict | None) -> dict:
    """The record of a GSM8K test question with both golds; `platinum` is its record there, None if it was dropped."""
    mended = {key: platinum[key] for key in ("gold", "cleaning_status") if key in platinum} if platinum else {}
    return record | mended | {"gsm8k_gold": record["gold"], "in_platinum": platinum is not None}


def read_split(source: str, published: PublishedSet, name: str) -> list[dict]:
    """The question records of one split of GSM8K's layout, from the hub or from a folder."""
    if source == "hub":
        place = f"{published.name} {published.split}"
        rows = [(f"{place} row {number}", row) for number, row in enumerate(read_hub(published), start=1)]
    else:
        files = find_split(Path(source), published)
        place = str(files[0])
        rows = [row for file in files for row in read_rows(file)]
    records = records_of(iter(rows), name)
    print(content_line(place, [row for _, row in rows], published))
    return records


def from_file(path: Path, test_questions: int | None) -> tuple[list[dict], list[dict]]:
    """One file, whose last `test_questions` rows become the test set."""
    if not os.path.isfile(path):  # which, unlike Path's, takes no text amiss, however long
        raise InputError(
            f"data.source is {shown(str(path), 200)}: no such file or folder, and it is neither 'sandbox' nor 'hub'; "
            "give the path of a JSON Lines or Parquet file of `question` and `answer`, or of a folder with a file of each split"
        )
    if test_questions is None:
        raise InputError(
            f"data.source is the single file {path}: data.test_questions must say how many of its last rows are the test"
        )
    records = records_of(read_rows(path), path.stem)
    if len(records) <= test_questions:
        raise InputError(f"{path} has {len(records)} rows, and data.test_questions = {test_questions} leaves none to train on")
    return records[:-test_questions], records[-test_questions:]


def read_rows(path: Path) -> Iterator[tuple[str, dict]]:
    """Each row with where it stands; InputError names the file and its line or row."""
    require_file(path, "fetch it again or name another in data.source")
    if path.suffix == ".parquet":
        from pyarrow import ArrowException  # takes a while, which other sources need not wait for
        from pyarrow.parquet import read_table

        try:
            rows = read_table(path).to_pylist()
        except (ArrowException, OSError, UnicodeDecodeError) as error:  # no Parquet, broken pages, texts not in UTF-8
            raise InputError(f"{path}: not a whole Parquet file ({error}); fetch it again") from error
        yield from ((f"{path} row {number}", row) for number, row in enumerate(rows, start=1))
        return
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = parse_json(line)
        except ValueError as error:
            raise InputError(f"{where}: not a whole JSON object ({error}); the line may be cut: fetch the file again") from error
        if not isinstance(row, dict):
            raise InputError(f"{where}: a {type(row).__name__}, where an object with `question` and `answer` is wanted; mend it")
        yield where, row


def records_of(rows: Iterator[tuple[str, dict]], name: str) -> list[dict]:
    """Question records of the rows, named <name>-<index> where a row has no id; InputError for a question that comes twice."""
    records: list[dict] = []
    place_of: dict[tuple[str, str], str] = {}
    for where, row in rows:
        record = question_record(row, f"{name}-{len(records):05d}", where)
        for key in ("question", "id"):
            first_place = place_of.setdefault((key, record[key]), where)
            if first_place != where:
                raise InputError(f"{where}: the {key} of {first_place} again; remove one of them")
        records.append(record)
    if not records:
        raise InputError(f"{name}: the source holds no question; fetch it again or name another in data.source")
    return records


def question_record(row: dict, default_id: str, where: str) -> dict:
    """A question record from a row of GSM8K's layout; an `id` of its own is kept, and so is `cleaning_status`."""
    for key in ("question", "answer"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise InputError(f"{where}: `{key}` is {shown(row.get(key))}, where a text is wanted; mend the row")
    gold = row.get("gold")
    if not isinstance(gold, str | None):
        raise InputError(f"{where}: `gold` is {shown(gold)}, where a text is wanted; put it in quotes, or leave the key out")
    value = parse_number(gold) if isinstance(gold, str) else extract_answer(row["answer"])
    if value is None:
        raise InputError(
            f"{where}: no gold number (gold {shown(gold)}, answer ends {row['answer'][-40:]!r}); end the answer with "
            "`#### <number>`"
        )
    identity = row.get("id", default_id)
    if not isinstance(identity, str) or not identity.strip():
        raise InputError(f"{where}: the id is {shown(identity)}; give a text that is not empty, or leave the key out")
    kept = {"cleaning_status": row["cleaning_status"]} if "cleaning_status" in row else {}
    record = {"id": identity, "question": row["question"], "answer": row["answer"], "gold": canonical(value)} | kept
    if complaints := SCHEMAS["question"].complaints(record):
        raise InputError(f"{where}: {'; '.join(complaints)}; mend the row")
    return record


def main() -> None:
    train, test = load_splits(load_profile_section("data", DataSettings))
    shared = {row["question"] for row in train} & {row["question"] for row in test}
    if shared:
        raise InputError(
            f"{len(shared)} questions are in both splits, the first {min(shared)[:60]!r}; the test would be no test: "
            "see to data.source"
        )
    write_records(Path("data/train.jsonl"), "question", train)
    write_records(Path("data/test.jsonl"), "question", test)
    print(f"data: {len(train):,} questions to train on, {len(test):,} to test on")


if __name__ == "__main__":
    run_stage(main)
