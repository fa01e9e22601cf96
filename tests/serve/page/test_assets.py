"""The page's script: playback of a timeline, and the live tab."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from emotone.recognition.timeline_formats import FORMATS
from emotone.serve.page import html
from support.browser_page import KEY, LONG, choose_speakers, open_tab, send
from support.serving import until

pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_a_timeline_is_the_recognizers_and_can_be_played(open_page, recognizer, served):
    from playwright.sync_api import expect

    page = open_page()
    open_tab(page, "Timeline")
    choose_speakers(page, "one")
    shown = send(page, LONG, to="timeline", expect=".em-timeline")
    expected = recognizer.timeline(LONG, speakers="one", adapt=True)
    buttons = shown.locator("[data-seek]")
    assert len(expected.segments) > 3 and buttons.count() == len(expected.segments)
    for button, one in zip(buttons.all(), expected.segments, strict=True):
        assert float(button.get_attribute("data-seek")) == pytest.approx(one.start_s, abs=0.001)
        assert float(button.get_attribute("data-end")) == pytest.approx(one.end_s, abs=0.001)
        assert button.locator("b").inner_text() == one.label
        assert button.locator(".em-value").inner_text() == (
            f"{html.whole_percent(one.confidence)} sure" if one.emotion else ""
        )
    assert shown.locator("svg rect").count() == len(expected.segments)
    player = shown.locator("audio")
    until(lambda: page.evaluate("document.querySelector('.em-timeline audio').duration > 0"), seconds=30)
    assert player.evaluate("one => one.duration") == pytest.approx(expected.duration_s, abs=0.05)
    assert player.evaluate("one => one.src").startswith("blob:")

    third = expected.segments[2]
    buttons.nth(2).focus()
    page.keyboard.press("Enter")
    until(
        lambda: page.evaluate(f"document.querySelector('.em-timeline audio').currentTime >= {third.start_s:.3f}"),
        seconds=30,
    )
    expect(buttons.nth(2)).to_have_attribute("aria-current", "true")
    assert player.evaluate("one => one.paused") is False
    stage = shown.locator(".em-stage").bounding_box()
    page.mouse.click(stage["x"] + 0.75 * stage["width"], stage["y"] + 20)
    player.evaluate("one => one.pause()")
    assert player.evaluate("one => one.currentTime") == pytest.approx(0.75 * expected.duration_s, abs=1.0)
    place, cursor = stage["x"] + 0.75 * stage["width"], shown.locator(".em-cursor")
    until(lambda: abs(cursor.bounding_box()["x"] - place) < 0.06 * stage["width"])

    saved = {}
    for link in shown.locator("a[download]").all():
        with page.expect_download() as download:
            link.click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_text(encoding="utf-8")
    uploaded = replace(expected, file=LONG.name)
    assert saved == {f"conversation.emotions{form.suffix}": form.write(uploaded) for form in FORMATS.values()}
    assert "SPEAKER conversation 1 " in saved["conversation.emotions.rttm"]


@pytest.mark.slow
def test_the_live_tab_follows_the_microphone(open_page):
    from playwright.sync_api import expect

    page, told, sockets = open_page(), [], []
    page.on("websocket", lambda one: sockets.append(one))
    page.on("websocket", lambda one: one.on("framereceived", lambda frame: told.append(json.loads(frame))))
    open_tab(page, "Live")
    button, status = page.locator("#em-live-button"), page.locator("#em-live-status")
    expect(status).to_have_text("The microphone is off.")
    expect(page.locator("#em-live-now")).to_be_hidden()
    button.click()
    page.locator("#em-live-now").wait_for()
    expect(button).to_have_text("Stop listening")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.locator("#em-live-list li").nth(1).wait_for()
    shares = page.locator("#em-live-bars .em-value").all_inner_texts()
    assert 95 <= sum(float(re.sub(r"[<% ]", "", one)) for one in shares) <= 108 and len(shares) == 8
    button.click()
    expect(status).to_have_text("The microphone is off.")
    ended = [one for one in told if one["kind"] == "speech_end" and "label" in one]
    assert any(one["kind"] == "emotion" for one in told)
    until(lambda: page.evaluate(f"document.querySelectorAll('#em-live-list li').length >= {len(ended)}"), seconds=30)
    shown = page.locator("#em-live-list b").all_inner_texts()[::-1]
    assert shown[: len(ended)] == [one["label"] for one in ended]
    if not sockets[0].is_closed():
        sockets[0].wait_for_event("close")
    ended = [one for one in told if one["kind"] == "speech_end" and "label" in one]  # what was said last is answered
    until(lambda: page.evaluate(f"document.querySelectorAll('#em-live-list li').length >= {len(ended)}"), seconds=30)
    expect(page.locator("#em-live-when")).to_have_text("Last utterance")
    expect(page.locator("#em-live-word")).to_have_text(ended[-1]["label"])
    assert page.locator("#em-live-bars .em-value").all_inner_texts() == [
        html.whole_percent(share) for share in ended[-1]["scores"].values()
    ]


@pytest.mark.slow
def test_the_live_tab_says_what_it_knows_of_a_voice_and_forgets_it(open_page):
    from playwright.sync_api import expect

    page, sockets, events = open_page(), [], []
    page.on("websocket", lambda one: sockets.append(one.url))
    open_tab(page, "Live")
    known, forget = page.locator("#em-live-known"), page.locator("#em-live-forget")
    page.locator("#em-live-button").click()
    page.locator("#em-live-list li").first.wait_for()
    expect(known).to_be_hidden()  # it does not adapt
    page.locator("#em-live-button").click()
    page.locator("#em-live-adapt").check()
    page.on("websocket", lambda one: one.on("framereceived", lambda frame: events.append(json.loads(frame))))
    page.locator("#em-live-button").click()
    expect(known).to_have_text("Does not know your voice yet.")
    expect(forget).to_be_hidden()
    expect(known).to_have_text(re.compile(r"^Knows your voice from \d+ s of speech \(1 utterance\)\.$"), timeout=20_000)
    first_s = seconds(known)
    expect(known).to_have_text(
        re.compile(r"^Knows your voice from \d+ s of speech \(2 utterances\)\.$"), timeout=20_000
    )
    second_s = seconds(known)
    spoken = [one["end_s"] - one["start_s"] for one in events if one["kind"] == "speech_end" and "label" in one]
    assert first_s == pytest.approx(spoken[0], abs=0.5) and second_s == pytest.approx(sum(spoken[:2]), abs=0.5)
    forget.click()
    expect(known).to_have_text("Does not know your voice yet.")
    expect(known).to_be_focused()
    expect(known).to_have_text(re.compile(r"\(1 utterance\)\.$"), timeout=20_000)
    assert seconds(known) < second_s
    assert len(sockets) == 3
    page.locator("#em-live-button").click()
    expect(known).to_be_hidden()


def test_the_live_tab_says_how_to_give_the_key(open_page, served):
    from playwright.sync_api import expect

    page, sockets = open_page(url=served.keyed_url, wait=False), []
    page.get_by_label("Key").fill(KEY)
    page.get_by_label("Key").press("Enter")
    open_tab(page, "Live")
    page.on("websocket", lambda one: sockets.append(one.url))
    page.context.clear_cookies()  # as after twelve hours, or with a new key
    button, status = page.locator("#em-live-button"), page.locator("#em-live-status")
    button.click()
    expect(status).to_have_text(re.compile("^You are not logged in. Load this page again, and type the key"))
    expect(button).to_have_attribute("aria-pressed", "false")
    page.wait_for_timeout(500)
    assert len(sockets) == 1


def test_the_live_tab_does_not_ask_again_when_it_is_refused(open_page):
    """Also where the voice is to be forgotten, which opens another connection."""
    from playwright.sync_api import expect

    page, opened = open_page(), []

    def refuse_the_end(socket):
        opened.append(socket)
        socket.send(json.dumps({"kind": "speech_start", "time_s": 0, "adapted": {"speaker": 1, "source": 0}}))

        def answer(message):
            if message == '{"end": true}':
                socket.send(json.dumps({"code": "unauthorized", "title": "The key is missing or wrong"}))
                socket.close(code=1008)

        socket.on_message(answer)

    page.route_web_socket(re.compile("/v1/stream$"), refuse_the_end)
    open_tab(page, "Live")
    page.locator("#em-live-button").click()
    page.locator("#em-live-forget").click()
    expect(page.locator("#em-live-status")).to_have_text(re.compile("^You are not logged in"))
    page.wait_for_timeout(500)
    assert len(opened) == 1 and page.locator("#em-live-button").get_attribute("aria-pressed") == "false"


def seconds(known):
    return float(re.search(r"(\d+) s of speech", known.inner_text())[1])
