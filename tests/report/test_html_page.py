"""report.html in a browser: lists, filters, search, keys and links work, nothing is asked of a network, and no text runs."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from src.report.html_page import render
from src.report.plain_text import visible
from tests.report.browser import Open, opened, started
from tests.report.lists import HOSTILE, SMALL, STRIPS, asked, page_of, records, rollout, with_families

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as browser:
        yield browser


def written(folder: Path, text: str) -> Path:
    (folder / "report.html").write_text(text, encoding="utf-8")
    return folder / "report.html"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = page_of(SMALL)
    text = render(replace(page, verdict=with_families(page.verdict)), records(SMALL, STRIPS))
    return written(tmp_path_factory.mktemp("small"), text)


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens a file; what it opened is closed at the end."""
    with opened(browser) as open_page:
        yield open_page


@pytest.fixture
def page(open_page: Open, small: Path) -> Iterator[Any]:
    """The small page; at the end it has told nothing."""
    page, told = open_page(small, viewport={"width": 1280, "height": 900})
    yield page
    assert told.everything == []


def status(page: Any, section: str = "flips") -> str:
    return page.inner_text(f"#{section}-list [role=status]")


def shown(page: Any, section: str = "flips") -> list[str]:
    """The questions of the rows that are drawn."""
    return page.locator(f"#{section}-list .row .what").all_inner_texts()


def settle(page: Any) -> None:
    """Until a search that was typed has been done."""
    page.wait_for_timeout(300)


# --- lists ---


def test_the_lists_are_drawn_a_page_at_a_time(page):
    assert status(page) == "60 of 60 questions, 1 to 25 shown" and len(shown(page)) == 25
    pager = page.locator("#flips-list .pager")
    assert pager.get_by_role("button", name="previous").is_disabled()
    pager.get_by_role("button", name="next").click()
    assert status(page) == "60 of 60 questions, 26 to 50 shown"
    pager.get_by_role("button", name="last").click()
    assert shown(page) == [f"How many pens are {n}?" for n in range(50, 60)]
    assert pager.get_by_role("button", name="next").is_disabled() and "page 3 of 3" in pager.inner_text()
    pager.get_by_role("button", name="first").click()
    assert shown(page)[0] == "How many pens are 0?"


def test_both_texts_stand_side_by_side_with_the_first_difference_and_the_differing_words_marked(page):
    page.click("#flips-list .row >> nth=0")
    detail = page.locator("#flips-list .detail")
    facts = detail.locator(".facts").inner_text()
    for words in ("Gold\n5", "Baseline\n4", "Coherence\n5", "in step 1", "test-0", "sums"):
        assert words in facts
    before, after = detail.locator(".side").all()
    assert abs(before.bounding_box()["y"] - after.bounding_box()["y"]) < 1
    assert before.locator(".written").inner_text() == "so 1 + 3 = 4\nAnswer: 4"
    assert after.locator(".written").inner_text() == "so 1 + 4 = 5\nAnswer: 5"
    assert before.locator("mark").all_inner_texts() == ["3", "4", "4"]
    assert after.locator("mark").all_inner_texts() == ["4", "5", "5"]
    assert before.locator(".first-step").inner_text().strip() == "so 1 + 3 = 4"
    assert "✗ wrong" in before.inner_text() and "✓ right" in after.inner_text()
    page.click("#flips-list .row >> nth=1")
    assert page.locator("#flips-list .detail").count() == 1
    page.click("#flips-list .row >> nth=1")
    assert page.locator("#flips-list .detail").count() == 0


@pytest.mark.parametrize(
    ("cell", "words"), [("fixed", "12 of 60"), ("broken", "3 of 60"), ("wrong", "5 of 60"), ("right", "40 of 60")]
)
def test_the_cells_of_the_table_filter_the_list(page, cell, words):
    for _ in range(2):  # the second time the address is the same
        page.click(f"td.{cell} a")
        page.wait_for_function(f"document.querySelector('#flips-list [role=status]').textContent.startsWith('{words}')")
        assert page.locator(f"#flips-{cell} input").is_checked()
        assert page.evaluate("document.activeElement.value") == cell
        page.locator("#flips-all").click()
        page.wait_for_function("document.querySelector('#flips-list [role=status]').textContent.startsWith('60 of')")


def test_filters_and_search_work_together(page):
    page.locator("#flips-broken").click()
    settle(page)
    assert shown(page) == [f"How many pens are {n}?" for n in (12, 13, 14)]
    page.get_by_label("Search").first.fill("PENS  are 13")
    settle(page)
    assert status(page) == "1 of 60 questions, 1 to 1 shown"
    page.get_by_label("Search").first.fill("no such words")
    settle(page)
    assert status(page) == "0 of 60 questions" and shown(page) == []
    page.get_by_label("Search").first.fill("")
    page.locator("#flips-all").click()
    page.get_by_label("Texts").select_option("unanswered")
    settle(page)
    assert status(page).startswith("5 of 60")
    page.get_by_label("Texts").select_option("same")
    page.get_by_label("Family").select_option("sums")
    settle(page)
    assert status(page) == "0 of 60 questions"
    page.get_by_label("Family").select_option("twice")
    settle(page)
    assert status(page).startswith("40 of 60")


def test_search_finds_words_of_a_text_an_answer_and_an_id(page):
    for words, found in (("twice 2 is 4", "3 of 60"), ("test-59", "1 of 60"), ("I see nothing", "5 of 60")):
        page.get_by_label("Search").first.fill(words)
        settle(page)
        assert status(page).startswith(found), words


# --- questions ---


def test_a_question_has_its_strip_its_scores_its_pairs_and_why(page):
    row = page.locator("#questions-list .row").first
    assert row.get_by_role("img", name="1 of 11 right").is_visible() and "9 pairs" in row.inner_text()
    row.click()
    detail = page.locator("#questions-list .detail")
    rows = detail.locator("tbody tr")
    assert rows.count() == 11
    assert rows.nth(0).inner_text().split()[:5] == ["wolfram_0", "5", "✓", "right", "differs"]
    assert rows.nth(1).inner_text().split()[:5] == ["wolfram_1", "4", "✗", "wrong", "agrees"]
    assert re.search(r"Consensus\n4", detail.locator(".facts").inner_text())
    assert "Of different answers, all 9 possible ones." in detail.inner_text()
    assert detail.locator(".pairs li").count() == 9
    assert "wolfram_0 over wolfram_1 (correctness): right over wrong" in detail.inner_text()
    assert detail.locator(".written").count() == 0
    detail.locator("summary").nth(1).click()
    assert detail.locator(".written").inner_text() == "so 2 + 2 = 4\nAnswer: 4"


def test_a_question_without_a_pair_says_why(page):
    page.get_by_label("without a pair").check()
    settle(page)
    assert status(page, "questions").startswith("1 of 40")
    page.locator("#questions-list .row").first.click()
    text = page.locator("#questions-list .detail").inner_text()
    assert "It gave no pair" in text and "Of different answers, none: all 10 are right." in text
    assert "Of coherence, none: the right ones have the same text." in text


def test_questions_are_ordered_by_what_is_asked_for(page):
    page.get_by_label("Order").select_option("pairs")
    settle(page)
    assert "9 pairs" not in page.locator("#questions-list .row").first.inner_text()
    pairs = [int(text.split()[-2]) for text in page.locator("#questions-list .figures").all_inner_texts()]
    assert pairs == sorted(pairs, reverse=True)
    page.get_by_label("Order").select_option("s_end")
    settle(page)
    agreement = [float(text.split()[1].rstrip(",")) for text in page.locator("#questions-list .figures").all_inner_texts()]
    assert agreement == sorted(agreement)


# --- links and keys ---


def test_a_link_to_a_question_opens_it_and_so_does_a_reload(page):
    page.get_by_role("link", name="Link to question test-3", exact=True).click()
    assert page.url.endswith("#test/test-3") and "test-3" in page.inner_text("#flips-list .detail .facts")
    page.reload()
    page.wait_for_selector("#flips-list .detail")
    assert "test-3" in page.inner_text("#flips-list .detail .facts")
    assert page.evaluate("document.querySelector('#flips-list li.open').getBoundingClientRect().top") < 900


@pytest.mark.parametrize(
    ("anchor", "section", "question"), [("#test/test-59", "flips", "59"), ("#train/train-30", "questions", "30")]
)
def test_a_link_opens_a_question_on_whatever_page_of_the_list(open_page, small, anchor, section, question):
    page, told = open_page(small, anchor)
    page.wait_for_selector(f"#{section}-list .detail")
    assert question in page.inner_text(f"#{section}-list .detail .asked")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    assert told.everything == []


def test_a_link_reveals_a_question_that_the_filters_hide(page):
    page.locator("#flips-broken").click()
    settle(page)
    page.evaluate("location.hash = '#test/test-20'")
    page.wait_for_selector("#flips-list .detail")
    assert status(page).startswith("60 of 60") and page.locator("#flips-all input").is_checked()


@pytest.mark.parametrize("anchor", ["#test/gone", "#test/%E0%A4%A", "#train/", "#nothing"])
def test_a_link_to_nothing_opens_nothing(open_page, small, anchor):
    page, told = open_page(small, anchor)
    assert page.locator(".detail").count() == 0 and told.everything == []
    if anchor == "#test/gone":
        assert status(page) == "There is no question gone in this list."


def test_the_filter_of_a_cell_stays_after_a_reload(open_page, small):
    page, told = open_page(small, "#flips-fixed")
    assert status(page).startswith("12 of 60") and told.everything == []


def test_the_address_of_a_section_leads_to_it_though_the_lists_come_later(open_page, small):
    page, told = open_page(small, "#questions")
    assert 0 <= page.evaluate("document.querySelector('#questions').getBoundingClientRect().top") < 200
    assert told.everything == []


def test_the_list_is_used_by_keys_alone(page):
    page.locator("#flips-list .row").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert "test-1" in page.inner_text("#flips-list .detail .facts")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert "test-3" in page.inner_text("#flips-list .detail .facts")
    page.keyboard.press("k")
    assert "test-2" in page.inner_text("#flips-list .detail .facts") and page.url.endswith("#test/test-2")
    page.keyboard.press("Escape")
    assert page.locator("#flips-list .detail").count() == 0
    page.keyboard.press("ArrowUp")
    page.keyboard.press(" ")
    assert "test-1" in page.inner_text("#flips-list .detail .facts")
    page.keyboard.press("/")
    page.keyboard.type("jk/")
    assert page.get_by_label("Search").first.input_value() == "jk/"


def test_the_next_question_may_stand_on_the_next_page(page):
    page.click("#flips-list .row >> nth=24")
    page.keyboard.press("j")
    assert status(page) == "60 of 60 questions, 26 to 50 shown"
    assert "How many pens are 25?" in page.inner_text("#flips-list .detail .asked")
    page.keyboard.press("k")
    assert status(page) == "60 of 60 questions, 1 to 25 shown"


def test_the_first_key_skips_to_the_verdict_and_the_focus_is_seen(page):
    page.keyboard.press("Tab")
    skip = page.get_by_text("Skip to the verdict")
    assert skip.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_whatever_has_a_role_has_a_name(page):
    page.click("#flips-list .row >> nth=0")
    page.click("#questions-list .row >> nth=0")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('[role=region],nav,section,form,input,select,button,a,table,[role=img],ol.rows')]
        .filter(e => !(e.ariaLabel || e.innerText?.trim() || e.getAttribute('aria-labelledby') || e.labels?.[0]?.innerText
          || e.querySelector?.('caption'))).map(e => e.outerHTML.slice(0, 90))"""
    )
    assert nameless == []
    assert page.locator("table:not(:has(caption))").count() == page.locator("th:not([scope])").count() == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


# --- looks ---


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_over_the_edge(open_page, small, width, scheme):
    page, told = open_page(small, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.click("#flips-list .row >> nth=0")
    page.click("#questions-list .row >> nth=0")
    page.click("#questions-list summary >> nth=0")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] < 128")
    assert dark == (scheme == "dark") and told.everything == []


CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0.5) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.disabled) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(`${element.className} ${element.textContent.slice(0, 30)}`);
  }
  return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(open_page, small, scheme):
    page, told = open_page(small, color_scheme=scheme)
    page.click("#flips-list .row >> nth=0")
    page.click("#questions-list .row >> nth=0")
    page.mouse.move(0, 0)
    assert page.evaluate(CONTRAST) == [] and told.everything == []


def test_on_paper_there_are_no_controls(page):
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("#flips-list .controls").is_hidden() and page.locator(".top nav").is_hidden()
    assert page.locator("#verdict .sentence").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


# --- without scripts, and against them ---


def test_without_javascript_the_verdict_stands_there_and_the_lists_say_what_they_need(browser, small):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(small.as_uri())
    assert page.locator("#verdict .sentence").is_visible() and page.locator("#verdict table").count() == 3
    notes = page.locator("noscript p").all_inner_texts()
    assert len(notes) == 2 and all(note.startswith("The list of questions needs JavaScript") for note in notes)
    assert page.locator("#flips-list").is_hidden()
    context.close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose every text wants to be more than text, and one of a megabyte."""
    long = f"{HOSTILE}\n" + "word 1\n" * (1_000_000 // 7)
    questions = [
        asked(0, HOSTILE, HOSTILE + "!", id=HOSTILE, question=HOSTILE, kind=HOSTILE),
        asked(1, long, "Answer: 5", question="A text of a megabyte"),
    ]
    page = page_of(questions)
    train = replace(page.train, trained=False, reason=HOSTILE)
    criteria = tuple(replace(item, found=HOSTILE, wanted=HOSTILE) for item in page.criteria)
    lists = records(questions, [rollout(0, [HOSTILE], id=HOSTILE, question=HOSTILE)])
    return written(
        tmp_path_factory.mktemp("hostile"), render(replace(page, profile=HOSTILE, train=train, criteria=criteria), lists)
    )


def test_hostile_text_is_shown_and_never_run(open_page, hostile):
    page, told = open_page(hostile, f"#test/{quote(visible(HOSTILE), safe='')}")
    flat = " ".join(visible(HOSTILE).split())

    def flat_text(selector: str) -> str:
        return " ".join(page.inner_text(selector).split())

    assert flat_text("#flips-list .detail .asked") == flat
    assert flat_text("#flips-list .side .written >> nth=0") == flat
    assert flat in flat_text("#verdict") and flat in flat_text("h1")
    page.click("#questions-list .row")
    page.click("#questions-list summary >> nth=0")
    assert flat_text("#questions-list .detail .written") == flat
    page.get_by_label("Search").first.fill("<script>alert(2)</script>")
    settle(page)
    assert status(page).startswith("2 of 2")
    assert page.locator("img, iframe, body script:not([id]) ~ script").count() == 0
    page.wait_for_timeout(200)
    assert told.everything == []


def test_a_text_of_a_megabyte_is_cut_and_says_so(open_page, hostile):
    page, told = open_page(hostile, "#test/test-1")
    text = page.inner_text("#flips-list .side .written >> nth=0")
    assert text.endswith("characters]") and "[cut: 100,000 of 1,000," in text and len(text) < 101_000
    assert "1 texts of the lists of this page are longer than 100,000 characters" in page.inner_text("#cut-texts")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280 and told.everything == []


def test_the_policy_of_the_page_stops_whatever_would_ask_a_network(open_page, small):
    """So that the test above could fail: a script of ours that asks is stopped by the page and noted here."""
    page, told = open_page(small)
    assert page.evaluate("fetch('https://example.org/').then(() => 'came', () => 'stopped')") == "stopped"
    assert told.errors and "Content Security Policy" in told.errors[0] and told.requests == []


def test_what_a_page_tells_is_noted(open_page, tmp_path):
    path = written(tmp_path, "<html data-ready><img src='https://example.org/a.png'><script>console.log('b');alert('c')</script>")
    _, told = open_page(path)
    assert told.requests == ["https://example.org/a.png"] and told.dialogs == ["c"] and "b" in told.errors
