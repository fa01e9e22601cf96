"""Synthesised non-speech sounds, to train the speech/non-speech classifier.

A microphone records more than voices, and a model of emotions finds an emotion in any sound.  No corpus of such sounds
is free for everyone, so they are synthesised: noises of many colours and shapes, hums, engines, signals, clicks, and
music of struck, plucked and held notes with drums.  ``benchmarks/nonspeech.py`` tests with real recordings.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emotone.audio import MIN_DURATION_S, SAMPLE_RATE
from emotone.errors import ConfigError

Sound = NDArray[np.float64]
_NYQUIST = SAMPLE_RATE / 2
_MINOR, _MAJOR = (0, 3, 7, 10, 12), (0, 4, 7, 11, 12)  # semitones over the root


def synthesised(kind: str, *, duration_s: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Synthesise a sound.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    duration_s
        Length in seconds, at least 0.2.
    rng
        Random generator of all properties.

    Returns
    -------
    (n,) float32 at 16 kHz with a peak of 0.5.

    Raises
    ------
    ConfigError
        The kind is unknown, or the sound is too short.
    """
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of sound {kind!r}; known: {', '.join(KINDS)}")
    if not duration_s >= MIN_DURATION_S:
        raise ConfigError(f"duration_s is {duration_s}; expected {MIN_DURATION_S} seconds or more")
    sound = KINDS[kind](round(duration_s * SAMPLE_RATE), rng)
    if kind != "noise":
        floor = _noise(sound.size, rng)
        sound = sound / _rms(sound) + 10 ** (-rng.uniform(10, 60) / 20) * floor / _rms(floor)
    return np.asarray(0.5 * sound / np.abs(sound).max(), dtype=np.float32)


def _rms(sound: Sound) -> float:
    return max(float(np.sqrt(np.mean(sound**2))), 1e-9)


def _time(n: int) -> Sound:
    return np.arange(n) / SAMPLE_RATE


def _noise(n: int, rng: np.random.Generator) -> Sound:
    """Stationary noise from violet to brown, often with a band emphasised or attenuated."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    gain = np.maximum(hz, 20.0) ** (-rng.uniform(-0.5, 2.0) / 2)
    if rng.random() < 0.5:
        centre, width = np.exp(rng.uniform(np.log(100), np.log(6000))), rng.uniform(0.3, 2.0)
        bump = np.exp(-0.5 * (np.log2(np.maximum(hz, 1.0) / centre) / width) ** 2)
        gain *= 0.05 + bump if rng.random() < 0.5 else 1.05 - bump
    return np.asarray(np.fft.irfft(spectrum * gain, n))


def _gusts(n: int, rng: np.random.Generator) -> Sound:
    """Noise of varying level: wind, waves, passing traffic, applause."""
    rate_hz = np.exp(rng.uniform(np.log(0.3), np.log(12)))
    points = rng.uniform(0.05, 1.0, size=max(4, int(n / SAMPLE_RATE * rate_hz * 2) + 2)) ** rng.uniform(1, 3)
    level = np.interp(np.linspace(0, points.size - 1, n), np.arange(points.size), points)
    return _noise(n, rng) * level


def _harmonics(phase: Sound, *, n: int, decay: float, rng: np.random.Generator) -> Sound:
    """Sum of n harmonics of a phase in radians, weaker by a power of their number, each with a random phase."""
    numbers = np.arange(1, n + 1)
    weights = numbers**-decay * rng.uniform(0.3, 1.0, size=n)
    starts = rng.uniform(0, 2 * np.pi, size=n)
    return np.asarray(sum(w * np.sin(k * phase + s) for k, w, s in zip(numbers, weights, starts, strict=True)))


def _hum(n: int, rng: np.random.Generator) -> Sound:
    """Mains, fans and transformers: harmonics of a steady low frequency."""
    base_hz = rng.choice([50.0, 60.0, 100.0, 120.0, rng.uniform(30, 250)])
    return _harmonics(2 * np.pi * base_hz * _time(n), n=int(rng.integers(2, 20)), decay=rng.uniform(0, 2), rng=rng)


def _engine(n: int, rng: np.random.Generator) -> Sound:
    """Motors and saws: many harmonics of a frequency that drifts and vibrates."""
    points = np.exp(rng.uniform(np.log(25), np.log(300)) + rng.uniform(0, 0.6) * rng.standard_normal(4))
    hz = np.interp(np.linspace(0, 3, n), np.arange(4), points)
    hz = hz * (1 + rng.uniform(0, 0.05) * np.sin(2 * np.pi * rng.uniform(2, 20) * _time(n)))
    phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE
    return _harmonics(phase, n=int(rng.integers(8, 30)), decay=rng.uniform(0.3, 1.5), rng=rng)


def _signals(n: int, rng: np.random.Generator) -> Sound:
    """Beeps, sirens, dialling tones and sweeps, continuous or repeated."""
    t = _time(n)
    low, high = np.exp(rng.uniform(np.log(250), np.log(3500), size=2))
    way = rng.integers(3)
    if way == 0:
        hz = np.full(n, low)
    elif way == 1:
        hz = np.interp(t, [0, t[-1]], [low, high])
    else:
        hz = low + (high - low) * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.3, 6) * t))
    sound = np.sin(2 * np.pi * np.cumsum(hz) / SAMPLE_RATE)
    if rng.random() < 0.4:  # two tones, as a telephone dials
        sound = sound + np.sin(2 * np.pi * rng.uniform(300, 1700) * t)
    if rng.random() < 0.6:
        sound = sound * (np.sin(2 * np.pi * rng.uniform(0.8, 8) * t + rng.uniform(0, 6)) > rng.uniform(-0.5, 0.5))
    return np.asarray(sound)


def _clicks(n: int, rng: np.random.Generator) -> Sound:
    """Keys, footsteps, knocks and crackle: short decaying bursts at regular or random times."""
    sound = np.zeros(n)
    rate = np.exp(rng.uniform(np.log(1.5), np.log(60)))
    regular = rng.random() < 0.4
    decay_s = np.exp(rng.uniform(np.log(0.002), np.log(0.08)))
    for number in range(max(2, int(rate * n / SAMPLE_RATE))):
        start = int(number * SAMPLE_RATE / rate) if regular else int(rng.integers(n))
        length = min(int(6 * decay_s * SAMPLE_RATE) + 1, n - start)
        if length > 8:
            burst = (
                _noise(length, rng)
                if rng.random() < 0.5
                else np.sin(2 * np.pi * np.exp(rng.uniform(np.log(80), np.log(4000))) * _time(length))
            )
            envelope = np.exp(-_time(length) / decay_s)
            sound[start : start + length] += rng.uniform(0.2, 1.0) * burst / _rms(burst) * envelope
    return sound


def _note(hz: float, n: int, rng: np.random.Generator, *, decay_s: float, attack_s: float) -> Sound:
    t = _time(n)
    vibrato = 1 + rng.uniform(0, 0.01) * np.sin(2 * np.pi * rng.uniform(4, 7) * t)
    phase = 2 * np.pi * np.cumsum(hz * vibrato) / SAMPLE_RATE
    n_harmonics = max(1, min(int(rng.integers(2, 14)), int(0.9 * _NYQUIST / hz)))
    tone = _harmonics(phase, n=n_harmonics, decay=rng.uniform(0.5, 2), rng=rng)
    return tone * np.minimum(1, t / attack_s) * np.exp(-t / decay_s)


def _music(n: int, rng: np.random.Generator) -> Sound:
    """Chords and melodies at a steady beat, struck, plucked or held, mostly with drums."""
    beat = int(SAMPLE_RATE * 60 / rng.uniform(60, 180) / rng.choice([1, 2]))
    root_hz = np.exp(rng.uniform(np.log(60), np.log(500)))
    scale = _MINOR if rng.random() < 0.5 else _MAJOR
    decay_s, attack_s = np.exp(rng.uniform(np.log(0.1), np.log(2.0))), rng.choice([0.003, 0.01, 0.08])
    voices = int(rng.integers(1, 4))
    drums = rng.random() < 0.6
    sound = np.zeros(n)
    for start in range(0, n, beat):
        length = min(int(rng.integers(1, 4)) * beat, n - start)
        if length < 64:
            continue
        for _ in range(voices):
            hz = root_hz * 2 ** ((rng.choice(scale) + 12 * rng.integers(0, 2)) / 12)
            sound[start : start + length] += _note(hz, length, rng, decay_s=decay_s, attack_s=attack_s)
        if drums:
            hit = min(beat, length, SAMPLE_RATE // 8)
            burst = _noise(hit, rng) if rng.random() < 0.6 else np.sin(2 * np.pi * rng.uniform(45, 120) * _time(hit))
            sound[start : start + hit] += rng.uniform(0.5, 2) * burst / _rms(burst) * np.exp(-_time(hit) / 0.03)
    return sound


#: Name -> function from a number of samples and a random generator to a sound.
KINDS: dict[str, Callable[[int, np.random.Generator], Sound]] = {
    "noise": _noise,
    "gusts": _gusts,
    "hum": _hum,
    "engine": _engine,
    "signals": _signals,
    "clicks": _clicks,
    "music": _music,
}
