"""The folder that the malformed cases share: any change is seen, and put back."""

import shutil
from pathlib import Path

import pytest

from tests.faults.breaking import Break, both, folder_instead, link_instead, overwritten, pipe_instead, without
from tests.faults.good_folder import GoodFolder

CHANGES: dict[str, Break] = {
    "other bytes, as many": overwritten("a/one", b"eno"),
    "no bytes": overwritten("two", b""),
    "no file": without("a/one"),
    "a folder for a file": folder_instead("a/one"),
    "a pipe for a file": pipe_instead("two"),
    "a link for a file": link_instead("two", "nowhere"),
    "a new file in a new folder": both(lambda folder: (folder / "new/er").mkdir(parents=True), overwritten("new/er/file", b"x")),
    "no folder": lambda folder: shutil.rmtree(folder / "a"),
    "a file for a folder": both(lambda folder: shutil.rmtree(folder / "a"), overwritten("a", b"x")),
    "kept work": overwritten(".work/stage/texts", b"more"),
}


def read(folder: Path) -> dict[str, bytes | None]:
    """Every path with the bytes of its file; None where there is no regular file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_and_put_back(tmp_path: Path, change: str):
    for name, content in {"a/one": b"one", "two": b"two", ".work/stage/texts": b"text", "a/b/three": b"3"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    before = read(tmp_path)
    good = GoodFolder(tmp_path)
    contents = good.contents()
    for _ in range(2):  # what was put back is watched as well
        CHANGES[change](tmp_path)
        assert good.contents() != contents
        good.restore()
        assert good.contents() == contents
        assert read(tmp_path) == before
