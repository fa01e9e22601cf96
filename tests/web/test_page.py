"""The page in a browser: answers, timeline and adaptation, no other address, and use without a network."""

import http.server
import json
import shutil
import threading
from functools import partial

import pytest

from emotone.cli import web_folder
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import DEFAULT_FOLDER
from support.browser_page import FLAGS, SAMPLES, bars, missing, open_tab, send

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CLIP = SAMPLES / "woman_lively.wav"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory, runtime):
    folder = tmp_path_factory.mktemp("web") / "site"
    web_folder.write(folder, bundle=DEFAULT_FOLDER, runtime=runtime)
    return folder


@pytest.fixture(scope="module")
def server(site):
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(site)))
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture(scope="module")
def address(server):
    return f"http://127.0.0.1:{server.server_port}/"


@pytest.fixture(scope="module")
def context(server):
    path = shutil.which("chromium") or missing("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser.new_context(permissions=["microphone"])
        browser.close()


@pytest.fixture(scope="module")
def page(context, address):
    asked, wrong = [], []
    context.on("request", lambda request: asked.append(request.url))
    context.on("weberror", lambda failure: wrong.append(str(failure.error)))
    context.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened = context.new_page()
    opened.set_default_timeout(240_000)
    opened.add_init_script(
        "document.addEventListener('em-answered', (event) => { window.emAnswered = event.detail; });"
    )
    opened.goto(address)
    opened.locator("html[data-ready]").wait_for(state="attached")
    yield opened
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []
    assert wrong == []


def test_an_answer_is_that_of_python(page):
    shown = send(page, str(CLIP))
    expected = Recognizer().predict(CLIP)
    answer = page.evaluate("() => window.emAnswered")
    assert answer["label"] == expected.label == shown.locator(".em-word").inner_text()
    assert answer["scores"] == pytest.approx(expected.scores, abs=0.03)
    assert list(bars(shown)) == sorted(answer["scores"], key=lambda emotion: -answer["scores"][emotion])


def test_compressed_recordings_are_read(page):
    for name in ("man_subdued.flac", "man_tense.mp3"):
        send(page, str(SAMPLES / name))
        answer = page.evaluate("() => window.emAnswered")
        assert answer["scores"] == pytest.approx(Recognizer().predict(SAMPLES / name).scores, abs=0.05), name


def test_what_is_no_recording_is_said(page, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("no sound")
    shown = send(page, str(text), expect=".em-problem")
    assert "can’t be read" in shown.inner_text() and "notes.txt" in shown.inner_text()


def test_a_recording_from_the_microphone_is_answered(page):
    page.locator("#em-recognise-recording [data-does=clear]").click()
    page.locator("#em-recognise-recording [data-does=record]").click()
    page.get_by_text("Recording: 0:01").wait_for()
    page.locator("#em-recognise-recording [data-does=record]").click()
    page.locator("#em-recognise-answer .em-result").wait_for()


def test_a_timeline_is_that_of_python(page):
    open_tab(page, "Timeline")
    recording = SAMPLES / "conversation.ogg"
    shown = send(page, str(recording), to="timeline", expect=".em-timeline")
    expected = Recognizer().timeline(recording, adapt=True)
    labels = shown.locator(".em-segments b").all_inner_texts()
    assert labels == [segment.label for segment in expected.segments]
    with page.expect_download() as download:
        shown.get_by_text("JSON", exact=True).click()
    saved = json.loads(download.value.path().read_text())
    assert [segment["label"] for segment in saved["segments"]] == labels


def test_a_voice_is_adapted_to_and_saved_as_python_reads_it(page):
    open_tab(page, "Your voice")
    clips = [str(SAMPLES / name) for name in ("woman_plain.wav", "woman_subdued.wav")]
    page.set_input_files("#em-clips input[type=file]", clips)
    page.set_input_files("#em-test input[type=file]", str(CLIP))
    page.locator("#em-compare").click()
    shown = page.locator("#em-voice-answer .em-compared")
    shown.wait_for()
    assert "2 clips of this voice" in shown.inner_text()
    with page.expect_download() as download:
        shown.get_by_text("Save this voice").click()
    from emotone.recognition.profile import SpeakerProfile

    profile = SpeakerProfile.load(download.value.path())
    answer = page.evaluate("() => window.emAnswered")["after"]
    assert answer["scores"] == pytest.approx(Recognizer().predict(CLIP, profile=profile).scores, abs=0.03)


def test_it_can_be_installed(page, address):
    manifest = page.request.get(address + "manifest.webmanifest").json()
    assert manifest["display"] == "standalone" and {icon["sizes"] for icon in manifest["icons"]} >= {"192x192"}
    for icon in manifest["icons"]:
        assert page.request.get(address + icon["src"]).ok


def test_it_works_without_a_network(page, address, server):  # the last: the server is stopped
    page.locator("html[data-offline]").wait_for(state="attached")
    server.shutdown()
    server.server_close()
    page.goto(address)
    page.locator("html[data-ready]").wait_for(state="attached")
    send(page, str(CLIP))
    assert page.evaluate("() => window.emAnswered")["scores"]
