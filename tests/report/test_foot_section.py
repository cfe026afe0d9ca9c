"""The foot: what made the page."""

from src.report.foot_section import Foot, StageSeconds, foot
from tests.report.sections import HOSTILE, filled, words


def made(**values) -> Foot:
    usual = {
        "commit": "0123456789ab",
        "command": "git checkout 0123456789ab && make repro",
        "profile": "sandbox",
        "params_text": "seed: 0  # of all\n",
        "profile_text": "machine:\n  gpus: 0\n",
        "versions": {"trl": "1.16.0", "numpy": "2.3.5"},
        "machine": "a processor, 2 threads",
        "plan": "needs: no GPU\ncosts about: 0.2 hours\n",
    }
    return foot(**(usual | values))


def test_it_says_what_made_the_page():
    text = words(filled("foot", made()))
    assert "git checkout 0123456789ab && make repro Commit 0123456789ab Profile sandbox Machine a processor, 2 threads" in text
    assert "needs: no GPU costs about: 0.2 hours" in text
    assert "seed: 0 # of all" in text and "gpus: 0" in text
    assert "2 packages on which a result may depend package version numpy 2.3.5 trl 1.16.0" in text


def test_texts_of_files_keep_their_lines():
    assert "<code>machine:\n  gpus: 0\n</code>" in filled("foot", made())


def test_seconds_stand_there_only_where_they_were_taken():
    assert "Seconds by stage" not in filled("foot", made())
    taken = made(seconds=(StageSeconds("base", 1200.25), StageSeconds("train", 60.0)))
    assert taken.seconds_table.rows == (("base", "1,200.2"), ("train", "60.0"), ("all", "1,260.2"))
    assert "Seconds by stage stage seconds base 1,200.2" in words(filled("foot", taken))


def test_a_plan_may_be_missing():
    assert "Plan of the profile" not in filled("foot", made(plan=""))


def test_nothing_in_it_is_markup():
    given = {name: HOSTILE for name in ("commit", "command", "profile", "params_text", "profile_text", "machine", "plan")}
    text = filled("foot", made(**given, versions={HOSTILE: HOSTILE}, seconds=(StageSeconds(HOSTILE, 1.0),)))
    assert "<script" not in text and words(text).count(HOSTILE) >= 10
