"""The page in a real browser: what it shows, how it is used, whom it calls, and whom it lets in."""

import http.client
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
import soxr
from starlette.datastructures import Headers

from emotone.palette import COLOURS
from emotone.recognition.prediction import Prediction
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.timeline import Timeline
from emotone.recognition.timeline_formats import FORMATS
from emotone.serve import ServeSettings, create_app, security
from emotone.serve.page import html, timeline_html
from emotone.serve.problems import KINDS, ProblemError
from emotone.serve.security import check_key
from support import handmade

SAMPLES = Path(__file__).parents[2] / "samples"
CLIP, LONG = SAMPLES / "woman_lively.wav", SAMPLES / "conversation.ogg"
RATE = 16_000
KEY = "open sesame"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required "
    "--use-fake-ui-for-media-stream --use-fake-device-for-media-stream"
).split()
TABS = ["Recognise", "Timeline", "Live", "Your voice", "About"]


def _missing(what):
    """Skip, but where CI requires that nothing is skipped."""
    is_required = os.environ.get("EMOTONE_REQUIRE_DATA", "0") not in ("", "0")
    (pytest.fail if is_required else pytest.skip)(f"{what} is not installed")


# ---- a server and a browser ----


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    path = shutil.which("chromium") or _missing("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _missing("playwright")
    heard = tmp_path_factory.mktemp("microphone") / "heard.wav"
    pause = np.zeros(RATE, np.float32)
    sound = np.concatenate([pause, soundfile.read(CLIP)[0], pause, soundfile.read(SAMPLES / "man_plain.wav")[0]])
    soundfile.write(heard, soxr.resample(sound, RATE, 48_000), 48_000, subtype="PCM_16")
    with sync_playwright() as playwright:
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={heard}"]
        started = playwright.chromium.launch(executable_path=path, args=flags)
        yield started
        started.close()


class Served:
    """The servers' addresses and their folder."""

    def __init__(self, port, keyed_port, folder):
        self.port, self.keyed_port, self.folder = port, keyed_port, folder
        self.url, self.keyed_url = (f"http://127.0.0.1:{one}/" for one in (port, keyed_port))


@pytest.fixture(scope="module")
def served(browser, tmp_path_factory):
    if importlib.util.find_spec("gradio") is None:
        _missing("gradio")
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [held.getsockname()[1] for held in (one, other)]
    command = [sys.executable, str(Path(__file__).parents[1] / "support" / "page_server.py"), *map(str, ports), KEY]
    log = (folder / "log").open("wb")
    with log, subprocess.Popen(command, env=os.environ | {"TMPDIR": str(folder)}, stdout=log, stderr=log) as process:
        _until(lambda: all(_answers(port) for port in ports) or process.poll() is not None, seconds=60)
        assert process.poll() is None, (folder / "log").read_text()
        open_page = browser.new_page()
        open_page.goto(f"http://127.0.0.1:{ports[0]}/")
        yield Served(*ports, folder)
        with socket.create_connection(("127.0.0.1", ports[0])) as line:  # as Gradio's client does
            line.sendall(b"GET /gradio_api/heartbeat/abc HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200 OK" in line.recv(4096)
            # whoever holds a stream open must not hold the service
            process.send_signal(signal.SIGTERM)
            process.wait(15)
        open_page.close()
    assert not list(folder.glob("emotone-page-*")), "the uploads outlive the service"
    written = (folder / "log").read_text()
    # Gradio writes down who asks for files that are no uploads
    assert written.count("Traceback") == written.count("gradio.exceptions.InvalidPathError: Cannot move"), written


def _answers(port):
    try:
        return _get(port, "/readyz")[0] == 200
    except OSError:
        return False


def _get(port, path, *, method="GET", body=None, **headers):
    """Status, headers and content of an answer, by a client that keeps no cookies and follows nothing."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        line.request(method, path, body=body, headers={name.replace("_", "-"): told for name, told in headers.items()})
        response = line.getresponse()
        return response.status, response.headers, response.read()
    finally:
        line.close()


def _until(true, *, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


class Log:
    """Everything that the browser asked for during a test, and what went wrong in it."""

    def __init__(self, context):
        self.clear()
        context.on("request", lambda one: self.asked.append(one.url))
        context.on("console", lambda one: self.failed(one.page, one.text) if one.type == "error" else None)
        context.on("weberror", lambda one: self.failed(one.page, str(one.error)))
        context.on("page", self.opened)

    def clear(self):
        self.asked, self.wrong, self.expected, self.pages = [], [], "^$", []

    def opened(self, page):
        self.pages.append(page)
        page.on("websocket", lambda one: self.asked.append(one.url))

    def failed(self, page, text):
        if page in self.pages:  # what a page of the test before still says while it closes is not this one's
            self.wrong.append(text)

    def elsewhere(self, served):
        own = {f"127.0.0.1:{served.port}", f"127.0.0.1:{served.keyed_port}"}
        return [
            url
            for url in self.asked
            if not (url.startswith(("data:", "blob:")) or (urlsplit(url).netloc in own and url[:2] in ("ht", "ws")))
        ]


@pytest.fixture(scope="module")
def context(browser):
    """One profile for all tests: what Gradio is made of is fetched once."""
    made = browser.new_context(permissions=["microphone"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def watched(context):
    return Log(context)


@pytest.fixture(autouse=True)
def log(request):
    """Check after each test that opens a page that no other host was called and that nothing failed in the browser."""
    if "open_page" not in request.fixturenames:
        yield None
        return
    held, served = request.getfixturevalue("watched"), request.getfixturevalue("served")
    held.clear()
    yield held
    assert held.asked and held.elsewhere(served) == []
    assert [one for one in held.wrong if not re.search(held.expected, one)] == []


@pytest.fixture
def open_page(context, watched, served):
    opened = []

    def opening(*, url=None, width=1280, scheme="light", wait=True):
        page = context.new_page()
        opened.append(page)
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)
        page.set_default_timeout(15_000)
        page.goto(url or served.url)
        if wait:
            page.locator("#em-recognise-recording input[type=file]").wait_for(state="attached")
        return page

    yield opening
    for page in opened:
        page.close()


def send(page, file, *, to="recognise", expect=".em-result"):
    """Choose a file in a tab, and give the answer that comes."""
    page.set_input_files(f"#em-{to}-recording input[type=file]", file)
    shown = page.locator(f"#em-{to}-answer {expect}")
    shown.wait_for()
    return shown


def go(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def bars(shown):
    """Emotion -> what is written beside its bar."""
    rows = shown.locator(".em-bars tr").all()
    return {row.locator("th").inner_text(): row.locator(".em-value").inner_text() for row in rows}


def expected_bars(prediction):
    return {name: html.percent(prediction.scores[name]) for name in prediction.ranking}


# ---- what is shown ----


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
    assert "footer" not in page.content().lower() or not page.locator("footer").is_visible()


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


def test_a_timeline_is_the_recognizers_and_can_be_played(open_page, recognizer, served):
    from playwright.sync_api import expect

    page = open_page()
    go(page, "Timeline")
    shown, expected = send(page, LONG, to="timeline", expect=".em-timeline"), recognizer.timeline(LONG)
    buttons = shown.locator("[data-seek]")
    assert len(expected.segments) > 3 and buttons.count() == len(expected.segments)
    for button, one in zip(buttons.all(), expected.segments, strict=True):
        assert float(button.get_attribute("data-seek")) == pytest.approx(one.start_s, abs=0.001)
        assert float(button.get_attribute("data-end")) == pytest.approx(one.end_s, abs=0.001)
        assert button.locator("b").inner_text() == one.label
        assert button.locator(".em-value").inner_text() == html.percent(one.confidence)
    assert shown.locator("svg rect").count() == len(expected.segments)
    player = shown.locator("audio")
    page.wait_for_function("document.querySelector('.em-timeline audio').duration > 0")
    assert player.evaluate("one => one.duration") == pytest.approx(expected.duration_s, abs=0.05)
    assert player.evaluate("one => one.src").startswith("blob:")

    third = expected.segments[2]
    buttons.nth(2).focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelector('.em-timeline audio').currentTime >= {third.start_s:.3f}")
    expect(buttons.nth(2)).to_have_attribute("aria-current", "true")
    assert player.evaluate("one => one.paused") is False
    stage = shown.locator(".em-stage").bounding_box()
    page.mouse.click(stage["x"] + 0.75 * stage["width"], stage["y"] + 20)
    player.evaluate("one => one.pause()")
    assert player.evaluate("one => one.currentTime") == pytest.approx(0.75 * expected.duration_s, abs=1.0)
    place, cursor = stage["x"] + 0.75 * stage["width"], shown.locator(".em-cursor")
    _until(lambda: abs(cursor.bounding_box()["x"] - place) < 0.06 * stage["width"])

    saved = {}
    for link in shown.locator("a[download]").all():
        with page.expect_download() as download:
            link.click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_text()
    assert saved == {
        "conversation.emotions.json": FORMATS["json"].write(expected),
        "conversation.emotions.csv": FORMATS["csv"].write(expected),
        "conversation.emotions.vtt": FORMATS["vtt"].write(expected),
        "conversation.emotions.txt": FORMATS["audacity"].write(expected),
    }


def test_the_live_tab_follows_the_microphone(open_page):
    from playwright.sync_api import expect

    page, told = open_page(), []
    page.on("websocket", lambda one: one.on("framereceived", lambda frame: told.append(json.loads(frame))))
    go(page, "Live")
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
    expect(page.locator("#em-live-now")).to_be_hidden()
    ended = [one for one in told if one["kind"] == "speech_end" and "label" in one]
    assert any(one["kind"] == "emotion" for one in told)
    page.wait_for_function(f"document.querySelectorAll('#em-live-list li').length >= {len(ended)}")
    shown = page.locator("#em-live-list b").all_inner_texts()[::-1]
    assert shown[: len(ended)] == [one["label"] for one in ended]


def test_your_voice_before_and_after(open_page, recognizer, tmp_path):
    page = open_page()
    go(page, "Your voice")
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
    with page.expect_download() as download:
        page.get_by_text("Save this voice as a profile").click()
    assert type(profile).load(download.value.path()) == profile


def test_clips_are_recorded_one_by_one(open_page):
    page = open_page()
    go(page, "Your voice")
    box, listed = page.locator("#em-spoken"), page.locator("#em-clips .file")
    for n in (1, 2):
        box.get_by_role("button", name="Record", exact=True).click()
        page.wait_for_timeout(700)
        box.get_by_role("button", name="Stop", exact=True).click()
        listed.nth(n - 1).wait_for()
        assert listed.count() == n


def test_the_about_tab_is_the_models_card(open_page, recognizer):
    page = open_page()
    go(page, "About")
    panel, card = page.locator("[role=tabpanel]:visible"), recognizer.card
    panel.get_by_text("Not for decisions about people").wait_for()  # the card is shown after the rest
    words = panel.inner_text()
    assert card["name"] in words and f"{100 * recognizer.threshold:.3g} %" in words
    for corpus in card["training"]["corpora"]:
        assert corpus["title"] in words and corpus["licence"] in words
    interval = card["scores"]["intervals"]["uar"]
    assert f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}" in words and "speaker-6fold" in words
    assert "nothing leaves it" in words and "Not for decisions about people" in words


# ---- errors ----


def _file(samples, *, rate=RATE):
    held = io.BytesIO()
    soundfile.write(held, samples, rate, format="WAV")
    return held.getvalue()


def test_what_has_no_answer_is_told_kindly(open_page, log):
    page, log.expected = open_page(), "^Waveform load error|404|RANGE|416"  # of the player, which can't play it either
    for name, content, code, words in (
        ("notes.wav", b"this is no sound " * 40, "not_audio", "no recording that can be read"),
        ("short.wav", _file(np.sin(np.arange(800))), "too_short", "too short"),
        ("<b>&.wav", b"", "not_audio", "no recording that can be read"),
        ("silent.wav", _file(np.zeros(RATE)), None, "Nobody speaks here"),
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


def test_a_file_that_is_too_large_is_not_sent(open_page, served):
    page = open_page()
    page.set_input_files(
        "#em-recognise-recording input[type=file]",
        {"name": "a.wav", "mimeType": "audio/wav", "buffer": _file(np.zeros(2 * RATE * 60))},
    )
    page.get_by_text(re.compile("exceed the maximum allowed size")).first.wait_for()
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n' + bytes(2_030_000)
    status, _, _ = _get(
        served.port,
        "/gradio_api/upload",
        method="POST",
        body=body + b"\r\n--b--\r\n",
        Content_Type="multipart/form-data; boundary=b",
    )
    assert status == 413
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:  # refused before it is sent
        head = "POST /gradio_api/upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n"
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n--b".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_a_service_that_is_busy_says_so(open_page, served, log):
    page, log.expected = open_page(url=served.keyed_url, wait=False), "status of 503"
    page.get_by_label("Key").fill(KEY)
    page.get_by_label("Key").press("Enter")
    page.locator("#em-recognise-recording input[type=file]").wait_for(state="attached")
    with socket.create_connection(("127.0.0.1", served.keyed_port)) as line:  # an upload that takes the only room
        head = f"POST /v1/predict HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 900\r\n"
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n--b".encode())
        _until(lambda: b"emotone_queue_length 1\n" in _get(served.keyed_port, "/metrics")[2])
        page.set_input_files("#em-recognise-recording input[type=file]", CLIP)
        page.get_by_text("The service has its hands full. Try again in a few seconds.").wait_for()
    page.context.clear_cookies()


# ---- phone, keyboard, light and dark ----


#: Elements that reach over the edge, but for those in a box that can be scrolled.
_CUT_OFF = """() => [...document.querySelectorAll("main *")].filter((one) => {
  if (!one.checkVisibility() || one.closest(".visually-hidden, svg, caption")) return false;
  const { left, width } = one.getBoundingClientRect();
  if (left + Math.max(width, one.scrollWidth) <= innerWidth) return false; // what is in it may be wider than it is
  for (let box = one; box; box = box.parentElement) {
    const scrolls = /auto|scroll/.test(getComputedStyle(box).overflowX) && box !== document.documentElement;
    if (scrolls && box.getBoundingClientRect().right <= innerWidth) return false;
  }
  return true;
}).map((one) => one.outerHTML.slice(0, 200))"""


def test_a_phone_needs_no_scrolling_to_the_side(open_page):
    page = open_page(width=390)
    send(page, CLIP)
    for name in TABS:
        go(page, name)
        if name == "Timeline":
            send(page, LONG, to="timeline", expect=".em-timeline")
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        tab = page.get_by_role("tab", name=name, exact=True)
        assert tab.is_visible() and tab.get_attribute("aria-selected") == "true"
        assert page.evaluate(_CUT_OFF) == [], name


def test_the_page_is_used_by_keyboard_alone(open_page, recognizer):
    page = open_page()
    reached = []
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        )
        if "Record audio" in reached:
            break
    assert "Recognise" in reached and "Drop an audio file here to upload" in reached and "Upload file" in reached
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.get_by_role("tab", name="Recognise", exact=True).focus()
    for name in TABS[1:3]:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.innerText") == name
    page.keyboard.press("Enter")
    page.locator("#em-live-button").wait_for()
    page.locator("#em-live-button").focus()
    page.keyboard.press("Enter")
    assert page.locator("#em-live-button").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")
    assert page.locator("#em-live-button").get_attribute("aria-pressed") == "false"


def _luminance(colour):
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
                  "#em-tabs [role=tab].selected", "#em-tabs [role=tab]:not(.selected)"].map((name) => {
          const one = document.querySelector(name);
          let under = one;
          while (/, 0\\)$|transparent/.test(getComputedStyle(under).backgroundColor)) under = under.parentElement;
          return [name, getComputedStyle(one).color, getComputedStyle(under).backgroundColor];
        })"""
    )
    assert len(pairs) == 10
    for name, ink, paper in pairs:
        assert (_luminance(paper) < 0.05) == (scheme == "dark"), (name, paper)
        bright, dim = sorted([_luminance(ink), _luminance(paper)], reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (name, ink, paper)


# ---- programs, and whom the page calls ----


def _call(port, name, path, *, is_stream=False, **headers):
    """What Gradio's API answers for a file's path: the event and its data."""
    data = json.dumps({"data": [{"path": path, "is_stream": is_stream, "meta": {"_type": "gradio.FileData"}}]})
    status, _, body = _get(
        port, f"/gradio_api/call/{name}", method="POST", body=data, Content_Type="application/json", **headers
    )
    if status != 200:
        return str(status), body.decode()
    event = json.loads(body)["event_id"]
    told = _get(port, f"/gradio_api/call/{name}/{event}", **headers)[2].decode()
    found = re.search(r"event: (complete|error)\ndata: (.*)", told)
    return found[1], found[2]


def _upload(port, content, *, name="a.wav", **headers):
    head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    status, _, body = _get(
        port,
        "/gradio_api/upload",
        method="POST",
        body=head + content + b"\r\n--b--\r\n",
        Content_Type="multipart/form-data; boundary=b",
        **headers,
    )
    assert status == 200, body
    return json.loads(body)[0]


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
    event, told = _call(served.port, "recognise", _upload(served.port, b"no sound"))
    assert event == "error" and "not_audio" in told and "emotone-page" not in told


def test_other_files_and_addresses_are_not_opened(served, tmp_path):
    picture = tmp_path / "a.svg"
    picture.write_text("<svg>secret</svg>")
    own = [str(CLIP), "/etc/passwd", str(served.folder / "log"), str(picture)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.wav"
        for path in (address, *own):
            for name in ("recognise", "timeline", "page_recognise"):
                for is_stream in (False, True):
                    event, told = _call(served.port, name, path, is_stream=is_stream)
                    assert event == "error" or "em-problem" in told
                    assert "root" not in told and "sad" not in told
            assert _get(served.port, f"/gradio_api/file={path}")[0] == 404
        (folder,) = served.folder.glob("emotone-page-*")
        uploaded = Path(_upload(served.port, CLIP.read_bytes()))
        inside = f"{address}?b=/{'../' * 40}{uploaded.relative_to('/')}"  # an address that reads like an upload's path
        for path in (inside, str(uploaded.parent), str(folder), f"{folder}/none/a"):
            event, told = _call(served.port, "recognise", path)
            assert event == "error", path
        with pytest.raises(TimeoutError):
            listener.accept()
    uploaded = _upload(served.port, CLIP.read_bytes())
    assert _get(served.port, f"/gradio_api/file={uploaded}")[2] == CLIP.read_bytes()
    out = f"{Path(uploaded).parent}/../../log"
    assert Path(out).is_file() and _get(served.port, f"/gradio_api/file={out}")[0] == 404
    for path in ("proxy=https://example.org/", "vibe-code/", "profiling/summary", "dev/reload"):
        assert _get(served.port, f"/gradio_api/{path}")[0] == 404
    (folder,) = served.folder.glob("emotone-page-*")
    assert not [one for one in folder.rglob("*") if one.name in ("passwd", "log", "a.svg")]


def test_a_browser_can_not_be_made_to_call_another_host(browser, served):
    page = browser.new_page()  # not watched: what it is made to try is what the others are checked for
    page.goto(served.url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        tried = """async (url) => {
          const one = new Image();
          const image = new Promise((done) => { one.onerror = () => done("no"); one.src = url; });
          return [await fetch(url, {mode: "no-cors"}).then(() => "yes", () => "no"), await image];
        }"""
        assert page.evaluate(tried, address) == ["no", "no"]
        with pytest.raises(TimeoutError):
            listener.accept()
    page.close()


def test_pages_of_other_origins_are_refused(served):
    status, _, body = _get(served.port, "/gradio_api/queue/join", method="POST", body="{}", Origin="https://a.org")
    assert status == 403 and json.loads(body)["code"] == "forbidden_origin"
    own = f"http://127.0.0.1:{served.port}"
    assert _get(served.port, "/gradio_api/queue/join", method="POST", body="{}", Origin=own)[0] == 422


def test_the_services_own_paths_stay_as_they_are(served, recognizer):
    from starlette.testclient import TestClient

    plain = TestClient(create_app(recognizer))
    for path in ("/v1/nowhere", "/v1", "/v1/predict", "/v1/model", "/healthz", "/openapi.json"):
        status, headers, body = _get(served.port, path)
        expected = plain.get(path)
        assert (status, json.loads(body)) == (expected.status_code, expected.json()), path
        assert headers["content-type"] == expected.headers["content-type"]
    assert _get(served.port, "/")[1]["cache-control"] == "no-store"


def test_without_the_page_gradio_is_not_imported(tmp_path):
    bundle = handmade.write(tmp_path / "b")
    script = (
        "import sys; from emotone import Recognizer; from emotone.serve import create_app; "
        f"create_app(Recognizer({str(bundle)!r})); print([one for one in sys.modules if one.startswith('gradio')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_bodies_are_bounded(served):
    def joined(n_bytes):
        body = json.dumps({"data": [None], "fn_index": 0, "session_hash": "a" * n_bytes})
        return _get(served.port, "/gradio_api/queue/join", method="POST", body=body, Content_Type="application/json")[0]

    assert joined(10) == joined(900_000) == 200 and joined(1_100_000) != 200
    for path in ("component_server", "stream/a/b/c/d.mp3"):
        assert _get(served.port, f"/gradio_api/{path}", method="POST", body="{}")[0] == 404


def test_uploads_are_private_and_do_not_stay(served):
    (folder,) = served.folder.glob("emotone-page-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    key = {"Authorization": f"Bearer {KEY}"}
    path = Path(_upload(served.keyed_port, CLIP.read_bytes(), **key))
    assert path.is_file() and folder in path.parents
    kept, cut_off = (folder / name for name in ("an upload that comes", "an upload that was cut off"))
    for one in (kept, cut_off):
        one.write_bytes(b"sound")
    for one in (path, cut_off):
        os.utime(one, (1, 1))
    _until(lambda: not path.exists() and not cut_off.exists())
    assert kept.exists()
    kept.unlink()
    event, told = _call(served.keyed_port, "recognise", str(path), **key)
    assert event == "error"


# ---- the key ----


def test_the_page_asks_for_the_key(open_page, served, log):
    page, log.expected = open_page(url=served.keyed_url, wait=False), "status of 401"
    assert page.url.endswith("/login") and page.title() == "Emotone: log in"
    page.get_by_label("Key").fill("open barley")
    page.get_by_label("Key").press("Enter")
    assert "This is not the key" in page.get_by_role("alert").inner_text()
    page.get_by_label("Key").fill(KEY)
    page.get_by_role("button", name="Open").click()
    page.locator("#em-recognise-recording input[type=file]").wait_for(state="attached")
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("emotone", True, "Strict")
    assert KEY not in cookie["value"]
    assert send(page, CLIP).locator(".em-word").inner_text() in COLOURS
    go(page, "Live")
    page.locator("#em-live-button").click()
    page.locator("#em-live-now").wait_for()
    page.locator("#em-live-button").click()
    go(page, "About")
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Key").wait_for()
    assert page.context.cookies() == []


def test_nothing_of_gradio_answers_without_the_key(served):
    for path in ("config", "gradio_api/info", "gradio_api/queue/data", "gradio_api/startup-events", "theme.css"):
        status, headers, body = _get(served.keyed_port, f"/{path}")
        assert status == 401 and json.loads(body)["code"] == "unauthorized", path
        assert headers["content-type"] == "application/problem+json"
    for path in ("gradio_api/upload", "gradio_api/queue/join", "gradio_api/call/recognise", "gradio_api/run/recognise"):
        assert _get(served.keyed_port, f"/{path}", method="POST", body=b"")[0] == 401, path
    status, headers, _ = _get(served.keyed_port, "/")
    assert status == 303 and headers["location"] == "login"
    assert _get(served.keyed_port, "/config", Cookie="emotone=1.2")[0] == 401
    assert _get(served.keyed_port, "/config", Authorization=f"Bearer {KEY}")[0] == 200
    assert _get(served.port, "/login")[0] == 404  # where there is no key


def test_a_login_ends_and_is_of_one_key():
    def let_in(value, key=KEY):
        return security.has_valid_session(Headers({"cookie": f"a=b; {security.COOKIE}={value}"}), key)

    soon = int(time.time()) + 60
    good = security.token(KEY, until_s=soon)
    assert let_in(good) and not let_in(good, "another key")
    assert not let_in(security.token(KEY, until_s=int(time.time()) - 1))
    stated, _, mac = good.partition(".")
    for altered in (f"{soon + 1}.{mac}", f"{stated}.{mac[:-1]}", stated, mac, "", "é.é", f"{'9' * 400}.{mac}", "."):
        assert not let_in(altered), altered
    assert not security.has_valid_session(Headers({}), KEY)
    check_key(ServeSettings(key=KEY), Headers({"cookie": f"{security.COOKIE}={good}"}))
    with pytest.raises(ProblemError, match="wrong"):
        check_key(ServeSettings(key=KEY), Headers({"authorization": "Bearer no"}))


# ---- what is written ----


def _prediction(emotion, scores, **given):
    return Prediction(emotion, max(scores.values()), scores, 0.0, 2.0, **given)


def test_unsure_and_no_speech_are_shown_as_such():
    scores = {"happy": 0.4, "sad": 0.35, "angry": 0.25}
    unsure = html.answer(_prediction(None, scores), title="a", trust="right about 73 %")
    assert 'data-label="unsure"' in unsure and "The best guess is <b>happy</b>, at 40 %" in unsure
    assert "not sure enough" in unsure and unsure.index("happy") < unsure.index("sad")
    silent = html.answer(_prediction(None, scores, speech=0.1), title="a", trust="right about 73 %")
    assert 'data-label="no speech"' in silent and "happy" not in silent and "73" not in silent
    sure = html.answer(_prediction("happy", scores), title="<a>", trust="right about 73 %")
    assert "not very sure" in sure and "&lt;a&gt;" in sure and "<a>" not in sure and "73 %" in sure


def test_every_problem_of_the_page_has_words():
    for code in ("not_audio", "too_short", "silent", "too_large", "too_long", "busy", "timeout", "unanswerable"):
        assert code in KINDS
        told = html.problem(ProblemError(code, "detail of /a/path"), title="a.wav")
        assert "/a/path" not in told and "Something went wrong" not in told
    assert "Something went wrong" in html.problem(ProblemError("internal", "x"))


def test_trust_is_told_as_the_card_has_it():
    card = {"scores": {"uar": 0.5}, "protocol": {"name": "p", "speaker_disjoint": True}}
    told = html.trusted(card)
    assert told == "On voices that it has never heard it is right about 50 % of the time (UAR; protocol p)."
    leaking = html.trusted({**card, "protocol": {"name": "random", "speaker_disjoint": False}})
    assert "never heard" not in leaking and "may have heard" in leaking
    assert html.trusted({"scores": {}}) == ""


def test_a_timeline_of_nothing_and_of_hours():
    nothing = timeline_html.timeline(Timeline((), 0.0, ("sad",), np.zeros(0, np.float32)), name="a", path="/x")
    assert "Nobody speaks here" in nothing and "data-seek" not in nothing
    segments = tuple(_prediction("sad", {"sad": 1.0}) for _ in range(3))
    hours = Timeline(segments, 7200.0, ("sad",), np.full(144_000, 0.5, np.float32))
    shown = timeline_html.timeline(hours, name='"><b>', path="/a b/c#d.wav")
    assert "2:00:00" in shown and '"><b>' not in shown and 'data-from="gradio_api/file=/a%20b/c%23d.wav"' in shown
    assert len(re.search(r' d="(.*?)"', shown)[1]) < 40_000
    assert re.findall(r'left: ([\d.]+)%">([\d:]+)<', shown) == [
        ("0.00", "0:00"), ("25.00", "30:00"), ("50.00", "1:00:00"), ("75.00", "1:30:00"),
    ]  # fmt: skip
