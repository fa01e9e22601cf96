"""The page in a browser: a log of its requests, and the steps that several tests take."""

import http.client
import json
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from emotone.serve.page import html

SAMPLES = Path(__file__).parents[2] / "samples"
CLIP, LONG = SAMPLES / "woman_lively.wav", SAMPLES / "conversation.ogg"
KEY = "open sesame"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --autoplay-policy=no-user-gesture-required "
    "--use-fake-ui-for-media-stream --use-fake-device-for-media-stream"
).split()
TABS = ["Recognise", "Timeline", "Live", "Your voice", "About"]


def missing(what):
    """Skip, but where CI requires that nothing is skipped."""
    is_required = os.environ.get("EMOTONE_REQUIRE_DATA", "0") not in ("", "0")
    (pytest.fail if is_required else pytest.skip)(f"{what} is not installed")


class Served:
    """The servers' addresses and their folder."""

    def __init__(self, port, keyed_port, folder):
        self.port, self.keyed_port, self.folder = port, keyed_port, folder
        self.url, self.keyed_url = (f"http://127.0.0.1:{one}/" for one in (port, keyed_port))


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


def get(port, path, *, method="GET", body=None, **headers):
    """Status, headers and content of an answer, by a client that keeps no cookies and follows nothing."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        line.request(method, path, body=body, headers={name.replace("_", "-"): told for name, told in headers.items()})
        response = line.getresponse()
        return response.status, response.headers, response.read()
    finally:
        line.close()


def is_ready(port):
    try:
        return get(port, "/readyz")[0] == 200
    except OSError:
        return False


def call(port, name, path, *, is_stream=False, **headers):
    """What Gradio's API answers for a file's path: the event and its data."""
    data = json.dumps({"data": [{"path": path, "is_stream": is_stream, "meta": {"_type": "gradio.FileData"}}]})
    status, _, body = get(
        port, f"/gradio_api/call/{name}", method="POST", body=data, Content_Type="application/json", **headers
    )
    if status != 200:
        return str(status), body.decode()
    event = json.loads(body)["event_id"]
    told = get(port, f"/gradio_api/call/{name}/{event}", **headers)[2].decode()
    found = re.search(r"event: (complete|error)\ndata: (.*)", told)
    return found[1], found[2]


def upload(port, content, *, name="a.wav", **headers):
    head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    status, _, body = get(
        port,
        "/gradio_api/upload",
        method="POST",
        body=head + content + b"\r\n--b--\r\n",
        Content_Type="multipart/form-data; boundary=b",
        **headers,
    )
    assert status == 200, body
    return json.loads(body)[0]


def send(page, file, *, to="recognise", expect=".em-result"):
    """Choose a file in a tab, and give the answer that comes."""
    page.set_input_files(f"#em-{to}-recording input[type=file]", file)
    shown = page.locator(f"#em-{to}-answer {expect}")
    try:
        shown.wait_for()
    except Exception as error:  # Playwright may be missing, and with it the name of its error
        raise AssertionError(f"no {expect} came in {page.url}; {_state(page, to)}") from error
    return shown


def _state(page, tab):
    """What a tab shows, for somebody who reads that an answer did not come."""
    box, answer = page.locator(f"#em-{tab}-recording"), page.locator(f"#em-{tab}-answer")
    texts = {
        "the answer shows": answer,
        "the box has taken": box.locator(".em-taken"),
        "the box refuses": box.locator(".em-refused"),
        "problems": page.locator("[role=alert]"),
    }
    shown = [f"{what} {[text.strip() for text in where.all_inner_texts()]}" for what, where in texts.items()]
    return "; ".join([*shown, f"scripts have {'' if page.evaluate(IS_LOADED) else 'not '}run"])


#: Whether the page is complete, with all of its scripts.
IS_LOADED = "document.readyState === 'complete'"


def choose_speakers(page, choice):
    """Choose who speaks, in the tab of timelines."""
    page.get_by_label("Speakers", exact=True).select_option(label=choice)


def open_tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def bars(shown):
    """Emotion -> what is written beside its bar."""
    rows = shown.locator(".em-bars tr").all()
    return {row.locator("th").inner_text(): row.locator(".em-value").inner_text() for row in rows}


def expected_bars(prediction):
    return {name: html.whole_percent(prediction.scores[name]) for name in prediction.ranking}
