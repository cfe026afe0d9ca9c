"""The one error that is the reader's to repair, and what messages show of a value."""

import errno
import reprlib
from typing import Any

# What the operating system refuses for reasons that are the reader's to repair, and how.
CURES = {
    errno.ENOSPC: "free some space on that file system",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "the file system or a limit (ulimit -f) allows no larger file",
    errno.EROFS: "its file system is read-only: work in a checkout that you may write to",
    errno.EACCES: "give yourself the right to it",
    errno.EPERM: "give yourself the right to it",
    errno.EIO: "the disk fails: look at its health (dmesg) and work on another",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EISDIR: "a folder stands where a file belongs: move it away",
    errno.ENOTDIR: "a file stands where a folder belongs: move it away",
    errno.ELOOP: "a link that points to itself: remove it",
    errno.EEXIST: "move away what stands there",
}


class InputError(ValueError):
    """Input is not as it must be. The message says the value, where it stands, the cause and the cure."""


class _Brief(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        """Python writes no number of more than some thousand digits."""
        return super().repr_int(x, level) if x.bit_length() < 10_000 else f"a whole number of {x.bit_length():,} bits"


def shown(value: Any, max_length: int = 60) -> str:
    """A value as messages show it, in at most so many characters: of lists in lists only the first few are looked at."""
    brief = _Brief()
    brief.maxstring = brief.maxlong = brief.maxother = max_length
    text = brief.repr(value)
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."
