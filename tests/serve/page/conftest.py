"""Fixtures of the page's tests: a browser, the servers, and a check that the page calls no other host."""

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from emotone.recognition.recognizer import Recognizer
from support.browser_page import CLIP, FLAGS, KEY, SAMPLES, Log, Served, is_ready, missing
from support.children import ended_on_error
from support.serving import RATE, until


@pytest.fixture(scope="package")
def recognizer():
    return Recognizer()


@pytest.fixture(scope="package")
def browser(tmp_path_factory):
    path = shutil.which("chromium") or missing("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("playwright")
    heard = tmp_path_factory.mktemp("microphone") / "heard.wav"
    pause = np.zeros(RATE, np.float32)
    sound = np.concatenate([pause, soundfile.read(CLIP)[0], pause, soundfile.read(SAMPLES / "man_plain.wav")[0]])
    soundfile.write(heard, soxr.resample(sound, RATE, 48_000), 48_000, subtype="PCM_16")
    with sync_playwright() as playwright:
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={heard}"]
        started = playwright.chromium.launch(executable_path=path, args=flags)
        yield started
        started.close()


@pytest.fixture(scope="package")
def served(browser, tmp_path_factory):
    if importlib.util.find_spec("gradio") is None:
        missing("gradio")
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [held.getsockname()[1] for held in (one, other)]
    command = [sys.executable, str(Path(__file__).parents[2] / "support" / "page_server.py"), *map(str, ports), KEY]
    env, log = os.environ | {"TMPDIR": str(folder)}, (folder / "log").open("wb")
    with log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as process, ended_on_error(process):
        until(lambda: all(is_ready(port) for port in ports) or process.poll() is not None, seconds=180)
        assert process.poll() is None, (folder / "log").read_text()
        open_page = browser.new_page()
        open_page.goto(f"http://127.0.0.1:{ports[0]}/")
        yield Served(*ports, folder)
        with socket.create_connection(("127.0.0.1", ports[0])) as line:  # as Gradio's client does
            line.sendall(b"GET /gradio_api/heartbeat/abc HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"200 OK" in line.recv(4096)
            # whoever holds a stream open must not hold the service
            process.send_signal(signal.SIGTERM)
            process.wait(15)
        open_page.close()
    assert not list(folder.glob("emotone-page-*")), "the uploads outlive the service"
    written = (folder / "log").read_text()
    assert "Traceback" not in written, written


@pytest.fixture(scope="package")
def context(browser):
    """One profile for all tests: what Gradio is made of is fetched once."""
    made = browser.new_context(permissions=["microphone"])
    yield made
    made.close()


@pytest.fixture(scope="package")
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
