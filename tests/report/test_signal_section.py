"""The section of signals, from four questions that are counted by hand."""

import pytest

from src.regime_w.arms import ARM_NAMES
from src.regime_w.pair_metrics import PairTypes
from src.regime_w.statistics import wilson_interval
from src.report.signal_section import SignalSection, signal_section
from tests.regime_w.builders import rollout, scored
from tests.report.sections import filled, labels, rollout_metrics, signals, words

# Of a question that no arm answers, with a score beyond 1, which large weights allow.
SILENT = rollout(
    [scored(arm, answer=None, correct=False, finish_reason="length" if arm == "maudlin_cf1" else "stop") for arm in ARM_NAMES],
    consensus=None,
    s_end=0.0,
    s_path=1.7,
)


@pytest.fixture(scope="module")
def section() -> SignalSection:
    return signals()


@pytest.fixture(scope="module")
def silent() -> SignalSection:
    return signal_section([SILENT], rollout_metrics([SILENT]), [], PairTypes(()), 0.95)


def test_scores_are_counted_over_questions_by_whether_the_canonical_arm_is_right(section):
    assert [item.name for item in section.scores] == ["s_end", "s_path", "s_cf"]
    # Votes of eight: all right, 5 right to 3, 5 wrong to 3, all wrong; wolfram_standard is right in the first alone.
    assert section.scores[0].picture.table.columns == ("s_end", "wolfram_standard correct", "incorrect")
    rows = {name: counts for name, *counts in section.scores[0].picture.table.rows}
    assert (rows["0.625"], rows["1"], rows["0.5"]) == (["0", "2"], ["1", "1"], ["0", "0"])
    assert [row[1:] for row in section.scores[2].picture.table.rows] == [("1", "1"), ("0", "1"), ("0", "1")]


def test_credits_are_counted_over_texts_by_whether_they_are_right(section):
    assert len(section.credits) == 7
    reward = section.credits[-1].picture.table.rows
    assert {row[0]: row[1:] for row in reward if row[1:] != ("0", "0")} == {
        "0.50 to 0.55": ("0", "25"),
        "0.95 to 1.00": ("19", "0"),
    }


def test_every_signal_has_its_auc(section):
    assert len(section.worth.table.rows) == 13
    found = {(row[0], row[1]): row for row in section.worth.table.rows}
    # The one right question has s_end 1, as one of three wrong ones; the others are below.
    assert found["s_end", "all questions"][2] == "0.833"
    assert found["reward", "within a question"][2:3] == ("1.000",)


def test_votes_are_held_against_the_truth(section):
    assert section.votes is not None and section.unvoted == 0
    low, high = wilson_interval(1, 2, 0.95)
    shown = f"{100 * low:.1f} to {100 * high:.1f}"
    assert section.votes.table.rows == (("5 of 8", "2", "1", "50.0", shown), ("8 of 8", "2", "1", "50.0", shown))


def test_arms_are_counted_and_compared(section):
    assert [row[:4] for row in section.accuracy.table.rows[:2]] == [
        ("wolfram_0", "3", "4", "75.0"),
        ("wolfram_1", "3", "4", "75.0"),
    ]
    assert section.accuracy.table.rows[-1][1] == "1"
    assert section.agreement.table.rows[0] == ("wolfram_0", "wolfram_1", "4", "4", "100.0")
    # wolfram_0 and maudlin_0, which is the fifth, differ on the question that three arms answer.
    assert section.agreement.table.rows[3] == ("wolfram_0", "maudlin_0", "4", "3", "75.0")
    assert section.failures is None


def test_pairs_are_counted_by_type_margin_and_length(section):
    assert section.pairs is not None
    assert [row[:3] for row in section.pairs.types.table.rows] == [("correctness", "2", "66.7"), ("coherence", "1", "33.3")]
    margins = [row for row in section.pairs.margins.table.rows if row[1:] != ("0", "0")]
    # Margins of 0.5 and -0.5 by correctness; the coherence pair has the builder's 0.6.
    assert margins == [("-0.50 to -0.40", "1", "0"), ("0.50 to 0.60", "1", "1")]
    # Two tokens more and as many by correctness, one less by coherence.
    assert [row for row in section.pairs.lengths.table.rows if row[1:] != ("0", "0")][0][1:] == ("0", "1")


def test_the_section_says_how_much_it_is_of_and_explains_every_chart(section):
    text = filled("signals", section)
    assert "44 texts of eleven arms for 4 training questions. Intervals are of 95 %." in words(text)
    charts = text.count('<figure class="chart">')
    assert charts == text.count("<svg ") == text.count('<p class="note">') == 17


# --- a run that gives little ---


def test_a_signal_without_an_auc_says_why_in_table_and_chart(silent):
    assert silent.worth.table.rows[0][2:4] == ("none: the canonical arm is incorrect in each of these questions", "—")
    assert labels(silent.worth.svg).count("undefined") == 13


def test_failures_are_shown_where_there_are_any(silent):
    assert silent.failures is not None
    assert silent.failures.table.rows[0] == ("wolfram_0", "1", "100.0", "0", "0.0")
    assert silent.failures.table.rows[-1] == ("maudlin_cf1", "1", "100.0", "1", "100.0")


def test_without_any_answer_there_are_no_votes_and_no_agreement(silent):
    assert silent.votes is None and silent.unvoted == 1
    assert {row[4] for row in silent.agreement.table.rows} == {"—"}


def test_a_score_beyond_one_is_counted(silent):
    assert [row for row in silent.scores[1].picture.table.rows if row[1:] != ("0", "0")] == [("1.60 to 1.70", "0", "1")]


def test_what_is_not_there_is_told(silent):
    text = words(filled("signals", silent))
    assert silent.pairs is None and "There is no pair" in text
    assert "No variance arm answers any question" in text
