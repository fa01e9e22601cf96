"""Changes of test clips for ``benchmarks/conditions.py``: recorded noise, and a measured room."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from emotone import audio
from emotone.augment.scene import excerpt, recordings
from emotone.augment.transforms import Transform


@dataclass(frozen=True)
class _OfFolder(Transform):
    """A transform with the recordings of a folder, and a number that is no end of a range."""

    folder: str = ""

    def __post_init__(self) -> None:
        """Check nothing: the transforms have no ranges."""


@dataclass(frozen=True)
class RecordedNoise(_OfFolder):
    """Recorded noise of a folder, of a random recording, at a signal-to-noise ratio in dB."""

    name: ClassVar[str] = "recorded"
    snr_db: float = 10.0

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        known = recordings(Path(self.folder))
        noise = excerpt(known[rng.integers(len(known))], waveform.size, rng)
        power = max(float(np.mean(noise**2)), 1e-12)
        return np.asarray(waveform + noise * np.sqrt(np.mean(waveform**2) / power / 10 ** (self.snr_db / 10)))


@dataclass(frozen=True)
class MeasuredRoom(_OfFolder):
    """Convolution with a random impulse response of a folder; half a second of its tail is kept."""

    name: ClassVar[str] = "measured-room"
    tail_s: float = 0.5

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        known = _responses(self.folder)
        wet = np.convolve(waveform, known[rng.integers(len(known))])
        wet = wet[: waveform.size + round(self.tail_s * audio.SAMPLE_RATE)]
        return wet * np.sqrt(np.mean(waveform**2) / max(float(np.mean(wet**2)), 1e-12))


@lru_cache(maxsize=2)
def _responses(folder: str) -> list[np.ndarray]:
    """Read impulse responses of one ear, (n,) each."""
    return [audio.read(path, channel="left").astype(np.float64) for path in sorted(Path(folder).iterdir())]
