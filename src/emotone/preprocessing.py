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

from emotone.audio import trimming
from emotone.audio.resampling import SAMPLE_RATE
from emotone.audio.trimming import MIN_DURATION_S
from emotone.errors import ConfigError
from emotone.files import source_digest
from emotone.validation import check_range


@dataclass(frozen=True)
class Preprocessing:
    """Settings of the steps between decoding and feature extraction.

    Attributes
    ----------
    sample_rate
        Sample rate of the waveform, Hz; `emotone.audio.read` resamples to it.
    trim_db
        Remove silence at both ends.  Silence is more than this many dB below the loudest frame.  None: keep it.
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
        check_range("min_duration_s", self.min_duration_s, MIN_DURATION_S, 30, unit="seconds")

    @property
    def min_samples(self) -> int:
        """Samples that trimming leaves at least."""
        return round(self.min_duration_s * self.sample_rate)

    @property
    def key(self) -> str:
        """64 hexadecimal digits that change with every setting and with the code that applies them."""
        text = f"{sorted(asdict(self).items())}|{source_digest(trimming, type(self).apply)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def apply(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the waveform that a model gets.

        Parameters
        ----------
        samples
            (n,) at ``sample_rate``, any gain.

        Returns
        -------
        (m,) of the same type, m <= n: a view of ``samples``.

        Raises
        ------
        AudioError
            ``samples`` is empty, silent, or not finite.
        """
        if self.trim_db is None:
            return samples
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
            ``card["preprocessing"]``.  Cards of older versions lack ``min_duration_s``, which then has its default.
            Without ``trim_db`` nothing is trimmed.
        """
        known = {name: described[name] for name in ("min_duration_s",) if name in described}
        return cls(trim_db=described.get("trim_db"), **known)


#: Preprocessing of models trained with this version.
DEFAULT = Preprocessing()
