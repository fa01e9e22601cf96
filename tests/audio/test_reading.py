"""Reading recordings: every kind of source, long recordings, and what is refused in which words."""

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import audio
from emotone.errors import AudioError
from support.sounds import Voice, tone, wav_bytes


def test_every_kind_of_source_gives_the_same_samples(tmp_path: Path, make_voice: Voice) -> None:
    voice = make_voice(seconds=1)
    path = tmp_path / "Stimme ä.wav"
    path.write_bytes(wav_bytes(voice))

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation("seek")

    with path.open("rb") as opened:
        opened.read(7)  # read from the beginning wherever it stands
        sources: list[Any] = [path, str(path), path.read_bytes(), opened, Pipe(path.read_bytes()), (voice, 16_000)]
        for source in sources:
            np.testing.assert_array_equal(audio.read(source), voice)
        assert not opened.closed


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float16, np.float32, np.float64])
def test_arrays_are_scaled_by_their_type(make_voice: Voice, dtype: type[np.generic]) -> None:
    voice = make_voice(seconds=0.5)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        samples, step = voice.astype(kind), float(np.finfo(kind).eps)
    else:
        half = 2.0 ** (8 * kind.itemsize - 1)
        samples, step = (
            np.rint(voice.astype(np.float64) * half + (half if kind.kind == "u" else 0)).astype(kind),
            1 / half,
        )
    np.testing.assert_allclose(audio.read((samples, 16_000)), voice, atol=max(step, 1e-7))


def test_reading_an_array_leaves_it_alone_and_shares_nothing(make_voice: Voice) -> None:
    voice = make_voice(seconds=0.5)
    kept = voice.copy()
    found = audio.read((voice, 16_000))
    found[:] = 0
    np.testing.assert_array_equal(voice, kept)


MEASURE = """
import json, resource, sys
from emotone import audio
audio.read(sys.argv[1], start_s=1191.0, end_s=1192.0)  # what the libraries need once
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
n = peak = 0
for block in audio.blocks(sys.argv[1]):
    n, peak = n + len(block), max(peak, float(block.max()))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
segment = len(audio.read(sys.argv[1], start_s=1190.0, end_s=1195.0))
print(json.dumps({"n": n, "peak": peak, "grown_mib": (after - before) / 1024, "segment": segment}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_twenty_minutes_are_read_in_bounded_memory(tmp_path: Path) -> None:
    rate, seconds = 16_000, 1200
    path = tmp_path / "long.wav"
    with path.open("wb") as file:  # sparse: only the last ten seconds hold sound
        header = bytearray(wav_bytes(np.zeros(1, np.int16), 48_000, "PCM_16")[:44])
        n_bytes = 48_000 * 2 * seconds
        header[4:8], header[40:44] = (36 + n_bytes).to_bytes(4, "little"), n_bytes.to_bytes(4, "little")
        file.write(header)
        file.seek(44 + 48_000 * 2 * (seconds - 10))
        file.write((32_767 * tone(300, rate=48_000, seconds=10)).astype("<i2").tobytes())
    run = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert found["n"] == rate * seconds
    assert found["peak"] == pytest.approx(0.5, abs=1e-3)
    assert found["segment"] == 5 * rate
    assert found["grown_mib"] < 40  # the whole would be 73 MiB at 16 kHz, 220 MiB at 48 kHz


def test_importing_audio_brings_no_heavy_library() -> None:
    heavy = ("av", "torch", "pandas", "sklearn", "scipy")
    code = f"import sys, emotone.audio; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_info_of_a_stereo_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros((22_050, 2)), 44_100, subtype="PCM_24")
    assert audio.info(tmp_path / "a.flac") == audio.AudioInfo(0.5, 44_100, 2, "flac", "pcm_24")


def test_the_digest_is_of_the_sound_not_of_the_file(make_voice: Voice) -> None:
    pcm = np.rint(32_000 * make_voice(seconds=0.5)).astype(np.int16)
    flac = io.BytesIO()
    soundfile.write(flac, pcm, 16_000, format="FLAC")
    expected = hashlib.sha256((pcm / np.float32(32_768)).astype("<f4").tobytes()).hexdigest()
    for source in (wav_bytes(pcm, subtype="PCM_16"), wav_bytes(pcm, subtype="PCM_24"), flac.getvalue(), (pcm, 16_000)):
        assert audio.content_digest(audio.read(source)) == expected
    pcm[4000] += 1
    assert audio.content_digest(audio.read((pcm, 16_000))) != expected
    strided = np.repeat(audio.read((pcm, 16_000)), 2)[::2]
    assert audio.content_digest(strided) == audio.content_digest(strided.copy())
    with pytest.raises(AudioError, match="float64 .*give .*float32"):
        audio.content_digest(np.zeros(4))


# --- what is refused ---

ONE_SECOND = tone(200, rate=16_000)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("clip.wav", b"0" * 1000)
    return buffer.getvalue()


def unknown_format() -> bytes:
    """A WAV whose format tag means nothing: a single damaged byte."""
    content = bytearray(wav_bytes(np.zeros(8000, dtype=np.float32) + 0.1, subtype="PCM_16"))
    content[21] = 1
    return bytes(content)


def spoiled(value: float) -> bytes:
    samples = tone(200, rate=16_000)
    samples[8000] = value
    return wav_bytes(samples)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"empty \(0 bytes\); copy or record"),
        (b"Kids are talking by the door.\n" * 100, "text, not a recording.*; give the audio file"),
        (b"#EXTM3U\nhttp://localhost/a.wav\n", "text, not a recording"),
        (zipped(), "zip archive.*; unpack"),
        (bytes(5000), "no recording in a known format.*; convert it to WAV, FLAC"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "header is damaged.*; copy it again"),
        (wav_bytes(np.zeros(0, np.float32)), "no samples; record it again"),
        (unknown_format(), "no decoder knows.*convert it to WAV"),
        (spoiled(np.nan), r"sample at 0\.500 s is nan; .*without NaN"),
        (spoiled(-np.inf), r"sample at 0\.500 s is -inf; .*without NaN"),
        (spoiled(1e35), r"sample at 0\.500 s is 1\.0*\d*e\+35|9\.99\d*e\+34"),
        (wav_bytes(np.zeros(16_000, np.float32)), r"silent \(its peak is 0\.0e\+00.*check the microphone"),
        (wav_bytes(tone(200, rate=16_000, gain=9e-6)), "silent .*check the microphone"),
        (wav_bytes(tone(200, rate=16_000, seconds=0.19)), r"0\.190 s of sound are too short.*at least 0\.2 s; record"),
        (wav_bytes(tone(20, rate=999), 999), "rate is 999 Hz, expected 1000 to 384000; .*resample"),
        (wav_bytes(tone(20, rate=384_001), 384_001), "rate is 384001 Hz"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",  # some bytes hold the time of day
)
def test_a_file_that_is_no_recording_of_a_voice(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"clip\.wav: .*({words})"):
        audio.read(path)
    with path.open("rb") as opened, pytest.raises(AudioError, match=rf"clip\.wav: .*({words})"):
        audio.read(opened)


def test_a_path_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"lost\.wav: there is no such file; check the path"):
        audio.read(tmp_path / "lost.wav")
    with pytest.raises(AudioError, match="this is a folder, not a recording; give a file in it"):
        audio.info(tmp_path)
    with pytest.raises(AudioError, match="null byte.*; give a file"):
        audio.read("a\0b.wav")
    with pytest.raises(AudioError, match="this is an address, and only files are read; download it first"):
        audio.read("http://localhost/a.wav")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="file permissions don't bind this user")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(b"RIFF")
    path.chmod(0)
    with pytest.raises(AudioError, match=r"secret\.wav: can't be opened \(Permission denied\)"):
        audio.read(path)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ((16_000, ONE_SECOND), r"rate comes first .*give \(samples, rate\)"),
        ((ONE_SECOND,), r"tuple of 1 .*give \(samples, rate\)"),
        ((list(ONE_SECOND), 16_000), "type list; give a numpy array"),
        ((ONE_SECOND, "16000"), "rate is '16000'; give a whole number"),
        ((ONE_SECOND, 16_000.5), "rate is 16000.5; give a whole number"),
        ((ONE_SECOND, None), "rate is None"),
        ((ONE_SECOND, np.nan), "rate is nan"),
        ((ONE_SECOND, 0), "rate is 0 Hz, expected 1000 to 384000"),
        ((ONE_SECOND, 384_001), "rate is 384001 Hz"),
        ((ONE_SECOND.astype(np.int64), 16_000), "samples are int64; give int16"),
        ((ONE_SECOND.astype(complex), 16_000), "samples are complex128; give"),
        ((ONE_SECOND > 0, 16_000), "samples are bool; give"),
        ((ONE_SECOND.astype(object), 16_000), "samples are object; give"),
        ((ONE_SECOND[None, :, None], 16_000), r"shape is \(1, 16000, 1\); give \(n,\)"),
        ((ONE_SECOND[None, :], 16_000), r"\(1, 16000\) has 16000 channels.*samples\.T"),
        ((np.zeros((100, 0)), 16_000), "has 0 channels"),
        ((np.zeros(0), 16_000), "no samples"),
        (b"", "bytes given as a recording are empty"),
        (12, "a int was given as a recording; give a path"),
        (None, "a NoneType was given as a recording"),
        (io.StringIO("text"), "opened as text; open it with open"),
    ],
)
def test_a_source_of_the_wrong_form(source: Any, words: str) -> None:
    for use in (audio.read, audio.info, lambda given: list(audio.blocks(given))):
        with pytest.raises(AudioError, match=words):
            use(source)


def test_a_closed_file(tmp_path: Path) -> None:
    opened = (tmp_path / "a.wav").open("w+b")
    opened.close()
    with pytest.raises(AudioError, match=r"a\.wav: .*closed file.*open it with"):
        audio.read(opened)


@pytest.mark.parametrize(
    ("start_s", "end_s", "words"),
    [
        (-1, None, "from -1 to None s is invalid; give 0 <= start_s"),
        (0.5, 0.5, "from 0.5 to 0.5 s is invalid"),
        (np.nan, None, "from nan"),
        (0, np.inf, "to inf"),
        (0, 1.06, r"0 s to 1\.06 s goes beyond the recording, which ends at 1\.00 s.*; correct"),
        (1, None, "1 s to the end goes beyond"),
        (0.5, 0.6, r"from 0\.5 s: 0\.100 s of sound are too short"),
    ],
)
def test_a_segment_that_is_none(start_s: float, end_s: float | None, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        audio.read((ONE_SECOND, 16_000), start_s=start_s, end_s=end_s)


def test_the_rounded_end_of_an_annotation_is_the_end() -> None:
    assert len(audio.read((ONE_SECOND, 16_000), start_s=0.5, end_s=1.04)) == 8000


@pytest.mark.parametrize("block_s", [0, -1, np.nan, 3601, np.inf, 1e-6])
def test_blocks_of_no_length(block_s: float) -> None:
    with pytest.raises(AudioError, match="give a length above 0"):
        audio.blocks((ONE_SECOND, 16_000), block_s=block_s)


def test_blocks_let_silence_and_short_recordings_pass() -> None:
    assert [len(block) for block in audio.blocks((np.zeros(100, np.float32), 16_000))] == [100]


MAGIC = [b"", b"RIFF", b"fLaC", b"OggS", b"ID3\x03", b"\xff\xfb\x90", b"FORM", b"\x1aE\xdf\xa3", b"\0\0\0\x1cftypM4A "]


@given(start=st.sampled_from(MAGIC), rest=st.binary(max_size=600))
@settings(deadline=None, max_examples=150)
def test_any_bytes_give_an_error_or_a_recording(start: bytes, rest: bytes) -> None:
    try:
        found = audio.read(start + rest)
    except AudioError as error:
        assert "; " in str(error)  # a finding, then a remedy
    else:
        assert len(found) >= 3200 and np.isfinite(found).all()


@given(
    at=st.integers(0, 1200), junk=st.binary(min_size=1, max_size=8), kind=st.sampled_from(["WAV", "FLAC", "OGG", "MP3"])
)
@settings(deadline=None, max_examples=150)
@pytest.mark.slow
def test_any_damage_gives_an_error_or_a_recording(at: int, junk: bytes, kind: str) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, ONE_SECOND[:8000], 16_000, format=kind)
    data = bytearray(buffer.getvalue())
    data[at : at + len(junk)] = junk
    try:
        found = audio.read(bytes(data))
    except AudioError as error:
        assert "; " in str(error)
    else:
        assert len(found) >= 3200 and np.isfinite(found).all()


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_header_that_lies_prints_nothing(make_voice: Voice) -> None:
    """libsndfile asks for a place before the beginning of this file, which has no chunk of samples."""
    held = io.BytesIO()
    soundfile.write(held, make_voice(seconds=0.2), 16_000, format="AIFF")
    with pytest.raises(AudioError):
        audio.read(held.getvalue()[:6_000].replace(b"SSND", b"sSND"))
