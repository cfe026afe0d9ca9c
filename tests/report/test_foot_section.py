"""The foot: what made the page."""

from src.report.foot_section import Foot, versions_table
from tests.report.sections import HOSTILE, filled, words


def made(**values) -> Foot:
    usual = {
        "commit": "0123456789ab",
        "command": "git checkout 0123456789ab && make repro",
        "profile": "sandbox",
        "params_text": "seed: 0  # of all\n",
        "profile_text": "machine:\n  gpus: 0\n",
        "versions": versions_table({"trl": "1.16.0", "numpy": "2.3.5"}),
        "machine": "a processor",
    }
    return Foot(**(usual | values))


def test_it_says_what_made_the_page():
    text = words(filled("foot", made()))
    assert "git checkout 0123456789ab && make repro Commit 0123456789ab Profile sandbox Machine a processor" in text
    assert "seed: 0 # of all" in text and "gpus: 0" in text
    assert "2 packages on which a result may depend package version numpy 2.3.5 trl 1.16.0" in text


def test_texts_of_files_keep_their_lines():
    assert "<code>machine:\n  gpus: 0\n</code>" in filled("foot", made())


def test_nothing_in_it_is_markup():
    given = {name: HOSTILE for name in ("commit", "command", "profile", "params_text", "profile_text", "machine")}
    text = filled("foot", made(**given, versions=versions_table({HOSTILE: HOSTILE})))
    assert "<script" not in text and words(text).count(HOSTILE) >= 8
