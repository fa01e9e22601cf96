"""Measure calibration, and correct it with temperature scaling."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from emotone.errors import ConfigError
from emotone.metrics._arrays import Floats, log_of, probabilities, ratio, scored


def reliability(truth: ArrayLike, scores: ArrayLike, *, n_bins: int = 15) -> dict[str, Floats]:
    """Return confidence and accuracy in equal-width bins of the confidence, for a reliability diagram.

    Bin m holds the clips whose largest score lies in (m / n_bins, (m + 1) / n_bins].

    Returns
    -------
    ``confidence`` (mean largest score), ``accuracy`` and ``count``, each (n_bins,); 0 where the bin is empty.

    Examples
    --------
    >>> reliability([0, 1], [[0.9, 0.1], [0.6, 0.4]], n_bins=2)["accuracy"].tolist()
    [0.0, 0.5]
    """
    t, s = scored(truth, scores)
    confidence, hit = s.max(axis=1), s.argmax(axis=1) == t
    # Rounding first: 0.55 * 100 is 55.00000000000001 in floats, and belongs in the bin that ends at 55 / 100.
    bins = np.clip(np.ceil(np.round(confidence * n_bins, 9)).astype(np.int64) - 1, 0, n_bins - 1)
    count = np.bincount(bins, minlength=n_bins).astype(np.float64)
    return {
        "confidence": ratio(np.bincount(bins, weights=confidence, minlength=n_bins), count),
        "accuracy": ratio(np.bincount(bins, weights=hit, minlength=n_bins), count),
        "count": count,
    }


def expected_calibration_error(truth: ArrayLike, scores: ArrayLike, *, n_bins: int = 15) -> float:
    """Return the expected calibration error: sum_m |B_m| / n * |accuracy(B_m) - confidence(B_m)|.

    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, equation 3 (15 bins).

    Examples
    --------
    >>> expected_calibration_error([0, 0, 0, 1], [[0.75, 0.25]] * 4)
    0.0
    """
    bins = reliability(truth, scores, n_bins=n_bins)
    gap = np.abs(bins["accuracy"] - bins["confidence"])
    return float((bins["count"] * gap).sum() / bins["count"].sum())


def fit_temperature(scores: ArrayLike, truth: ArrayLike) -> float:
    """Find the temperature T in [0.05, 20] at which softmax(log p / T) has the least negative log-likelihood.

    Temperature scaling of Guo et al. 2017, section 4.2; T > 1 if the model is overconfident.  The
    likelihood is convex in 1 / T, so golden-section search on log T finds its only minimum.

    Examples
    --------
    >>> sure = [[0.99, 0.01]] * 4
    >>> T = fit_temperature(sure, [0, 0, 0, 1])
    >>> apply_temperature(sure, T)[0].round(3).tolist()
    [0.75, 0.25]
    """
    t, s = scored(truth, scores)
    logits = log_of(s)

    def loss(log_t: float) -> float:
        z = logits * math.exp(-log_t)
        z = z - z.max(axis=1, keepdims=True)
        return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(t.size), t]).mean())

    return math.exp(golden_section(loss, low=math.log(0.05), high=math.log(20.0)))


def apply_temperature(scores: ArrayLike, temperature: float) -> Floats:
    """Return softmax(log p / T), row by row: (n, k) probabilities in, (n, k) probabilities out.

    Examples
    --------
    >>> apply_temperature([[0.8, 0.2]], 2.0).round(4).tolist()
    [[0.6667, 0.3333]]
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise ConfigError(f"temperature is {temperature}, expected a finite number above 0")
    return softmax(log_of(probabilities(scores)) / temperature)


def softmax(logits: ArrayLike) -> Floats:
    """Return the softmax over the last axis.

    Examples
    --------
    >>> softmax([[0.0, 0.0]]).tolist()
    [[0.5, 0.5]]
    """
    z = np.asarray(logits, dtype=np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def golden_section(function: Callable[[float], float], *, low: float, high: float) -> float:
    """Find the minimum of a unimodal function between ``low`` and ``high``, to 1e-7."""
    ratio = (math.sqrt(5) - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = function(a), function(b)
    while high - low > 1e-7:
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = function(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = function(b)
    return (low + high) / 2
