"""The page on streaming: its clients run, and print the events of the same sound in this process."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotone.recognition.stream import Stream
from emotone.serve.live_messages import _HELLO
from emotone.serve.sockets import _CLOSE_CODES
from support import handmade
from support.serving import RATE, Running

PAGE = Path(__file__).resolve().parents[2] / "docs" / "streaming.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")


@pytest.fixture
def recording(tmp_path, monkeypatch):
    def loud(frame):
        return 0.9 if np.sqrt(np.mean(frame**2)) > 0.005 else 0.1

    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: loud)
    silence = np.zeros(RATE)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.concatenate([silence, handmade.tone(0.02, seconds=2), silence]), RATE, subtype="PCM_16")
    return path


def client(language):
    (code,) = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    assert len(code.splitlines()) <= 25
    return code


def node():
    """Return the command that runs a module with a WebSocket."""
    path = shutil.which("node")
    found = [] if path is None else re.findall(r"v(\d+)", subprocess.check_output([path, "--version"], text=True))
    if not found or int(found[0]) < 20:
        needed = os.environ.get("EMOTONE_REQUIRE_DATA", "0") not in ("", "0")
        (pytest.fail if needed else pytest.skip)("Node 20 or newer is not installed")
    return [path, "--experimental-websocket"] if int(found[0]) < 22 else [path]


@pytest.mark.parametrize("language", ["py", "js"])
@pytest.mark.slow
def test_the_clients_of_the_page_run(folder, recording, tmp_path, language):
    program = tmp_path / ("client.py" if language == "py" else "client.mjs")
    program.write_text(client(language), encoding="utf-8")
    command = [sys.executable] if language == "py" else node()
    with Running(folder) as running:
        running.let.set()
        address = f"ws://127.0.0.1:{running.client.base_url.port}/v1/stream"
        done = subprocess.run(
            [*command, str(program), address, str(recording)], capture_output=True, text=True, timeout=120, check=False
        )
        samples = soundfile.read(recording, dtype="int16")[0].astype("<i2").tobytes()
        stream = Stream(running.recognizer)
        events = [event.to_dict() for event in stream.push(samples) + stream.finish()]
    assert done.returncode == 0, done.stderr
    printed = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    expected = [(event["time_s"], event["kind"], event.get("label", "")) for event in events]
    assert [(float(time), kind, *(rest or [""])) for time, kind, *rest in printed] == expected
    assert {kind for _, kind, _ in expected} == {"speech_start", "emotion", "speech_end"}


def test_the_page_has_all_keys_of_the_hello_and_all_close_codes():
    text = PAGE.read_text(encoding="utf-8")
    for name in _HELLO:
        assert re.search(rf"^\| `{name}` \|", text, flags=re.MULTILINE), name
    for code in {1000, 1008, *_CLOSE_CODES.values()}:
        assert re.search(rf"^\| {code} \|", text, flags=re.MULTILINE), code
