"""Malformed sources of questions: JSON Lines, Parquet and folders of them, as stage `data` reads them."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.breaking import (
    LACKING,
    PROFILE,
    Break,
    Case,
    both,
    changed,
    line,
    link_instead,
    overwritten,
    pipe_instead,
    setting,
    without,
)

SOURCE = "source/questions.jsonl"
ROW = {"question": "Ann has 3 pens and buys 2. How many has she?", "answer": "3 + 2 = 5\n#### 5"}


def from_source(source: str, *breaks: Break, **settings: str) -> Break:
    given = {"source": source, "train_questions": "null", "test_questions": "2"} | settings
    return both(*(setting(PROFILE, f"data.{key}", text) for key, text in given.items()), *breaks)


def source_line(name: str, raw: bytes, cause: str, cure: str) -> Case:
    return Case(f"source: {name}", "data", from_source(SOURCE, line(SOURCE, 2, lambda _: raw)), f"{SOURCE}:2", cause, cure)


def row(**changes: Any) -> bytes:
    return json.dumps({key: value for key, value in (ROW | changes).items() if value is not LACKING}).encode()


def parquet(path: str, table: dict[str, list], change: Callable[[bytes], bytes] = lambda content: content) -> Break:
    def breaks(folder: Path) -> None:
        import pyarrow  # takes a while, and every process of the tests reads this
        from pyarrow.parquet import write_table

        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_table(pyarrow.table(table), folder / path)
        (folder / path).write_bytes(change((folder / path).read_bytes()))

    return breaks


def copied(source: str, *targets: str) -> Break:
    def breaks(folder: Path) -> None:
        for target in targets:
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / target).write_bytes((folder / source).read_bytes())

    return breaks


def recoded(encoding: str) -> Break:
    return changed(SOURCE, lambda content: content.decode().encode(encoding))


def in_one_array(indent: int | None) -> Break:
    def change(content: bytes) -> bytes:
        return json.dumps([json.loads(line) for line in content.splitlines()], indent=indent).encode()

    return changed(SOURCE, change)


def format_cases() -> Iterator[Case]:
    """Files that are no JSON Lines in UTF-8 as a whole."""

    def case(name: str, place: str, cause: str, cure: str, breaks: Break) -> Case:
        return Case(f"source: {name}", "data", from_source(SOURCE, breaks), place, cause, cure)

    whole = f"{SOURCE}: "
    for encoding in ("UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32"):
        command = f"iconv -f {encoding} -t UTF-8 {SOURCE} > source/questions.new.jsonl"
        yield case(encoding, whole, f"{encoding}, not UTF-8", command, recoded(encoding))
    for encoding, name, letter in (("LATIN1", "Zo\xeb", "0xeb"), ("WINDOWS-1252", "Zo\x92", "0x92")):
        one_byte_each = changed(SOURCE, lambda content, name=name: content.replace(b"Ann", name.encode("latin-1")))
        command = f"iconv -f {encoding} -t UTF-8 {SOURCE} > "
        yield case(encoding, f"{SOURCE}:1", f"not UTF-8: byte 17 is {letter}", command, one_byte_each)
    command = f"jq -c '.[]' {SOURCE} > source/questions.new.jsonl"
    yield case("one array", whole, "a JSON array", command, in_one_array(None))
    yield case("one array over lines", whole, "a JSON array", command, in_one_array(1))
    for name, content in (("an empty file", b""), ("blank lines", b"\n \n")):
        yield case(name, f"{whole}an empty file", "holds no question", "fetch it again", overwritten(SOURCE, content))


def source_cases() -> Iterator[Case]:
    fetch, repair = "fetch the file again", "repair"
    yield source_line("a line cut short", b'{"question": "How many', "not a whole JSON object", fetch)
    yield source_line("an array", b"[1]", "a list, where an object", repair)
    yield source_line("a bare number", b"7", "a int, where an object", repair)
    yield source_line("NaN", b'{"question": NaN}', "NaN is not a number that JSON knows", fetch)
    yield source_line("a key twice", b'{"question": "a", "question": "b"}', "key 'question' stands twice", fetch)
    yield source_line("deep brackets", b"[" * 9000, "nested too deep", fetch)
    yield source_line("5,000 digits", b'{"question": ' + b"1" * 5000 + b"}", "a number of 5000 digits", fetch)
    yield source_line("no UTF-8", b'{"question": "\xe9"}', "not UTF-8", fetch)
    yield source_line("NUL bytes", bytes(20), "not JSON", fetch)
    yield source_line("no question", row(question=LACKING), "`question` is None", repair)
    yield source_line("a blank question", row(question=" "), "`question` is ' '", repair)
    yield source_line("a number for an answer", row(answer=5), "`answer` is 5", repair)
    yield source_line("an answer without a number", row(answer="many"), "no gold number", "end the answer with `#### <number>`")
    yield source_line("a gold of words", row(gold="five"), "no gold number (gold 'five'", "end the answer with `#### <number>`")
    yield source_line("a gold against the solution", row(gold="6"), "`gold` is '6', but the worked solution", "leave `gold` out")
    for key in ("question", "answer"):
        yield source_line(f"a {key} of 10 MB", row(**{key: "a?" * 5_000_000}), f"`{key}` has 10,000,000 characters", "shorten")
    yield source_line("a gold that is no text", row(gold=7), "`gold` is 7, where a text is wanted", "put it in quotes")
    yield source_line("a blank id", row(id=" "), "the id is ' '", "leave the key out")
    yield source_line("an id that is a number", row(id=3), "the id is 3", "leave the key out")
    yield source_line("half a surrogate pair", row(question="\ud83d?"), "half a surrogate pair", repair)
    yield source_line("a cleaning status that is a list", row(cleaning_status=[]), "key 'cleaning_status' is []", repair)
    yield Case(
        "source: a question twice",
        "data",
        from_source(SOURCE, changed(SOURCE, lambda c: c.splitlines(True)[0] + c)),
        f"{SOURCE}:2",
        f"the question of {SOURCE}:1 again",
        "remove one",
    )
    yield Case(
        "source: an id twice",
        "data",
        from_source(SOURCE, line(SOURCE, 1, lambda _: row(id="a")), line(SOURCE, 3, lambda _: row(id="a", question="And now?"))),
        f"{SOURCE}:3",
        f"the id of {SOURCE}:1 again",
        "remove one",
    )

    def case(name: str, place: str, cause: str, cure: str, *breaks: Break, source: str = SOURCE, **settings: str) -> Case:
        return Case(f"source: {name}", "data", from_source(source, *breaks, **settings), place, cause, cure)

    mark = changed(SOURCE, lambda c: b"\xef\xbb\xbf" + c)
    yield case("a byte order mark", f"{SOURCE}:1", "byte order mark", "save it as UTF-8 without one", mark)
    yield case("gzip", f"{SOURCE}:1", "not UTF-8", fetch, changed(SOURCE, gzip.compress))
    yield from format_cases()
    yield case("no such file", "data.source", "no such file or folder", "give the path", without(SOURCE))
    yield case("a pipe", SOURCE, "no such file or folder", "give the path", pipe_instead(SOURCE))
    yield case("a name of 5,000 letters", "data.source", "no such file or folder", "give the path", source="x" * 5000)
    yield case("a name with NUL", "data.source", "no such file or folder", "give the path", source='"a\\0b"')
    yield case("no name", "data.source", "no such file or folder", "give the path", source='""')
    yield case("null for a name", "data.source", "is null", "it must be a valid string", source="null")
    yield case("a link to nothing", "data.source", "no such file or folder", "give the path", link_instead(SOURCE, "gone"))
    yield case("all questions for the test", SOURCE, "has 6 rows", "leaves none to train on", test_questions="6")
    yield case("too many to train on", "data.train_questions", "is 5, but", "lower it", train_questions="5")
    yield case("one file and no count", "data.test_questions", "the single file", "must say how many", test_questions="null")
    yield case("a test set of one file", "data.test_set", "has a test of its own", "give null", test_set="platinum")
    yield case("an unknown test set", "data.test_set", "is 'platinium'", "did you mean 'platinum'?", test_set="platinium")
    at_least_1 = "it must be greater than or equal to 1"
    for count in ("0", "-1"):
        yield case(f"{count} test questions", "small.yaml: data", f"test_questions is {count}", at_least_1, test_questions=count)
        yield case(f"{count} training questions", "data", f"train_questions is {count}", at_least_1, train_questions=count)
    sandbox = from_source("sandbox", train_questions="null", test_questions="null")
    yield Case("source: sandbox without counts", "data", sandbox, "data.source", "as many problems as asked", "give both counts")

    split = "source/split"
    folder = copied(SOURCE, f"{split}/train.jsonl")
    yield case("a folder without a test", split, "holds no GSM8K test set", "none of test.jsonl", folder, source=split)
    doubled = copied(SOURCE, f"{split}/train.jsonl", f"{split}/gsm8k_train.jsonl")
    yield case("two files of one split", split, "with both train.jsonl and gsm8k_train.jsonl", "leave one", doubled, source=split)
    same = copied(SOURCE, f"{split}/train.jsonl", f"{split}/test.jsonl")
    yield case(
        "one split twice",
        "data.source",
        "6 questions are in both splits",
        "see to data.source",
        same,
        source=split,
        test_questions="null",
    )
    copied_by_hand = both(same, changed(f"{split}/test.jsonl", lambda c: c.replace(b"Ann has", b"ANN  has")))
    yield case(
        "one split twice in other letters",
        "data.source",
        "6 questions are in both",
        "see to",
        copied_by_hand,
        source=split,
        test_questions="null",
    )
    shard = parquet(f"{split}/train-00000-of-00002.parquet", {"question": ["a"]})
    yield case(
        "a missing shard", "train-00000-of-00002.parquet", "1 of 2 files are there", "fetch the others", shard, source=split
    )
    file_folder = both(folder, lambda f: (f / f"{split}/test.jsonl").mkdir())
    yield case(
        "a folder for a split", f"{split}/test.jsonl", "is a folder, not a file", "fetch it again", file_folder, source=split
    )
    pipe = both(folder, lambda f: os.mkfifo(f / f"{split}/test.jsonl"))
    yield case("a pipe for a split", f"{split}/test.jsonl", "is no regular file", "fetch it again", pipe, source=split)

    table, file = {"question": ["a?", "b?"], "answer": ["#### 1", "#### 2"]}, "source/q.parquet"
    cut, again = "not a whole Parquet file", "fetch it again"
    tables = {
        "of other columns": ({"prompt": ["a"], "completion": ["b"]}, f"{file} row 1", "`question` is None", repair),
        "of numbers": ({"question": [1], "answer": [2]}, f"{file} row 1", "`question` is 1", repair),
        "with a null": ({"question": ["a", None], "answer": ["#### 1"] * 2}, f"{file} row 2", "`question` is None", repair),
        "of lists": ({"question": [["a"]], "answer": [["b"]]}, f"{file} row 1", "`question` is ['a']", repair),
        "without rows": ({"question": [], "answer": []}, f"{file}: ", "holds no question", again),
    }
    for name, (columns, place, cause, cure) in tables.items():
        yield case(f"Parquet {name}", place, cause, cure, parquet(file, columns), source=file)
    changes = {
        "cut short": lambda content: content[:-20],
        "cut at its head": lambda content: content[20:],
        "with a broken page": lambda content: content[:4] + bytes(60) + content[64:],
        "that is none": lambda content: b"PAR1" + bytes(100),
        "of no bytes": lambda content: b"",
    }
    for name, change in changes.items():
        yield case(f"Parquet {name}", file, cut, again, parquet(file, table, change), source=file)
