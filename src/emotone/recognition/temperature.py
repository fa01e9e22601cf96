"""The temperature of a model's answers: how much a probability is lowered before it is shown.

A model is right less often on voices and rooms that are unlike those of training.  So the temperature rises with the
distance of a clip's embedding from the training clips.  After adaptation to a speaker the model is right more often,
and then has another temperature.

References
----------
C. Guo et al., On calibration of modern neural networks, ICML 2017 (temperature scaling).
K. Lee et al., A simple unified framework for detecting out-of-distribution samples, NeurIPS 2018 (Mahalanobis
distance).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from emotone.errors import ConfigError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Temperature:
    """Temperatures, all above 0: scores are softmax(log p / temperature).

    Attributes
    ----------
    plain
        Of a clip whose speaker is unknown, at the usual distance of a training clip or nearer.
    per_distance
        How much of it is added for each such distance further away, 0 or more.
    adapted
        After adaptation to many clips.  In between, the logarithm is interpolated.

    Examples
    --------
    >>> Temperature(1.0, 0.5, 0.8).at(np.array([0.9, 1.0, 2.0]), share=0.0).tolist()
    [1.0, 1.0, 1.5]
    """

    plain: float = 1.0
    per_distance: float = 0.0
    adapted: float = 1.0

    def __post_init__(self) -> None:
        values = (self.plain, self.adapted, self.per_distance)
        if not (np.isfinite(values).all() and min(self.plain, self.adapted) > 0 and self.per_distance >= 0):
            raise ConfigError(
                f"temperatures are {self.plain} and {self.adapted}, and {self.per_distance} for each distance; "
                "expected finite numbers above 0, the last 0 or more"
            )

    @classmethod
    def from_card(cls, calibration: Mapping[str, Any]) -> Self:
        """Return the temperature of a card's ``calibration``; without the other keys it is the same for all clips."""
        plain = float(calibration.get("temperature", 1.0))
        per_distance = float(calibration.get("per_distance", 0.0))
        return cls(plain, per_distance, float(calibration.get("adapted_temperature", plain)))

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for all clips."""
        return self.per_distance == 0 and self.adapted == self.plain

    def to_card(self) -> dict[str, float]:
        """Return what `from_card` reads."""
        more = {"per_distance": self.per_distance, "adapted_temperature": self.adapted}
        return {"temperature": self.plain} | ({} if self.is_constant else more)

    def at(self, distance: Array, *, share: float) -> Array:
        """Return the temperature (n,) of clips.

        Parameters
        ----------
        distance
            (n,) of the embeddings from training clips, whose mean is 1.
        share
            Of the adapted head in the answer, in [0, 1].
        """
        plain = self.plain * (1 + self.per_distance * np.maximum(0, distance - 1))
        return np.asarray(plain ** (1 - share) * self.adapted**share)
