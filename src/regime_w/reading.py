"""What the scores read in a text: its answer, and the words, numbers and operators of its reasoning."""

import re
import string
from collections.abc import Collection
from typing import NamedTuple

from src.regime_w.answers import canonical, read_completion, reasoning

TOKEN = re.compile(r"[a-z]+|\d+(?:\.\d+)?|[+\-*/=%]")
# The same for ASCII in two parts, in less time: words are what other characters leave, and few tokens have no letter.
NO_WORD = re.compile(r"[0-9]+(?:\.[0-9]+)?|[+\-*/=%]")
SMALL_LETTERS = {ord(letter): ord(letter.lower()) for letter in string.ascii_letters}
WORD_SIGNS = bytes(SMALL_LETTERS.get(code, ord(" ")) for code in range(256))
OTHER_SIGNS = bytes(code if chr(code) in "0123456789.+-*/=%" else ord(" ") for code in range(256))


def tokens(text: str) -> list[str]:
    """The reasoning's words, numbers and operators, lower-cased, in order of appearance.

    The answer does not count: else two texts would be alike for reaching the same number.
    """
    return TOKEN.findall(reasoning(text).lower())


def count_tokens(text: str) -> int:
    """How many `tokens` a text has."""
    return len(_tokens_in_any_order(reasoning(text)))


def _tokens_in_any_order(before: str) -> list[str]:
    """`tokens` of a text that ends before its answer."""
    if not before.isascii():
        return TOKEN.findall(before.lower())
    signs = before.encode()
    others = b" ".join(signs.translate(OTHER_SIGNS).split()).decode()
    return signs.translate(WORD_SIGNS).decode().split() + NO_WORD.findall(others)


class Reading(NamedTuple):
    """What the scores need of a text: its answer, its length in tokens, and which tokens it has."""

    answer: str | None  # canonical, since equal numbers have equal strings
    length: int  # tokens
    vocabulary: int  # a bit for each token of the question's texts, 1 where it is in this one


def read(texts: Collection[str]) -> list[Reading]:
    """What stands in the texts of one question, each of which is read once."""
    completions = [read_completion(text) for text in texts]
    found = [_tokens_in_any_order(completion.reasoning) for completion in completions]
    vocabularies = [set(of_text) for of_text in found]
    every = set().union(*vocabularies)
    return [
        Reading(
            None if answer is None else canonical(answer),
            len(of_text),
            int.from_bytes(bytes(map(vocabulary.__contains__, every)), "big"),
        )
        for (answer, _), of_text, vocabulary in zip(completions, found, vocabularies, strict=True)
    ]


def jaccard(one: int, other: int) -> float:
    """Shared tokens over all tokens of two vocabularies; two empty ones are alike (1)."""
    union = (one | other).bit_count()
    return (one & other).bit_count() / union if union else 1.0
