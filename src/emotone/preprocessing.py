"""What happens to a waveform between decoding and a model, as one frozen object.

Training, prediction, the feature store and the model card all use it.  If you change how silence is trimmed, change
`emotone.audio.trimming` and this file.  The store then computes features again, and an unfinished run starts anew.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from emotone.audio import filters, level, speech_bounds, speech_detector, tones, trimming
from emotone.audio.resampling import SAMPLE_RATE
from emotone.audio.trimming import MIN_DURATION_S
from emotone.errors import AudioError, ConfigError
from emotone.files import source_digest
from emotone.validation import check_range

#: Values of `Preprocessing.trim`.
TRIMS = ("sound", "speech")
_CODE = (filters, level, speech_bounds, speech_detector, tones, trimming)


@dataclass(frozen=True)
class Preprocessing:
    """Settings of the steps between decoding and feature extraction.

    Attributes
    ----------
    sample_rate
        Sample rate of the waveform, Hz; `emotone.audio.read` resamples to it.
    high_pass_hz
        Remove frequencies below this, 20 to 300 Hz: offset, hum, rumble.  None: keep them.
    trim
        What is kept between both ends: "sound" (all that is loud enough) or "speech" (without clicks, beeps and steady
        noise, see `emotone.audio.speech_bounds`).
    trim_db
        For "sound", remove silence at both ends.  Silence is more than this many dB below the loudest frame.
        None: keep it.
    min_duration_s
        Trimming leaves at least this much of a waveform, seconds.

    Raises
    ------
    ConfigError
        A setting is out of range.

    Examples
    --------
    >>> quiet = np.zeros(16_000, np.float32)
    >>> tone = np.sin(np.arange(8000, dtype=np.float32))
    >>> len(Preprocessing().apply(np.concatenate([quiet, tone, quiet])))
    10160
    """

    sample_rate: int = SAMPLE_RATE
    high_pass_hz: float | None = None
    trim: str = "sound"
    trim_db: float | None = 40.0
    min_duration_s: float = MIN_DURATION_S

    def __post_init__(self) -> None:
        if self.sample_rate != SAMPLE_RATE:
            raise ConfigError(f"sample_rate is {self.sample_rate}; expected {SAMPLE_RATE} Hz, as recordings are read")
        numbers = [self.min_duration_s] + ([] if self.trim_db is None else [self.trim_db])
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers):
            raise ConfigError(
                f"trim_db is {self.trim_db!r} and min_duration_s is {self.min_duration_s!r}; expected numbers"
            )
        if self.trim_db is not None and not 0 < self.trim_db <= 200:
            raise ConfigError(
                f"trim_db is {self.trim_db}; expected dB above 0 and up to 200, or None to keep the silence"
            )
        if self.trim not in TRIMS:
            raise ConfigError(f"trim is {self.trim!r}; expected {' or '.join(TRIMS)}")
        if self.trim == "speech" and self.trim_db is None:
            raise ConfigError("trim is 'speech' with trim_db None, which keeps all; expected trim 'sound' with it")
        if self.high_pass_hz is not None:
            check_range("high_pass_hz", self.high_pass_hz, 20, 300, unit="Hz")
        check_range("min_duration_s", self.min_duration_s, MIN_DURATION_S, 30, unit="seconds")

    @property
    def min_samples(self) -> int:
        """Samples that trimming leaves at least."""
        return round(self.min_duration_s * self.sample_rate)

    @property
    def key(self) -> str:
        """64 hexadecimal digits that change with every setting and with the code that applies them."""
        text = f"{sorted(asdict(self).items())}|{source_digest(*_CODE, type(self).apply)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def apply(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the waveform that a model gets.

        Parameters
        ----------
        samples
            (n,) at ``sample_rate``, any gain.

        Returns
        -------
        (m,) of the same type, m <= n: a view of ``samples``, or of a filtered copy.

        Raises
        ------
        AudioError
            ``samples`` are empty or not finite, or silent while they are trimmed to the sound.
        """
        if samples.ndim != 1 or not samples.size:
            raise AudioError(f"samples of shape {samples.shape} can't be prepared; give (n,) with n of at least 1")
        if not np.isfinite(samples).all():
            raise AudioError("samples that are infinite or not a number can't be prepared; give finite ones")
        if self.high_pass_hz is not None:
            samples = filters.high_pass(samples, self.high_pass_hz)
        if self.trim_db is None:
            return samples
        if self.trim == "speech":
            begin, end = speech_bounds.speech_bounds(
                samples, is_speech=speech_detector.is_speech, min_samples=self.min_samples
            )
            return samples[begin:end]
        return trimming.trim_silence(samples, threshold_db=self.trim_db, min_duration_s=self.min_duration_s)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that a model card holds."""
        return {name: value for name, value in asdict(self).items() if name != "sample_rate"}

    @classmethod
    def from_card(cls, described: Mapping[str, Any]) -> Self:
        """Return the preprocessing that a model card describes.

        Parameters
        ----------
        described
            ``card["preprocessing"]``.  Cards of older versions lack some keys, which then have their defaults.
            Without ``trim_db`` nothing is trimmed.
        """
        known = {name: described[name] for name in ("min_duration_s", "high_pass_hz", "trim") if name in described}
        return cls(trim_db=described.get("trim_db"), **known)


#: Preprocessing of models, unless their training names another one (``trim`` of `emotone.experiment.Config`).
DEFAULT = Preprocessing()
#: For recordings with offset, hum, clicks, beeps and noise; docs/results.md, "Real recordings", compares the two.
ROBUST = Preprocessing(high_pass_hz=70.0, trim="speech")
