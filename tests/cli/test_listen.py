"""`emotone listen` with a device that is none: what is shown and summed up, and what is said without a microphone."""

import json
import sys
import types

import numpy as np
import pytest
from typer.testing import CliRunner

from emotone.cli import listen
from emotone.cli.main import app
from emotone.errors import AudioError, MissingExtraError
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import Stream
from support import handmade

RATE = 16_000


def loud(frame):
    return 0.9 if np.sqrt(np.mean(frame**2)) > 0.005 else 0.1


@pytest.fixture(autouse=True)
def _loud(monkeypatch):
    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: loud)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")


def pcm(*parts):
    """Seconds of silence and (level, seconds) of tones as chunks of 16-bit PCM."""
    silence = [np.zeros(round(part * RATE), np.float32) if isinstance(part, float) else None for part in parts]
    sounds = [
        handmade.tone(part[0], seconds=part[1]) if one is None else one
        for part, one in zip(parts, silence, strict=True)
    ]
    whole = np.rint(np.concatenate(sounds) * 32767).astype("<i2").tobytes()
    return [whole[at : at + 3200] for at in range(0, len(whole), 3200)]


CONVERSATION = (1.0, (0.02, 2.0), 1.0, (0.2, 1.0), 1.0)


class FakeDevice(types.SimpleNamespace):
    """What `emotone` uses of sounddevice; the device says its chunks and then somebody presses Ctrl-C."""

    class PortAudioError(Exception):
        pass

    def __init__(self, chunks, *, inputs=1):
        super().__init__()
        self.chunks, self.inputs, self.opened = chunks, inputs, []

    def query_devices(self, device=None, kind=None):
        if kind is None:
            return [{"name": "speakers", "max_input_channels": 0}] + [
                {"name": "a microphone", "max_input_channels": 1}
            ] * self.inputs
        if not self.inputs or device not in (None, 1, "a microphone"):
            raise ValueError("No input device matching")
        return {"default_samplerate": float(RATE)}

    def RawInputStream(self, *, callback, **given):  # noqa: N802  # its name there
        self.opened.append(given)
        device = self

        class Opened:
            def __enter__(self):
                for chunk in device.chunks:
                    callback(chunk, len(chunk) // 2, None, None)

            def __exit__(self, *_):
                device.opened.append("closed")

        return Opened()


def install(monkeypatch, device):
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    return device


def interrupted(chunks):
    yield from chunks
    raise KeyboardInterrupt


def listened(bundle, capsys, *, format, chunks=None):
    stream = Stream(Recognizer(bundle))
    listen.print_events(stream, interrupted(pcm(*CONVERSATION) if chunks is None else chunks), format=format)
    return capsys.readouterr().out.splitlines()


def test_a_line_an_utterance_and_a_summary_after_ctrl_c(bundle, capsys):
    lines = listened(bundle, capsys, format="lines")
    assert lines[0].startswith("0:01 to 0:03  sad ") and lines[1].startswith("0:04 to 0:05  angry ")
    assert lines[2].startswith("2 utterances, 0:03 of 0:06: sad 6") and len(lines) == 3


def test_live_bars_on_no_terminal_are_lines(bundle, capsys):
    assert listened(bundle, capsys, format="live") == listened(bundle, capsys, format="lines")


def test_json_has_every_event(bundle, capsys):
    events = [json.loads(line) for line in listened(bundle, capsys, format="json")]
    assert [event["kind"] for event in events if event["kind"] != "emotion"] == ["speech_start", "speech_end"] * 2
    assert sum(event["kind"] == "emotion" for event in events) >= 4


def test_what_is_being_said_at_ctrl_c_is_answered_for(bundle, capsys):
    lines = listened(bundle, capsys, format="lines", chunks=pcm(0.5, (0.02, 2.0)))
    assert lines[0].startswith("0:00 to 0:02  sad ") and "1 utterance," in lines[1]


def test_silence_says_so(bundle, capsys):
    assert listened(bundle, capsys, format="lines", chunks=pcm(3.0)) == ["no speech in 0:03"]


def test_screen_has_the_state_the_bars_and_the_last_utterances(bundle):
    from rich.console import Console

    stream, bars = Stream(Recognizer(bundle)), listen._Bars()
    console = Console(width=60)

    def screen():
        with console.capture() as caught:
            console.print(bars._screen(stream))
        return caught.get()

    assert screen().startswith("listening ") and "angry" in screen()
    for chunk in pcm(0.5, (0.2, 1.5)):
        bars.show(stream.push(chunk), stream)
    assert screen().startswith("speaking ") and "━" in screen()
    for chunk in pcm(1.0):
        bars.show(stream.push(chunk), stream)
    assert screen().startswith("listening ") and "0:00 to 0:02  angry" in screen()


def test_command_listens_to_the_device_and_closes_it(bundle, monkeypatch):
    device = install(monkeypatch, FakeDevice(pcm(*CONVERSATION)))
    real, told = listen.microphone, {}

    def microphone(which, *, channel):
        rate, chunks = real(which, channel=channel)
        told["device"] = which

        def some():
            for number, chunk in enumerate(chunks, start=1):
                yield chunk
                if number == len(device.chunks):
                    chunks.close()
                    raise KeyboardInterrupt

        return rate, some()

    monkeypatch.setattr(listen, "microphone", microphone)
    result = CliRunner().invoke(app, ["listen", "--model", str(bundle), "--device", "1", "--format", "lines"])
    assert result.exit_code == 0 and "2 utterances" in result.output and told["device"] == 1
    assert device.opened[0]["samplerate"] == RATE and device.opened[0]["dtype"] == "int16"
    assert device.opened[-1] == "closed"


def test_when_the_machine_is_too_slow_the_oldest_sound_is_dropped(monkeypatch):
    install(monkeypatch, FakeDevice([bytes([number % 256]) * 4 for number in range(150)]))
    _, chunks = listen.microphone()
    first = next(chunks)
    assert first == bytes([50]) * 4
    chunks.close()


def test_channel_of_the_device_is_chosen(monkeypatch):
    pairs = np.arange(400, dtype=np.int16).tobytes()
    device = install(monkeypatch, FakeDevice([pairs]))
    _, chunks = listen.microphone(channel="right")
    assert np.frombuffer(next(chunks), np.int16).tolist() == list(range(1, 400, 2))
    assert device.opened[0]["channels"] == 2
    chunks.close()


def test_restricted_emotions_are_in_the_events_and_in_a_note(bundle, monkeypatch):
    install(monkeypatch, FakeDevice([]))
    monkeypatch.setattr(listen, "microphone", lambda *_, **__: (RATE, iter(pcm(*CONVERSATION))))
    words = ["listen", "--model", str(bundle), "--format", "json", "--emotions", "sad,angry", "--threshold", "0.9"]
    result = CliRunner().invoke(app, words)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    predictions = [event for event in events if "scores" in event]
    note = "only these emotions can be predicted: sad, angry"
    assert predictions and all(list(event["scores"]) == ["sad", "angry"] for event in predictions)
    assert all(event["notes"] == [note] for event in predictions) and f"note: {note}" in result.stderr


def test_devices_are_listed(monkeypatch):
    install(monkeypatch, FakeDevice([]))
    result = CliRunner().invoke(app, ["listen", "--devices"])
    assert result.exit_code == 0 and result.output == "1  a microphone\n"


@pytest.mark.parametrize(("which", "why"), [(None, "no microphone"), ("none such", "'none such' can't be opened")])
def test_without_a_microphone_it_is_told_what_to_do(monkeypatch, which, why):
    install(monkeypatch, FakeDevice([], inputs=0))
    with pytest.raises(AudioError, match=why) as caught:
        listen.microphone(which)
    assert "--devices" in str(caught.value)
    with pytest.raises(AudioError, match="no microphone was found"):
        listen.list_devices()


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match="live"):
        listen.microphone()
