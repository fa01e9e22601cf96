"""Check the arrays that `emotone.metrics` receives."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotone.errors import ConfigError

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def classes(values: ArrayLike, *, name: str) -> Counts:
    """Return class numbers (n,) as int64; raise ConfigError for anything but integers from 0."""
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise ConfigError(f"{name} has shape {array.shape}, expected (n,) with at least one clip")
    if not np.issubdtype(array.dtype, np.integer) or array.min() < 0:
        raise ConfigError(f"{name} holds {array.dtype} from {array.min()}, expected class numbers from 0 (integers)")
    return array.astype(np.int64)


def probabilities(scores: ArrayLike) -> Floats:
    """Return probabilities (n, k) as float64; raise ConfigError if they are not probabilities."""
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise ConfigError(f"scores have shape {array.shape}, expected (clips, classes)")
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise ConfigError(f"scores of {bad.sum()} clips hold NaN or infinity, the first is clip {bad.argmax()}")
    off = (array.min(axis=1) < -1e-6) | (np.abs(array.sum(axis=1) - 1) > 1e-3)
    if off.any():
        row = int(off.argmax())
        worst = f"clip {row} has {array[row].min():.4g} to {array[row].max():.4g}, sum {array[row].sum():.4g}"
        raise ConfigError(f"scores are no probabilities: {worst}; expected values from 0 with sum 1 (apply a softmax)")
    return array


def scored(truth: ArrayLike, scores: ArrayLike) -> tuple[Counts, Floats]:
    """Return classes (n,) and probabilities (n, k) after checking that they fit together."""
    t, s = classes(truth, name="truth"), probabilities(scores)
    if len(t) != len(s):
        raise ConfigError(f"truth has {len(t)} clips and scores {len(s)}; expected one row of scores for each clip")
    if t.max() >= s.shape[1]:
        raise ConfigError(f"truth holds class number {t.max()}, and scores have only {s.shape[1]} columns")
    return t, s


def log_of(probabilities: Floats) -> Floats:
    """Return the logarithm of probabilities, finite at 0."""
    return np.asarray(np.log(np.maximum(probabilities, 1e-12)), dtype=np.float64)  # float32 softmax gives exact zeros


def ratio(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    """Divide element by element; the ratio is 0 where the denominator is 0."""
    return np.asarray(np.where(below > 0, above / np.maximum(below, 1), 0.0), dtype=np.float64)
