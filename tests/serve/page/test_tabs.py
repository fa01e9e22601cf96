"""The tabs on a desk, on a phone, by keyboard, in light and dark, and for programs."""

import re

import pytest

from support.browser_page import CLIP, LONG, TABS, call, open_tab, send, upload

pytestmark = pytest.mark.browser


def test_the_about_tab_is_for_people_and_leads_to_the_models_card(open_page, recognizer):
    page = open_page()
    open_tab(page, "About")
    panel, card = page.locator("[role=tabpanel]:visible"), recognizer.card
    words = panel.inner_text()
    for corpus in card["training"]["corpora"]:
        assert corpus["title"] in words and corpus["licence"] in words
    assert f"{100 * card['scores']['uar']:.0f} %" in words and f"{100 * card['elsewhere']['uar']:.0f} %" in words
    assert f"{100 * recognizer.threshold:.3g} %" in words and "no commercial use is known to be allowed" in words
    assert "nothing leaves it" in words and "Not for decisions about people" in words
    assert "macro F1" not in words.lower() and len(words.split()) < 500
    panel.get_by_role("link", name="The model card, with all figures").click()
    words = page.locator("main").inner_text()
    interval = card["scores"]["intervals"]["uar"]
    assert card["name"] in words and page.locator("table").count() >= 3
    assert f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}" in words and "speaker-6fold" in words
    page.get_by_role("link", name="Back to Emotone").click()
    assert page.locator('[role=tab][aria-selected="true"]').inner_text() == "About"


#: Elements that reach over the edge, but for those in a box that can be scrolled.
CUT_OFF = """() => [...document.querySelectorAll("main *")].filter((one) => {
  if (!one.checkVisibility() || one.closest(".em-unseen, svg, caption")) return false;
  const { left, width } = one.getBoundingClientRect();
  if (left + Math.max(width, one.scrollWidth) <= innerWidth) return false; // what is in it may be wider than it is
  for (let box = one; box; box = box.parentElement) {
    const scrolls = /auto|scroll/.test(getComputedStyle(box).overflowX) && box !== document.documentElement;
    if (scrolls && box.getBoundingClientRect().right <= innerWidth) return false;
  }
  return true;
}).map((one) => one.outerHTML.slice(0, 200))"""


@pytest.mark.slow
def test_a_phone_needs_no_scrolling_to_the_side(open_page):
    page = open_page(width=390)
    send(page, CLIP)
    for name in TABS:
        open_tab(page, name)
        if name == "Timeline":
            send(page, LONG, to="timeline", expect=".em-timeline")
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        tab = page.get_by_role("tab", name=name, exact=True)
        assert tab.is_visible() and tab.get_attribute("aria-selected") == "true"
        assert page.evaluate(CUT_OFF) == [], name


def test_the_page_is_used_by_keyboard_alone(open_page, recognizer):
    page = open_page()
    reached = []
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("(document.activeElement.closest('label') ?? document.activeElement).innerText"))
        if "Try a sample" in reached:
            break
    assert reached == ["Recognise", "Record", "Choose a file", "Try a sample"]
    page.get_by_role("tab", name="Recognise", exact=True).focus()
    for name in TABS[1:3]:
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.innerText") == name
    page.keyboard.press("Enter")
    page.locator("#em-live-button").wait_for()
    page.locator("#em-live-button").focus()
    page.keyboard.press("Enter")
    assert page.locator("#em-live-button").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")
    assert page.locator("#em-live-button").get_attribute("aria-pressed") == "false"


def luminance(colour):
    """Relative luminance of WCAG 2.2."""
    values = [float(one) / 255 for one in re.findall(r"[\d.]+", colour)[:3]]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_in_light_and_dark(open_page, scheme):
    page = open_page(scheme=scheme)
    send(page, CLIP)
    pairs = page.evaluate(
        """() => [".em-claim", ".em-lead", ".em-word", ".em-sure", ".em-note", ".em-about", ".em-value", ".em-bars th",
                  "[role=tab][aria-selected=true]", "[role=tab][aria-selected=false]"].map((name) => {
          const one = document.querySelector(name);
          let under = one;
          while (/, 0\\)$|transparent/.test(getComputedStyle(under).backgroundColor)) under = under.parentElement;
          return [name, getComputedStyle(one).color, getComputedStyle(under).backgroundColor];
        })"""
    )
    assert len(pairs) == 10
    for name, ink, paper in pairs:
        assert (luminance(paper) < 0.05) == (scheme == "dark"), (name, paper)
        bright, dim = sorted([luminance(ink), luminance(paper)], reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (name, ink, paper)


def test_programs_get_what_the_service_tells(served, recognizer):
    from gradio_client import Client, handle_file

    client = Client(served.url, verbose=False, analytics_enabled=False)
    shown = client.view_api(return_format="dict")["named_endpoints"]
    assert set(shown) == {"/recognise", "/timeline"}
    told = client.predict(handle_file(str(CLIP)), api_name="/recognise")
    expected = recognizer.predict(CLIP)
    assert told["emotion"] == expected.emotion and told["file"] == CLIP.name
    assert told["scores"] == {name: round(score, 6) for name, score in expected.scores.items()}
    assert client.predict(handle_file(str(LONG)), api_name="/timeline") == recognizer.timeline(LONG).to_dict()
    client.close()
    event, told = call(served.port, "recognise", upload(served.port, b"no sound"))
    assert event == "error" and "not_audio" in told and "emotone-page" not in told
