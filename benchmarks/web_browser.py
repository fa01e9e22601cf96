"""A page of `emotone web` in headless Chromium, from a server of files on this machine."""

import base64
import functools
import http.server
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, Page, sync_playwright

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --disable-dev-shm-usage"
).split()
_TIMEOUT_MS = 300_000
#: Keep what the page says of an answer, with all digits.
_LISTEN = "document.addEventListener('em-answered', (event) => { window.emAnswered = event.detail; });"
#: From the bytes of a file to samples at 16 kHz, with the page's own code.
_SAMPLES = """async (text) => {
  const { readSound } = await import("./lib/decoding.js");
  const { decodeInBrowser } = await import("./lib/browser-decoding.js");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const { samples } = await readSound(bytes, { decode: decodeInBrowser });
  const raw = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  const parts = [];
  for (let at = 0; at < raw.length; at += 8192) parts.push(String.fromCharCode(...raw.subarray(at, at + 8192)));
  return btoa(parts.join(""));
}"""


class FileServer:
    """Serves a folder at `url`, until it is closed."""

    def __init__(self, folder: Path) -> None:
        handler = functools.partial(_Quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving; closing twice does no harm."""
        self._server.shutdown()
        self._server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class Site:
    """An open page.

    Attributes
    ----------
    outside
        Addresses that are not of the page, and were called nevertheless.
    seconds
        Time from choosing a file to the answer on the page, of the last prediction.
    """

    def __init__(self, context: BrowserContext, server: FileServer) -> None:
        self._server, self.outside, self.seconds = server, [], 0.0
        context.on("request", lambda request: self._asked(request.url))
        self._page: Page = context.new_page()
        self._page.set_default_timeout(_TIMEOUT_MS)
        self._page.add_init_script(_LISTEN)
        self._page.goto(server.url)
        self._page.locator("html[data-ready]").wait_for(state="attached")

    def _asked(self, url: str) -> None:
        if not url.startswith((self._server.url, "blob:", "data:")):
            self.outside.append(url)

    def predict(self, clip: Path) -> dict[str, Any]:
        """Return what the page predicts for a file."""
        answer = self._answer("recognise", lambda: self._choose("#em-recognise-recording", clip))
        self.seconds = float(self._page.locator("#em-recognise-answer").get_attribute("data-ms") or 0) / 1000
        return answer

    def timeline(self, recording: Path) -> dict[str, Any]:
        """Return the timeline of a file."""
        return self._answer("timeline", lambda: self._choose("#em-timeline-recording", recording))

    def compare(self, clips: Sequence[Path], test: Path) -> dict[str, Any]:
        """Return the prediction before and after adaptation to clips."""
        self._page.reload()
        self._page.locator("html[data-ready]").wait_for(state="attached")
        self._page.locator("#em-tab-voice").click()
        self._page.set_input_files("#em-clips input[type=file]", [str(clip) for clip in clips])
        self._choose("#em-test", test)
        return self._answer("voice", lambda: self._page.locator("#em-compare").click())

    def samples(self, clip: Path) -> NDArray[np.float32]:
        """Return a file as the page decodes it, at 16 kHz."""
        text = self._page.evaluate(_SAMPLES, base64.b64encode(clip.read_bytes()).decode())
        return np.frombuffer(base64.b64decode(text), np.float32)

    def works_offline(self, clip: Path) -> bool:
        """Stop the server, load the page again, and say whether it still answers."""
        self._page.locator("html[data-offline]").wait_for(state="attached")
        self._server.close()
        self._page.reload()
        self._page.locator("html[data-ready]").wait_for(state="attached")
        return bool(self.predict(clip)["scores"])

    def _choose(self, box: str, file: Path) -> None:
        self._page.set_input_files(f"{box} input[type=file]", str(file))

    def _answer(self, name: str, ask: Any) -> dict[str, Any]:
        self._page.evaluate("() => { window.emAnswered = null; }")
        ask()
        shown = self._page.locator(f"#em-{name}-answer :is(.em-result, .em-timeline, .em-compared)").first
        shown.wait_for(state="attached")
        answer: dict[str, Any] | None = self._page.evaluate("() => window.emAnswered")
        if answer is None:
            raise AssertionError(shown.inner_text())
        return answer


@contextmanager
def opened(folder: Path) -> Iterator[Site]:
    """Open the page in a folder."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("chromium is not installed; expected it on the path: apt-get install chromium")
    server = FileServer(folder)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            yield Site(browser.new_context(), server)
        finally:
            browser.close()
            server.close()
