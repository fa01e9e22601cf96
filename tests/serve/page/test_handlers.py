"""The answers of the tabs: predictions, a voice before and after, and problems."""

import json

import numpy as np
import pytest
import soundfile

from emotone.serve import ServeSettings
from emotone.serve.counters import Metrics
from emotone.serve.own_source import OwnSource
from emotone.serve.page import html
from emotone.serve.work_queue import WorkQueue
from support.browser_page import CLIP, KEY, SAMPLES, bars, call, expected_bars, get, open_tab, send, upload
from support.serving import RATE, file_of

pytestmark = pytest.mark.browser


def test_an_upload_shows_what_the_recognizer_says(open_page, recognizer):
    page = open_page()
    assert page.title() == "Emotone" and page.locator("h1").first.inner_text() == "Emotone"
    shown, expected = send(page, CLIP), recognizer.predict(CLIP)
    assert shown.locator(".em-word").inner_text() == expected.label
    assert shown.locator(".em-sure").inner_text().startswith(f"{100 * expected.confidence:.0f} %")
    found = bars(shown)
    assert found == expected_bars(expected) and list(found) == list(expected.ranking)
    widths = [row.bounding_box()["width"] for row in shown.locator(".em-track span").all()]
    assert widths == sorted(widths, reverse=True) and widths[0] > 100
    uar = recognizer.card["scores"]["uar"]
    assert f"right about {100 * uar:.0f} % of the time" in shown.inner_text()
    assert "On corpora it was not trained on" in shown.inner_text()
    assert "footer" not in page.content().lower() or not page.locator("footer").is_visible()


def test_two_people_on_two_channels_are_noted(open_page):
    voice = soundfile.read(CLIP)[0]
    turns = np.stack([np.append(voice, 0 * voice), np.append(0 * voice, voice)], axis=1)
    call = {"name": "call.wav", "mimeType": "audio/wav", "buffer": file_of(turns, rate=soundfile.info(CLIP).samplerate)}
    page = open_page()
    assert "different people" in send(page, call).inner_text()
    open_tab(page, "Timeline")
    assert "different people" in send(page, call, to="timeline", expect=".em-timeline").inner_text()


def test_what_is_known_of_the_source_is_shown(open_page, served):
    key = {"Authorization": f"Bearer {KEY}"}
    known = json.loads(get(served.keyed_port, "/v1/model", **key)[2])["source_clips"]
    _, told = call(served.keyed_port, "recognise", upload(served.keyed_port, CLIP.read_bytes(), **key), **key)
    assert json.loads(told)[0]["adapted"] == {"source": known, "speaker": 0}
    page = open_page(url=served.keyed_url, wait=False)
    page.get_by_label("Key").fill(KEY)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("This service adapts to what its recordings have in common").first.wait_for()
    assert f"Knows this source from {known + 1} utterance" in send(page, CLIP).inner_text()
    open_tab(page, "Timeline")
    shown = send(page, CLIP, to="timeline", expect=".em-timeline")
    assert f"Knows this source from {known + 2} utterances." in shown.inner_text()
    open_tab(page, "About")
    page.get_by_text("It holds a few numbers for that until it ends, and no sound.").wait_for()
    page.get_by_role("button", name="Log out").click()


@pytest.mark.parametrize("speakers", ["/etc/passwd", "turns.rttm", "1", "none", ""])
def test_speakers_are_chosen_and_never_a_file(recognizer, tmp_path, speakers):
    gradio = pytest.importorskip("gradio")
    from emotone.serve.page.handlers import PageHandlers

    settings = ServeSettings()
    source = OwnSource(recognizer, learns=False)
    handlers = PageHandlers(recognizer, WorkQueue(settings, Metrics([])), source, folder=tmp_path)
    with pytest.raises(gradio.Error, match="not a choice of speakers"):
        handlers.timeline(str(tmp_path / "a" / "a.wav"), speakers).send(None)  # an event loop runs for the browser


@pytest.mark.slow
def test_a_recording_made_here_is_answered_for(open_page, recognizer):
    page = open_page()
    page.get_by_role("button", name="Record audio").first.click()
    box = page.locator("#em-recognise-recording")
    with page.expect_response(lambda one: "/gradio_api/upload" in one.url) as uploaded:
        box.get_by_role("button", name="Record", exact=True).click()
        page.wait_for_timeout(2000)
        box.get_by_role("button", name="Stop", exact=True).click()
    shown = page.locator("#em-recognise-answer .em-result")
    shown.wait_for()
    (path,) = uploaded.value.json()
    heard = page.request.get(f"{page.url}gradio_api/file={path}").body()
    expected = recognizer.predict(heard)
    assert expected.is_speech and expected.end_s > 1.5
    assert shown.locator(".em-word").inner_text() == expected.label and bars(shown) == expected_bars(expected)


@pytest.mark.slow
def test_your_voice_before_and_after(open_page, recognizer, tmp_path):
    page = open_page()
    open_tab(page, "Your voice")
    page.locator("#em-compare").click()
    page.get_by_text("Add the clips of your voice first.").wait_for()
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(RATE), RATE)
    clips = [SAMPLES / "woman_plain.wav", SAMPLES / "woman_subdued.wav"]
    with page.expect_response(lambda one: "/gradio_api/upload" in one.url):
        page.set_input_files("#em-clips input[type=file]", [*clips, silent])
    page.get_by_text("woman_subdued").wait_for()
    with page.expect_response(lambda one: "/gradio_api/upload" in one.url):
        page.set_input_files("#em-test input[type=file]", CLIP)
    page.locator("#em-test .waveform-container").wait_for()
    page.locator("#em-compare").click()
    page.locator(".em-compared").wait_for()
    profile = recognizer.adapt(clips)
    before, after = recognizer.predict(CLIP), recognizer.predict(CLIP, profile=profile)
    shown = page.locator(".em-compared .em-result").all()
    assert [bars(one) for one in shown] == [expected_bars(before), expected_bars(after)]
    assert [one.locator(".em-word").inner_text() for one in shown] == [before.label, after.label]
    assert before.scores != after.scores
    words = page.locator(".em-compared").inner_text()
    assert "2 clips of this voice" in words and "silent.wav" in words
    assert html.composition(profile, n_clips=2) in words and "most seem to be neutral or calm" in words
    with page.expect_download() as download:
        page.get_by_text("Save this voice as a profile").click()
    assert type(profile).load(download.value.path()) == profile


@pytest.mark.slow
def test_clips_are_recorded_one_by_one(open_page):
    page = open_page()
    open_tab(page, "Your voice")
    box, listed = page.locator("#em-spoken"), page.locator("#em-clips .file")
    for n in (1, 2):
        box.get_by_role("button", name="Record", exact=True).click()
        page.wait_for_timeout(700)
        box.get_by_role("button", name="Stop", exact=True).click()
        listed.nth(n - 1).wait_for()
        assert listed.count() == n


@pytest.mark.slow
def test_what_has_no_answer_is_told_kindly(open_page, log):
    page, log.expected = open_page(), "^Waveform load error|404|RANGE|416"  # of the player, which can't play it either
    for name, content, code, words in (
        ("notes.wav", b"this is no sound " * 40, "not_audio", "not a recording that can be read"),
        ("short.wav", file_of(np.sin(np.arange(800))), "too_short", "too short"),
        ("<b>&.wav", b"", "not_audio", "not a recording that can be read"),
        ("silent.wav", file_of(np.zeros(RATE)), None, "detects no speech"),
    ):
        shown = send(page, {"name": name, "mimeType": "audio/wav", "buffer": content})
        assert shown.get_attribute("data-problem") == code and words in shown.inner_text(), name
        assert code is None or shown.get_attribute("role") == "alert"
        everything = page.locator("body").inner_text()
        for secret in ("Traceback", "Error", "/tmp", "emotone-page", "site-packages", "{", "None"):
            assert secret not in everything, name
        if code is None:
            assert shown.locator(".em-word").inner_text() == "no speech" and not shown.locator(".em-bars").count()
        page.locator("#em-recognise-recording button[aria-label=Clear]").click()
        page.locator("#em-recognise-answer .em-hint").wait_for()
