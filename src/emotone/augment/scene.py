"""The transform ``scene``: a clip as another microphone would record it, in another place.

Every copy is a draw of speed, room, silence at the ends, noise, line and level, each with its own chance, so that a
model meets all of them, and none in every copy.  Some copies differ in their speed alone: quiet clips are what most
people record, and a model that seldom meets them gets worse on them.  Noise is stationary, synthesised
(`emotone.augment.nonspeech`) or from a folder of recordings.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from emotone.audio import SAMPLE_RATE, read
from emotone.augment._dsp import band_gain, mel
from emotone.augment.lines import Level, Mp3, Telephone
from emotone.augment.nonspeech import KINDS, synthesised
from emotone.augment.transforms import Room, Speed, Transform, coloured_noise
from emotone.errors import ConfigError, EmotoneError

#: Chance that the place and the microphone stay, and only the speed changes.
_SPEED_ALONE = 0.4
#: Chance of each step in the other copies.
_SPEED, _ROOM, _ENDS, _NOISE, _LINE, _OFFSET = 0.6, 0.4, 0.35, 0.65, 0.3, 0.1
#: Chance that noise is stationary, and that it is recorded if a folder is known.
_STATIONARY, _RECORDED = 0.4, 0.6
_MOST_SILENCE_S = 1.0
_KBIT_S = (16, 24, 32, 48)
_ROOMS = Room(min_decay_s=0.15, max_decay_s=0.9, min_direct_db=-4.0, max_direct_db=10.0)
_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a"})


@dataclass(frozen=True)
class Scene(Transform):
    """Another place and microphone: speed, room, silence at the ends, noise, telephone or codec, offset and level.

    Attributes
    ----------
    min_snr_db, max_snr_db
        Signal-to-noise ratio of noise, dB.
    folder
        Recordings of noise, searched through; None: synthesised noise only.
    """

    name: ClassVar[str] = "scene"
    min_snr_db: float = 0.0
    max_snr_db: float = 25.0
    folder: Path | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite([self.min_snr_db, self.max_snr_db]).all() and self.min_snr_db <= self.max_snr_db):
            raise ConfigError(
                f"scene: min_snr_db={self.min_snr_db}, max_snr_db={self.max_snr_db}; give finite numbers in order"
            )

    @property
    def spec(self) -> str:
        """Name and parameters; of a folder, a digest of the recordings in it."""
        sounds = None if self.folder is None else _digest(self.folder)
        return f"scene(min_snr_db={self.min_snr_db!r},max_snr_db={self.max_snr_db!r},sounds={sounds})"

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < _SPEED_ALONE:
            return Speed()(waveform, rng=rng)
        # Measured before silence is added, so that silence does not change the ratio.
        power = float(np.mean(waveform**2))

        def noisy(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            return self._noisy(samples, power, rng)

        steps: tuple[tuple[float, Callable[[np.ndarray, np.random.Generator], np.ndarray]], ...] = (
            (_SPEED, lambda samples, rng: Speed()(samples, rng=rng)),
            (_ROOM, lambda samples, rng: _ROOMS(samples, rng=rng)),
            (_ENDS, _other_ends),
            (_NOISE, noisy),
            (_LINE, _over_line),
            (_OFFSET, _with_offset),
        )
        for chance, step in steps:
            if rng.random() < chance:
                waveform = step(waveform, rng)
        return Level(-20.0, 3.0)(waveform / max(1.0, float(np.abs(waveform).max())), rng=rng)

    def _noisy(self, waveform: np.ndarray, power: float, rng: np.random.Generator) -> np.ndarray:
        """Add noise to a waveform whose voice has this power."""
        snr_db = rng.uniform(self.min_snr_db, self.max_snr_db)
        if rng.random() < _STATIONARY:
            noise = coloured_noise(waveform.size, slopes=(0.0, 2.0), rng=rng)
        elif self.folder is not None and rng.random() < _RECORDED:
            known = recordings(self.folder)
            noise = excerpt(known[rng.integers(len(known))], waveform.size, rng)
        else:
            kinds = list(KINDS)
            duration_s = max(waveform.size / SAMPLE_RATE, 0.25)
            drawn = synthesised(kinds[rng.integers(len(kinds))], duration_s=duration_s, rng=rng)
            noise = excerpt(drawn, waveform.size, rng)
        level = max(float(np.mean(noise**2)), 1e-12)
        return np.asarray(waveform + noise * np.sqrt(power / level / 10 ** (snr_db / 10)))


def excerpt(noise: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return (size,) samples of a recording from a random place; a short one is repeated."""
    start = int(rng.integers(noise.size))
    return np.take(noise, np.arange(start, start + size), mode="wrap").astype(np.float64)


def _other_ends(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add up to a second of silence at each end, as a careless cut leaves it."""
    before, after = (rng.uniform(0, _MOST_SILENCE_S, size=2) * SAMPLE_RATE).astype(int)
    return np.pad(waveform, (before, after))


def _over_line(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Send the waveform over a telephone, an MP3 codec of few bits, or a microphone that lacks a band."""
    way = rng.integers(3)
    if way == 0:
        return Telephone()(waveform, rng=rng)
    if way == 1:
        kbit_s = float(rng.choice(_KBIT_S))
        return Mp3(kbit_s, kbit_s)(waveform, rng=rng)
    hz = np.fft.rfftfreq(waveform.size, 1 / SAMPLE_RATE)
    cut_hz = float(np.exp(rng.uniform(np.log(2500), np.log(7000))))
    gain = 10 ** (rng.uniform(-8, 8) * np.log2(np.maximum(hz, 60) / 1000) / 3 / 20)
    if rng.random() < 0.5:
        gain = gain * band_gain(hz, low_mel=float(mel(np.array(cut_hz))), high_mel=4000.0)
    return np.fft.irfft(np.fft.rfft(waveform) * gain, waveform.size)


def _with_offset(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add an offset and the hum of the mains."""
    time = np.arange(waveform.size) / SAMPLE_RATE
    peak = max(float(np.abs(waveform).max()), 1e-6)
    hum_hz = rng.choice([50.0, 60.0])
    hum = sum(rng.uniform(0, 1) / n * np.sin(2 * np.pi * n * hum_hz * time + rng.uniform(0, 6)) for n in (1, 2, 3))
    return np.asarray(waveform + peak * (rng.uniform(-0.05, 0.05) + rng.uniform(0, 0.03) * hum))


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise ConfigError(f"{folder} holds no recording of noise; expected a folder of {', '.join(sorted(_SUFFIXES))}")
    return files


@lru_cache(maxsize=4)
def _digest(folder: Path) -> str:
    """Return a SHA-256 of the names and contents of the recordings of a folder."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder)}|".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@lru_cache(maxsize=4)
def recordings(folder: Path) -> list[np.ndarray]:
    """Read the recordings of noise of a folder, (n,) float32 each; those that are silent or can't be read are left out.

    Raises
    ------
    ConfigError
        None is left.
    """
    read_in = []
    for path in _files(folder):
        try:
            samples = read(path)
        except EmotoneError:
            continue
        # Loops of a recording with silence at its ends would be mostly silence.
        loud = np.flatnonzero(np.abs(samples) > 0.05 * np.abs(samples).max())
        if loud.size:
            read_in.append(samples[loud[0] : loud[-1] + 1])
    if not read_in:
        raise ConfigError(f"no recording of {folder} can be read; expected sound that is not silent")
    return read_in
