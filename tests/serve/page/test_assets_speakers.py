"""The page's script: lanes of speakers, their names, and files with these names."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from emotone.recognition.speaker_names import plain_text, written_names
from emotone.recognition.timeline_formats import FORMATS
from emotone.serve.page.timeline_html import timeline_html
from support import timelines
from support.browser_page import CLIP, LONG, choose_speakers, open_tab, send
from support.serving import RATE, file_of, until

pytestmark = pytest.mark.browser

TYPED = '<b>"x"</b> & <script>'
#: Set the names of the lanes, and return the names that are shown and the content of every file.
RENAME = """async (typed) => {
  const inputs = [...document.querySelectorAll("[data-lane-name]")];
  inputs.forEach((input, number) => { input.value = typed[number]; });
  inputs[0].dispatchEvent(new Event("input", { bubbles: true }));
  const files = {};
  for (const link of document.querySelectorAll("a[data-content]")) {
    files[link.dataset.format] = await fileOf(link).text();
  }
  return [namesOf(document.querySelector(".em-timeline")), files];
}"""


@pytest.fixture
def shown(open_page):
    """The page with a conversation of Anna, Ben and an unknown voice."""
    page = open_page()
    open_tab(page, "Timeline")
    show(page, timelines.conversation())
    return page


def show(page, timeline):
    """Send a recording whose timeline is known."""
    sound = file_of(0.1 * np.sin(np.arange(round(timeline.duration_s) * RATE // 2) / 9), rate=RATE // 2)
    answer = json.dumps({"html": timeline_html(timeline, name="my call.wav")})
    page.route("**/page/answers/timeline*", lambda route: route.fulfill(body=f"{answer}\n"))
    file = {"name": "my call.wav", "mimeType": "audio/wav", "buffer": sound}
    send(page, file, to="timeline", expect=".em-timeline")
    until(lambda: page.evaluate("document.querySelector('.em-timeline audio').duration > 0"), seconds=30)


def renamed(timeline, names):
    segments = tuple(replace(each, speaker=names.get(each.speaker)) for each in timeline.segments)
    speakers = tuple(replace(each, name=names[each.name]) for each in timeline.speakers)
    return replace(timeline, segments=segments, speakers=speakers, file="my call.wav")


def comparable(name, text):
    """The content of a file; of ELAN its tiers, since the numbers of its times depend on the order of names."""
    if name != "elan":
        return text
    root = ElementTree.fromstring(text)
    times = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    return {
        tier.get("TIER_ID"): [
            (times[each.get("TIME_SLOT_REF1")], times[each.get("TIME_SLOT_REF2")], each[0].text)
            for each in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        for tier in root.iter("TIER")
    }


def current(page):
    return page.locator(".em-timeline audio").evaluate("one => one.currentTime")


def test_a_name_is_typed_and_goes_everywhere_but_to_the_service(shown, served, log):
    from playwright.sync_api import expect

    asked = len(log.asked)
    first = shown.locator("[data-lane-name]").first
    expect(first).to_have_value("Anna")
    first.click()
    shown.keyboard.press("Control+a")
    shown.keyboard.type(TYPED)
    expect(shown.locator(".em-segments .em-who").first).to_have_text(TYPED)
    expect(shown.locator(".em-speakers .em-who").first).to_have_text(TYPED)
    expect(shown.locator(".em-segments .em-who").nth(2)).to_have_text("Ben")
    segment = shown.locator(".em-lane [data-seek]").nth(1)
    expect(segment).to_have_attribute("aria-label", f"0:02.3 – 0:03.0, {TYPED}: angry, 71 % sure")
    segment.hover()
    expect(shown.locator(".em-readout")).to_have_text(f"0:02.3 – 0:03.0 {TYPED}: angry, 71 % sure")
    assert shown.locator(".em-timeline script, .em-readout b b, .em-who b").count() == 0
    names = {"Anna": TYPED, "Ben": "Ben"}
    for form in FORMATS.values():
        with shown.expect_download() as download:
            shown.locator(f"a[data-format={form.name}]").click()
        saved = Path(download.value.path()).read_text(encoding="utf-8")
        expected = form.write(renamed(timelines.conversation(), names))
        assert comparable(form.name, saved) == comparable(form.name, expected)
        assert download.value.suggested_filename == f"my call.emotions{form.suffix}"
    assert all(url.startswith("blob:") for url in log.asked[asked:])
    assert "script>" not in (served.folder / "log").read_text()


def test_every_file_has_the_names_as_emotone_writes_them(shown):
    made, odd = timelines.conversation(), [name for name in timelines.ODD_NAMES if name != "\ud800"]
    for first, second in zip(odd, odd[1:] + odd[:1], strict=True):
        called, files = shown.evaluate(RENAME, [first, second])
        first, second = (name.replace("\n", "") for name in (first, second))  # an input has one line
        known = plain_text(first) or "Anna"
        assert called[0] == written_names([known], reserved=["unknown", "overlap"])[known]
        assert called[1].startswith(plain_text(second) or "Ben") and called[0] != called[1]
        expected = renamed(made, dict(zip(("Anna", "Ben"), called, strict=True)))
        assert files.keys() == FORMATS.keys()
        for name, form in FORMATS.items():
            assert comparable(name, files[name]) == comparable(name, form.write(expected)), (name, first, second)


@pytest.mark.parametrize(
    ("first", "second"), [("Zoë", "Zoë"), ("Anna B", "Anna_B"), ('"A"', "'A'"), ("<A", "<A"), ("<>", "unnamed")]
)
def test_two_speakers_never_have_the_same_name_in_a_file(shown, first, second):
    fields = [shown.locator("[data-lane-name]").nth(number) for number in (0, 1)]
    fields[1].fill(second)
    fields[0].fill(first)
    fields[0].press("Enter")
    assert [field.input_value() for field in fields] == [first, f"{second} 2"]
    called, files = shown.evaluate(RENAME, [first, second])
    assert called == [first, f"{second} 2"]
    assert len({line.split()[7] for line in files["rttm"].splitlines()}) == 3


def test_segments_are_played_by_click_and_by_keyboard(shown):
    from playwright.sync_api import expect

    segments = shown.locator(".em-lane [data-seek]")
    segments.nth(3).click()
    expect(segments.nth(3)).to_have_attribute("aria-current", "true")
    assert 3.5 <= current(shown) < 5.0
    assert shown.locator(".em-timeline audio").evaluate("one => one.paused") is False
    shown.locator(".em-timeline audio").evaluate("one => one.pause()")
    shown.locator("[data-lane-name]").nth(1).focus()
    for key, at in (("Tab", 3), ("Home", 3), ("ArrowRight", 4), ("ArrowUp", 2), ("ArrowLeft", 1), ("End", 2)):
        shown.keyboard.press(key)
        assert segments.nth(at).evaluate("one => one === document.activeElement"), key
    expect(shown.locator(".em-readout")).to_have_text("0:07.0 – 0:08.0 Anna: happy, 80 % sure")
    shown.keyboard.press("Enter")
    expect(segments.nth(2)).to_have_attribute("aria-current", "true")
    assert 7.0 <= current(shown) < 8.0
    shown.keyboard.press("ArrowDown")
    shown.keyboard.press("ArrowDown")
    assert segments.nth(5).evaluate("one => one === document.activeElement")  # of the unknown voice
    assert shown.locator('.em-lane [tabindex="0"]').count() == 3
    box = shown.locator(".em-tracks").bounding_box()
    until(lambda: shown.locator(".em-cursor").bounding_box()["x"] > box["x"] + 0.6 * box["width"])


def test_lanes_are_stretched_on_a_phone_and_follow_playback(open_page):
    page = open_page(width=390)
    open_tab(page, "Timeline")
    segments = [timelines.segment(f"speaker {n % 3}", 0.4 * n, 0.4 * n + 0.4) for n in range(300)]
    show(page, timelines.timeline(segments, duration_s=120.0, overlaps=[(3.0, 3.2)]))
    first, scroll = page.locator(".em-lane [data-seek]").first, page.locator(".em-scroll")
    assert first.bounding_box()["width"] >= 14 and first.bounding_box()["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert scroll.evaluate("one => one.scrollLeft") == 0
    page.locator("[data-seek]").last.evaluate("one => one.click()")
    until(lambda: scroll.evaluate("one => one.scrollLeft") > 1000)
    assert page.locator("[data-lane-name]").first.bounding_box()["x"] < 60  # names stay in sight
    ticks = page.locator(".em-axis span").count()
    page.get_by_role("button", name="Zoom out").click()
    assert page.locator(".em-axis span").count() < ticks


@pytest.mark.slow
def test_the_lanes_are_what_the_recognizer_finds(open_page, recognizer):
    page = open_page()
    open_tab(page, "Timeline")
    choose_speakers(page, "2")
    sound = file_of(np.tile(soundfile.read(LONG)[0], 2))  # enough speech to adapt to
    file = {"name": "call.wav", "mimeType": "audio/wav", "buffer": sound}
    shown, expected = (
        send(page, file, to="timeline", expect=".em-timeline"),
        recognizer.timeline(sound, speakers=2, adapt=True),
    )
    names = [speaker.name for speaker in expected.speakers]
    assert names == ["speaker 1", "speaker 2"]
    assert shown.locator("[data-lane-name]").evaluate_all("all => all.map((one) => one.value)") == names
    listed = shown.locator(".em-segments button").all()
    assert [row.locator(".em-who").inner_text() for row in listed] == [each.speaker for each in expected.segments]
    assert [row.locator("b").inner_text() for row in listed] == [each.label for each in expected.segments]
    assert "Adapted to what this recording has in common, and to each voice in it." in shown.inner_text()
    for speaker, summary in zip(expected.speakers, shown.locator(".em-speakers > li").all(), strict=True):
        assert speaker.adapted_s > 5
        assert f"adapted to {speaker.adapted_s:.0f} s of this voice" in summary.inner_text()
    choose_speakers(page, "one")
    page.locator("#em-timeline-answer .em-timeline rect").first.wait_for(state="attached")
    assert not page.locator(".em-lane").count()


@pytest.mark.slow
def test_a_speaker_on_each_channel(open_page):
    voice = soundfile.read(CLIP)[0]
    turns = np.stack([np.append(voice, 0 * voice), np.append(0 * voice, voice)], axis=1)
    call = {"name": "call.wav", "mimeType": "audio/wav", "buffer": file_of(turns, rate=soundfile.info(CLIP).samplerate)}
    page = open_page()
    open_tab(page, "Timeline")
    assert "choose “one per channel” above" in send(page, call, to="timeline", expect=".em-timeline").inner_text()
    choose_speakers(page, "one per channel")
    right = page.locator('[data-lane-name][value="right"]')
    right.wait_for()
    assert "different people" not in page.locator(".em-timeline").inner_text()
    page.locator("#em-timeline-recording [data-does=clear]").click()
    send(page, CLIP, to="timeline", expect="[data-problem=no_channel]")
