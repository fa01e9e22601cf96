"""16-bit WAV is read without libsndfile: the samples are the same to the last bit."""

import io
import struct

import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.audio.decoding import open_reader
from emotone.audio.layout import layout_of
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


class ShortReads(io.BytesIO):
    """A file that returns at most 1,001 bytes at once, as sockets and unbuffered files may."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(1001 if size is None or size < 0 else min(size, 1001))


def test_short_reads_lose_no_sample() -> None:
    content = wav(noise(20_001, 2))
    with open_reader(ShortReads(content)) as reader:
        assert isinstance(reader, WavReader)
        read = np.concatenate(list(reader.chunks(5, 7_000)))
    with open_reader(content) as reader:
        np.testing.assert_array_equal(read, np.concatenate(list(reader.chunks(5, 7_000))))


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


FORM = struct.pack("<HHIIHH", 1, 1, 48_000, 96_000, 2, 16)
SOUND = chunk(b"data", bytes(9_600))
NOTES = chunk(b"LIST", b"INFO!") + chunk(b"id3 ", b"ID3abc")


def riff(*chunks: bytes) -> bytes:
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks))


@pytest.mark.parametrize(
    "content",
    [
        wav(noise(48_000, 1)) + wav(noise(48_000, 1)),
        wav(noise(48_000, 1)) + NOTES + wav(noise(48_000, 1)),
        wav(noise(48_000, 1), subtype="PCM_24") + wav(noise(48_000, 1)),  # FFmpeg would read the first alone
        riff(chunk(b"fmt ", FORM), SOUND, SOUND),
        riff(chunk(b"fmt ", FORM), SOUND, NOTES, SOUND),
        riff(chunk(b"fmt ", FORM), b"data" + struct.pack("<I", 9_599) + bytes(9_599)) + riff(SOUND),  # no padding
        riff(chunk(b"fmt ", FORM), b"data" + struct.pack("<I", 9_599) + bytes(9_599))[:-1] + riff(SOUND),
    ],
)
def test_joined_recordings_are_not_answered_from_the_first(content: bytes) -> None:
    with pytest.raises(AudioError, match="more sound follows .* joined byte by byte"):
        audio.read(content)


@pytest.mark.parametrize(
    "content",
    [
        riff(chunk(b"fmt ", FORM), SOUND, chunk(b"fmt ", FORM)),
        riff(chunk(b"fmt ", FORM), chunk(b"fmt ", FORM), SOUND),
        riff(chunk(b"fmt ", FORM), SOUND) + bytes(40_000),
        riff(chunk(b"fmt ", FORM), SOUND, *[chunk(b"note", b"")] * 2_000),
    ],
)
def test_what_is_no_note_after_the_sound_leaves_it_to_libsndfile(content: bytes) -> None:
    layout = layout_of(io.BytesIO(content), "clip")
    with open_reader(content) as reader:
        assert sum(len(block) for block in reader.chunks(0, 48_000)) == 4_800
    assert layout.samples is None


@pytest.mark.parametrize("size", [9_600, 9_601])
@pytest.mark.parametrize(
    "after",
    [
        NOTES,
        NOTES + b"\0",
        chunk(b"LIST", b"INFO!")[:-1],  # the padding is missing
        b"TAG" + b"x" * 125,  # of MP3
    ],
)
def test_notes_and_padding_after_the_sound_are_fine(size: int, after: bytes) -> None:
    layout = layout_of(io.BytesIO(riff(chunk(b"fmt ", FORM), chunk(b"data", bytes(size))) + after), "clip")
    assert layout.samples is not None and layout.samples.n_frames == 4_800
