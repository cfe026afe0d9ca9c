"""A folder that cases may break, put back at the cost of what they changed."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Whatever is written now is newer than this, so a file of this time is one that nobody has touched.
UNTOUCHED = 10**18  # nanoseconds: a day in 2001


@dataclass(frozen=True)
class Entry:
    """What stands at one path: a file with its bytes, or what is none, with the target of a link."""

    kind: str  # file, folder, link or other
    content: bytes = b""


class GoodFolder:
    """Keeps the content of every file of a folder, of files and folders alone; after any change `restore` puts it back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inodes: dict[str, int] = {}
        self._good: dict[str, Entry] = {}
        self._good = self.contents()
        for name in self._good:
            self._settle(name)

    def contents(self) -> dict[str, Entry]:
        """All that is in the folder now, by path. What nobody has touched is not read again."""
        start = len(f"{self.path}{os.sep}")
        return {item.path[start:]: self._entry(item.path[start:], item) for item in _walk(str(self.path))}

    def restore(self) -> None:
        """Put back whatever is not as it was, the work that a stage keeps for its next run among it."""
        now = self.contents()
        for name in sorted(now, reverse=True):  # what lies in a folder before the folder
            if name not in self._good or self._good[name].kind != now[name].kind:
                _remove(self.path / name)
        for name, entry in sorted(self._good.items()):
            if now.get(name) != entry:
                _write(self.path / name, entry)
                self._settle(name)

    def _entry(self, name: str, item: os.DirEntry[str]) -> Entry:
        if item.is_symlink():
            return Entry("link", os.readlink(item.path).encode())
        if item.is_dir():
            return Entry("folder")
        if not item.is_file():
            return Entry("other")
        found = item.stat()
        if found.st_mtime_ns == UNTOUCHED and self._inodes.get(name) == found.st_ino:
            return self._good[name]
        return Entry("file", Path(item.path).read_bytes())

    def _settle(self, name: str) -> None:
        if self._good[name].kind == "file":
            os.utime(self.path / name, ns=(UNTOUCHED, UNTOUCHED))
            self._inodes[name] = (self.path / name).stat().st_ino


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as items:
        for item in items:
            yield item
            if item.is_dir(follow_symlinks=False):
                yield from _walk(item.path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, entry: Entry) -> None:
    if entry.kind == "folder":
        path.mkdir(exist_ok=True)
    else:
        path.unlink(missing_ok=True)  # a model that is still loaded may look into the old file
        path.write_bytes(entry.content)
