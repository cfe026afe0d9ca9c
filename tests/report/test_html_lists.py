"""What stands in report.html without a browser: its lists of questions, its room, and texts that want to be more than text."""

import gzip
import json
import random
import re
from base64 import b64decode
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any

import pytest

from src.core.errors import InputError
from src.report import html_page
from src.report.embedding import LIMITS, embed, fitted
from src.report.flips import answered, outcomes
from src.report.html_page import scale_of
from src.report.plain_text import cut, visible
from src.report.question_strips import strips
from tests.report.lists import GOLD, HOSTILE, SMALL, STRIPS, asked, page_of, records, render, rollout, with_families
from tests.report.pages import ON_GSM8K, VERDICT


def unpacked(page: str, name: str) -> list[dict[str, Any]]:
    """The records of a list, as the browser unpacks them."""
    found = re.search(rf'<script type="text/plain" id="{name}-data">([A-Za-z0-9+/=]+)</script>', page)
    assert found is not None
    return json.loads(gzip.decompress(b64decode(found[1])))


class Words(HTMLParser):
    """The text of a page without its scripts and styles, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.tags, self.hidden = "", [], False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.tags.append(tag)
        self.words += " "
        self.hidden = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.hidden = False

    def handle_data(self, data: str) -> None:
        self.words += "" if self.hidden else data


def words(page: str) -> str:
    return " ".join(Words(page).words.split())


# --- the lists ---


def test_the_list_of_flips_has_every_question_changed_ones_first():
    found = unpacked(render(page_of(SMALL), records(SMALL, STRIPS)), "flips")
    assert [flip["outcome"] for flip in found] == ["fixed"] * 12 + ["broken"] * 3 + ["wrong"] * 5 + ["right"] * 40
    first = found[0]
    assert (first["id"], first["gold"], first["kind"], first["first_step"]) == ("test-0", "5", "sums", 0)
    assert first["baseline"]["answer"] == "4" and first["coherence"]["correct"] is True
    assert first["baseline"]["steps"] == [["so 1 + ", "3", " = ", "4", "\n"], ["Answer: ", "4", ""]]
    assert found[15]["coherence"]["answer"] is None and found[-1]["first_step"] is None


def test_questions_that_platinum_has_dropped_are_not_counted_and_come_last():
    values = {"gsm8k_gold": "5", "in_platinum": True}
    questions = [asked(0, "#### 4", "#### 5", **values | {"in_platinum": False}), asked(1, "#### 4", "#### 5", **values)]
    lists = records(questions, STRIPS)
    assert [question.outcome for question in lists.questions] == ["fixed", "dropped"]
    assert outcomes(lists.questions).counted == 1 and outcomes(lists.questions).dropped == 1
    page = render(page_of(questions), lists)
    assert "not counted: dropped by Platinum 1" in words(page)
    assert unpacked(page, "flips")[1]["coherence"]["gsm8k_correct"] is True
    assert "dropped by Platinum" not in words(render(page_of(SMALL), records(SMALL, STRIPS)))


def test_evaluations_of_other_questions_or_of_another_verdict_are_refused():
    before, after = [each.baseline for each in SMALL], [each.coherence for each in SMALL]
    verdict = page_of(SMALL).verdict
    assert answered(before, list(reversed(after)), verdict) == records(SMALL, ()).questions
    for other in (after[1:], [*after[1:], replace(after[0], id="other")]):
        with pytest.raises(InputError, match=r"are of other questions \(60 and .*run `dvc repro` for both"):
            answered(before, other, verdict)
    with pytest.raises(InputError, match="have 12 questions fixed and 3 broken of 60, metrics/verdict.json has 11 and 3 of 60"):
        answered(before, after, replace(verdict, fixed=11))


def test_the_list_of_questions_has_the_strip_the_pairs_and_why():
    mixed, alike, *_ = unpacked(render(page_of(SMALL), records(SMALL, STRIPS)), "questions")
    assert [arm["answer"] for arm in mixed["arms"]] == ["5", "4", *[None] * 9]
    assert (mixed["consensus"], mixed["arms"][1]["agrees"], mixed["arms"][0]["agrees"]) == ("4", True, False)
    assert mixed["arms"][0]["correct"] is True and len(mixed["arms"][0]["credits"]) == len(html_page.PART_NAMES)
    assert mixed["why_different"] == "all 9 possible ones" and len(mixed["pairs"]) == 9
    assert mixed["pairs"][0] == {"pair_type": "correctness", "chosen": 0, "rejected": 1, "why": "right over wrong"}
    assert {pair["why"] for pair in mixed["pairs"][1:]} == {"right over no answer"}
    assert alike["pairs"] == [] and alike["why_different"] == "none: all 10 are right"
    assert alike["why_coherence"] == "none: the right ones have the same text"


def test_rewards_and_credits_are_those_of_the_rollout():
    [strip] = strips([STRIPS[0]], {}, GOLD, 1000)
    written = STRIPS[0].trajectories[0]
    assert strip.arms[0].reward == round(written.reward, 3)
    assert strip.arms[0].credits == tuple(round(getattr(written, name), 3) for name in html_page.PART_NAMES)
    assert strip.pairs == () and (strip.s_end, strip.s_cf) == (STRIPS[0].s_end, STRIPS[0].s_cf)


@pytest.mark.parametrize("labels", ["none", "random", "steps"])
def test_a_run_by_other_labels(labels):
    lists = records(SMALL, STRIPS, replace(GOLD, labels=labels))
    page = render(page_of(SMALL), lists)
    assert f"prefs.labels is {labels}" in words(page)
    assert sum(len(strip["pairs"]) for strip in unpacked(page, "questions")) == len(lists.pairs)


def test_the_same_records_give_the_same_bytes():
    assert render(page_of(SMALL), records(SMALL, STRIPS)) == render(page_of(SMALL), records(SMALL, STRIPS))


# --- the static part ---


def test_the_verdict_says_what_report_md_says():
    page = page_of(SMALL)
    text = words(render(replace(page, verdict=with_families(page.verdict)), records(SMALL, STRIPS)))
    assert "improved Coherence training made the model better on these questions." in text
    assert "+15.00 points of accuracy (95 % interval " in text and "on 60 questions: 12 fixed, 3 broken." in text
    assert "With 15 questions changed, only a difference of 15.00 points or more could have been significant." in text
    assert "a bootstrap over the 2 families gives an interval of -10.00 to +90.00." in text
    assert "does not share this verdict: not all of it lies above 0." in text
    assert "Criteria: 1 of 2 hold" in text and "3,000 to 5,000 pairs 12 pairs" in text
    assert "40 right in both" in text and "12 fixed" in text and "5 wrong in both" in text


def test_a_run_without_training_without_families_and_on_two_sets():
    page = page_of(SMALL)
    train = replace(page.train, trained=False, reason="12 pairs are <too> few")
    text = words(render(replace(page, train=train, verdict=replace(page.verdict, gsm8k=ON_GSM8K)), records(SMALL, STRIPS)))
    assert "The adapter was not trained: 12 pairs are <too> few." in text
    assert "The questions come in no families" in text
    assert "On all 1,319 questions of GSM8K’s own test, by its own answers: no evidence" in text


def test_a_verdict_that_could_show_nothing():
    questions = [asked(n, "Answer: 5", "Answer: 5") for n in range(3)]
    page = render(page_of(questions), records(questions, STRIPS[:1]))
    assert "no evidence These questions show no difference" in words(page)
    assert "With 0 questions changed no difference, in either direction, could have been significant." in words(page)
    assert scale_of(page_of(questions)).least == 0 and "could have been significant</p>" not in page


def test_the_scale_has_the_difference_its_intervals_and_the_least_difference():
    scale = scale_of(page_of(SMALL, verdict=replace(VERDICT, families=3, family_ci_low=-0.02, family_ci_high=0.1)))
    assert scale.reach == pytest.approx(11.5) and scale.least == pytest.approx(100 * 1.9 / 23, abs=0.01)
    one, families = scale.bars
    assert (one.at, one.left, one.width) == pytest.approx((75.52, 67.96, 15.48), abs=0.01)
    assert (families.left, families.left + families.width) == pytest.approx((41.3, 93.48), abs=0.01)


# --- room ---


@dataclass(frozen=True)
class Line:
    text: str


def noise(length: int, seed: int = 0) -> str:
    """A text that no packer makes smaller than five of its eight bits."""
    return "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz012345", k=length))


def test_as_many_records_as_have_room():
    lines = [Line(noise(1000, seed)) for seed in range(200)]
    for room in (0, 20_000, 60_000, 10_000_000):
        found = embed(iter(lines), room)
        kept = json.loads(gzip.decompress(b64decode(found.text)))
        assert [Line(**line) for line in kept] == lines[: found.records]
        assert len(found.text) <= max(room, 40)
    assert [embed(lines, room).records for room in (0, 20_000, 10_000_000)] == [0, 20, 200]
    assert embed([], 1000).records == 0 and embed(lines[:3], 10_000).records == 3


def test_nothing_of_the_time_stands_in_the_data():
    assert gzip.decompress(packed := b64decode(embed([Line("a")], 1000).text)) == b'[{"text":"a"}]'
    assert packed[4:8] == bytes(4)


def test_texts_are_cut_before_questions_are_left_out_and_training_questions_before_test_questions():
    texts = [noise(5000, seed) for seed in range(100)]

    def lines(limit: int) -> list[Line]:
        return [Line(cut(text, limit)) for text in texts]

    whole = fitted(lines, lines, 5000, 10_000_000)
    assert whole.limit == 20_000 and (whole.flips.records, whole.strips.records) == (100, 100)
    assert whole.flips.whole and fitted(lines, lines, 500_000, 10_000_000).limit == LIMITS[0]
    shorter = fitted(lines, lines, 5000, 400_000)
    assert shorter.limit == 2000 and (shorter.flips.records, shorter.strips.records) == (100, 100)
    fewer = fitted(lines, lines, 5000, 60_000)
    assert fewer.limit == LIMITS[-1] and fewer.flips.records == 100 and 0 < fewer.strips.records < 100
    least = fitted(lines, lines, 5000, 20_000)
    assert 0 < least.flips.records < 100 and least.strips.records < 20 and not least.flips.whole
    assert fitted(lambda limit: [Line("a")], lambda limit: [], 1, 1000).limit == LIMITS[-1]


def test_the_page_says_what_has_no_room(monkeypatch):
    questions = [asked(n, f"{noise(3000, n)}\nAnswer: 4", "Answer: 5") for n in range(60)]
    rollouts = [rollout(n, [noise(900, 11 * n + arm) for arm in range(11)]) for n in range(60)]
    lists, shown = records(questions, rollouts), page_of(questions)
    bare = len(render(shown, records(questions[:1], rollouts[:1])).encode())
    monkeypatch.setattr(html_page, "MAX_BYTES", bare + 150_000)
    page = render(shown, lists)
    kept = len(unpacked(page, "questions"))
    assert len(page.encode()) < bare + 150_000 and len(unpacked(page, "flips")) == 60 and 0 < kept < 60
    assert f"{60 - kept} of 60 questions are not in this list, so that the page stays under 3 MB" in words(page)
    assert "720 texts of the lists of this page are longer than 500 characters and are cut there" in words(page)
    assert 'id="flips-left-out"' not in page
    monkeypatch.setattr(html_page, "MAX_BYTES", bare + 8_000)
    page = render(shown, lists)
    assert len(page.encode()) < bare + 8_000 and 0 < (kept := len(unpacked(page, "flips"))) < 60
    assert unpacked(page, "questions") == [] and "60 of 60 questions are not in this list" in words(page)
    assert f"{60 - kept} of 60 questions are not in this list, so that the page stays under 3 MB: the last" in words(page)


def test_a_page_that_has_room_says_nothing_of_it():
    page = render(page_of(SMALL), records(SMALL, STRIPS))
    assert not re.search(r'id="(flips-left-out|questions-left-out|cut-texts)"', page)


# --- hostile text ---


def test_what_is_not_seen_is_shown():
    assert visible("a\tb\nc\r\nd") == "a\tb\nc\nd"
    assert visible("\x00\x1b\u202e\r\u200b") == "⟨U+0000⟩⟨U+001B⟩⟨U+202E⟩⟨U+000D⟩⟨U+200B⟩"
    assert visible("é 中 שלום 🧑‍🔬 − ½") == "é 中 שלום 🧑‍🔬 − ½"


def test_a_text_that_is_cut_says_so():
    assert cut("abc", 3) == "abc" and cut("abcd" * 500, 3) == "abc … [cut: 3 of 2,000 characters]"


def test_hostile_text_is_neither_markup_nor_a_script():
    questions = [asked(0, HOSTILE, HOSTILE + "!", id=HOSTILE, question=HOSTILE, kind=HOSTILE)]
    rollouts = [rollout(0, [HOSTILE], id=HOSTILE, question=HOSTILE)]
    plain = page_of(questions)
    train = replace(plain.train, trained=False, reason=HOSTILE)
    hostile = replace(
        plain, profile=HOSTILE, train=train, criteria=tuple(replace(item, found=HOSTILE) for item in plain.criteria)
    )
    page = render(hostile, records(questions, rollouts))
    harmless = [asked(0, "a", "b", kind="c")]
    wanted = render(replace(page_of(harmless), train=train), records(harmless, [rollout(0, ["a"])]))
    assert Words(page).tags == Words(wanted).tags
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", page)
    assert "<img src=x onerror=alert(1)><script>alert(2)</script>" in Words(page).words
    [flip] = unpacked(page, "flips")
    assert flip["id"] == flip["question"] == flip["kind"] == visible(HOSTILE)
    texts = ["".join("".join(step) for step in flip[policy]["steps"]) for policy in ("baseline", "coherence")]
    assert texts == [visible(HOSTILE), visible(HOSTILE) + "!"]
    [strip] = unpacked(page, "questions")
    assert {strip["id"], strip["question"], *(arm["text"] for arm in strip["arms"])} == {visible(HOSTILE)}


def test_the_page_names_no_address_and_forbids_all_requests():
    page = render(page_of(SMALL), records(SMALL, STRIPS))
    assert "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:" in page
    named = page.replace(' xmlns="http://www.w3.org/2000/svg"', "")  # a name, which nothing fetches
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\((?!#)", named)
    assert set(re.findall(r'(?:href|src)="([^"]*)"', page)) <= {"data:,"} | set(re.findall(r'"(#[^"]*)"', page))
