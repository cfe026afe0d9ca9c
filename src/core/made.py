"""What a stage made, as the short table that stands at the end of its output. Nothing here changes a result."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

WIDTH = 120  # columns of a terminal


def made_lines(stage: str, outs: Sequence[str]) -> list[str]:
    """A line for each output, in columns behind the stage's name, at most WIDTH wide."""
    sizes = [size_text(Path(out)) for out in outs]
    path_width, size_width = max(map(len, outs), default=0), max(map(len, sizes), default=0)
    room = WIDTH - len(stage) - path_width - size_width - len(":     ")
    contents = [content_text(Path(out), room) for out in outs]
    columns = zip(outs, sizes, contents, strict=True)
    return [f"{stage}: {out:{path_width}}  {size:>{size_width}}  {content}".rstrip() for out, size, content in columns]


def size_text(path: Path) -> str:
    """The size of a file, or of all files of a folder: 1.2 MB, 3.4 kB."""
    files = [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]
    size = sum(file.stat().st_size for file in files)
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def content_text(path: Path, room: int) -> str:
    """How many records or rows a file has, how many files a folder, or those first figures of a file of metrics that fit."""
    if path.is_dir():
        return counted(sum(inner.is_file() for inner in path.rglob("*")), "file")
    if path.suffix == ".jsonl":
        return counted(_lines(path), "record")
    if path.suffix == ".csv":
        return counted(_lines(path) - 1, "row")
    if path.suffix == ".json":
        return _joined(list(_figures(path)), room)
    return ""


def counted(count: int, what: str) -> str:
    """A count with its thing: 1 file, 4,413 records."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _joined(figures: Sequence[str], room: int) -> str:
    """The first of them that fit, with … where some are left out."""
    text = ""
    for number, figure in enumerate(figures, start=1):
        longer = f"{text}, {figure}" if text else figure
        if len(longer) + (3 if number < len(figures) else 0) > room:
            return f"{text}, …" if text else "…"
        text = longer
    return text


def _figures(path: Path) -> Iterator[str]:
    """Each figure at the top of the file, by its name."""
    for name, value in json.loads(path.read_bytes()).items():
        if isinstance(value, float):
            yield f"{name} {value:,.4g}"
        elif isinstance(value, int | str):
            yield f"{name} {value}" if isinstance(value, bool | str) else f"{name} {value:,}"
