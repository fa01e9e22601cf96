"""audio.py on generated sounds: numbers, invariants and long recordings."""

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import audio
from emotone.errors import AudioError
from emotone.preprocessing import DEFAULT as PREPROCESSING

Voice = Callable[..., np.ndarray]


def tone(hz: float, *, rate: int, seconds: float = 1.0, gain: float = 0.5) -> np.ndarray:
    return (gain * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wav_bytes(samples: np.ndarray, rate: int = 16_000, subtype: str = "FLOAT") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


# --- sources -------------------------------------------------------------------------------------------------------


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


# --- resampling and downmix ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 44_101, 384_000])
def test_a_tone_keeps_its_frequency_and_level(rate: int) -> None:
    found = audio.read((tone(1000, rate=rate), rate))
    assert abs(len(found) - 16_000) <= 1
    middle = found[2000:14_000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    assert spectrum.argmax() * 16_000 / (1 << 18) == pytest.approx(1000, abs=0.1)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)


def test_what_16_khz_cannot_hold_is_removed_not_folded_back() -> None:
    mixed = tone(1000, rate=48_000) + tone(9000, rate=48_000)
    found = audio.read((mixed, 48_000))[2000:14_000]
    spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found)))) / len(found) * 4
    assert spectrum[round(7000 * len(found) / 16_000)] < 1e-4  # 9 kHz would appear at 7 kHz


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_the_stream_is_the_one_shot_resampling(make_voice: Voice, rate: int) -> None:
    voice = make_voice(seconds=65, sample_rate=rate)  # three chunks
    found = np.concatenate(list(audio.blocks((voice, rate), block_s=7)))
    np.testing.assert_allclose(found, soxr.resample(voice, rate, 16_000, quality="HQ"), atol=1e-6)


@pytest.mark.parametrize("rate", [16_000, 44_100, 44_101, 48_000])
@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 0.5), (0.25, 1.0), (1.23456, 1.98765), (2.7, None), (1, np.nan)])
def test_a_segment_is_the_slice_of_the_whole(make_voice: Voice, rate: int, start_s: float, end_s: float | None) -> None:
    source = (make_voice(seconds=3, sample_rate=rate), rate)
    part = audio.read(source, start_s=start_s, end_s=end_s)
    last = None if end_s is None or np.isnan(end_s) else round(end_s * 16_000)
    np.testing.assert_allclose(part, audio.read(source)[round(start_s * 16_000) : last], atol=1e-6)


def test_channels_are_averaged() -> None:
    a, b, c = tone(300, rate=16_000), tone(500, rate=16_000), tone(700, rate=16_000)
    found = audio.read((np.stack([a, b, c], axis=1), 16_000))
    np.testing.assert_allclose(found, (a + b + c) / 3, atol=1e-7)
    one_sided = audio.read((np.stack([a, 0 * a], axis=1), 16_000))
    np.testing.assert_allclose(one_sided, a / 2, atol=1e-7)


def test_channels_that_cancel_give_the_loudest(make_voice: Voice) -> None:
    voice = make_voice(seconds=1)
    found = audio.read((np.stack([0.9 * voice, -voice], axis=1), 16_000))
    np.testing.assert_array_equal(found, -voice)


def test_a_stream_that_cancels_does_not_flip_its_polarity(make_voice: Voice) -> None:
    voice = make_voice(seconds=90)
    left = voice * np.repeat([1.0, 0.98, 1.0], 480_000).astype(np.float32)
    right = -voice * np.repeat([0.99, 1.0, 0.99], 480_000).astype(np.float32)
    found = audio.read((np.stack([left, right], axis=1), 16_000))
    np.testing.assert_array_equal(found, left)


# --- trimming ------------------------------------------------------------------------------------------------------


def test_silence_at_both_ends_is_trimmed_to_a_margin() -> None:
    rate, rng = 16_000, np.random.default_rng(0)
    sound = np.concatenate([np.zeros(16_000), tone(200, rate=rate), np.zeros(8000)]).astype(np.float32)
    sound += 1e-5 * rng.standard_normal(sound.size).astype(np.float32)  # 87 dB below: silence all the same
    found = PREPROCESSING.apply(audio.read((sound, rate)))
    begin = np.flatnonzero(np.isin(sound, found[0]))[0]
    # The margin of 800 samples, and at most a frame (400) in which the tone's edge lies.
    assert 16_000 - 800 - 400 <= begin <= 16_000 - 800
    assert 32_000 + 800 - 400 <= begin + len(found) <= 32_000 + 800 + 400
    np.testing.assert_array_equal(found, sound[begin : begin + len(found)])


def test_a_pause_inside_stays() -> None:
    part, pause = tone(200, rate=16_000, seconds=0.5), np.zeros(16_000, np.float32)
    assert len(audio.trim_silence(np.concatenate([part, pause, part]))) == 32_000


@given(gain=st.floats(1e-4, 1e4), seed=st.integers(0, 20))
@settings(deadline=None, max_examples=50)
def test_gain_does_not_change_what_is_trimmed(make_voice: Voice, gain: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    voice = np.concatenate([np.zeros(4000), make_voice(seconds=0.6, seed=seed), np.zeros(7000)])
    voice = (voice + 1e-4 * rng.standard_normal(voice.size)).astype(np.float32)
    kept = PREPROCESSING.apply(audio.read((voice, 16_000)))
    found = PREPROCESSING.apply(audio.read(((gain * voice.astype(np.float64)), 16_000)))
    np.testing.assert_allclose(found / gain, kept, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("at", [0, 100, 8000, 15_900, 15_999])
def test_a_click_keeps_at_least_the_minimum(at: int) -> None:
    samples = np.zeros(16_000, np.float32)
    samples[at] = 1.0
    found = audio.trim_silence(samples)
    assert 3200 <= len(found) <= 3200 + 160
    assert found.max() == 1.0


@given(st.integers(1, 4000), st.floats(1, 100))
@settings(deadline=None, max_examples=100)
def test_trimming_any_length_keeps_the_loudest_sample(n: int, threshold_db: float) -> None:
    samples = np.random.default_rng(n).standard_normal(n).astype(np.float32) ** 5
    found = audio.trim_silence(samples, threshold_db=threshold_db)
    assert min(n, 3200) <= len(found) <= n
    assert np.abs(found).max() == np.abs(samples).max() or threshold_db < 20


@pytest.mark.parametrize(
    ("samples", "threshold_db", "words"),
    [
        (np.zeros(100, np.float32), 40, "energy of 0.0.*not silent"),
        (np.zeros(0, np.float32), 40, r"shape \(0,\).*give \(n,\)"),
        (np.ones((100, 2), np.float32), 40, r"shape \(100, 2\).*give \(n,\)"),
        (np.ones(100, np.float32), 0, "threshold_db is 0; give"),
        (np.full(400, np.nan, np.float32), 40, "energy of nan"),
    ],
)
def test_what_cannot_be_trimmed(samples: np.ndarray, threshold_db: float, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        audio.trim_silence(samples, threshold_db=threshold_db)


# --- long recordings -----------------------------------------------------------------------------------------------

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


# --- info, digest, writing -----------------------------------------------------------------------------------------


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
