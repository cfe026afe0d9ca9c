"""Text of a model or a file as a page may show it: whatever stands in it is seen, and moves nothing around it."""

import re

# Control characters but the tab and the end of a line; marks that turn the direction of what follows; spaces of no width; and
# separators of lines that editors do not show. A joiner (U+200D) stays: emoji are made of it.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")


def visible(text: str) -> str:
    """The text with `⟨U+202E⟩` in the place of each character that is not seen; ends of lines are those of Unix."""
    return UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def cut(text: str, limit: int) -> str:
    """The first `limit` characters, and then how many there were."""
    return text if len(text) <= limit else f"{text[:limit]} … [cut: {limit:,} of {len(text):,} characters]"
