"""What a recording goes through before it is kept: a telephone line, a codec, a recording level."""

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import soxr

from emotone.audio import SAMPLE_RATE, encode_mp3, read
from emotone.augment.transforms import Gain, Transform

_TELEPHONE_RATE = 8_000
_MU = 255.0  # as in North American and Japanese telephone networks


@dataclass(frozen=True)
class Telephone(Transform):
    """A telephone line: 300 to 3400 Hz at 8 kHz, 8-bit mu-law samples, and back to 16 kHz.

    The curve is the continuous function that ITU-T G.711 approximates by segments.
    """

    name: ClassVar[str] = "telephone"
    min_band_hz: float = 300.0
    max_band_hz: float = 3400.0

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        narrow = soxr.resample(waveform, SAMPLE_RATE, _TELEPHONE_RATE, quality="HQ")
        spectrum = np.fft.rfft(narrow)
        hz = np.fft.rfftfreq(narrow.size, 1 / _TELEPHONE_RATE)
        spectrum[(hz < self.min_band_hz) | (hz > self.max_band_hz)] = 0
        line = np.fft.irfft(spectrum, narrow.size)
        peak = max(float(np.abs(line).max()), 1e-9)
        # a telephone adjusts the level; half of full scale is a usual peak
        code = np.round(127 * _compressed(0.5 * line / peak)) / 127
        decoded = _expanded(code) * peak / 0.5
        wide = np.asarray(soxr.resample(decoded, _TELEPHONE_RATE, SAMPLE_RATE, quality="HQ"))
        return wide[: waveform.size]  # an odd length gets an extra sample


def _compressed(samples: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(samples) * np.log1p(_MU * np.abs(samples)) / np.log1p(_MU))


def _expanded(code: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(code) * np.expm1(np.abs(code) * np.log1p(_MU)) / _MU)


@dataclass(frozen=True)
class Mp3(Transform):
    """Encoded as MP3 at a bit rate in kbit/s, and decoded."""

    name: ClassVar[str] = "mp3"
    min_kbit_s: float = 32.0
    max_kbit_s: float = 32.0

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        peak = max(1.0, float(np.abs(waveform).max()))
        content = encode_mp3(waveform / peak, kbit_s=round(rng.uniform(self.min_kbit_s, self.max_kbit_s)))
        return peak * read(io.BytesIO(content))[: waveform.size].astype(np.float64)


@dataclass(frozen=True)
class Level(Gain):
    """Louder or softer, then clipped at full scale and rounded as in a 16-bit recording."""

    name: ClassVar[str] = "level"

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        louder = super()._change(waveform, rng=rng)
        return np.clip(np.round(louder * 32768), -32768, 32767) / 32768
