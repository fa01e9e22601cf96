"""Trimming of silence: margins, minimum length, any gain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import audio
from emotone.errors import AudioError
from emotone.preprocessing import DEFAULT as PREPROCESSING
from support.sounds import Voice, tone


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
