"""Tables, and how figures are written."""

import pytest

from src.report.pieces import Table, between, decimals, hundredths


def test_a_row_has_a_cell_for_each_column():
    with pytest.raises(ValueError, match="of table 'arms' has 1 cells, not 2"):
        Table("arms", ("arm", "correct"), (("A",),))


def test_a_long_table_is_folded_away():
    assert Table("t", ("a",), (("1",),) * 5).is_short and not Table("t", ("a",), (("1",),) * 6).is_short


def test_figures_that_are_not_there_are_dashes():
    assert (decimals(None), hundredths(None), between(None, 1.0), between(0.0, None)) == ("—",) * 4


def test_figures():
    assert (decimals(1234.5678), hundredths(0.0587), between(-0.5, 1200, 1)) == ("1,234.568", "5.9", "-0.5 to 1,200.0")
