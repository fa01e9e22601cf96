"""Time stamps are the truth: gaps, late starts, several tracks, and recordings that were joined."""

import io
import random
import struct
from collections.abc import Callable

import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.audio.av_reader import Clock
from emotone.errors import AudioError, EmotoneError
from support.media import RATE, media, tone

pytestmark = pytest.mark.slow


def onsets_s(samples: np.ndarray) -> list[float]:
    """Times at which sound begins after at least 0.3 s of silence."""
    frames = np.abs(samples[: len(samples) // 160 * 160]).reshape(-1, 160).max(axis=1) > 0.05
    starts = [n for n in range(len(frames)) if frames[n] and not frames[max(0, n - 30) : n].any()]
    return [n / 100 for n in starts]


def two_words() -> np.ndarray:
    """8 s: tones from 1 to 2 s and from 6 to 7 s."""
    samples = np.zeros(8 * RATE, np.float32)
    samples[RATE : 2 * RATE] = samples[6 * RATE : 7 * RATE] = tone(1)
    return samples


@pytest.mark.parametrize(
    ("kind", "codec", "options"),
    [
        ("webm", "libopus", {}),
        ("webm", "libopus", {"live": "1"}),
        ("ogg", "libopus", {}),
        ("matroska", "libopus", {}),
        ("matroska", "aac", {}),
        ("mp4", "aac", {}),
    ],
)
def test_a_gap_between_time_stamps_is_silence(kind: str, codec: str, options: dict[str, str]) -> None:
    data = media([two_words()], kind, codec, gap=(3.0, 5.0), options=options)
    samples = audio.read(data)
    assert len(samples) / 16_000 == pytest.approx(8, abs=0.05)
    assert audio.info(data).duration_s == pytest.approx(8, abs=0.05)
    assert onsets_s(samples) == pytest.approx([1, 6], abs=0.03)
    late = audio.read(data, start_s=5.5, end_s=7.5)
    assert onsets_s(late) == pytest.approx([0.5], abs=0.03)
    assert onsets_s(audio.read(data, start_s=3.5)) == pytest.approx([2.5], abs=0.03)


@pytest.mark.parametrize(("kind", "codec"), [("matroska", "aac"), ("matroska", "libopus"), ("mp4", "aac")])
def test_a_track_that_starts_late_stays_late(kind: str, codec: str) -> None:
    data = media([two_words()], kind, codec, starts_s=[2.5], video_s=11)
    samples = audio.read(data)
    assert onsets_s(samples) == pytest.approx([3.5, 8.5], abs=0.05)
    assert audio.info(data).duration_s == pytest.approx(10.5, abs=0.06)
    assert onsets_s(audio.read(data, start_s=8, end_s=9)) == pytest.approx([0.5], abs=0.05)


@pytest.mark.parametrize(("kind", "codec"), [("matroska", "aac"), ("webm", "libopus"), ("mp4", "aac")])
def test_sound_alone_that_starts_late_stays_late(kind: str, codec: str) -> None:
    data = media([two_words()], kind, codec, starts_s=[2.5])
    assert onsets_s(audio.read(data)) == pytest.approx([3.5, 8.5], abs=0.05)
    assert audio.info(data).duration_s == pytest.approx(10.5, abs=0.06)


def test_a_live_stream_that_was_joined_late_starts_at_once() -> None:
    data = media([two_words()], "webm", "libopus", starts_s=[3600.0])
    assert onsets_s(audio.read(data)) == pytest.approx([1, 6], abs=0.05)


def test_jitter_of_time_stamps_inserts_no_silence() -> None:
    clock, chance = Clock(48_000, 0.0), random.Random(0)
    gaps = [clock.place(0.02 * n + chance.uniform(0, 0.15), 960) for n in range(500)]
    assert sum(gaps) < 0.2 * 48_000
    assert clock.place(20.0, 960) == pytest.approx(10 * 48_000, abs=0.2 * 48_000), "a real gap"
    assert clock.place(0.0, 960) == 0, "a clock that started anew"


def test_the_default_track_is_taken_and_another_can_be_named() -> None:
    data = media([np.zeros(RATE, np.float32), tone(2)], "matroska", "aac", default=1)
    assert audio.read(data).max() > 0.4
    assert audio.info(data).duration_s == pytest.approx(2, abs=0.05)
    assert audio.read(data, track=2).max() > 0.4
    with pytest.raises(AudioError, match="silent"):
        audio.read(data, track=1)
    for track in (0, 3, -1, "a"):
        with pytest.raises(AudioError, match=rf"track is {track!r}, and the file has 2; give 1 to 2"):
            audio.read(data, track=track)


def encoded(samples: np.ndarray, kind: str, subtype: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format=kind, subtype=subtype)
    return buffer.getvalue()


JOINED: dict[str, Callable[[np.ndarray], bytes]] = {
    "ogg vorbis": lambda samples: encoded(samples, "OGG", "VORBIS"),
    "ogg opus": lambda samples: media([samples], "ogg", "libopus"),
    "ogg flac": lambda samples: media([samples], "ogg", "flac"),
    "flac": lambda samples: encoded(samples, "FLAC", "PCM_16"),
    "mp3": lambda samples: media([samples], "mp3", "libmp3lame"),
    "mp3 without a header": lambda samples: media([samples], "mp3", "libmp3lame", options={"write_xing": "0"}),
    "webm": lambda samples: media([samples], "webm", "libopus"),
    "live webm": lambda samples: media([samples], "webm", "libopus", options={"live": "1"}),
}


@pytest.mark.parametrize("kind", JOINED)
def test_recordings_that_were_joined_are_read_to_the_end(kind: str) -> None:
    first, second = JOINED[kind](tone(2)), JOINED[kind](tone(1, hz=880))
    samples = audio.read(first + second + first)
    lengths = [len(audio.read(part)) for part in (first, second, first)]
    assert abs(len(samples) - sum(lengths)) <= 0.15 * 16_000, "MP3 keeps the delay of later parts"
    middle = samples[int(2.3 * 16_000) : int(2.8 * 16_000)]
    assert np.abs(np.fft.rfft(middle)).argmax() / 0.5 == pytest.approx(880, abs=4)
    assert audio.info(first + second + first).duration_s == pytest.approx(5, abs=0.16)


@pytest.mark.parametrize(
    "kind",
    [
        ("wav", "pcm_s16le"),
        ("aiff", "pcm_s16be"),
        ("au", "pcm_s16be"),
        ("caf", "pcm_s16le"),
        ("mp4", "aac"),
        ("mov", "alac"),
    ],
)
def test_joined_recordings_that_no_decoder_reads_to_the_end_are_refused(kind: tuple[str, str]) -> None:
    first, second = media([tone(1)], *kind), media([tone(1, hz=880)], *kind)
    assert len(audio.read(first)) == pytest.approx(16_000, abs=200)
    with pytest.raises(AudioError, match="more sound follows the end of the recording"):
        audio.read(first + second)


def test_joined_recordings_of_other_rates_and_channels() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([tone(1, rate=16_000)] * 2, axis=1), 16_000, format="FLAC")
    samples = audio.read(encoded(tone(1), "FLAC", "PCM_16") + buffer.getvalue())
    assert len(samples) == pytest.approx(32_000, abs=2)
    assert np.abs(np.fft.rfft(samples[16_000:])).argmax() == pytest.approx(440, abs=1)


def test_mp3_of_variable_rate_without_a_header_has_no_estimated_length() -> None:
    loud_then_silent = np.concatenate(
        [tone(2) + 0.2 * np.random.default_rng(0).standard_normal(2 * RATE), np.zeros(8 * RATE)]
    )
    data = media([loud_then_silent.astype(np.float32)], "mp3", "libmp3lame", options={"write_xing": "0"})
    assert len(audio.read(data)) / 16_000 == pytest.approx(10, abs=0.15)
    assert audio.info(data).duration_s == pytest.approx(10, abs=0.15)


@pytest.mark.parametrize(
    "before",
    [
        bytes(random.Random(0).randbytes(300)),
        b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(500),  # a tag that says that it is empty
        b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(200),  # a tag that says that it is 256 MiB long
    ],
)
@pytest.mark.parametrize("has_header", ["0", "1"])
def test_mp3_behind_rubbish(before: bytes, has_header: str) -> None:
    data = media([tone(2)], "mp3", "libmp3lame", options={"write_xing": has_header, "id3v2_version": "0"})
    samples = audio.read(before + data)
    assert len(samples) / 16_000 == pytest.approx(2, abs=0.1)
    assert np.abs(np.fft.rfft(samples[8000:24_000])).argmax() == pytest.approx(440, abs=1)


@pytest.mark.parametrize("kind", ["ogg vorbis", "ogg opus"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_ogg_that_was_cut_is_refused(kind: str, share: float) -> None:
    data = JOINED[kind](tone(4) * np.linspace(0.1, 1, 4 * RATE, dtype=np.float32))
    with pytest.raises(AudioError, match="cut short.*copy or download it again"):
        audio.read(data[: round(share * len(data))])


@pytest.mark.parametrize(
    ("kind", "codec", "video_s"),
    [
        ("matroska", "aac", 0),
        ("matroska", "aac", 5),
        ("webm", "libopus", 0),
        ("mp4", "aac", 5),
        ("matroska", "flac", 0),
    ],
)
def test_containers_that_were_cut_are_refused(kind: str, codec: str, video_s: float) -> None:
    rising = tone(4) * np.linspace(0.1, 1, 4 * RATE, dtype=np.float32)
    data = media([rising], kind, codec, video_s=video_s)
    assert len(audio.read(data)) > 3.9 * 16_000
    for share in (0.5, 0.9):
        with pytest.raises(AudioError, match="cut short.*copy or download it again"):
            audio.read(data[: round(share * len(data))])


def test_ogg_that_was_cut_within_the_header_of_a_page_is_refused() -> None:
    data = JOINED["ogg opus"](tone(4))
    with pytest.raises(AudioError, match="cut short within the header of an Ogg page"):
        audio.read(data[: data.rindex(b"OggS") + 10])


@pytest.mark.parametrize("kind", ["AU", "CAF", "W64", "avi"])
def test_other_sized_files_that_were_cut_are_refused(kind: str) -> None:
    data = media([tone(2)], "avi", "libmp3lame") if kind == "avi" else encoded(tone(2), kind, "PCM_16")
    assert len(audio.read(data)) > 1.9 * 16_000
    with pytest.raises(AudioError, match="cut short.*copy or download it again"):
        audio.read(data[: len(data) // 2])


def test_low_frequency_effects_are_no_voice() -> None:
    rumble = np.zeros((RATE, 6), np.float32)
    rumble[:, 2] = tone(1)  # the voice, in the centre
    rumble[:, 3] = tone(1, hz=40, gain=0.9)
    files = [media([rumble], "matroska", "flac"), media([rumble], "ipod", "aac")]
    buffer = io.BytesIO()
    soundfile.write(buffer, rumble, RATE, format="WAV")
    wav = bytearray(buffer.getvalue())
    assert wav[20:22] == b"\xfe\xff" or wav[20:22] == b"\x01\x00"
    extensible = struct.pack("<HHIIHHHHI", 0xFFFE, 6, RATE, RATE * 12, 12, 16, 22, 16, 0x3F)
    extensible += b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    sound = (rumble * 32767).astype("<i2").tobytes()
    body = b"WAVEfmt " + struct.pack("<I", 40) + extensible + b"data" + struct.pack("<I", len(sound)) + sound
    files.append(b"RIFF" + struct.pack("<I", len(body)) + body)
    plain = struct.pack("<HHIIHH", 1, 6, RATE, RATE * 12, 12, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + plain + b"data" + struct.pack("<I", len(sound)) + sound
    files.append(b"RIFF" + struct.pack("<I", len(body)) + body)
    buffer = io.BytesIO()
    soundfile.write(buffer, rumble, RATE, format="FLAC")
    files.append(buffer.getvalue())
    for data in files:
        samples = audio.read(data)[2000:12_000]
        spectrum = np.abs(np.fft.rfft(samples))
        assert spectrum[25] < 0.01 * spectrum.max(), "40 Hz"


DAMAGED = {
    "mpegts": lambda: media([tone(1)], "mpegts", "aac"),
    "webm": lambda: media([tone(1)], "webm", "libopus"),
    "mp4": lambda: media([tone(1)], "mp4", "aac"),
    "ogg": lambda: media([tone(1)], "ogg", "libopus"),
    "mp3": lambda: media([tone(1)], "mp3", "libmp3lame"),
    "flac": lambda: encoded(tone(1), "FLAC", "PCM_16"),
    "wav": lambda: encoded(tone(1), "WAV", "FLOAT"),
    "aiff": lambda: encoded(tone(1), "AIFF", "PCM_16"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_raise_no_error_but_ours(kind: str) -> None:
    good = DAMAGED[kind]()
    chance = random.Random(kind)
    for _ in range(60):
        data = bytearray(good)
        for _ in range(chance.choice([1, 3, 30, 300])):
            where = chance.randrange(min(len(data), chance.choice([64, 1000, len(data)])))
            data[where] ^= 1 << chance.randrange(8)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        try:
            samples = audio.read(bytes(data))
            audio.info(bytes(data))
        except EmotoneError:
            continue
        assert np.isfinite(samples).all()


def test_no_channel_at_all_and_samples_beyond_measure() -> None:
    wav = bytearray(encoded(tone(1), "WAV", "PCM_16"))
    wav[22:24] = b"\0\0"
    with pytest.raises(AudioError):
        audio.read(bytes(wav))
    loud = tone(1)
    loud[500] = 1e30
    with pytest.raises(AudioError, match="the sample at .* is 1.*e\\+30; expected finite"):
        audio.read(encoded(loud, "WAV", "FLOAT"))
    chunks = b"RIFF\0\0\0\x10WAVE" + b"junk\0\0\0\0" * 1_000_000
    with pytest.raises(AudioError, match="first 1000 chunks hold no sound"):
        audio.read(chunks)
