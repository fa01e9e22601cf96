"""Steady tones, and the bounds of speech that touches one."""

import numpy as np
import pytest

from emotone.audio.filters import high_pass
from emotone.audio.speech_bounds import speech_bounds
from emotone.audio.tones import steady_tones
from emotone.audio.trimming import frame_energy

RATE = 16_000


def tone(*hz: float, seconds: float = 0.5, peak: float = 0.3) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return (peak / len(hz) * sum(np.sin(2 * np.pi * f * t) for f in hz)).astype(np.float32)


def found(samples: np.ndarray) -> list[tuple[int, int]]:
    return steady_tones(samples, frame_energy(samples))


BEEPS = [tone(1000), tone(440, seconds=1.0), tone(697, 1209, seconds=0.3), tone(2000, peak=0.9)]


@pytest.mark.parametrize("beep", BEEPS, ids=["1 kHz", "440 Hz", "key", "loud"])
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_tone_that_touches_the_speech_is_left_out(beep, side, make_voice):
    """The bounds are those of the speech alone, within a frame."""
    voice = high_pass(make_voice(seconds=1.5), 70.0)
    begin, end = speech_bounds(voice)
    both = np.concatenate([beep, voice] if side == "before" else [voice, beep])
    shift = len(beep) if side == "before" else 0
    disturbed = speech_bounds(high_pass(both, 70.0))
    assert disturbed == (pytest.approx(begin + shift, abs=160), pytest.approx(end + shift, abs=240))


def test_tones_with_noise_and_fades_are_found(make_voice):
    rng = np.random.default_rng(0)
    fade = np.minimum(1, np.minimum(np.arange(8000), np.arange(8000)[::-1]) / 320).astype(np.float32)
    noisy = np.concatenate([np.zeros(4000), fade * tone(1000), np.zeros(4000)]) + 0.001 * rng.standard_normal(16_000)
    ((first, last),) = found(noisy.astype(np.float32))
    assert 25 <= first <= 30 and 68 <= last <= 73


@pytest.mark.parametrize("seed", range(4))
def test_voices_noise_and_silence_are_no_tones(seed, make_voice):
    rng = np.random.default_rng(seed)
    assert not found(make_voice(seconds=3, pitch_hz=100 + 100 * seed, seed=seed))
    assert not found((0.1 * rng.standard_normal(RATE)).astype(np.float32))
    assert not found(np.zeros(RATE, np.float32))
    assert not found(tone(220))  # as steady as a hummed m
    gliding = np.sin(2 * np.pi * (500 + 400 * np.arange(RATE) / RATE) * np.arange(RATE) / RATE)
    assert not found(gliding.astype(np.float32))


@pytest.mark.parametrize("n_samples", [2960, 2990, 3000, 3120])
def test_steady_pulses_at_the_end_are_no_tone(n_samples):
    """The last frame of a clip has fewer samples than others."""
    pulses = np.where(np.arange(n_samples) % 400 == 0, 0.5, 0.0)
    assert not found(np.concatenate([np.zeros(6400), pulses]).astype(np.float32))


def test_a_tone_alone_is_kept():
    """There is no speech in it, which the model says."""
    alone = np.concatenate([np.zeros(8000, np.float32), tone(1000), np.zeros(8000, np.float32)])
    begin, end = speech_bounds(alone)
    assert begin <= 8000 and end >= 16_000
    noisy = (alone + 1e-4 * np.random.default_rng(0).standard_normal(len(alone))).astype(np.float32)
    begin, end = speech_bounds(noisy)
    assert begin <= 8000 and end >= 16_000


def test_a_tone_within_the_speech_stays(make_voice):
    voice = make_voice(seconds=1)
    assert speech_bounds(np.concatenate([voice, tone(1000), voice])) == (0, 2 * len(voice) + 8000)


@pytest.mark.corpus
@pytest.mark.parametrize("corpus", ["ravdess", "tess", "nemo", "emodb", "savee", "ased"])
def test_no_clip_of_a_corpus_has_a_tone(corpus, data):
    from emotone import audio, corpora

    paths = corpora.load([corpus], data, channel="all").table["path"]
    assert not [path for path in paths[:: max(1, len(paths) // 60)] if found(high_pass(audio.read(path), 70.0))]
