"""Raw sound: each encoding against FFmpeg, the text form of a format, and what is refused."""

import io

import av
import numpy as np
import pytest
import soundfile

from emotone.audio.raw import ENCODINGS, RawFormat, header_of
from emotone.errors import AudioError

_FFMPEG = {"mulaw": "pcm_mulaw", "alaw": "pcm_alaw"}


def by_ffmpeg(data: bytes, encoding: str, *, channels: int = 1) -> np.ndarray:
    """The samples (n, channels) float64 that FFmpeg decodes, in the scale of its own sample format."""
    options = {"sample_rate": "8000", "ch_layout": f"{channels}c" if channels > 2 else ("mono", "stereo")[channels - 1]}
    with av.open(io.BytesIO(data), format=encoding, options=options) as container:
        frames = [frame.to_ndarray().reshape(-1, channels) for frame in container.decode(audio=0)]
    samples = np.concatenate(frames)
    if samples.dtype.kind == "f":
        return samples.astype(np.float64)
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    return (samples.astype(np.float64) - (half if samples.dtype.kind == "u" else 0)) / half


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("channels", [1, 2])
def test_equals_ffmpeg(encoding, channels):
    if encoding.startswith("f"):
        data = np.random.default_rng(1).normal(size=2000).astype({"f32le": "<f4", "f64le": "<f8"}[encoding]).tobytes()
    else:
        data = np.random.default_rng(1).bytes(2400 * channels)
    raw = RawFormat(encoding, 8000, channels)
    samples = raw.decode(data)
    assert samples.dtype == np.float32 and samples.shape == (len(data) // raw.frame_bytes, channels)
    np.testing.assert_array_equal(samples, by_ffmpeg(data, encoding, channels=channels).astype(np.float32))


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_every_code_of_g711(law):
    codes = bytes(range(256))
    samples = RawFormat(law, 8000).decode(codes)
    np.testing.assert_array_equal(samples, by_ffmpeg(codes, law).astype(np.float32))
    assert np.abs(samples).max() * 32768 == {"mulaw": 32124, "alaw": 32256}[law]


def test_known_values():
    assert RawFormat("s8", 8000).decode(b"\x80\x7f")[:, 0].tolist() == [-1, 127 / 128]
    assert RawFormat("u8", 8000).decode(b"\x80\x00")[:, 0].tolist() == [0, -1]
    assert RawFormat("s16be", 8000).decode(b"\x40\x00")[:, 0].tolist() == [0.5]
    assert RawFormat("s24le", 8000).decode(b"\x00\x00\x80\x00\x00\x40")[:, 0].tolist() == [-1, 0.5]
    assert RawFormat("f64le", 8000).decode(np.array([1e300, 3.0], "<f8").tobytes())[:, 0].tolist() == [np.inf, 3]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_incomplete_frame_at_the_end_is_ignored(encoding):
    raw = RawFormat(encoding, 16_000, 2)
    data = np.random.default_rng(2).bytes(5 * raw.frame_bytes)
    whole = raw.decode(data)
    for n_bytes in range(len(data)):
        np.testing.assert_array_equal(raw.decode(data[:n_bytes]), whole[: n_bytes // raw.frame_bytes])
    assert raw.decode(b"").shape == (0, 2)


def test_buffers():
    raw = RawFormat("s16le", 8000)
    for data in (bytearray(b"\0\x40\0"), memoryview(b"\0\x40\0")):
        assert raw.decode(data).tolist() == [[0.5]]


def test_parse():
    assert RawFormat.parse("s16le:8000:1") == RawFormat("s16le", 8000, 1)
    assert RawFormat.parse(" f32le:48000:2 ") == RawFormat("f32le", 48_000, 2)
    assert RawFormat.parse("mulaw:8000") == RawFormat.parse("MuLaw:8000") == RawFormat("mulaw", 8000, 1)


def test_header_is_recognised_and_sound_without_one_is_not():
    for format in ("WAV", "FLAC", "OGG"):
        content = io.BytesIO()
        soundfile.write(content, np.zeros(1600), 16_000, format=format)
        assert format in header_of(content.getvalue()).upper()
    starts = (b"ID3\4", b"\x1a\x45\xdf\xa3", b"\0\0\0\x20ftypisom", b"RF64")
    assert [header_of(start).split()[-1] for start in starts] == ["(MP3)", "WebM", "MP4", "(WAV)"]
    assert header_of(b"") == header_of(bytes(100)) == header_of(np.random.default_rng(0).bytes(100)) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s16le", "s16le:8000:1"),
        ("", "s16le:8000:1"),
        ("s16le:8000:1:1", "s16le:8000:1"),
        ("s16le:8k:1", "s16le:8000:1"),
        ("s16le:-8000", "s16le:8000:1"),
        ("s16le:٨٠٠٠", "s16le:8000:1"),
        ("s16:8000", "did you mean 's16le'"),
        ("ulaw:8000", "did you mean 'mulaw'"),
        ("opus:8000", "expected s8, u8"),
        ("s16le:999", "the rate of raw sound is 999; expected a whole number of Hz, 1000 to 384000"),
        ("s16le:" + "9" * 5000, "the rate"),
        ("s16le:8000:0", "0 channels; expected a whole number from 1 to 64"),
        ("s16le:8000:65", "65 channels"),
    ],
)
def test_formats_that_are_refused(text, message):
    with pytest.raises(AudioError) as error:
        RawFormat.parse(text)
    assert message in str(error.value)


@pytest.mark.parametrize("values", [("s16le", 8000.0, 1), ("s16le", True, 1), ("s16le", 8000, True), (None, 8000, 1)])
def test_types_are_checked(values):
    with pytest.raises(AudioError):
        RawFormat(*values)
