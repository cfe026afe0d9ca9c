"""What the scores read in a text."""

from random import Random

from src.regime_w.reading import _tokens_in_any_order, count_tokens, tokens


def test_tokens_are_words_numbers_and_operators_of_the_reasoning():
    assert tokens("So 3.50 * Two = 7, ok.\nAnswer: 7") == ["so", "3.50", "*", "two", "=", "7", "ok"]
    assert tokens("5% of x_1</s>more") == ["5", "%", "of", "x", "1"]
    assert tokens("#### 7") == []


def test_tokens_are_counted_as_they_are_found():
    random = Random(9)
    pieces = [
        "a",
        "Bc",
        "Ω",
        "é",
        "12",
        "3.",
        ".5",
        "3.5.2",
        "٣",
        "+",
        "-*/",
        "=",
        "%",
        "$",
        "_",
        " ",
        "\n",
        "\x0b",
        ". ",
        "x2",
        "İ",
        "\u212a",
    ]
    for _ in range(2000):
        text = "".join(random.choices(pieces, k=random.randint(0, 12)))
        assert count_tokens(text) == len(tokens(text))
        assert sorted(_tokens_in_any_order(text)) == sorted(tokens(text))
