"""The page for everybody: axe-core on each tab, the keyboard, narrow phones, and dark colours."""

import json

import numpy as np
import pytest

from emotone.serve.page import html
from emotone.serve.page.timeline_html import timeline_html
from support import timelines
from support.accessibility import axe_violations
from support.browser_page import CLIP, TABS, open_tab, send
from support.serving import prediction

pytestmark = pytest.mark.browser

#: What is cut off: text that is wider or higher than the box that hides the rest, and text that ends in an ellipsis.
CLIPPED = """() => [...document.querySelectorAll("body *")].filter((one) => {
  if (!one.checkVisibility() || one.closest(".em-unseen, .em-overlaps, svg, select, audio")) return false;
  const style = getComputedStyle(one);
  if (style.textOverflow === "ellipsis") return true;
  const hidesX = /hidden|clip/.test(style.overflowX) && one.scrollWidth > one.clientWidth + 1;
  const hidesY = /hidden|clip/.test(style.overflowY) && one.scrollHeight > one.clientHeight + 1;
  return (hidesX || hidesY) && one.clientWidth > 0 && one !== document.body;
}).map((one) => one.outerHTML.slice(0, 200))"""


def answering(text):
    """What answers a request with this HTML."""
    body = json.dumps({"html": text}) + "\n"
    return lambda route: route.fulfill(body=body)


def fill(page):
    """Show an answer in each tab; the service's own are tested elsewhere, and take their time."""
    scores = {"happy": 0.4, "sad": 0.35, "angry": 0.25}
    unsure = html.render("answer", prediction=prediction(None, scores), title="a.wav", trust="Right about 73 %.")
    compared = html.render(
        "compared",
        before=prediction("sad", scores),
        after=prediction(None, scores),
        title="a.wav",
        person="Anna",
        file="a.json",
        n_clips=2,
        n_saved=0,
        composition="Of your 2 clips, most seem to be sad.",
        skipped=[],
        profile="{}",
    )
    answers = {
        "recognise": unsure,
        "timeline": timeline_html(timelines.conversation(), name="my call.wav"),
        "voice": compared,
    }
    for name, text in answers.items():
        page.route(f"**/page/answers/{name}*", answering(text))
    open_tab(page, "Recognise")
    send(page, CLIP)
    page.set_input_files("#em-timeline-recording input[type=file]", CLIP)
    page.set_input_files("#em-clips input[type=file]", [CLIP, CLIP])
    page.set_input_files("#em-test input[type=file]", CLIP)
    open_tab(page, "Your voice")
    page.locator("#em-compare").click()
    page.locator(".em-compared").wait_for()
    events = [
        {"kind": "speech_end", "label": "sad", "emotion": "sad", "confidence": 0.5, "start_s": n, "end_s": n + 0.9}
        | {"scores": {"sad": 0.5, "happy": 0.3, "angry": 0.2}}
        for n in range(14)
    ]
    page.evaluate("(events) => events.forEach(show)", events)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_violation_on_any_tab(open_page, width, scheme):
    page = open_page(width=width, scheme=scheme)
    for is_filled in (False, True):
        if is_filled:
            fill(page)
        for name in TABS:
            open_tab(page, name)
            assert axe_violations(page) == [], (name, is_filled)
    page.goto(f"{page.url.partition('#')[0]}page/card")
    assert axe_violations(page) == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 390])
def test_nothing_is_cut_off_or_hidden_on_a_phone(open_page, width):
    page = open_page(width=width)
    for is_filled in (False, True):
        if is_filled:
            fill(page)
        for name in TABS:
            open_tab(page, name)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert page.evaluate(CLIPPED) == [], (name, is_filled)
            boxes = [tab.bounding_box() for tab in page.get_by_role("tab").all()]
            assert max(box["x"] + box["width"] for box in boxes) <= width, name
            assert len({box["y"] for box in boxes}) == 1
    heights = page.evaluate(
        "[...document.querySelectorAll('.em-segments')].map((one) => getComputedStyle(one).overflowY)"
    )
    assert set(heights) == {"visible"}  # no list scrolls within the page


def test_no_box_is_empty(open_page):
    page = open_page()
    for name in TABS:
        open_tab(page, name)
        panel = page.locator("[role=tabpanel]:visible")
        assert panel.inner_text().strip() and "appears here" not in panel.inner_text()
        framed = panel.locator(".em-result:visible, .em-timeline:visible, .em-drop:visible, .em-answer:visible")
        assert all(box.inner_text().strip() for box in framed.all() if box.bounding_box()["height"] > 0), name


def test_tabs_are_chosen_by_the_arrow_keys_and_by_the_address(open_page, served):
    page = open_page()
    page.get_by_role("tab", name="Recognise", exact=True).focus()
    for key, name in (
        *(("ArrowRight", name) for name in TABS[1:]),
        *(("ArrowRight", "Recognise"), ("ArrowLeft", "About"), ("Home", "Recognise"), ("End", "About")),
    ):
        page.keyboard.press(key)
        chosen = page.locator('[role=tab][aria-selected="true"]')
        assert chosen.all_inner_texts() == [name], key
        assert chosen.evaluate("one => one === document.activeElement && one.tabIndex === 0")
        panel = page.locator("[role=tabpanel]:visible")
        assert panel.count() == 1 and panel.get_attribute("aria-labelledby") == chosen.get_attribute("id")
    assert page.url.endswith("#about") and page.locator('[role=tab][tabindex="0"]').count() == 1
    page.reload()
    assert page.locator('[role=tab][aria-selected="true"]').inner_text() == "About"


def test_the_focus_is_a_ring_on_everything_that_the_tab_key_reaches(open_page):
    page = open_page()
    for name in TABS:
        page.get_by_role("tab", name=name, exact=True).click()
        n_reached = 0
        for _ in range(30):
            page.keyboard.press("Tab")
            ring = page.evaluate(
                """() => {
                  const one = document.activeElement;
                  if (!one || one === document.body) return null;
                  const shown = one.closest("label.em-button") ?? one;
                  const { outlineStyle, outlineWidth } = getComputedStyle(shown);
                  return [one.outerHTML.slice(0, 120), outlineStyle, parseFloat(outlineWidth)];
                }"""
            )
            if ring is None:
                break
            n_reached += 1
            assert ring[1] == "solid" and ring[2] >= 2, ring
        assert n_reached >= 1, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_of_an_unsure_answer_are_as_bright_as_those_of_others(open_page, scheme):
    page = open_page(scheme=scheme)
    scores = {"happy": 0.4, "sad": 0.35, "angry": 0.25}
    colours = []
    for emotion in (None, "happy"):
        shown = html.render("answer", prediction=prediction(emotion, scores), title="a.wav", trust="")
        page.locator("#em-recognise-answer").evaluate("(one, text) => { one.innerHTML = text; }", shown)
        bars = page.locator("#em-recognise-answer .em-track span").all()
        colours.append([bar.evaluate("one => getComputedStyle(one).backgroundColor") for bar in bars])
    assert colours[0] == colours[1] and len(set(colours[0])) == 3


def test_the_waveform_and_the_players_are_dark_on_a_dark_page(open_page):
    seen = {}
    for scheme in ("light", "dark"):
        page = open_page(scheme=scheme)
        text = timeline_html(timelines.conversation(), name="a.wav")
        page.locator("#em-timeline-answer").evaluate("(one, text) => { one.innerHTML = text; }", text)
        open_tab(page, "Timeline")
        seen[scheme] = page.evaluate(
            """() => [".em-wave", "audio", ".em-lane"].map((name) => {
              const style = getComputedStyle(document.querySelector(`.em-timeline ${name}`));
              return [style.fill, style.backgroundColor, style.colorScheme].join(" ");
            })"""
        )
    assert all("light dark" in one for one in seen["dark"])  # players follow the page
    assert seen["light"][0] != seen["dark"][0] and seen["light"][2] != seen["dark"][2]


def test_sound_that_a_browser_can_not_play_still_has_its_answer(open_page, log):
    page = open_page()
    rng = np.random.default_rng(0)
    noise = {"name": "a.bin", "mimeType": "", "buffer": rng.bytes(4000)}
    log.expected = "status of 422"
    send(page, noise, expect="[data-problem=not_audio]")
    page.locator("#em-recognise-recording audio").wait_for(state="hidden")
