"""Pipes and process substitution are read to their end, with a time limit."""

import io
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.audio import sources
from emotone.errors import AudioError


def wav() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.5 * np.sin(np.arange(160_000) * 0.2), 16_000, format="WAV")
    return buffer.getvalue()


def write_slowly(path: Path, content: bytes) -> None:
    with open(path, "wb") as pipe:
        for begin in range(0, len(content), 100_000):
            pipe.write(content[begin : begin + 100_000])
            pipe.flush()
            time.sleep(0.05)


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=write_slowly, args=(pipe, wav()), daemon=True)
    writer.start()
    samples = audio.read(pipe)
    writer.join(60)
    np.testing.assert_array_equal(samples, audio.read(wav()))


def test_a_pipe_by_the_name_of_its_descriptor() -> None:
    reading, writing = os.pipe()
    content = wav()
    writer = threading.Thread(target=lambda: (os.write(writing, content), os.close(writing)), daemon=True)
    writer.start()
    samples = audio.read(f"/dev/fd/{reading}")
    writer.join(60)
    os.close(reading)
    np.testing.assert_array_equal(samples, audio.read(content))


def test_an_open_pipe_is_read_once(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    content = wav()
    writer = threading.Thread(target=lambda: (os.write(writing, content), os.close(writing)), daemon=True)
    writer.start()
    with open(reading, "rb") as pipe:
        held = sources.read_once(pipe)
    writer.join(60)
    assert held == content
    assert sources.read_once("clip.wav") == "clip.wav"


@pytest.mark.parametrize("has_writer", [False, True])
def test_a_pipe_that_stays_silent_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_writer: bool
) -> None:
    monkeypatch.setattr(sources, "PIPE_TIMEOUT_S", 0.2)
    pipe = tmp_path / "silent"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR) if has_writer else None
    with pytest.raises(AudioError, match=r"silent: no bytes came through this pipe for 0\.2 s"):
        audio.read(pipe)
    if writer is not None:
        os.close(writer)


def test_a_pipe_that_trickles_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def content(passed_s: float) -> object:
        clock = iter([0.0, passed_s])
        monkeypatch.setattr(sources, "monotonic", lambda: next(clock))
        reading, writing = os.pipe()
        os.write(writing, b"x" * 160)
        os.close(writing)
        with open(reading, "rb") as pipe:
            return sources.read_once(pipe)

    assert content(31.9) == b"x" * 160
    with pytest.raises(AudioError, match="only 160 bytes came through this pipe in 33 s, expected at least 80 bytes/s"):
        content(32.6)


def test_a_pipe_without_a_byte_is_an_empty_file(tmp_path: Path) -> None:
    pipe = tmp_path / "empty"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: open(pipe, "wb").close(), daemon=True)
    writer.start()
    with pytest.raises(AudioError, match="empty"):
        audio.read(pipe)
    writer.join(60)
