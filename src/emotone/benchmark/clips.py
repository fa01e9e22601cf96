"""Sounds to measure with where no recordings are named."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]
RATE = 48_000
SECONDS = 4.0
_N_CLIPS = 6
#: Silence before and after the voice, as in the clips of most corpora: seconds.
_BEFORE_S, _AFTER_S = 0.6, 0.8


def write_clips(folder: Path, *, seconds: float = SECONDS, n: int = _N_CLIPS) -> list[Path]:
    """Write clips that sound like a voice, 48 kHz WAV of 16 bits, and return their paths.

    A pulse train whose pitch moves goes through resonances like those of vowels, in syllables; a third of each clip is
    silence before and after it, which is soft noise.
    """
    paths = []
    for number in range(n):
        samples = _clip(np.random.default_rng(number), round(seconds * RATE))
        paths.append(folder / f"clip_{number + 1}.wav")
        with wave.open(str(paths[-1]), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((32767 * samples).astype("<i2").tobytes())
    return paths


def _clip(rng: np.random.Generator, n: int) -> Samples:
    time = np.arange(n) / RATE
    pitch = rng.uniform(100, 220) * 2 ** (0.3 * np.sin(2 * np.pi * rng.uniform(0.3, 0.8) * time))
    turns = np.cumsum(pitch) / RATE
    voice = np.diff(np.floor(turns), prepend=0.0)
    for centre in rng.uniform((300, 900, 2200), (800, 2000, 3000)):
        voice = _resonance(voice, centre)
    syllables = np.clip(np.sin(np.pi * rng.uniform(3, 5) * time) ** 2, 0.02, 1)
    scale = n / (SECONDS * RATE)  # of short clips, the silence is shorter as well
    sounding = (time > scale * _BEFORE_S) & (time < time[-1] - scale * _AFTER_S)
    samples = voice / np.abs(voice).max() * syllables * sounding
    clipped: Samples = np.clip(0.5 * samples + 0.0005 * rng.normal(size=n), -1, 1)
    return clipped


def _resonance(samples: Samples, centre_hz: float, width_hz: float = 120.0) -> Samples:
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    response = 1 / (1 - (frequency / centre_hz) ** 2 + 1j * width_hz * frequency / centre_hz**2)
    return np.fft.irfft(np.fft.rfft(samples) * response, len(samples))
