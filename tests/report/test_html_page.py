"""report.html in a browser: lists, filters, search, keys and links work, and nothing is asked of a network meanwhile."""

import re

import pytest

from tests.report.browser import settle, shown, status, wait_for_status

pytestmark = pytest.mark.slow


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
        wait_for_status(page, words)
        assert page.locator(f"#flips-{cell} input").is_checked()
        assert page.evaluate("document.activeElement.value") == cell
        page.locator("#flips-all").click()
        wait_for_status(page, "60 of")


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
    page.locator("select[name=texts]").select_option("unanswered")
    settle(page)
    assert status(page).startswith("5 of 60")
    page.locator("select[name=texts]").select_option("same")
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
