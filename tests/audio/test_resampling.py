"""Resampling to 16 kHz and mixing down to mono: frequencies, levels, segments."""

import numpy as np
import pytest
import soxr

from emotone import audio
from emotone.audio.resampling import LiveResampler
from support.sounds import Voice, tone


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
@pytest.mark.slow
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


@pytest.mark.parametrize(("rate", "n"), [(48_000, 96_001), (44_100, 50_000), (8_000, 12_345), (16_000, 999)])
def test_live_sound_is_resampled_as_a_recording_is(rate, n):

    sound = 0.1 * np.random.default_rng(n).standard_normal(n).astype(np.float32)
    live = LiveResampler(rate, 1)
    pieces = [live.push(part) for part in np.array_split(sound, 17)]
    found = np.concatenate([*pieces, live.finish()])
    (expected,) = list(audio.blocks((sound, rate), block_s=60))
    np.testing.assert_allclose(found, expected, atol=1e-6)
