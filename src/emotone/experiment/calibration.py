"""Temperature and threshold of the final model, from the validation predictions of all folds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import metrics
from emotone.experiment.fold_result import FoldResult
from emotone.experiment.training_set import TrainingSet
from emotone.recognition.temperature import Temperature

#: The share of validation predictions, the least confident ones, that the final model calls "unsure".
UNSURE_SHARE = 0.1
#: How much more probable than by chance the emotion of an answer has to be: below that, all are about the same.
ABOVE_CHANCE = 0.05
_FLOOR = 1e-12  # lower limit of a probability before its logarithm, as in the graph


def calibration(
    results: Sequence[FoldResult],
    training_set: TrainingSet,
    *,
    temperature: Temperature | None = None,
    threshold: float | None = None,
) -> dict[str, Any]:
    """Choose temperature and threshold of the final model on the validation predictions of all folds.

    Parameters
    ----------
    temperature, threshold
        If they were chosen on other answers; then the rest is measured with them.

    Returns
    -------
    ``temperature``; ``threshold``, the quantile `UNSURE_SHARE` of the confidences, rounded down to thousandths, and at
    least `least_threshold`, so that a model whose probabilities hardly differ is unsure;
    ``coverage``, the share of predictions at or above it; ``accuracy_above`` and ``accuracy_below`` (None if there
    is no such prediction); ``ece``; ``n_predictions``.
    """
    truth = np.concatenate([training_set.labels[result.validation_rows] for result in results])
    raw = np.concatenate([result.validation_scores for result in results])
    temperature = temperature or _constant(metrics.fit_temperature(raw, truth))
    distance = np.concatenate([_distance(result) for result in results])
    divisor = temperature.at(distance, share=0.0)[:, None]
    scores = metrics.softmax(np.log(np.maximum(raw, _FLOOR)) / divisor)
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    # rounded, so that the last bit does not decide if a model is always sure; down, so that it is below 1
    if threshold is None:
        quantile = float(np.ceil(1000 * np.quantile(confidence, UNSURE_SHARE)) - 1) / 1000
        threshold = max(least_threshold(scores.shape[1]), quantile)
    above = confidence >= threshold
    return {
        **temperature.to_card(),
        "threshold": threshold,
        "coverage": float(above.mean()),
        "accuracy_above": float(right[above].mean()) if above.any() else None,
        "accuracy_below": float(right[~above].mean()) if not above.all() else None,
        "ece": metrics.expected_calibration_error(truth, scores),
        "n_predictions": int(truth.size),
    }


def least_threshold(n_emotions: int) -> float:
    """Return the least confidence of an answer that is not "unsure": `ABOVE_CHANCE` above that of guessing.

    Examples
    --------
    >>> least_threshold(2), least_threshold(8)
    (0.55, 0.175)
    """
    return round(1 / n_emotions + ABOVE_CHANCE, 3)


def _constant(temperature: float) -> Temperature:
    return Temperature(plain=temperature, adapted=temperature)


def _distance(result: FoldResult) -> NDArray[np.float64]:
    """Return the distances of the validation clips; 1 for models that measure none."""
    known = result.validation_distance
    return known if len(known) == len(result.validation_rows) else np.ones(len(result.validation_rows))
