"""What happens to a waveform between decoding and a model, as one frozen object.

Training, prediction, the feature store and the model card all read it from here.  To change how silence is trimmed,
change this file: the store then computes features again, and a run that was begun before is not continued.
"""

import hashlib
import inspect
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from emotone.audio import trimming
from emotone.audio.resampling import SAMPLE_RATE
from emotone.errors import ConfigError


@dataclass(frozen=True)
class Preprocessing:
    """Settings of what is done to a waveform before features are computed.

    Attributes
    ----------
    sample_rate
        Of the waveform, Hz; `emotone.audio.read` resamples to it.
    trim_db
        Silence at both ends is removed; it begins this many dB below the loudest frame.  None: nothing is removed.
    min_duration_s
        Shortest waveform that is kept, seconds.

    Raises
    ------
    ConfigError
        A setting is out of range.

    Examples
    --------
    >>> quiet = np.zeros(16_000, np.float32)
    >>> tone = np.sin(np.arange(8000, dtype=np.float32))
    >>> len(Preprocessing().apply(np.concatenate([quiet, tone, quiet])))
    9920
    """

    sample_rate: int = SAMPLE_RATE
    trim_db: float | None = 40.0
    min_duration_s: float = trimming.MIN_DURATION_S

    def __post_init__(self) -> None:
        if self.sample_rate != SAMPLE_RATE:
            raise ConfigError(f"sample_rate is {self.sample_rate}; expected {SAMPLE_RATE} Hz, as recordings are read")
        if self.trim_db is not None and not 0 < self.trim_db < math.inf:
            raise ConfigError(
                f"trim_db is {self.trim_db}; expected a number of dB above 0, or None to keep the silence"
            )
        if not trimming.MIN_DURATION_S <= self.min_duration_s <= 30:
            raise ConfigError(
                f"min_duration_s is {self.min_duration_s}; expected seconds from {trimming.MIN_DURATION_S} to 30"
            )

    @property
    def min_samples(self) -> int:
        """Shortest waveform that is kept, samples."""
        return round(self.min_duration_s * self.sample_rate)

    @property
    def key(self) -> str:
        """64 hexadecimal digits that change with every setting, and with the code that applies them."""
        text = f"{sorted(asdict(self).items())}|{_code()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def apply(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the waveform as a model gets it.

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
        """Return the settings as the model card holds them."""
        return {name: value for name, value in asdict(self).items() if name != "sample_rate"}

    @classmethod
    def from_card(cls, described: Mapping[str, Any]) -> Self:
        """Return the preprocessing that a model card describes.

        Parameters
        ----------
        described
            ``card["preprocessing"]``.  A setting that it lacks is older than the setting, and has today's default;
            without ``trim_db`` nothing is trimmed.
        """
        known = {name: described[name] for name in ("min_duration_s",) if name in described}
        return cls(trim_db=described.get("trim_db"), **known)


@lru_cache(maxsize=1)
def _code() -> str:
    """Return a digest of the source that decides what `Preprocessing.apply` returns."""
    return hashlib.sha256(inspect.getsource(trimming).encode()).hexdigest()


#: What the models of this version are trained with.
DEFAULT = Preprocessing()
