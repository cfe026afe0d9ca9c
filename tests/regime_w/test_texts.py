"""What a policy wrote for one question: its sampled texts are numbered from 0 on, and of one temperature."""

from dataclasses import replace

import pytest

from tests.regime_w.builders import policy_text, sampled_texts

FIRST, SECOND, THIRD = sampled_texts("a", "b", "a")


def test_texts_may_be_alike_and_there_may_be_one_alone():
    assert policy_text(sampled=(FIRST, SECOND, THIRD)).sampled == (FIRST, SECOND, THIRD)
    assert policy_text(sampled=(FIRST,)).sampled == (FIRST,)


@pytest.mark.parametrize(
    ("sampled", "message"),
    [
        ((SECOND, FIRST), "sampled text 0 has the number 1; they must be numbered from 0 on"),
        ((FIRST, THIRD), "sampled text 1 has the number 2"),
        ((FIRST, FIRST), "sampled text 1 has the number 0"),
        ((FIRST, SECOND, replace(THIRD, temperature=0.5)), "sampled text 2 is of temperature 0.5, and the first of 0.35"),
    ],
)
def test_texts_of_other_numbers_or_temperatures_are_refused(sampled, message):
    with pytest.raises(ValueError, match=message):
        policy_text(sampled=sampled)
