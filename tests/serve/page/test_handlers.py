"""The answers of the tabs: predictions, a voice before and after, and problems."""

import base64
import json
import re

import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.errors import AudioError
from emotone.recognition.profile import SpeakerProfile
from emotone.serve import ServeSettings
from emotone.serve.own_source import OwnSource
from emotone.serve.page import handlers as handlers_module
from emotone.serve.page import html
from emotone.serve.page.handlers import PageHandlers, Voice
from emotone.serve.problems import ProblemError
from emotone.serve.uploads import Upload
from emotone.serve.work_queue import Deadline
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
def test_speakers_are_chosen_and_never_a_file(recognizer, speakers):
    handlers = PageHandlers(recognizer, ServeSettings(), OwnSource(recognizer, learns=False))
    with pytest.raises(ProblemError, match="is no choice of speakers"):
        handlers.timeline(Upload(b"RIFF", "a.wav"), Deadline(1.0), speakers=speakers, max_duration_s=1.0)


@pytest.mark.slow
def test_a_recording_made_here_is_answered_for(open_page, recognizer):
    page = open_page()
    box = page.locator("#em-recognise-recording")
    with page.expect_request("**/page/answers/recognise") as sent:
        box.get_by_role("button", name="Record", exact=True).click()
        box.get_by_text("Recording: 0:02").wait_for()
        box.get_by_role("button", name="Stop", exact=True).click()
    shown = page.locator("#em-recognise-answer .em-result")
    shown.wait_for()
    body = page.evaluate(HELD, "em-recognise-recording")
    expected = recognizer.predict(base64.b64decode(body))
    assert sent.value.method == "POST" and expected.is_speech and expected.end_s > 1.5
    assert shown.locator(".em-word").inner_text() == expected.label and bars(shown) == expected_bars(expected)


#: The content of the recording that a box holds, in base64.
HELD = """async (id) => {
  const bytes = new Uint8Array(await filesOf(get(id))[0].arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}"""


@pytest.mark.slow
def test_your_voice_before_and_after(open_page, recognizer, tmp_path):
    page = open_page()
    open_tab(page, "Your voice")
    page.locator("#em-compare").click()
    page.get_by_text("Add clips of this person, or a saved voice first.").wait_for()
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(RATE), RATE)
    clips = [SAMPLES / "woman_plain.wav", SAMPLES / "woman_subdued.wav"]
    page.set_input_files("#em-clips input[type=file]", [*clips, silent])
    assert page.locator("#em-clips li").count() == 3
    page.set_input_files("#em-test input[type=file]", CLIP)
    page.get_by_label("Name of the person").fill("Zoë <b>")
    assert page.locator("[data-who]").all_inner_texts() == ["Zoë <b>"] * 2
    page.locator("#em-compare").click()
    page.locator(".em-compared").wait_for()
    profile = recognizer.adapt(clips)
    before, after = recognizer.predict(CLIP), recognizer.predict(CLIP, profile=profile)
    shown = page.locator(".em-compared .em-result").all()
    assert [bars(one) for one in shown] == [expected_bars(before), expected_bars(after)]
    assert [one.locator(".em-word").inner_text() for one in shown] == [before.label, after.label]
    assert before.scores != after.scores
    sides = page.locator(".em-compared .em-side").all_inner_texts()
    assert sides == ["Before: as for anybody", "After: knows the voice of Zoë <b>"]
    words = page.locator(".em-compared").inner_text()
    assert "2 clips of this voice" in words and "silent.wav" in words
    assert html.composition(profile, n_clips=2) in words and "most seem to be calm or neutral" in words
    with page.expect_download() as download:
        page.get_by_text("Save this voice as a profile").click()
    saved = tmp_path / "saved.json"
    download.value.save_as(saved)
    assert type(profile).load(saved) == profile
    for remove in page.locator("#em-clips li button").all()[::-1]:
        remove.click()
    page.set_input_files("#em-profile", saved)
    page.get_by_text("Open: saved.json").wait_for()
    page.locator("#em-compare").click()
    page.locator(".em-change", has_text="the saved voice of").wait_for()
    assert [bars(one) for one in page.locator(".em-compared .em-result").all()] == [
        expected_bars(before),
        expected_bars(after),
    ]


def test_a_saved_voice_is_checked_and_extended(recognizer):
    handlers = PageHandlers(recognizer, ServeSettings(), OwnSource(recognizer, learns=False))
    test, clips = Upload(CLIP.read_bytes(), "a.wav"), [SAMPLES / "woman_plain.wav", SAMPLES / "woman_subdued.wav"]
    first = recognizer.adapt(clips[:1])
    saved = Upload(json.dumps(first.to_dict()).encode(), "anna.json")
    second = Upload(clips[1].read_bytes(), "b.wav")
    shown = handlers.compare(Voice("Anna", [second], saved, test), Deadline(60.0))
    text = base64.b64decode(re.search(r"data:application/json;base64,([^\"]+)", shown)[1])
    both = recognizer.adapt(clips[1:], profile=first)
    assert SpeakerProfile.from_dict(json.loads(text), where="a") == both and both.n_clips > first.n_clips
    assert 'download="Anna.profile.json"' in shown and "and 1 clip more" in shown
    other = first.to_dict() | {"model": "0" * 64}
    for content, reason in (
        (b"RIFF", "anna.json is not valid JSON"),
        (b"[" + b"[],[" * 300_000, r"1,200,001 bytes, expected at most 1,000,000"),
        (json.dumps(other).encode(), "belongs to the model"),
    ):
        with pytest.raises(ProblemError, match=reason) as problem:
            handlers.compare(Voice("Anna", [], Upload(content, "anna.json"), test), Deadline(60.0))
        assert problem.value.code == "not_profile"
    for voice, reason in ((Voice("", [], None, test), "no clips"), (Voice("", [second] * 21, None, test), "21 clips")):
        with pytest.raises(ProblemError, match=reason):
            handlers.compare(voice, Deadline(60.0))


def test_the_recording_that_is_compared_is_decoded_once(recognizer, monkeypatch):
    decoded, decode = [], handlers_module.decode

    def noted(data, name, **given):
        decoded.append(name)
        return decode(data, name, **given)

    monkeypatch.setattr(handlers_module, "decode", noted)
    handlers = PageHandlers(recognizer, ServeSettings(), OwnSource(recognizer, learns=False))
    clip = Upload((SAMPLES / "woman_plain.wav").read_bytes(), "clip.wav")
    shown = handlers.compare(Voice("", [clip], None, Upload(CLIP.read_bytes(), "test.wav")), Deadline(60.0))
    assert sorted(decoded) == ["clip.wav", "test.wav"] and shown.count('class="em-word"') == 2


@pytest.mark.slow
def test_clips_are_recorded_one_by_one(open_page):
    page = open_page()
    open_tab(page, "Your voice")
    box, listed = page.locator("#em-clips"), page.locator("#em-clips li")
    for n in (1, 2):
        box.get_by_role("button", name="Record", exact=True).click()
        box.get_by_text("Recording: 0:01").wait_for()
        box.get_by_role("button", name="Stop", exact=True).click()
        listed.nth(n - 1).wait_for()
        assert listed.count() == n


@pytest.mark.slow
def test_what_has_no_answer_is_told_kindly_and_with_its_reason(open_page, log):
    page, log.expected = open_page(), "status of 422"
    for name, content, code, words in (
        ("notes.wav", b"this is no sound " * 40, "not_audio", f"notes.wav{reason_of(b'this is no sound ' * 40)}."),
        ("short.wav", file_of(np.sin(np.arange(800))), "too_short", "short.wav: 0.050 s of sound are too short"),
        ("<b>&.wav", b"", "not_audio", "<b>&.wav: the file is empty (0 bytes)"),
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
        page.locator("#em-recognise-recording [data-does=clear]").click()
        assert page.locator("#em-recognise-answer").inner_html() == ""


def reason_of(content):
    """What the command line says of a file with this content, after its name."""
    with pytest.raises(AudioError) as error:
        audio.read(content)
    return str(error.value).removeprefix(f"the {len(content)} bytes given")
