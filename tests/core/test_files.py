"""Files that appear whole or not at all, JSON read with every doubt, and what stands where a file belongs."""

import csv
import os
from pathlib import Path

import pytest

from src.core import files
from src.core.errors import InputError
from src.core.files import (
    SortedOnDisk,
    atomic_file,
    atomic_folder,
    count_lines,
    parse_json,
    read_json,
    read_lines,
    require_file,
    write_csv,
    write_json,
    write_text,
)

# --- JSON ---


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
        (b'\xef\xbb\xbf{"a": 1}', "it begins with a byte order mark; save it as UTF-8 without one"),
        (b'{"a": 1, "b": 2, "a": 3}', "key 'a' stands twice in one object"),
        (b"9" * 5000, "a number of 5000 digits is longer than any here"),
        (b"[" * 100_000, "brackets are nested too deep to read"),
    ],
)
def test_broken_json_is_named_by_file_and_cause(tmp_path, content, cause):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_json(path)
    assert str(error.value).startswith(f"{path}: ") and cause in str(error.value)
    assert str(error.value).endswith("; run the stage that writes it again")


def test_missing_json_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match="none.json does not exist.*run the stage that writes it"):
        read_json(tmp_path / "none.json")


def test_json_of_a_text_tells_its_fault_without_a_file():
    assert parse_json(b'{"a": [1, "\\u00e9"]}') == {"a": [1, "é"]}
    with pytest.raises(ValueError, match="not JSON: Expecting value at column 1") as error:
        parse_json(b"yes")
    assert not isinstance(error.value, InputError)


# --- whole or not at all ---


def test_a_text_is_written_in_utf_8_with_its_line_ends_as_they_are(tmp_path):
    path = tmp_path / "new" / "x.md"
    write_text(path, "é\nžofie\r\n")
    assert path.read_bytes() == "é\nžofie\r\n".encode()


def test_a_table_is_written_as_csv(tmp_path):
    path = tmp_path / "plots" / "x.csv"
    write_csv(path, ["arm", "percent"], [["a, b", 1.5], ['say "no"', None]])
    assert path.read_bytes() == b'arm,percent\n"a, b",1.5\n"say ""no""",\n'
    assert list(csv.reader(path.open())) == [["arm", "percent"], ["a, b", "1.5"], ['say "no"', ""]]


def test_a_file_whose_writer_fails_is_as_it_was(tmp_path):
    path = tmp_path / "x.txt"
    for before in (None, "old"):
        with pytest.raises(KeyboardInterrupt), atomic_file(path) as file:
            file.write("half of the new")
            assert not path.exists() or path.read_text() == before
            raise KeyboardInterrupt
        assert [entry.name for entry in tmp_path.iterdir()] == ([] if before is None else ["x.txt"])
        path.write_text("old")
    assert path.read_text() == "old"


def test_a_full_disk_names_the_file(tmp_path):
    """The system names no file when a disk is full; a link leads the writer to a device that always is."""
    (tmp_path / "x.txt.part").symlink_to("/dev/full")
    with pytest.raises(OSError) as error:
        write_text(tmp_path / "x.txt", "text")
    assert error.value.filename == str(tmp_path / "x.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_takes_the_place_of_the_old_one_when_it_is_whole(tmp_path):
    path = tmp_path / "base"
    path.mkdir()
    (path / "old").write_text("old")
    with atomic_folder(path) as folder:
        (folder / "new").write_text("new")
        assert [entry.name for entry in path.iterdir()] == ["old"]
    assert [entry.name for entry in path.iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["base"]


def test_a_folder_whose_writer_fails_is_as_it_was(tmp_path):
    path = tmp_path / "deep" / "base"
    with pytest.raises(KeyboardInterrupt), atomic_folder(path) as folder:
        (folder / "half").write_text("half")
        raise KeyboardInterrupt
    assert list(path.parent.iterdir()) == []
    with atomic_folder(path) as folder:
        (folder / "whole").write_text("whole")
    with pytest.raises(KeyboardInterrupt), atomic_folder(path):
        raise KeyboardInterrupt
    assert [entry.name for entry in path.iterdir()] == ["whole"]


def test_what_a_killed_process_left_of_a_folder_is_not_in_the_new_one(tmp_path):
    (tmp_path / "base.part").mkdir()
    (tmp_path / "base.part" / "stale").write_text("stale")
    with atomic_folder(tmp_path / "base") as folder:
        (folder / "new").write_text("new")
    assert [entry.name for entry in (tmp_path / "base").iterdir()] == ["new"]


def test_a_file_in_the_place_of_a_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "base").write_text("a file")
    with pytest.raises(InputError, match="base is a file, where a folder is to be written; move it away"):
        with atomic_folder(tmp_path / "base"):
            pass
    assert (tmp_path / "base").read_text() == "a file"


# --- what stands where a file belongs ---


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (folder, "is a folder, not a file"),
        (os.mkfifo, "is no regular file"),
        (lambda path: path.symlink_to("nowhere"), "is a link to nowhere, which leads to no file"),
        (lambda path: None, "does not exist (looked from "),
    ],
)
def test_what_is_no_file_is_told_with_the_cure(tmp_path, make, cause):
    path = tmp_path / "x"
    make(path)
    with pytest.raises(InputError) as error:
        require_file(path, "do this")
    assert str(error.value).startswith(f"{path} {cause}") and str(error.value).endswith("; do this")


def test_a_file_and_a_link_to_one_do(tmp_path):
    (tmp_path / "x").touch()
    (tmp_path / "link").symlink_to("x")
    require_file(tmp_path / "x", "do this")
    require_file(tmp_path / "link", "do this")


# --- files of many lines ---


def test_lines_come_one_by_one_and_end_at_a_newline_alone(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"a\x85b\r\n\nlast \xe2\x80\xa8")
    assert list(read_lines(path)) == [b"a\x85b", b"", b"last \xe2\x80\xa8"]
    assert count_lines(path) == 2
    path.write_bytes(b"")
    assert list(read_lines(path)) == [] and count_lines(path) == 0


@pytest.mark.parametrize("read", [lambda path: list(read_lines(path)), count_lines])
def test_a_file_of_lines_that_is_missing_says_what_to_run(tmp_path, read):
    with pytest.raises(InputError, match="none.jsonl does not exist.*run the stage that writes it"):
        read(tmp_path / "none.jsonl")


@pytest.mark.parametrize("count", [0, 1, 4, 5, 23])
def test_what_is_sorted_on_disk_comes_in_order_and_leaves_no_file(tmp_path, monkeypatch, count):
    monkeypatch.setattr(files, "SORTED_AT_ONCE", 5)
    items = [(str(place * 7 % 23), "é\n", "\ue000") for place in range(count)]
    with SortedOnDisk[tuple[str, str, str]](tmp_path) as waiting:
        for item in [*items, *items[:2]]:
            waiting.add(item)
        assert list(waiting) == sorted([*items, *items[:2]])
        assert list(tmp_path.iterdir()) == []
