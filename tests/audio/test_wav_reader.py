"""16-bit WAV is read without libsndfile: the samples are the same to the last bit."""

import io
import struct

import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.audio.decoding import open_reader
from emotone.audio.wav_reader import WavReader
from emotone.errors import AudioError


def wav(samples: np.ndarray, rate: int = 48_000, subtype: str = "PCM_16", form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def noise(n: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-32768, 32768, (n, channels)).astype(np.int16)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("size", [999, 100_000])
def test_samples_equal_those_of_libsndfile(channels: int, size: int) -> None:
    content = wav(noise(20_001, channels))
    with open_reader(content) as reader:
        assert isinstance(reader, WavReader)
        assert (reader.sample_rate, reader.channels, reader.n_frames) == (48_000, channels, 20_001)
        read = np.concatenate(list(reader.chunks(123, size)))
    expected, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, expected[123:])


@pytest.mark.parametrize(
    ("subtype", "form"), [("PCM_24", "WAV"), ("FLOAT", "WAV"), ("PCM_16", "WAVEX"), ("ULAW", "WAV")]
)
def test_other_kinds_are_left_to_libsndfile(subtype: str, form: str) -> None:
    content = wav(noise(9_600, 1), subtype=subtype, form=form)
    with open_reader(content) as reader:
        assert not isinstance(reader, WavReader)
        assert sum(len(block) for block in reader.chunks(0, 48_000)) == 9_600


def test_a_header_that_contradicts_itself_is_left_to_libsndfile() -> None:
    content = bytearray(wav(noise(9_600, 1)))
    assert content[12:16] == b"fmt "
    struct.pack_into("<H", content, 32, 6)  # bytes of a sample of all channels: 2 would be right
    with open_reader(bytes(content)) as reader:
        assert not isinstance(reader, WavReader)


def test_chunks_before_and_after_the_sound_are_no_sound() -> None:
    content = wav(noise(9_600, 1))
    note = b"LIST" + struct.pack("<I", 5) + b"hello\x00"  # an odd size is padded
    begin = content.index(b"data")
    with open_reader(content[:begin] + note + content[begin:] + note) as reader:
        assert isinstance(reader, WavReader)
        read = np.concatenate(list(reader.chunks(0, 48_000)))
    np.testing.assert_array_equal(read[:, 0] * 32768, noise(9_600, 1)[:, 0])


def test_a_file_that_lacks_its_end_is_left_to_libsndfile() -> None:
    content = wav(noise(48_000, 1))
    with open_reader(content[:-100]) as reader:  # under 1 %: it is read
        assert not isinstance(reader, WavReader)
    with pytest.raises(AudioError, match="cut short"):
        audio.read(content[:-9_600])


def test_a_file_that_becomes_shorter_while_it_is_read_is_an_error(tmp_path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(wav(noise(480_000, 1)))
    with audio.open_recording(path) as recording:
        path.write_bytes(path.read_bytes()[:200_000])
        with pytest.raises(AudioError, match="cut short"):
            recording.whole()
