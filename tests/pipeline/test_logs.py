"""A run tells how far it is: in a log by lines that a reader and `grep` can read, on a terminal by bars."""

import os
import pty
import re
import shutil
import subprocess
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

STAGES = (
    "settings", "doctor", "data", "base", "sample", "rollouts", "prefs",
    "train", "answer@baseline", "answer@coherence", "eval@baseline", "eval@coherence", "compare", "report",
)  # fmt: skip
# Lines of DVC itself.
OF_DVC = re.compile(
    r"|> exec python .*|(Generating|Updating) lock file 'dvc.lock'|Use `dvc push` to send your updates to remote storage\."
)
NOISE = re.compile(r"[\r\x1b\x08]|\d%\||it/s|█")
LOSS, TOKENS = r", loss \d\.\d+", r", [\d,]+ tokens/s"
# What is counted: how many, of what, and what ends each line.
COUNTED = {
    "base": ("106", "steps", LOSS),
    "sample": ("264", "texts", TOKENS),
    "rollouts": ("24", "questions", ""),
    "train, reference": (r"\d+", "texts", ""),
    "train": (r"\d+", "steps", LOSS),
    "answer@baseline": ("30", "texts", TOKENS),
    "answer@coherence": ("30", "texts", TOKENS),
}
DURATION = r"(?:(?P<min>\d+) min )?(?P<s>[\d.]+) s"


def check_lines(lines: Sequence[str], work: str, total: str, unit: str, note: str) -> float:
    """Check that work left a line of its end, and before it one each ten seconds; returns the seconds that it took."""
    *under_way, last = [line for line in lines if re.match(rf"{work}: \d+ of ", line)]
    ended = re.fullmatch(rf"{work}: (?P<n>{total}) of (?P=n) {unit} \(100 %\) in {DURATION}, \S+ {unit}/s{note}", last)
    assert ended is not None, last
    for line in under_way:
        of_share = rf"{work}: \d+ of {ended['n']} {unit} \(\d\d? %\)"
        assert re.fullmatch(rf"{of_share}, \S+ {unit}/s, {DURATION} left{note}", line), line
    took = 60 * int(ended["min"] or 0) + float(ended["s"])
    assert took / 10 - 2 <= len(under_way) <= took / 10, (took, under_way)
    return took


# --- a log ---


@pytest.fixture(scope="module")
def by_stage(finished: tuple[Path, str]) -> Mapping[str, list[str]]:
    """The lines that each stage of a whole run left in the log."""
    lines: dict[str, list[str]] = {}
    for line in finished[1].split("\n"):
        if begun := re.fullmatch(r"Running stage '(\S+)':", line):
            lines[begun[1]] = stage = []
        elif not OF_DVC.fullmatch(line):
            stage.append(line)
    return lines


def test_a_log_holds_no_carriage_return_no_escape_and_no_bar(finished):
    assert not NOISE.search(finished[1]), finished[1]


def test_every_stage_is_in_the_log(by_stage):
    assert sorted(by_stage) == sorted(STAGES)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "doctor"])  # which prints its table
def test_every_line_of_a_stage_begins_with_its_name(by_stage, stage):
    others = [line for line in by_stage[stage] if not re.match(rf"{stage}(, reference)?: \S", line)]
    assert others == []


@pytest.mark.parametrize("work", COUNTED)
def test_work_that_is_counted_has_its_lines(by_stage, work):
    check_lines(by_stage[work.partition(",")[0]], work, *COUNTED[work])


def test_long_work_is_a_line_every_ten_seconds(finished, environment, tmp_path):
    repository = shutil.copytree(finished[0], tmp_path / "repository", symlinks=True)
    profile = repository / "profiles/tiny.yaml"
    assert "epochs: 5\n" in profile.read_text()
    profile.write_text(profile.read_text().replace("epochs: 5\n", "epochs: 18\n"))
    with (tmp_path / "log").open("wb") as log:
        command = ["dvc", "repro", "--single-item", "base"]
        subprocess.run(command, cwd=repository, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
    text = (tmp_path / "log").read_bytes().decode()
    assert not NOISE.search(text), text
    lines = text.split("\n")
    assert check_lines(lines, "base", r"\d+", "steps", LOSS) > 10, "too few epochs for a line on the way"
    assert sum("left" in line for line in lines) >= 1


# --- a terminal ---


def on_a_terminal(folder: Path, environment: Mapping[str, str], *command: str) -> str:
    """What a command writes to a terminal of 100 columns."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 100))
    program = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=its, stderr=its)
    os.close(its)
    written = b""
    with suppress(OSError):  # which ends the reading once nobody holds the other side
        while block := os.read(ours, 65536):
            written += block
    os.close(ours)
    assert program.wait() == 0, written.decode()
    return written.decode()


@pytest.fixture(scope="module")
def terminal(finished: tuple[Path, str], environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a terminal shows of three stages that are run again."""
    repository = tmp_path_factory.mktemp("terminal") / "repository"
    shutil.copytree(finished[0], repository, symlinks=True, ignore=shutil.ignore_patterns(".work"))
    return on_a_terminal(repository, environment, "dvc", "repro", "--force", "--single-item", "sample", "rollouts", "train")


@pytest.mark.parametrize(
    ("stage", "count", "note"),
    [
        ("sample", "264/264", r", [\d,]+ tokens/s"),
        ("rollouts", "24/24", ""),
        ("train, reference", r"(\d+)/\1", ""),
        ("train", r"(\d+)/\1", r", loss 0\.\d+"),
    ],
)
def test_a_terminal_shows_a_bar_with_the_name_of_the_stage(terminal, stage, count, note):
    assert re.search(rf"\r{stage}: 100%\|█+\| {count} \[[^\]]*/s{note}\]", terminal), terminal


def test_a_terminal_shows_no_bar_of_a_library(terminal):
    bars = set(re.findall(r"\r([^\r\n]*?): +\d+%\|", terminal))
    assert bars == {"sample", "rollouts", "train, reference", "train"}
