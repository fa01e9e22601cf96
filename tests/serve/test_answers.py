"""Uploads: what is decoded, predicted and refused."""

import os
import signal
import struct
import threading
import time

import numpy as np
import pytest

from emotone.audio import isolated
from emotone.cli.recordings import Answer
from emotone.recognition.recognizer import Recognizer
from emotone.serve import ServeSettings
from emotone.serve.answers import decode, predict_json
from emotone.serve.problems import ProblemError
from emotone.serve.work_queue import Deadline
from support import handmade
from support.media import media
from support.serving import RATE, WAV, client_of, file_of, problem, send, until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("detector")]


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "AIFF"])
def test_formats(client, recognizer, kind):
    data = file_of(handmade.tone(0.02), kind=kind)
    assert send(client, data).json()["scores"] == Answer("", recognizer.predict(data)).to_dict()["scores"]


def test_other_rates_and_recordings_over_a_minute(client, recognizer):
    for data in (file_of(handmade.tone(0.02), rate=44_100), file_of(handmade.tone(0.02, seconds=65))):
        assert send(client, data).json() == Answer("a.wav", recognizer.predict(data)).to_dict()


def test_speech_is_told_where_the_model_checks_for_it(tmp_path):
    bundle = handmade.write(tmp_path / "b", content=handmade.graph(speech=True), speech={"threshold": 0.5})
    recognizer = Recognizer(bundle)
    client = client_of(recognizer)
    assert send(client, WAV).json() == Answer("a.wav", recognizer.predict(WAV)).to_dict()
    silent = send(client, file_of(np.zeros(RATE))).json()
    assert (silent["speech"], silent["emotion"], silent["end_s"]) == (0.0, None, 1.0)


@pytest.fixture(scope="module")
def turns():
    """Two people who speak in turn, sad on the left and angry on the right, (n, 2)."""
    quiet = np.zeros(24_000, np.float32)
    left = np.concatenate([handmade.tone(0.02, seconds=1.5), quiet])
    return np.stack([left, np.concatenate([quiet, handmade.tone(0.2, seconds=1.5)])], axis=1)


@pytest.mark.parametrize("timeline", [False, True])
@pytest.mark.parametrize("kind", ["WAV", "webm"])  # decoded in this process, and in a child
def test_two_people_are_noted_and_each_channel_is_predicted(client, recognizer, turns, kind, timeline):
    data = file_of(turns) if kind == "WAV" else media([np.repeat(turns, 3, axis=0)], "webm", "libopus")
    predict = recognizer.timeline if timeline else recognizer.predict

    def answer(**params):
        return send(client, data, params={"timeline": timeline, **params}).json()

    assert answer()["notes"] == list(predict(data).notes) and "different people" in answer()["notes"][-1]
    for channel, emotion in (("left", "sad"), ("1", "sad"), ("right", "angry")):
        alone = answer(channel=channel)
        assert alone.items() >= predict(data, channel=channel).to_dict().items() and alone["notes"] == []
        assert [part["emotion"] for part in alone.get("segments", [alone])] == [emotion]


def test_tracks_are_chosen(client):
    tracks = [np.repeat(handmade.tone(level), 3).astype(np.float32) for level in (0.02, 0.2)]
    video = media(tracks, "matroska", "flac")
    assert [send(client, video, params={"track": n}).json()["emotion"] for n in (1, 2)] == ["sad", "angry"]
    assert problem(send(client, video, params={"track": 3}), "no_channel") == (
        "a.wav: track is 3, and the file has 2; give 1 to 2"
    )


def test_channels_that_a_recording_lacks(client, turns):
    detail = problem(send(client, file_of(turns), params={"channel": 3}), "no_channel")
    assert detail == "a.wav: channel is '3', and the recording has 2; give 1 to 2"
    mp3 = send(client, file_of(handmade.tone(0.02), kind="MP3"), params={"channel": "right", "timeline": True})
    assert problem(mp3, "no_channel").startswith("a.wav: channel is 'right', and the recording has 1")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/etc/secret/b.wav", "b.wav"),
        ("C:\\Users\\me\\b.wav", "b.wav"),
        ("ä\u202eb.wav", "äb.wav"),
        ("x" * 300, "x" * 255),
        ("a/", "the upload"),
    ],
)
def test_file_names_are_reduced_to_their_last_part(client, name, shown):
    assert send(client, WAV, name=name).json()["file"] == shown


def test_what_is_no_recording(client):
    archive = b"PK\x03\x04" + b"\0" * 100
    assert "zip archive" in problem(send(client, archive), "not_audio")
    assert problem(send(client, archive, name="/x/y.wav"), "not_audio").startswith("y.wav: ")
    assert problem(send(client, b"", name=""), "bad_request")  # a part without a name is no file
    assert "empty" in problem(send(client, b""), "not_audio")
    assert "cut short" in problem(send(client, WAV[:1000]), "not_audio")
    rng = np.random.default_rng(0)
    for start in (b"", b"RIFF", b"fLaC", b"OggS", b"ID3\x04", b"\0\0\0\x18ftypM4A "):
        problem(send(client, start + rng.bytes(2000)), "not_audio")
    assert send(client, WAV).status_code == 200


def test_short_and_silent_recordings(client):
    assert "0.100 s" in problem(send(client, file_of(handmade.tone(0.1, seconds=0.1))), "too_short")
    assert problem(send(client, file_of(np.zeros(RATE))), "silent").startswith("a.wav: ")
    assert "is silent" in problem(send(client, file_of(np.zeros(61 * RATE))), "silent")


def test_long_recordings_are_decoded_no_further_than_the_limit(recognizer, monkeypatch):
    client, blocks, decoded_s = client_of(recognizer, max_duration_s=2.0), isolated.blocks, []

    def counted(source, **given):
        for block in blocks(source, **given):
            decoded_s.append(len(block) / RATE)
            yield block
        return isolated.End("", False)

    monkeypatch.setattr("emotone.serve.answers.isolated.blocks", counted)
    problem(send(client, file_of(handmade.tone(0.1, seconds=2.1))), "too_long")
    small = file_of(np.zeros(3600 * 8000, np.int16), kind="FLAC", rate=8000)
    assert len(small) < 500_000
    for timeline in (False, True):
        decoded_s.clear()
        problem(send(client, small, params={"timeline": timeline}), "too_long")
        assert sum(decoded_s) <= 10
    monkeypatch.undo()
    assert send(client, file_of(handmade.tone(0.1, seconds=2.0))).status_code == 200


def test_headers_that_lie_cost_neither_time_nor_memory(recognizer):
    client = client_of(recognizer)
    data = bytearray(file_of(handmade.tone(0.02), kind="FLAC"))
    (stated,) = struct.unpack(">Q", data[18:26])
    assert stated & (2**36 - 1) == RATE  # STREAMINFO: the last 36 bits are the samples
    data[18:26] = struct.pack(">Q", stated | (2**35))
    start = time.perf_counter()
    problem(send(client, bytes(data)), "not_audio")
    data[18:26] = struct.pack(">Q", stated & ~(2**36 - 1))  # 0: it was not known
    assert send(client, bytes(data)).status_code in (200, 422)
    wav = bytearray(WAV)
    wav[40:44] = struct.pack("<I", 0x7FFFFFF0)  # as of a stream: taken for what is there
    assert send(client, bytes(wav)).json()["end_s"] == 1.0
    assert time.perf_counter() - start < 5.0


def test_decoding_stops_at_the_deadline():
    data = file_of(np.zeros(600 * 8000, np.int16), kind="FLAC", rate=8000)
    deadline = Deadline(60)
    deadline.cancel()
    with pytest.raises(ProblemError) as told:
        decode(data, "a.flac", max_duration_s=3600, deadline=deadline)
    assert told.value.code == "timeout"


def test_the_answer_for_a_long_recording_stops_at_the_deadline(recognizer, monkeypatch):
    deadline, outputs, windows = Deadline(60), recognizer._model.outputs, []

    def counted(*given):
        windows.append(given)
        if len(windows) == 3:
            deadline.cancel()
        return outputs(*given)

    monkeypatch.setattr(recognizer._model, "outputs", counted)
    data = file_of(handmade.tone(0.1, seconds=95))
    with pytest.raises(ProblemError) as told:
        predict_json(recognizer, data, "a.wav", as_timeline=False, deadline=deadline, settings=ServeSettings())
    assert told.value.code == "timeout" and len(windows) == 3


# ---- decoders that die ----


@pytest.fixture
def webm():
    return media([np.repeat(handmade.tone(0.02), 3).astype(np.float32)], "webm", "libopus")


def stopped_child(client, webm):
    assert send(client, webm).status_code == 200
    pid = isolated._shared.pids[-1]
    os.kill(pid, signal.SIGSTOP)
    return pid


@pytest.mark.parametrize("sign", ["SIGKILL", "SIGSEGV"])
def test_a_decoder_that_dies_costs_one_upload(client, webm, sign):
    pid = stopped_child(client, webm)
    threading.Timer(0.1, os.kill, (pid, getattr(signal, sign))).start()
    threading.Timer(0.2, os.kill, (pid, signal.SIGCONT)).start() if sign == "SIGSEGV" else None
    detail = problem(send(client, webm, name="/home/me/b.webm"), "not_audio")
    assert detail.startswith("b.webm: the decoder crashed on this recording (signal ")
    assert send(client, webm).status_code == 200


def test_a_decoder_that_hangs_is_stopped_at_the_deadline(recognizer, webm):
    pid = stopped_child(client_of(recognizer), webm)
    problem(send(client_of(recognizer, max_seconds=0.3), webm), "timeout")
    until(lambda: pid not in isolated._shared.pids)
    assert send(client_of(recognizer), webm).status_code == 200


def test_plain_recordings_need_no_child(client, monkeypatch):
    monkeypatch.setattr(isolated, "Child", None)
    for kind in ("WAV", "FLAC"):
        assert send(client, file_of(handmade.tone(0.02), kind=kind)).status_code == 200
