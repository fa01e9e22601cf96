"""The page in Firefox: a recording and the microphone."""

import shutil
from urllib.parse import urlsplit

import pytest

from support import firefox
from support.browser_page import CLIP, missing

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ANSWER = "document.querySelector('#em-recognise-answer .em-result .em-word')?.innerText"
LISTENS = "document.querySelector('#em-live-button').getAttribute('aria-pressed') === 'true'"

COUNT_SENT = """
window.sentBytes = 0;
WebSocket.prototype.send = new Proxy(WebSocket.prototype.send, {
  apply(send, socket, [data]) {
    window.sentBytes += data.byteLength ?? 0;
    return Reflect.apply(send, socket, [data]);
  },
});
null;
"""


@pytest.fixture(scope="module")
def page(served, tmp_path_factory):
    path = shutil.which("firefox-esr") or shutil.which("firefox") or missing("firefox-esr")
    with firefox.running(path, tmp_path_factory.mktemp("firefox")) as started:
        started.open(served.url)
        started.until("document.querySelector('#em-recognise-recording input[type=file]') !== null")
        yield started
        assert started.errors == []
        asked = [url for url in started.asked if url.startswith(("http", "ws"))]
        assert asked and {urlsplit(url).netloc for url in asked} == {f"127.0.0.1:{served.port}"}


def test_a_recording_is_answered_as_by_the_recognizer(page, recognizer):
    page.choose_file("#em-recognise-recording input[type=file]", CLIP)
    assert page.until(ANSWER) == recognizer.predict(CLIP).label


def test_the_microphone_is_heard_until_it_is_switched_off(page):
    page.evaluate("[...document.querySelectorAll('[role=tab]')].find((tab) => tab.innerText === 'Live').click()")
    page.until("document.querySelector('#em-live-button')?.offsetParent !== null")
    page.evaluate(COUNT_SENT)
    page.evaluate("document.querySelector('#em-live-button').click()")
    page.until(LISTENS)
    page.until("document.querySelector('#em-live-status').innerText === 'Listening. Please speak.'")
    page.until("window.sentBytes > 2 * 44100")  # a second of 16 bits; the beep is no speech, so nothing is answered
    page.evaluate("document.querySelector('#em-live-button').click()")
    page.until("document.querySelector('#em-live-status').innerText === 'The microphone is off.'")
    assert not page.evaluate(LISTENS)
