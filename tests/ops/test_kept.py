"""Records that commands go on from: those that are committed can be read, and one of older code says what to do."""

import json
from pathlib import Path

import pytest

from src.core.errors import InputError
from src.core.records import read_metrics, write_metrics
from src.ops.evidence import read_cells, read_signals
from src.ops.kept import read_kept
from src.regime_w.cells import Cell
from src.regime_w.rounds import Rounds
from tests.pipeline.conftest import ROOT
from tests.regime_w.builders import evidence_cell


def test_evidence_and_rounds_go_on_from_what_is_committed(monkeypatch):
    monkeypatch.chdir(ROOT)
    cells = read_cells()
    assert cells and len(read_signals()) == len({(cell.world, cell.seed) for cell in cells})
    pages = sorted(Path("rounds").glob("*.json"))
    assert [f"rounds/{found.profile}-{found.recipe}.json" for found in (read_kept(page, Rounds) for page in pages)] == [
        str(page) for page in pages
    ]


def test_a_record_in_another_form_is_to_be_removed(tmp_path):
    path = tmp_path / "guide.json"
    write_metrics(path, evidence_cell("tiny", 0, "guide", 0.02))
    assert read_kept(path, Cell) == read_metrics(path, Cell)
    older = json.loads(path.read_text())
    del older["fixed"]
    path.write_text(json.dumps(older))
    with pytest.raises(InputError) as error:
        read_kept(path, Cell)
    for words in (str(path), "key 'fixed' is missing", "maybe by older code: remove it, and give the same command again"):
        assert words in str(error.value)
    assert "run the stage" not in str(error.value)


@pytest.mark.parametrize("broken", ["", '{"world": "tiny", "se', "[]"])
def test_a_record_that_is_empty_cut_or_no_object_is_named(tmp_path, broken):
    path = tmp_path / "guide.json"
    path.write_text(broken)
    with pytest.raises(InputError, match="guide.json: .*remove it, and give the same command again$"):
        read_kept(path, Cell)
