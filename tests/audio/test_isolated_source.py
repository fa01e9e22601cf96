"""Recordings that a recogniser reads while they are decoded: the same samples, errors and bounds."""

import io
import os
import signal
import threading

import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.audio import isolated
from emotone.audio.isolated_source import IsolatedSource
from emotone.errors import AudioError, SelectionError
from emotone.recognition.recognizer import Recognizer
from support import handmade
from support.media import media, tone

pytestmark = pytest.mark.slow


def file_of(samples, kind="WAV", rate=48_000, **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def stereo():
    return np.stack([tone(70.0), tone(70.0, hz=300.0, gain=0.1)], axis=1)


@pytest.fixture(scope="module")
def webm():
    return media([tone(65.0)], "webm", "libopus")


@pytest.fixture(autouse=True, scope="module")
def end():
    yield
    isolated._shared.close()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3", "webm"])
@pytest.mark.parametrize("channel", ["mix", "right", 1])
def test_the_same_samples(stereo, kind, channel):
    data = file_of(stereo, kind) if kind != "webm" else media([stereo], "webm", "libopus")
    source = IsolatedSource(data)
    for _ in range(2):  # it can be opened again
        with source.open(channel=channel) as recording:
            np.testing.assert_array_equal(recording.whole(), audio.read(data, channel=channel))
            assert recording.name == f"the {len(data)} bytes given"
        with audio.open_recording(data, channel=channel) as known:
            assert recording.duration_s == known.duration_s


def test_joined_recordings_and_tracks():
    joined = b"".join(file_of(tone(2.0, rate=rate), "OGG", rate) for rate in (16_000, 48_000))
    with IsolatedSource(joined).open() as recording:
        np.testing.assert_array_equal(recording.whole(), audio.read(joined))
    tracks = media([tone(1.0), tone(1.0, hz=300)], "matroska", "flac")
    with IsolatedSource(tracks).open(track=2) as recording:
        np.testing.assert_array_equal(recording.whole(), audio.read(tracks, track=2))


def test_two_people_are_noticed():
    turns = np.zeros((48_000 * 8, 2), np.float32)
    for second in range(8):
        turns[48_000 * second : 48_000 * (second + 1), second % 2] = tone(1.0)
    with IsolatedSource(media([turns], "webm", "libopus")).open() as recording:
        recording.whole()
        assert recording.has_two_people


def test_errors_are_those_of_reading(stereo):
    for data in (b"", b"no sound", file_of(stereo[:48_000])[:10_000], file_of(stereo[:48_000], "OGG")[:3000]):
        with pytest.raises(AudioError) as known:
            audio.read(data)
        with pytest.raises(AudioError) as error, IsolatedSource(data).open() as recording:
            recording.whole()
        assert str(error.value) == str(known.value)
    with pytest.raises(SelectionError, match="has 2"), IsolatedSource(file_of(stereo, "MP3")).open(channel=3) as opened:
        opened.whole()
    with (
        pytest.raises(SelectionError, match="track is 2"),
        IsolatedSource(media([tone(1.0)], "mp4", "aac")).open(track=2),
    ):
        pass


@pytest.mark.parametrize("kind", ["FLAC", "webm"])
def test_each_block_is_watched(webm, kind):
    data = webm if kind == "webm" else file_of(tone(65.0), "FLAC")
    calls = []
    with IsolatedSource(data, watch=lambda *given: calls.append(given)).open() as recording:
        for _ in recording.pieces():  # before it is handed on, and at most a block ahead
            assert 0 <= calls[-1][0] - recording.n_samples / audio.SAMPLE_RATE + 0.01 < 30.1
    assert calls[0] == (0.0, calls[0][1]) and calls[0][1] == pytest.approx(65.0, abs=0.05)
    assert [round(done_s) for done_s, _ in calls[1:]] == [30, 60, 65]


@pytest.mark.parametrize("kind", ["FLAC", "webm"])
def test_watching_can_end_the_reading(webm, kind):
    class StopError(Exception):
        pass

    def stop(done_s, _):
        if done_s > 20:
            raise StopError

    with (
        pytest.raises(StopError),
        IsolatedSource(webm if kind == "webm" else file_of(tone(65.0)), watch=stop).open() as r,
    ):
        r.whole()
    with IsolatedSource(webm).open() as recording:  # with another child
        assert len(recording.whole()) > 64 * audio.SAMPLE_RATE


def test_a_child_of_which_no_frames_are_wanted_serves_the_next(webm):
    with IsolatedSource(webm).open():
        pids = isolated._shared.pids
    assert len(isolated._shared.pids) == len(pids) + 1
    with IsolatedSource(webm).open() as recording:
        assert len(recording.whole()) > 64 * audio.SAMPLE_RATE
    assert len(isolated._shared.pids) == len(pids) + 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_decoders_that_die_or_hang(webm):
    isolated.read(webm)
    pid = isolated._shared.pids[-1]
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(AudioError, match=r"took longer than 0\.3 s"), IsolatedSource(webm, left_s=lambda: 0.3).open():
        pass
    isolated.read(webm)
    pid = isolated._shared.pids[-1]
    with pytest.raises(AudioError, match="crashed"), IsolatedSource(webm).open() as recording:
        threading.Timer(0.0, os.kill, (pid, signal.SIGKILL)).run()
        recording.whole()


def test_a_recogniser_takes_it(tmp_path, webm, monkeypatch):
    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: lambda frame: 0.9)
    recognizer, source = Recognizer(handmade.write(tmp_path / "b")), IsolatedSource(webm)
    assert recognizer.timeline(source).to_dict() == recognizer.timeline(webm).to_dict()
    assert recognizer.predict(source) == recognizer.predict(webm)
    part = {"start_s": 0.25, "end_s": 1.0}
    assert recognizer.predict(source, **part) == recognizer.predict(webm, **part)
    assert recognizer.predict(source, **part).end_s == 1.0
