"""Writing WAV files: exact samples, errors."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.errors import AudioError
from support.sounds import Voice, tone


def test_16_bits_survive_writing_and_reading(tmp_path: Path) -> None:
    pcm = np.arange(-32_768, 32_768).astype(np.int16)
    audio.write_wav(tmp_path / "a.wav", pcm)
    found = audio.read(tmp_path / "a.wav")
    np.testing.assert_array_equal(found * 32_768, pcm)
    audio.write_wav(tmp_path / "b.wav", found)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_writing_costs_half_a_step(tmp_path: Path, make_voice: Voice) -> None:
    voice = make_voice(seconds=0.5, gain=1.0)
    audio.write_wav(tmp_path / "a.wav", np.stack([voice, voice], axis=1), sample_rate=48_000)
    assert audio.info(tmp_path / "a.wav") == audio.AudioInfo(voice.size / 48_000, 48_000, 2, "wav", "pcm_16")
    found, _ = soundfile.read(tmp_path / "a.wav")
    np.testing.assert_allclose(found[:, 0], voice, atol=1 / 32_768)


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.full(10, 1.001), 16_000, r"a\.wav: the peak is 1\.001, expected at most 1; divide"),
        (np.array([0.0, np.nan]), 16_000, "peak is nan"),
        (np.zeros(0), 16_000, r"shape \(0,\) can't be written"),
        (np.zeros((2, 2, 2)), 16_000, "can't be written; give"),
        (np.zeros(5, np.int32), 16_000, "samples are int32; give floating point"),
        (np.zeros(5), -1, "can't be written .*check the folder"),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path, samples: np.ndarray, rate: int, words: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    with pytest.raises(AudioError, match=words):
        audio.write_wav(path, samples, sample_rate=rate)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]


def test_writing_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"a\.wav: can't be written .*check the folder"):
        audio.write_wav(tmp_path / "none" / "a.wav", tone(200, rate=16_000))
