"""Firefox, driven over WebDriver BiDi (https://w3c.github.io/webdriver-bidi), which it speaks by itself."""

import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from websockets.sync.client import connect

PREFERENCES = {
    "media.navigator.permission.disabled": True,  # nobody is there to allow the microphone
    "media.navigator.streams.fake": True,  # a beep instead of the microphone
    "media.autoplay.block-webaudio": False,  # nobody clicks
    "media.cubeb.force_mock_context": True,  # sound runs without a sound card; some versions need `_sound_card` too
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "network.captive-portal-service.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
}
_ADDRESS = re.compile(r"WebDriver BiDi listening on (ws://[\d.:]+)")


@contextlib.contextmanager
def running(path, folder, *, seconds=90):
    """Start a Firefox with a new profile in a folder, and give its `Page`."""
    written = "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
    (folder / "user.js").write_text(written)
    command = [path, "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", "0"]
    with (
        _sound_card() as variables,
        (folder / "said").open("wb") as said,
        subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | variables) as process,
    ):
        try:
            with connect(f"{_address(folder / 'said', process, seconds)}/session", max_size=None) as line:
                yield Page(line)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def _sound_card():
    """Start a PulseAudio that plays into the void, if it is installed, and give the variable that leads to it."""
    path = shutil.which("pulseaudio")
    if path is None:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:  # short, as the path of a socket must be
        place = Path(folder, "socket")
        command = [path, "-n", "--daemonize=no", "--exit-idle-time=-1", "-L", "module-null-sink"]
        command += ["-L", f"module-native-protocol-unix socket={place} auth-anonymous=1"]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(
            command, env=os.environ | {"XDG_RUNTIME_DIR": folder, "HOME": folder}, **silent
        ) as process:
            until = time.monotonic() + 20
            while not place.exists() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            try:
                yield {"PULSE_SERVER": f"unix:{place}"} if place.exists() else {}
            finally:
                process.terminate()


def _address(said, process, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if found := _ADDRESS.search(said.read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"Firefox does not listen: {said.read_text(errors='replace')[-1000:]}")


class Page:
    """A tab of Firefox, and what its console said."""

    def __init__(self, line):
        self._line, self._numbers = line, itertools.count(1)
        self.errors, self.asked = [], []
        self._call("session.new", capabilities={"alwaysMatch": {"unhandledPromptBehavior": {"default": "ignore"}}})
        self._call("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self._context = self._call("browsingContext.getTree")["contexts"][0]["context"]

    def open(self, url):
        """Load an address, and wait for it."""
        self._call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def evaluate(self, expression):
        """The value of an expression of JavaScript that is text, a number or a truth value; promises are awaited."""
        told = self._call(
            "script.evaluate",
            expression=expression,
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        assert told["type"] == "success", told["exceptionDetails"]["text"]
        return told["result"].get("value")

    def choose_file(self, selector, path):
        """Choose a file in an input, as a person does."""
        css = {"type": "css", "value": selector}
        nodes = self._call("browsingContext.locateNodes", context=self._context, locator=css)["nodes"]
        assert nodes, f"no element is {selector}"
        element = {"sharedId": nodes[0]["sharedId"]}
        self._call("input.setFiles", context=self._context, element=element, files=[str(path)])

    def until(self, expression, *, seconds=60):
        """Wait until an expression is true, and give its value."""
        until = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            shown = self.evaluate("document.body.innerText")
            assert time.monotonic() < until, f"after {seconds} s not true: {expression}\nthe page shows: {shown[:2000]}"
            time.sleep(0.1)
        return value

    def _call(self, method, **parameters):
        number = next(self._numbers)
        self._line.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._line.recv(timeout=90))
            if told.get("id") == number:
                assert told["type"] == "success", f"{method}: {told.get('error')}: {told.get('message')}"
                return told["result"]
            self._note(told)

    def _note(self, told):
        if told.get("method") == "log.entryAdded" and told["params"]["level"] == "error":
            self.errors.append(told["params"]["text"])
        if told.get("method") == "network.beforeRequestSent":
            self.asked.append(told["params"]["request"]["url"])
