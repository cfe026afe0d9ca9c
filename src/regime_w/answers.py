"""Reading the answer of a completion: an exact rational number, or none.

An answer stands behind a marker, `Answer:` or `####`; the last marker wins, and text without a marker
has no answer, whatever numbers stand in it. Numbers become fractions, never floats: 18.00 is 18, and
18.0000001 is not. What is not clearly one number (two numbers, a range, a clock time, 3 million) is
no answer, because reading either half of a hedge would reward hedging.

Everything here takes time linear in the length of the text: a completion of any length may come.
"""

import re
import string
import unicodedata
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

MAX_SEGMENT = 1000  # characters; no single number with its unit is written in more
MAX_REMEMBERED = 60  # characters of a segment whose value is remembered
MAX_PLAIN = 15  # digits of a number that is read at once
MAX_DIGITS = 500  # of one number as it stands, and in canonical form; Python's own limit for int() is 4300
MAX_EXPONENT = 300  # of scientific notation, either sign; 1e999999999 must not be computed

# --- where the answer stands ---

LINE_ENDS = re.compile("\r\n|[\r\u2028\u2029]")
END = re.compile(
    r"</s>|<\|im_end\|>|<\|endoftext\|>"
    # Two runs of spaces meet here; unbounded they would take quadratic time.
    r"|^[ \t>*_#]*(?:Question|Q)[ \t]{0,8}[0-9]{0,3}[ \t*_]{0,8}:",
    re.MULTILINE,
)
HASH_MARKER = re.compile(r"#{4,}[ \t]*:?")
ANSWER_MARKER = re.compile(r"(?:\bfinal[ \t]+)?\banswer[ \t*_]*:[*_]*", re.ASCII | re.IGNORECASE)
ANSWER_MARKER_AT_LINE_START = re.compile(
    r"^[ \t>*_#-]*(?:the[ \t]+)?(?:final[ \t]+)?answer[ \t*_]*:[*_]*",
    re.ASCII | re.IGNORECASE | re.MULTILINE,
)
SMALL_LETTERS = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def cut(text: str) -> str:
    """The completion up to its first end-of-text token or new question, with line ends as "\\n".

    End-of-text tokens are </s>, <|im_end|> and <|endoftext|>; a new question is a line that starts
    with "Question:" or "Q:", numbered or bold or not. What follows answers something else.
    """
    if "\r" in text or "\u2028" in text or "\u2029" in text:
        text = LINE_ENDS.sub("\n", text)
    # The pattern is tried at every character, and every end holds one of these, which few completions do.
    if "</s>" in text or "<|" in text or "Q" in text:
        end = END.search(text)
        return text[: end.start()] if end else text
    return text


# The last markers are searched from the end on: from the beginning, each pattern would be tried at every character.


def _last_hash_marker(text: str) -> re.Match[str] | None:
    place = text.rfind("####")
    if place < 0:
        return None
    return HASH_MARKER.match(text, len(text[:place].rstrip("#")))


def _last_answer_marker(text: str) -> re.Match[str] | None:
    lowered = _lowered(text)
    place = lowered.rfind("answer")
    while place >= 0:
        marker = ANSWER_MARKER.match(text, place)
        if marker:
            before = text[:place].rstrip(" \t")
            if len(before) < place and lowered.endswith("final", 0, len(before)):
                return ANSWER_MARKER.match(text, len(before) - len("final")) or marker
            return marker
        place = lowered.rfind("answer", 0, place)
    return None


def _last_answer_marker_at_line_start(text: str) -> re.Match[str] | None:
    lowered = _lowered(text)
    place = lowered.rfind("answer")
    while place >= 0:
        line_start = text.rfind("\n", 0, place) + 1
        marker = ANSWER_MARKER_AT_LINE_START.match(text, line_start)
        if marker:
            return marker
        place = lowered.rfind("answer", 0, line_start)
    return None


def _lowered(text: str) -> str:
    """The text with its capitals A to Z made small, and perhaps others, each at its place."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text.translate(SMALL_LETTERS)  # of some characters it makes two


def _last_markers(text: str) -> list[re.Match[str]]:
    """The last marker of each kind that a cut text has, in text order: none, one or two."""
    hash_marker = _last_hash_marker(text)
    # Beside ####, "answer:" in the midst of a sentence is prose.
    answer_marker = _last_answer_marker_at_line_start(text) if hash_marker else _last_answer_marker(text)
    if hash_marker and answer_marker:
        return sorted((hash_marker, answer_marker), key=lambda marker: marker.end())
    marker = hash_marker or answer_marker
    return [marker] if marker else []


def _segment(text: str, marker: re.Match[str]) -> str:
    """What stands behind a marker: the rest of its line, or the next line if that is blank."""
    start = marker.end()
    for _ in range(2):
        end = text.find("\n", start)
        line = text[start:] if end < 0 else text[start:end]
        if line.strip() or end < 0:
            break
        start = end + 1
    return line.split("####", 1)[0]


class Reading(NamedTuple):
    """What a completion says: its answer, if it has one, and the text before that."""

    answer: Fraction | None
    reasoning: str


def read_completion(text: str) -> Reading:
    """`extract_answer` and `reasoning` of a completion, which is read once for both."""
    text = cut(text)
    markers = _last_markers(text)
    return Reading(_answer(text, markers), _before(text, markers))


def extract_answer(text: str) -> Fraction | None:
    """The answer of a completion (never of a prompt, which may hold markers of its own), or None.

    The text is cut (see `cut`); the last marker wins, and if what follows it is not one number there
    is no answer: no earlier marker and no other number stands in. Markers of both kinds whose last
    values differ are no answer either.
    """
    return read_completion(text).answer


def reasoning(text: str) -> str:
    """The completion, cut, without everything from its last answer marker on; all of it if it has none."""
    return read_completion(text).reasoning


def _answer(text: str, markers: list[re.Match[str]]) -> Fraction | None:
    values = [parse_number(_segment(text, marker)) for marker in markers]
    if not values or (values[0] is not None and values[0] != values[-1]):
        return None
    return values[-1]


def _before(text: str, markers: list[re.Match[str]]) -> str:
    if not markers:
        return text
    # "#### Answer: 18" holds two markers and says one thing, so it is dropped from its beginning on.
    start = markers[-1].start()
    if len(markers) == 2 and not text[markers[0].end() : start].strip():
        start = markers[0].start()
    return text[:start].rstrip("*_")


# --- the canonical string ---


def canonical(answer: Fraction) -> str:
    """The one way to write an exact number: "18", "-0.25", and "1/3" where no decimal is exact.

    No plus sign, grouping, trailing zeros or trailing point; minus zero is "0". Equal numbers have
    equal strings, and `parse_number` reads each back that has at most MAX_DIGITS digits.
    """
    numerator, denominator = answer.numerator, answer.denominator
    if denominator == 1:
        return str(numerator)
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{numerator}/{denominator}"
    places = max(twos, fives)
    digits = str(abs(numerator) * 10**places // denominator).rjust(places + 1, "0")
    whole, decimals = (digits[:-places], f".{digits[-places:]}") if places else (digits, "")
    return f"{'-' if numerator < 0 else ''}{whole}{decimals}"


# --- one written number ---

VULGAR_FRACTIONS = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
# Signs of the same meaning, one character each. All currencies become the one sign that has no other use.
CHARACTERS = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-")
    | dict.fromkeys("$€£¥₹¢₽₩", "¤")
    | dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad", None)
    | dict.fromkeys("\u2044\u2215", "/")
    | dict.fromkeys("≈≃≅~", "=")
    | dict.fromkeys("·⋅", "×")
    # The spaces come first: the fraction of a mixed number stands apart from the whole.
    | {sign: f" {unicodedata.normalize('NFKD', sign)}".replace("\u2044", "/") for sign in VULGAR_FRACTIONS}
)
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")

# LaTeX that may stand around or in a number, in this order; any other command is no number (\sqrt, \pi).
LATEX = [
    (re.compile(r"\\\\|\\[ ,;:]|\\q?quad\b"), " "),
    (re.compile(r"\\!|\\[()\[\]]|\\(?:left|right|displaystyle)(?![a-z])"), ""),
    (re.compile(r"\\(?=[¤%#&_{}])"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\^?\s?\{?\\(?:circ|degree)(?![a-z])\}?"), "°"),
    (re.compile(r"\\approx(?![a-z])"), "="),
    (re.compile(r"\\(?:times|cdot)(?![a-z])"), "×"),
    (re.compile(r"\\(?:boxed|fbox|mbox|text(?:bf|it|rm)?|math(?:bf|it|rm))(?![a-z])"), ""),
    (re.compile(r"\^\{([+-]?[0-9]+)\}"), r"^\1"),
    (re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r" \1/\2 "),
    (re.compile(r"[{}]"), " "),
]

COMMAS = r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])"
SPACES = r"[1-9][0-9]{0,2}(?:[ \u00a0\u2009\u202f][0-9]{3})+(?![0-9])"
MIXED = re.compile(rf"({COMMAS}|[0-9]+)[ \u00a0]{{1,4}}([1-9][0-9]?) ?/ ?([0-9]+)")
FRACTION = re.compile(rf"({COMMAS}|[0-9]+) ?/ ?([0-9]+)")
DECIMAL = re.compile(rf"({COMMAS}|{SPACES}|[0-9]*)(?:\.([0-9]*))?")
EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)| ?[×xX*] ?10 ?(?:\^|\*\*) ?([+-]?[0-9]+)")

SCALE = r"(?:hundred|thousand|million|billion|trillion|quadrillion|lakh|crore)s?"
# Words right before a number that make it another number, or a bound, or no value at all.
BENT_BEFORE = re.compile(
    r"(?:\b(?:than|least|most|under|below|above|over|up to|between|minus|negative|plus|or|times|step"
    rf"|{SCALE})|(?<!['’])\b[b-hj-z])\s*$",
    re.IGNORECASE,
)
NEGATED = re.compile(r"\b(?:not|cannot)\b|n['’]t\b", re.IGNORECASE)
# The same right after it: "18 or 20", "18 and a half", "3 million", "5k", "3x", "0.6 repeating", "3:30".
BENT_AFTER = re.compile(rf"\s*(?:\.\.|…|:|[\W_]*\b(?:and|to|through|plus|minus|repeating|recurring|{SCALE})\b)", re.IGNORECASE)
SCALE_LETTER = re.compile(r"\s?(?:[kKMB]|[mb]n)\b")
HEDGED = re.compile(r"\bor\b|\band (?:a )?half\b|\b[xyzn]\b|π", re.IGNORECASE)
HEDGED_IN_BRACKETS = re.compile(rf"\bor\b|\b{SCALE}\b", re.IGNORECASE)
UNIT_POWER = re.compile(r"(?<=[^\W\d_])(?:\s?\^\s?-?[1-3]|[23])(?![0-9])")
# What makes words around a number a formula. A slash may stand between words, as in km/h.
OPERATOR = re.compile(r"[+^=<>|\\#×÷±√∞≠≤≥∈]|/(?!\s?[^\W\d_])")
DECORATION = " \t\u00a0¤*_([\"'`“"  # may stand between words, sign and digits
PRODUCT_BEFORE = re.compile(r"\S\s+\*+\s+$|[^\W\d_)\]]\*+$")
PRODUCT_AFTER = re.compile(r"\s+\*+\s+\S|\*+[^\W\d_]|\**[(\[]\s?[-+]?(?:[0-9]|[xyzn]\b)")
TWO_STATEMENTS = re.compile(r"[,;](?![0-9]{3})|\b(?:and|or)\b", re.IGNORECASE)


def parse_number(text: str) -> Fraction | None:
    """The value of one written number, or None if the text is not clearly one number.

    Read are a sign, a currency, well-formed groups (1,000 or 1 000), decimals, a/b, mixed numbers,
    scientific notation, a unit or percent sign behind (60% is 60), Markdown, LaTeX, an equation's
    right side, a remark in brackets behind, and words around that hold no second number. Not read are
    two numbers, ranges, ratios, clock times, scale words, bounds, malformed or European groups,
    number words, digits other than 0-9, and what is longer than MAX_SEGMENT, MAX_DIGITS or MAX_EXPONENT.
    """
    text = text.strip()
    return _parse_again(text) if len(text) <= MAX_REMEMBERED else _parse(text)


def _parse(text: str) -> Fraction | None:
    digits = text.removeprefix("$").removesuffix(".")
    if len(digits) <= MAX_PLAIN and digits.isascii() and digits.isdigit():  # as most answers are written
        return Fraction(int(digits))
    if len(text) > MAX_SEGMENT:
        return None
    text = _unwrapped(_plain(text).strip())
    if any(sign.isnumeric() and sign not in "0123456789" for sign in text):
        return None
    right_side = _right_of_equals(text)
    value = None if right_side is None else _one_number(_unwrapped(right_side))
    # 1/2**1600 takes 1600 decimals: what is read must be short enough to be written and read again.
    return None if value is None or len(_digits(canonical(value))) > MAX_DIGITS else value


# The completions of one question mostly end alike.
_parse_again = lru_cache(maxsize=1000)(_parse)


def _plain(text: str) -> str:
    """The text with signs of one meaning made one, and without the LaTeX that a number may wear."""
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+", lambda run: "^" + run[0].translate(SUPERSCRIPTS), text)
    text = text.translate(CHARACTERS)
    for pattern, replacement in LATEX:
        text = pattern.sub(replacement, text)
    return text


def _depths(text: str) -> list[int]:
    """How many round and square brackets are open at each character, the brackets themselves included."""
    depths, depth = [], 0
    for sign in text:
        depth += sign in "(["
        depths.append(depth)
        depth -= sign in ")]" and depth > 0
    return depths


def _unwrapped(text: str) -> str:
    """The text without the brackets, emphasis and quotes that enclose all of it."""
    text = text.strip()
    while len(text) >= 2:
        pair = text[0] + text[-1]
        brackets = pair in ("()", "[]") and all(_depths(text))
        if not (brackets or pair in ("**", "__", "``", '""', "''", "“”", "<>")):
            break
        text = text[1:-1].strip()
    return text


def _right_of_equals(text: str) -> str | None:
    """The last side of an equation, or the text itself; None for an inequality or for two statements."""
    places = [i for i, depth in enumerate(_depths(text)) if text[i] == "=" and not depth]
    if not places:
        return text
    sides = [text[start + 1 : end] for start, end in zip([-1, *places], [*places, len(text)], strict=True)]
    if any(side.rstrip().endswith(("<", ">", "!")) for side in sides[:-1]):
        return None
    if re.search(r"\bor\b", sides[0]) or any(TWO_STATEMENTS.search(side) for side in sides[1:-1]):
        return None
    return sides[-1]


def _one_number(text: str) -> Fraction | None:
    """The only number of a plain text, if the words before and behind leave its value alone."""
    digit = re.search(r"\.?[0-9]", text)
    if digit is None:
        return None
    sign = _sign(text[: digit.start()])
    numeral = _numeral(text, digit.start())
    if sign is None or numeral is None:
        return None
    value, end = numeral
    return sign * value if _is_remark(text[end:]) else None


def _undecorated(before: str) -> str:
    """The text without the decoration at its end, and without spaces of any width and signs that cannot be seen."""
    end = len(before)
    while end and (before[end - 1] in DECORATION or not before[end - 1].isprintable()):
        end -= 1
    return before[:end]


def _sign(before: str) -> int | None:
    """1 or -1 from what stands before the digits; None if that makes them part of something else."""
    if PRODUCT_BEFORE.search(before):
        return None
    words = _undecorated(before)
    spaced = any(sign.isspace() for sign in before[len(words) :])
    sign = 1
    if words.endswith(("+", "-")):
        sign = -1 if words.endswith("-") else 1
        signless = words[:-1]
        words = _undecorated(signless)
        # "x-18" and "total - 18" subtract, or set off; "about -18" and "total: - 18" are negative.
        if words and (spaced or words == signless) and not words.endswith(":"):
            return None
    elif words == before and (words.endswith(".") or words[-1:].isalnum()):
        return None  # v.2, B12
    bent = OPERATOR.search(words) or BENT_BEFORE.search(words) or NEGATED.search(words)
    return None if bent or words.endswith("-") else sign


def _numeral(text: str, start: int) -> tuple[Fraction, int] | None:
    """(value without sign, where it ends) of the digits at `start`; None if the value is out of bounds."""
    if match := MIXED.match(text, start):
        whole, numerator, denominator = match.groups()
    elif match := FRACTION.match(text, start):
        whole, (numerator, denominator) = "0", match.groups()
    else:
        return _decimal(text, start)
    if len(_digits(match[0])) > MAX_DIGITS or int(denominator) == 0:
        return None
    part = Fraction(int(_digits(numerator)), int(denominator))
    if match.re is MIXED and part >= 1:
        return None
    return int(_digits(whole)) + part, match.end()


def _decimal(text: str, start: int) -> tuple[Fraction, int] | None:
    match = DECIMAL.match(text, start)
    assert match is not None  # it matches no digits, too
    whole, decimals = _digits(match[1]), match[2] or ""
    if len(whole) + len(decimals) > MAX_DIGITS:
        return None
    value, end = Fraction(int(whole + decimals), 10 ** len(decimals)), match.end()
    if exponent := EXPONENT.match(text, end):
        written = exponent[1] or exponent[2]
        if len(written) > MAX_DIGITS or abs(int(written)) > MAX_EXPONENT:
            return None
        value, end = value * Fraction(10) ** int(written), exponent.end()
    return value, end


def _digits(grouped: str) -> str:
    return re.sub(r"[^0-9]", "", grouped)


def _is_remark(behind: str) -> bool:
    """Whether what stands behind a number is a unit or a remark, which leaves its value as it is."""
    if BENT_AFTER.match(behind) or SCALE_LETTER.match(behind) or PRODUCT_AFTER.match(behind):
        return False
    depths = _depths(behind)
    inside = "".join(sign for sign, depth in zip(behind, depths, strict=True) if depth)
    outside = "".join(" " if depth else sign for sign, depth in zip(behind, depths, strict=True))
    if HEDGED_IN_BRACKETS.search(inside) or HEDGED.search(outside):
        return False
    outside = UNIT_POWER.sub("", outside)
    return not (re.search("[0-9]", outside) or OPERATOR.search(outside))
