"""How far a stage has come: a bar on a terminal, and in a log a line every some seconds. Nothing here changes a result.

    sample: 2,100 of 5,500 texts (38 %), 310 texts/s, 11 s left, 7,900 tokens/s

tqdm measures; here stands what is shown. Bars of libraries are off in both cases: beside ours they repeat it, name no stage, and
fill a log with carriage returns.
"""

import io
import os
import sys
from dataclasses import dataclass
from typing import Self

# Between two lines of a log: often enough to see within a glance that a stage moves, and under 400 lines an hour.
LINE_SECONDS = 10


def silence_library_bars() -> None:
    """Turn off every bar of tqdm that does not ask to be shown, here and in the processes that this one starts.

    To be called before tqdm is loaded, by whichever library, because tqdm reads its switch then. It covers libraries whose bars
    have no switch of their own: TRL's pass over the pairs, and what unpacks GGUF files.
    """
    os.environ["TQDM_DISABLE"] = "1"


def on_terminal() -> bool:
    """Whether somebody watches: both streams are terminals. `dvc repro | tee log` gets lines, and so does `2> errors`."""
    return sys.stdout.isatty() and sys.stderr.isatty()


def stage_name(otherwise: str) -> str:
    """The stage as DVC names it (`answer@coherence`) in a process that DVC started, `otherwise` in any other."""
    return os.environ.get("DVC_STAGE", otherwise).rpartition(":")[2]  # below the root, DVC puts the path of dvc.yaml first


def say(line: str) -> None:
    """Print a line without breaking the bar that may be there."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


class _Nowhere(io.TextIOBase):
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


class Progress:
    """Pieces of work that are counted as they end, in a `with` block.

    stage  as messages name it
    total  pieces in all
    unit   what they are, in the plural: texts, steps
    done   pieces that were there before
    Work of less than LINE_SECONDS gives one line, at its end.
    """

    def __init__(self, stage: str, total: int, unit: str, done: int = 0) -> None:
        from tqdm import tqdm

        self.stage, self.unit, self.in_lines = stage, unit, not on_terminal()
        wide = not self.in_lines and os.get_terminal_size(sys.stderr.fileno()).columns > 0
        self._bar = tqdm(
            desc=stage,
            total=total,
            initial=done,
            unit=f" {unit}",
            file=_Nowhere() if self.in_lines else sys.stderr,  # in a log it only keeps the time and the rate
            disable=False,
            dynamic_ncols=wide,
            ncols=None if wide else 80,  # tqdm draws nothing on a terminal that tells no width
            miniters=1 if self.in_lines else None,
            mininterval=LINE_SECONDS if self.in_lines else 0.1,
            smoothing=0.3 if self.in_lines else 0.05,  # over the last half minute of lines, or some seconds of a bar
        )
        self._note = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def update(self, count: int = 1) -> None:
        """Count pieces that have ended."""
        due = self._bar.update(count)
        if due and self.in_lines and self._bar.n < self._bar.total:
            print(self._measured().line(), flush=True)

    def note(self, text: str) -> None:
        """What stands at the end of the bar and of every line from now on, such as the loss."""
        self._note = text
        if not self.in_lines:
            self._bar.set_postfix_str(text, refresh=False)

    def close(self) -> None:
        """End the bar, or print the last line. A second time does nothing."""
        if self._bar.disable:  # so tqdm marks a bar that has ended
            return
        measured = self._measured()
        self._bar.close()
        if self.in_lines:
            print(measured.last_line(), flush=True)

    def _measured(self) -> "Measured":
        found = self._bar.format_dict
        return Measured(
            self.stage, self.unit, found["total"], found["initial"], found["n"], found["elapsed"], found["rate"], self._note
        )


@dataclass(frozen=True)
class Measured:
    """What a line says; pieces in `unit`.

    initial  pieces that were there before
    done     pieces that are there now, those among them
    elapsed  seconds since it began
    rate     pieces a second of late; None before it is known
    note     what stands at the line's end, if anything
    """

    stage: str
    unit: str
    total: int
    initial: int
    done: int
    elapsed: float
    rate: float | None
    note: str

    def line(self) -> str:
        """Of work under way."""
        if not self.rate:
            return self._joined(self._share(), self.note)
        left = (self.total - self.done) / self.rate
        return self._joined(self._share(), self._rate(self.rate), f"{duration(left)} left", self.note)

    def last_line(self) -> str:
        """Of work that has ended, or that an error has ended; the rate is of the whole time."""
        rate = (self.done - self.initial) / max(self.elapsed, 1e-9)
        return self._joined(f"{self._share()} in {duration(self.elapsed)}", self._rate(rate), self.note)

    def _share(self) -> str:
        percent = 100 * self.done // self.total if self.total else 100
        return f"{self.stage}: {self.done:,} of {self.total:,} {self.unit} ({percent} %)"

    def _rate(self, rate: float) -> str:
        return f"{rate:,.0f} {self.unit}/s" if rate >= 9.95 else f"{rate:.2g} {self.unit}/s"

    def _joined(self, *parts: str) -> str:
        return ", ".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """Seconds as a reader takes them in: 0.04 s, 4.2 s, 57 s, 2 min 31 s, 3 h 05 min."""
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
