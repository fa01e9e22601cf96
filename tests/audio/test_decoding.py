"""Every format and subtype that audio.py reads, against the sound that was encoded."""

import io
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.errors import AudioError
from emotone.preprocessing import DEFAULT as PREPROCESSING

SECONDS = 3.0


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """A sweep with a syllable-like envelope: unlike a tone, it has one best alignment; (n,) at 48 kHz."""
    t = np.arange(round(SECONDS * 48_000)) / 48_000
    return (0.3 * np.sin(2 * np.pi * (200 * t + 200 * t**2)) * (0.6 + 0.4 * np.sin(20 * t))).astype(np.float32)


@pytest.fixture(scope="module")
def expected(sound: np.ndarray) -> np.ndarray:
    return audio.read((sound, 48_000))


def encode(sound: np.ndarray, kind: str, subtype: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, 48_000, format=kind, subtype=subtype)
    return buffer.getvalue()


def mux(sound: np.ndarray, kind: str, codec: str | None, *, video: str | None = None, **options: str) -> bytes:
    """The sound (or none) and a moving grey (or none) in an FFmpeg container."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind, options=options) as container:
        voice = container.add_stream(codec, rate=48_000, layout="mono") if codec else None
        if video:
            picture = container.add_stream(video, rate=10)
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
            for n in range(30):
                grey = np.full((64, 64, 3), 8 * n, np.uint8)
                container.mux(picture.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(picture.encode(None))
        if voice:
            frame = av.AudioFrame.from_ndarray(sound[None, :], format="flt", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            container.mux(voice.encode(frame))
            container.mux(voice.encode(None))
    return buffer.getvalue()


def snr_db(found: np.ndarray, expected: np.ndarray) -> float:
    n = min(len(found), len(expected))
    return 10 * np.log10(np.sum(expected[:n] ** 2) / max(1e-30, np.sum((found[:n] - expected[:n]) ** 2)))


def shift(found: np.ndarray, expected: np.ndarray) -> int:
    """By how many samples `found` is late."""
    n = min(len(found), len(expected))
    spectrum = np.fft.rfft(found[:n], 2 * n) * np.conj(np.fft.rfft(expected[:n], 2 * n))
    best = int(np.fft.irfft(spectrum).argmax())
    return best if best < n else best - 2 * n


@pytest.mark.parametrize(
    ("kind", "subtype", "at_least_db"),
    [
        ("WAV", "PCM_U8", 30),
        ("WAV", "PCM_16", 75),
        ("WAV", "PCM_24", 120),
        ("WAV", "PCM_32", 120),
        ("WAV", "FLOAT", 120),
        ("WAV", "DOUBLE", 120),
        ("WAV", "ULAW", 30),
        ("WAV", "MS_ADPCM", 20),
        ("WAVEX", "PCM_16", 75),
        ("RF64", "PCM_16", 75),
        ("AIFF", "PCM_16", 75),
        ("CAF", "PCM_24", 120),
        ("FLAC", "PCM_16", 75),
        ("FLAC", "PCM_24", 120),
        ("OGG", "VORBIS", 20),
        ("OGG", "OPUS", 15),
        ("MP3", "MPEG_LAYER_III", 20),
    ],
)
@pytest.mark.parametrize("suffix", ["wav", "au", "raw"])
def test_what_libsndfile_reads_is_read_under_any_suffix(
    tmp_path: Path, sound: np.ndarray, expected: np.ndarray, kind: str, subtype: str, at_least_db: float, suffix: str
) -> None:
    path = tmp_path / f"clip.{suffix}"
    path.write_bytes(encode(sound, kind, subtype))
    found = audio.read(path)
    assert abs(len(found) - len(expected)) <= 2048  # ADPCM fills its last block
    assert snr_db(found, expected) > at_least_db
    described = audio.info(path)
    assert (described.sample_rate, described.channels, described.codec) == (
        48_000,
        1,
        {"MPEG_LAYER_III": "mp3"}.get(subtype, subtype.lower()),
    )
    assert described.duration_s == pytest.approx(SECONDS, abs=0.07)


#: name, container, codec, video codec, samples at 16 kHz that the container keeps of the encoder's delay
MUXED = [
    ("m4a", "ipod", "aac", None, 0),
    ("mp4 with video", "mp4", "aac", "mpeg4", 0),
    ("webm", "webm", "libopus", None, 0),
    ("webm with video", "webm", "libopus", "libvpx", 0),
    ("matroska", "matroska", "flac", None, 0),
    ("adts", "adts", "aac", None, 341),  # 1024 samples at 48 kHz: bare AAC can't tell its delay
    ("mpegts", "mpegts", "aac", None, 341),
    ("ogg", "ogg", "libopus", None, 0),
]


@pytest.fixture(scope="module", params=MUXED, ids=[case[0] for case in MUXED])
def muxed(request: pytest.FixtureRequest, sound: np.ndarray) -> tuple[bytes, int]:
    _, kind, codec, video, late = request.param
    return mux(sound, kind, codec, video=video), late


def test_what_ffmpeg_reads(muxed: tuple[bytes, int], expected: np.ndarray) -> None:
    data, late = muxed
    found = audio.read(data)
    assert abs(len(found) - len(expected)) < 1024
    assert abs(shift(found, expected) - late) <= 1
    assert np.corrcoef(found[late : late + 44_000], expected[:44_000])[0, 1] > 0.99
    described = audio.info(data)
    assert (described.sample_rate, described.channels) == (48_000, 1)
    assert described.duration_s == pytest.approx(SECONDS, abs=0.05)


def test_a_segment_of_what_ffmpeg_reads_is_its_slice(muxed: tuple[bytes, int]) -> None:
    data, _ = muxed
    whole = audio.read(data)
    part = audio.read(data, start_s=1.123, end_s=2.5)
    assert len(part) == round(2.5 * 16_000) - round(1.123 * 16_000)
    assert abs(shift(part, whole[round(1.123 * 16_000) :])) <= 16  # 1 ms: WebM's clock


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)
@pytest.mark.parametrize("block_s", [0.1, 0.7, 30.0])
def test_blocks_and_segments_are_the_recording(sound: np.ndarray, kind: str, subtype: str, block_s: float) -> None:
    data = encode(sound, kind, subtype)
    whole = audio.read(data)
    pieces = list(audio.blocks(data, block_s=block_s))
    assert {len(piece) for piece in pieces[:-1]} <= {round(block_s * 16_000)}
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    for start_s, end_s in [(0.0, 1.0), (0.013, 0.5), (1.7, 2.9)]:
        part = audio.read(data, start_s=start_s, end_s=end_s)
        np.testing.assert_allclose(part, whole[round(start_s * 16_000) : round(end_s * 16_000)], atol=1e-6)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF024, 0x7FFFFFFF])
def test_a_wav_from_a_pipe_has_no_length_in_its_header(sound: np.ndarray, expected: np.ndarray, size: int) -> None:
    data = encode(sound, "WAV", "PCM_16")
    at = data.index(b"data") + 4
    streamed = data[:at] + struct.pack("<I", size) + data[at + 4 :]
    assert snr_db(audio.read(streamed), expected) > 75
    assert audio.info(streamed).duration_s == pytest.approx(SECONDS)


def test_a_webm_without_a_length_is_measured(sound: np.ndarray) -> None:
    class Pipe(io.RawIOBase):
        """What a browser's recorder writes to: it can't go back and fill in the header."""

        def __init__(self) -> None:
            self.content = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.content += data
            return len(data)

    pipe = Pipe()
    with av.open(pipe, "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None, :], format="flt", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = bytes(pipe.content)
    assert audio.info(data).duration_s == pytest.approx(SECONDS, abs=0.03)
    assert len(audio.read(data)) == pytest.approx(SECONDS * 16_000, abs=500)
    with pytest.raises(AudioError, match=r"beyond the recording, which ends at 3\.0"):
        audio.read(data, start_s=2, end_s=9)
    with pytest.raises(AudioError, match="beyond the recording"):
        audio.read(data, start_s=8)


@pytest.mark.parametrize(
    ("make", "finding"),
    [
        (lambda s: encode(s, "WAV", "PCM_16"), r"cut short.*\(59 %\); copy or download"),
        (lambda s: encode(s, "WAV", "FLOAT"), r"cut short.*\(59 %\); copy or download"),
        (lambda s: encode(s, "AIFF", "PCM_16"), r"cut short.*\(59 %\); copy or download"),
        (lambda s: encode(s, "FLAC", "PCM_16"), "damaged .*; copy or download"),
        (lambda s: encode(s, "MP3", "MPEG_LAYER_III"), r"cut short.* \(59 %\); copy or download"),
        (lambda s: mux(s, "ipod", "aac"), r"cut short.* \(62 %\); copy or download"),
        (lambda s: mux(s, "webm", "libopus"), r"cut short.* \(59 %\); copy or download"),
        (lambda s: mux(s, "adts", "aac"), "damaged .*; copy or download"),
        (lambda s: mux(s, "mp4", None, video="mpeg4"), "no sound track .*video.*; give a recording with sound"),
    ],
)
def test_a_recording_cut_short_is_refused(
    tmp_path: Path, sound: np.ndarray, make: Callable[[np.ndarray], bytes], finding: str
) -> None:
    data = make(sound)
    path = tmp_path / "cut.bin"
    path.write_bytes(data if "no sound" in finding else data[: round(0.6 * len(data))])
    with pytest.raises(AudioError, match=rf"cut\.bin: .*{finding}"):
        audio.read(path)


def test_a_wav_that_lacks_under_a_percent_is_read(sound: np.ndarray) -> None:
    data = encode(sound, "WAV", "PCM_16")
    assert len(audio.read(data[: len(data) - 480])) == 48_000 - 80
    with pytest.raises(AudioError, match="98 %"):
        audio.read(data[: round(0.985 * len(data))])


@pytest.mark.corpus
def test_clips_as_published_are_the_clips_at_16_khz(data: Path) -> None:
    clips = sorted((data / "ravdess_original_48k").rglob("*.wav"))
    assert len(clips) == 20
    stereo = 0
    for clip in clips:
        stereo += audio.info(clip).channels == 2
        (small,) = (data / "ravdess" / "Audio_Speech_Actors_01-24" / clip.parent.name).glob(clip.stem + ".*")
        ours, theirs = audio.read(clip), audio.read(small)
        assert abs(len(ours) - len(theirs)) <= 1
        n = min(len(ours), len(theirs))
        assert np.corrcoef(ours[:n], theirs[:n])[0, 1] > 0.99, clip.name
        assert abs(len(PREPROCESSING.apply(audio.read(clip))) - len(PREPROCESSING.apply(audio.read(small)))) <= 320, (
            clip.name
        )
    assert stereo == 5


def _through_pyav(n_channels: int, *, how: str) -> bytes:
    """A recording of many channels that libsndfile does not read, so that FFmpeg decodes it; channel 0 is a tone."""
    samples = np.zeros((16_000, n_channels), np.int16)
    samples[:, 0] = np.rint(8000 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000))
    if how == "wav as a pipe writes it":
        form = struct.pack("<HHIIHH", 1, n_channels, 16_000, 32_000 * n_channels, 2 * n_channels, 16)
        head = b"RIFF" + struct.pack("<I", 0) + b"WAVEfmt " + struct.pack("<I", 16) + form
        return head + b"data" + struct.pack("<I", 0) + samples.tobytes()
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ipod" if how == "m4a" else "matroska") as container:
        codec = {"m4a": "aac", "mka of flac": "flac", "mka of opus": "libopus"}[how]
        rate = 48_000 if how == "mka of opus" else 16_000
        voice = container.add_stream(codec, rate=rate, layout="7.1")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="7.1")
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format=voice.codec_context.format, layout="7.1", rate=rate)
        for part in resampler.resample(frame):
            container.mux(voice.encode(part))
        container.mux(voice.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("n_channels", "how"),
    [(8, "m4a"), (8, "mka of flac"), (8, "mka of opus"), *((n, "wav as a pipe writes it") for n in (8, 9, 16, 33, 64))],
)
def test_eight_channels_and_more_do_not_end_the_process(tmp_path: Path, n_channels: int, how: str) -> None:
    """A process of its own: a planar frame of so many channels makes PyAV read memory that is not there."""
    path = tmp_path / "many"
    path.write_bytes(_through_pyav(n_channels, how=how))
    code = (
        "import sys; from emotone import audio; print(audio.info(sys.argv[1]).channels, len(audio.read(sys.argv[1])))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert int(done.stdout.split()[0]) == n_channels
    tone = audio.read(path)
    assert 0.2 < np.abs(tone).max() * n_channels < 0.3, "the mean over all channels"


@pytest.mark.parametrize("n_channels", [65, 200])
def test_more_channels_than_are_read_are_refused_before_decoding(n_channels: int) -> None:
    with pytest.raises(AudioError, match=rf"{n_channels} channels, expected 1 to 64"):
        audio.read(_through_pyav(n_channels, how="wav as a pipe writes it"))
