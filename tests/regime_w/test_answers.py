"""The rules by which an answer is read: where it stands, what is one number, how it is written."""

import json
import os
import re
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from src.regime_w.answers import (
    ANSWER_MARKER,
    ANSWER_MARKER_AT_LINE_START,
    END,
    HASH_MARKER,
    LINE_ENDS,
    _last_markers,
    _parse,
    canonical,
    cut,
    extract_answer,
    parse_number,
    reasoning,
)

SHARED_DATA = os.environ.get("REGIME_W_SHARED_DATA")


def read(text: str) -> str | None:
    """The canonical answer of a completion, or None."""
    answer = extract_answer(text)
    return None if answer is None else canonical(answer)


def number(text: str) -> str | None:
    value = parse_number(text)
    return None if value is None else canonical(value)


# --- where the answer stands ---


@pytest.mark.parametrize(
    "text",
    [
        "Six rows of 7 give 42.\nAnswer: 42",
        "Six rows of 7 give 42.\n#### 42",
        "Six rows of 7 give 42. #### 42",
        "so\n####42",
        "so\n#####: 42",
        "so\nFINAL ANSWER: 42",
        "so\n**Answer:** 42",
        "so\n**Answer**: **42**",
        "so\n### Answer: 42",
        "so\nanswer :42",
        "so\nAnswer:\n42",
        "so\n####\r\n42\r\n",
        "so\n#### Answer: 42",
        "so the answer: 42",
        "Answer: 42\nIt took 3 steps.",
    ],
)
def test_both_markers_are_read_in_all_their_dress(text: str):
    assert read(text) == "42"


NOMARKER = ["", " \n", "42", "The answer is 42.", "### 42", "Answers 42", "myanswer: 42"]


@pytest.mark.parametrize("text", NOMARKER)
def test_without_a_marker_there_is_no_answer(text: str):
    assert read(text) is None


@pytest.mark.parametrize("mark", ["Answer:", "####"])
def test_last_marker_wins_and_nothing_stands_in_for_it(mark: str):
    assert read(f"{mark} 5\nNo, wrong.\n{mark} 6") == "6"
    assert read(f"{mark} 5\nNo, wrong.\n{mark} unknown") is None
    assert read(f"{mark} 5\n{mark}") is None


def test_two_kinds_of_marker_must_agree_in_value():
    assert read("Answer: 1,000\n#### 1000.0") == "1000"
    assert read("Answer: 5\n#### 6") is None
    assert read("#### 6\nAnswer: 5") is None
    # Only the last of each kind counts.
    assert read("Answer: 5\n#### 6\nAnswer: 6") == "6"
    # A heading is a marker without a number: it says nothing against the answer that follows it.
    assert read("#### Step 1: count\nThere are 6.\nAnswer: 6") == "6"
    assert read("Answer: 6\n#### none") is None


def test_beside_hashes_a_label_counts_at_line_start_only():
    assert read("I check my answer: 5 cannot be.\n#### 6") == "6"
    assert read("**Answer: 5**\n#### 6") is None


@pytest.mark.parametrize(
    "end",
    ["</s>", "<|im_end|>", "<|endoftext|>", "\nQuestion:", "\nQ:", "\n\n  Question 2:", "\n**Question:**"],
)
def test_what_follows_the_end_is_not_read(end: str):
    text = f"Answer: 5{end} another\nAnswer: 6\n#### 7"
    assert read(text) == "5"
    assert cut(text).strip() == "Answer: 5"


def test_a_question_in_the_midst_of_a_line_ends_nothing():
    assert read("Now the Question: is it 5?\nAnswer: 6") == "6"


# --- what is one number ---


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", "7"), ("+7", "7"), ("-7", "-7"), ("- 7", "-7"), ("\u22127", "-7"), ("\u20137", "-7"),
        ("-0", "0"), ("007", "7"), ("7.", "7"), ("7.50", "7.5"), (".5", "0.5"), ("-.5", "-0.5"),
        ("1,000.00", "1000"), ("12,345,678", "12345678"), ("1 000", "1000"),
        ("1\u00a0000\u00a0000", "1000000"),
        ("$7", "7"), ("-$7,000", "-7000"), ("$-7", "-7"), ("£7.25", "7.25"), ("7€", "7"), ("US$7", "7"),
        ("60%", "60"), ("60 \\%", "60"), ("2.5 percent", "2.5"),
        ("6/4", "1.5"), ("1/3", "1/3"), ("-2/6", "-1/3"), ("2 1/2", "2.5"), ("-2 1/2", "-2.5"),
        ("½", "0.5"), ("3¼", "3.25"), ("\\frac{1}{3}", "1/3"), ("2\\frac{1}{2}", "2.5"), ("1\u20442", "0.5"),
        ("2e3", "2000"), ("2.50E-1", "0.25"), ("2 × 10^3", "2000"), ("2 \\times 10^{-1}", "0.2"),
        ("2·10³", "2000"),
        ("7 apples", "7"), ("7kg", "7"), ("7 km/h", "7"), ("7 cm^2", "7"), ("7 m²", "7"), ("7 (apples)", "7"),
        ("7 (3 + 4)", "7"), ("7, as wanted", "7"), ("7 dozen", "7"), ("7th", "7"), ("90°", "90"),
        ("**7**", "7"), ("`7`", "7"), ('"7"', "7"), ("(7)", "7"), ("[-7]", "-7"), ("<7>", "7"), ("_7_", "7"),
        ("\\boxed{7}", "7"), ("\\boxed{\\frac{7}{2}}", "3.5"), ("\\text{7}", "7"), ("$7$", "7"),
        ("\\(7\\)", "7"),
        ("7\\text{ apples}", "7"), ("1{,}234", "1234"), ("\\$7", "7"),
        ("3 + 4 = 7", "7"), ("x = 7", "7"), ("14/2 = 7 apples", "7"), ("about 7", "7"), ("≈ 7", "7"),
        ("They have 7 apples.", "7"), ("about -7", "-7"), ("\u200b7\ufeff", "7"),
        ("9007199254740993", "9007199254740993"),
    ],
)  # fmt: skip
def test_one_number(text: str, value: str):
    assert number(text) == value
    assert read(f"so\nAnswer: {text}") == value


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "-", "none", "seven", "inf", "NaN", "7 or 8", "7 and 8", "7, 8", "7 8", "7-8", "7–8",
        "7 to 8",
        "7:30", "7:8", "7 hours 30 minutes", "3 boxes of 6, so 18", "7 or so", "7 and a half",
        "7 million", "7k", "$7M", "7 thousand", "3 hundred",
        "1,00", "1,0000", "12,34,567", "0,123", "1.234,5", "7,5", "1 0000", "1.2.3", "1_000",
        "1/0", "\\frac{1}{0}", "1/2/3", "1/2.5", "3 7/2", "7/",
        "7...", "0.6…", "0.6 repeating", "0.(6)", "0.\\overline{6}",
        "3x", "7 + x", "x - 7", "2 * 7", "2**7", "2(7)", "7!= 8", "< 7", "≥ 7", ">= 7", "more than 7",
        "not 7",
        "minus 7", "--7", "7 ± 1", "\\sqrt{7}", "7\\pi", "B12", "x = 7, y = 8", "7 (or 8)",
        "\uff17", "\u0667", "Ⅶ", "2e999999999", "2e-999999999", "2e301", "9" * 501, "0." + "3" * 501,
        f"1/{2**1600}", "1." + "1" * 490 + "e-300", "1" * 300 + "e300",
    ],
)  # fmt: skip
def test_not_clearly_one_number(text: str):
    assert number(text) is None
    assert read(f"so\nAnswer: {text}") is None


def test_numbers_are_exact():
    assert parse_number("0.1") + parse_number("0.2") == parse_number("0.3")
    assert parse_number("9007199254740993") != parse_number("9007199254740992")
    assert parse_number("18.0000001") != 18
    assert parse_number("500%") == 500


# --- the canonical string ---


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(0), "0"), (Fraction(-0), "0"), (Fraction(1200), "1200"), (Fraction(-7), "-7"),
        (Fraction(1, 8), "0.125"), (Fraction(-1, 20), "-0.05"), (Fraction(37, 2), "18.5"),
        (Fraction(2, 6), "1/3"), (Fraction(-7, 6), "-7/6"), (Fraction(1, 10**12), "0.000000000001"),
    ],
)  # fmt: skip
def test_canonical_string(value: Fraction, text: str):
    assert canonical(value) == text


def test_canonical_string_is_read_back():
    random = Random(0)
    for _ in range(2000):
        value = Fraction(random.randint(-(10**6), 10**6), random.choice([1, 2, 5, 8, 40, 3, 7, 1000, 999]))
        assert parse_number(canonical(value)) == value


def test_smallest_and_longest_numbers_can_be_written():
    for text in ["9" * 500, "0." + "1" * 499, "1/" + "3" * 499, "1e300", "1e-300", "2 1/" + "3" * 200]:
        assert parse_number(text) is not None
        assert parse_number(canonical(parse_number(text))) == parse_number(text)


# --- reasoning ---


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a b\nAnswer: 5", "a b\n"),
        ("a b\n**Answer:** 5", "a b\n"),
        ("a b #### 5", "a b "),
        ("a\nAnswer: 4\nb\nAnswer: 5", "a\nAnswer: 4\nb\n"),
        ("a b\n#### Answer: 5", "a b\n"),
        ("a b\nFinal answer: 5\nmore", "a b\n"),
        ("a b</s>Answer: 5", "a b"),
        ("a b 5", "a b 5"),
        ("Answer: 5", ""),
    ],
)
def test_reasoning_ends_at_the_last_marker(text: str, kept: str):
    assert reasoning(text) == kept


# --- any text, any length ---

PIECES = [
    "#", "####", "Answer", "answer:", "final ", "Q", "Q ", "Question", ":", "*", "_", " ", "\t", "\n", "\r",
    "\n>", "1", "1,000", "9.", "1 ", "/", "-", "$", "=", "(", "[", "\\frac{", "{", "\\", "10^", "e9", "½",
    "²", "</s", "<|",
    "\u200b", "\u2028", "and ",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("head", ["", "Answer: ", "Q", "a #### 1"])
def test_two_megabytes_of_one_piece_are_read(head: str, piece: str):
    """Quadratic time would take hours here, so that this ends at all is the check."""
    text = head + piece * (2_000_000 // len(piece) // 4)
    extract_answer(text), reasoning(text), parse_number(text)


def test_any_text_is_read_without_an_error():
    random = Random(1)
    for _ in range(5000):
        text = "".join(random.choices(PIECES, k=random.randint(1, 30)))
        for value in (extract_answer(f"#### {text}"), parse_number(text)):
            assert value is None or parse_number(canonical(value)) == value
        assert cut(text).startswith(reasoning(text))


# --- the shared conformance cases ---


def cases(name: str) -> list[dict]:
    if not SHARED_DATA:
        return []
    return [json.loads(line) for line in (Path(SHARED_DATA) / name).read_text().split("\n") if line]


@pytest.mark.skipif(not SHARED_DATA, reason="these cases are not ours to ship; REGIME_W_SHARED_DATA names a folder with them")
def test_conformance_of_parsing():
    found = {case["id"]: read(case["text"]) for case in cases("answer_parser_cases.jsonl")}
    assert found == {case["id"]: case["expected"] for case in cases("answer_parser_cases.jsonl")}


@pytest.mark.skipif(not SHARED_DATA, reason="these cases are not ours to ship; REGIME_W_SHARED_DATA names a folder with them")
def test_conformance_of_equality():
    for case in cases("answer_equality_cases.jsonl"):
        gold, predicted = parse_number(case["gold"]), parse_number(case["pred"])
        assert gold is not None
        assert (gold == predicted) == case["equal"], case


# --- what saves time ---


def last(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [match.span() for match in pattern.finditer(text)][-1:]


def test_markers_and_ends_are_those_that_the_patterns_find_from_the_beginning_on():
    random = Random(4)
    pieces = [
        "answer",
        "Answer:",
        "ANSWER",
        ":",
        "final ",
        "Final\t",
        "the ",
        "####",
        "#",
        " ",
        "\t",
        "*",
        "_",
        ">",
        "\n",
        "\r\n",
        "\u2028",
    ]
    pieces += ["Q:", "Question 3:", "</s>", "<|im_end|>", "<", "12", "x", "İ", "\u212a", "Σ", "ſ"]
    for _ in range(20_000):
        text = "".join(random.choices(pieces, k=random.randint(0, 12)))
        plain = LINE_ENDS.sub("\n", text)
        end = END.search(plain)
        assert cut(text) == (plain[: end.start()] if end else plain)
        hashes = last(HASH_MARKER, plain)
        wanted = hashes + last(ANSWER_MARKER_AT_LINE_START if hashes else ANSWER_MARKER, plain)
        assert [marker.span() for marker in _last_markers(plain)] == sorted(wanted, key=lambda span: span[1])


def test_plain_digits_are_the_number_that_all_rules_together_find():
    for text in ("0", "007", "42", "$42", "42.", "$42.", "9" * 15):
        assert parse_number(text) == _parse(f"{text} items"), text
    assert [number(text) for text in ("$", ".", "$.", "$$5", "5..", "²", "٣")] == [None, None, None, "5", "5", None, None]
