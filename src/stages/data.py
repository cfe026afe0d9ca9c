"""Stage `data`: the questions to train on and to test on, in one form whatever their source.

Reads   the source that the profile names
Writes  data/train.jsonl, data/test.jsonl   a question a line: id, question, answer, gold
Params  profile: data
"""

import json
from dataclasses import dataclass
from pathlib import Path

from src.errors import InputError, run_stage
from src.params import load_profile_section
from src.records import write_records
from src.regime_w.answers import canonical, extract_answer, parse_number
from src.sandbox.problems import make_split

HUB_DATASET = "openai/gsm8k"
HUB_REVISION = "740312add88f781978c0658806c59bc2815b9866"


@dataclass(frozen=True)
class DataSettings:
    source: str  # `sandbox`, `hub`, or the path of a JSONL file or of a folder that holds train.jsonl and test.jsonl
    train_questions: int | None  # the first so many; null takes all
    test_questions: int | None  # likewise


def load_splits(settings: DataSettings) -> tuple[list[dict], list[dict]]:
    """Question records (train, test) from the source; InputError if it cannot be read or is too small."""
    if settings.source == "sandbox":
        if settings.train_questions is None or settings.test_questions is None:
            raise InputError("data.source is 'sandbox', which makes as many problems as asked: give both counts a number")
        return make_split("train", settings.train_questions), make_split("test", settings.test_questions)
    train, test = from_hub() if settings.source == "hub" else from_path(Path(settings.source), settings.test_questions)
    return (
        first(train, settings.train_questions, "train_questions", settings.source),
        first(test, settings.test_questions, "test_questions", settings.source),
    )


def first(rows: list[dict], count: int | None, key: str, source: str) -> list[dict]:
    if count is not None and count > len(rows):
        raise InputError(f"data.{key} is {count}, but {source} has {len(rows)}; lower it or give null for all")
    return rows[:count]


def from_hub() -> tuple[list[dict], list[dict]]:
    """GSM8K at a pinned revision, by the datasets library."""
    import datasets

    try:
        splits = datasets.load_dataset(HUB_DATASET, "main", revision=HUB_REVISION)
    except (ConnectionError, OSError) as error:
        raise InputError(
            f"data.source is 'hub', but {HUB_DATASET} at {HUB_REVISION[:7]} cannot be reached ({type(error).__name__}); "
            "set data.source in the profile to a folder that holds train.jsonl and test.jsonl in GSM8K's layout"
        ) from error
    return tuple(
        [question_record(row, "gsm8k", split, index, f"{HUB_DATASET} {split}") for index, row in enumerate(splits[split])]
        for split in ("train", "test")
    )


def from_path(path: Path, test_questions: int | None) -> tuple[list[dict], list[dict]]:
    """A folder with a train and a test file, or one file whose last `test_questions` rows become the test set."""
    if path.is_dir():
        return read_source(find_split(path, "train"), "train"), read_source(find_split(path, "test"), "test")
    if not path.is_file():
        raise InputError(
            f"data.source is {str(path)!r}: no such file or folder, and it is neither 'sandbox' nor 'hub'; "
            "give the path of a JSONL file with `question` and `answer` on each line, or of a folder with train.jsonl "
            "and test.jsonl"
        )
    if test_questions is None:
        raise InputError(
            f"data.source is the single file {path}: data.test_questions must say how many of its last rows are the test"
        )
    rows = read_source(path, "all")
    if len(rows) <= test_questions:
        raise InputError(f"{path} has {len(rows)} rows, and data.test_questions = {test_questions} leaves none to train on")
    return rows[:-test_questions], rows[-test_questions:]


def find_split(folder: Path, split: str) -> Path:
    names = [f"{split}.jsonl", f"gsm8k_{split}.jsonl"]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"data.source is the folder {folder}, which has neither {names[0]} nor {names[1]}")


def read_source(path: Path, split: str) -> list[dict]:
    """Rows of GSM8K's layout, one JSON object a line; InputError names file and line."""
    rows, asked = [], {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{where}: not a whole JSON object ({error}); the line may be cut: fetch the file again") from error
        if not isinstance(row, dict):
            raise InputError(f"{where}: a {type(row).__name__}, where an object with `question` and `answer` is wanted")
        record = question_record(row, path.stem, split, len(rows), where)
        if record["question"] in asked:
            raise InputError(f"{where}: the question of line {asked[record['question']]} again; remove one of them")
        asked[record["question"]] = number
        rows.append(record)
    if not rows:
        raise InputError(f"{path} holds no question; fetch it again or name another in data.source")
    return rows


def question_record(row: dict, name: str, split: str, index: int, where: str) -> dict:
    """A question record from a row of GSM8K's layout; an `id` of its own is kept, and so is `cleaning_status`."""
    for key in ("question", "answer"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise InputError(f"{where}: `{key}` is {row.get(key)!r}, where a text is wanted")
    gold = row.get("gold")
    value = parse_number(gold) if isinstance(gold, str) else extract_answer(row["answer"])
    if value is None:
        raise InputError(
            f"{where}: no gold number (gold {gold!r}, answer ends {row['answer'][-40:]!r}); end the answer with `#### <number>`"
        )
    identity = row.get("id", f"{name}-{split}-{index:05d}")
    if not isinstance(identity, str) or not identity.strip():
        raise InputError(f"{where}: the id is {identity!r}; give a text that is not empty, or leave the key out")
    kept = {"cleaning_status": row["cleaning_status"]} if "cleaning_status" in row else {}
    return {"id": identity, "question": row["question"], "answer": row["answer"], "gold": canonical(value)} | kept


def main() -> None:
    train, test = load_splits(load_profile_section("data", DataSettings))
    shared = {row["question"] for row in train} & {row["question"] for row in test}
    if shared:
        raise InputError(f"{len(shared)} questions are in both splits, the first {min(shared)[:60]!r}; the test would be no test")
    write_records(Path("data/train.jsonl"), "question", train)
    write_records(Path("data/test.jsonl"), "question", test)
    print(f"data: {len(train):,} questions to train on, {len(test):,} to test on")


if __name__ == "__main__":
    run_stage(main)
