"""What may happen to a recording before a recogniser hears it: noise, a telephone, a codec, a badly set level.

Each condition is an `emotone.augment.Transform` with nothing left to chance but the noise itself.  They are for tests:
a model is asked about clips that went through one.  What goes through is the clip as a model hears it, the silence at
its ends trimmed; so the noise is measured against the voice alone.
"""

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import soxr

from emotone.audio import SAMPLE_RATE, encode_mp3, read
from emotone.augment.transforms import Gain, Noise, Transform
from emotone.errors import ConfigError

_TELEPHONE_RATE = 8_000
_MU = 255.0  # of North American and Japanese telephone networks
#: Stands for every condition.
ALL = "all"


@dataclass(frozen=True)
class Telephone(Transform):
    """A telephone line: 300 to 3400 Hz at 8 kHz, 8 bits of mu-law a sample, and back to 16 kHz.

    The curve is the continuous one that the chords of ITU-T G.711 approximate.
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
        # a telephone sets its own level; half of full scale is a usual peak
        code = np.round(127 * _compressed(0.5 * line / peak)) / 127
        heard = _expanded(code) * peak / 0.5
        wide = np.asarray(soxr.resample(heard, _TELEPHONE_RATE, SAMPLE_RATE, quality="HQ"))
        return wide[: waveform.size]  # an odd length comes back with a sample more


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
    """Louder or softer as a 16-bit recording is: clipped at full scale, rounded to its steps."""

    name: ClassVar[str] = "level"

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        louder = super()._change(waveform, rng=rng)
        return np.clip(np.round(louder * 32768), -32768, 32767) / 32768


def _noise(snr_db: float) -> Transform:
    return Noise(min_snr_db=snr_db, max_snr_db=snr_db)


#: Name -> what a test clip goes through.  Noise is between white and pink, at so many dB under the voice.
CONDITIONS: dict[str, Transform] = {
    "noise-20": _noise(20.0),
    "noise-10": _noise(10.0),
    "noise-5": _noise(5.0),
    "noise-0": _noise(0.0),
    "telephone": Telephone(),
    "mp3-32": Mp3(),
    "gain+20": Level(20.0, 20.0),
    "gain-20": Level(-20.0, -20.0),
}


def parse(names: tuple[str, ...]) -> tuple[str, ...]:
    """Settle names of conditions: each once, in the order of `CONDITIONS`; ``"all"`` stands for every one.

    Raises
    ------
    ConfigError
        A name is unknown.

    Examples
    --------
    >>> parse(("telephone", "noise-10"))
    ('noise-10', 'telephone')
    """
    for name in names:
        if name != ALL and name not in CONDITIONS:
            raise ConfigError(f"unknown condition {name!r}; known: {', '.join(CONDITIONS)}, {ALL}")
    return tuple(name for name in CONDITIONS if name in names or ALL in names)
