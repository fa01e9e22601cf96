"""Synthesised sounds that are no speech: level, length, reproducibility, and that each kind is what its name says."""

import numpy as np
import pytest

from emotone.audio import SAMPLE_RATE
from emotone.augment.nonspeech import KINDS, synthesised
from emotone.errors import ConfigError


def sound(kind, seed=0, duration_s=2.0):
    return synthesised(kind, duration_s=duration_s, rng=np.random.default_rng(seed))


def flatness(samples):
    """Geometric over arithmetic mean of the power spectrum: near 1 of white noise, near 0 of a tone."""
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size))) ** 2 + 1e-12
    return np.exp(np.log(power).mean()) / power.mean()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("duration_s", [0.2, 0.61, 3.0])
def test_length_and_peak(kind, duration_s):
    for seed in range(5):
        samples = sound(kind, seed, duration_s)
        assert samples.dtype == np.float32
        assert samples.shape == (round(duration_s * SAMPLE_RATE),)
        assert np.abs(samples).max() == pytest.approx(0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_decides_everything(kind):
    np.testing.assert_array_equal(sound(kind, 3), sound(kind, 3))
    assert np.abs(sound(kind, 3) - sound(kind, 4)).max() > 0.01


def test_noises_are_flat_and_tones_are_not():
    of_noise = [flatness(sound("noise", seed)) for seed in range(10)]
    of_hum = [flatness(sound("hum", seed)) for seed in range(10)]
    assert np.median(of_noise) > 10 * np.median(of_hum)


def test_gusts_swell_and_hum_does_not():
    def swing(kind, seed):
        level = np.sqrt((sound(kind, seed).reshape(-1, 1600).astype(float) ** 2).mean(axis=1))
        return level.std() / level.mean()

    assert np.median([swing("gusts", seed) for seed in range(10)]) > 3 * np.median([swing("hum", s) for s in range(10)])


def test_clicks_are_short_and_far_over_their_mean():
    def crest(kind, seed):
        samples = sound(kind, seed)
        return np.abs(samples).max() / np.sqrt(np.mean(samples.astype(float) ** 2))

    assert np.median([crest("clicks", seed) for seed in range(10)]) > 1.5 * np.median(
        [crest("noise", seed) for seed in range(10)]
    )


def test_what_can_not_be_made():
    with pytest.raises(ConfigError, match="unknown kind of sound 'speech'; known: noise, gusts"):
        sound("speech")
    for duration_s in (0.1, float("nan")):
        with pytest.raises(ConfigError, match="expected 0.2 seconds or more"):
            sound("noise", duration_s=duration_s)
