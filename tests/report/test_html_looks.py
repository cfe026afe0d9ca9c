"""report.html in a browser: widths, colours, paper, no JavaScript, and texts that would rather run than be read."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from src.report.plain_text import visible
from tests.report.browser import settle, status, written
from tests.report.lists import HOSTILE, asked, page_of, records, render, rollout

pytestmark = pytest.mark.slow


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
