"""Temperature and threshold of the final model, from the validation predictions of all folds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emotone import metrics
from emotone.experiment.fold_result import FoldResult
from emotone.experiment.training_set import TrainingSet

#: The share of validation predictions, the least confident ones, that the final model calls "unsure".
UNSURE_SHARE = 0.1


def calibration(results: Sequence[FoldResult], training_set: TrainingSet) -> dict[str, Any]:
    """Choose temperature and threshold of the final model on the validation predictions of all folds.

    Returns
    -------
    ``temperature``; ``threshold``, the quantile `UNSURE_SHARE` of the confidences, rounded down to thousandths;
    ``coverage``, the share of predictions at or above it; ``accuracy_above`` and ``accuracy_below`` (None if no
    prediction is below); ``ece``; ``n_predictions``.
    """
    truth = np.concatenate([training_set.labels[result.validation_rows] for result in results])
    raw = np.concatenate([result.validation_scores for result in results])
    temperature = metrics.fit_temperature(raw, truth)
    scores = metrics.apply_temperature(raw, temperature)
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    # rounded, so that the last bit does not decide if a model is always sure; down, so that it is below 1
    threshold = max(0.0, float(np.ceil(1000 * np.quantile(confidence, UNSURE_SHARE)) - 1) / 1000)
    above = confidence >= threshold
    return {
        "temperature": temperature,
        "threshold": threshold,
        "coverage": float(above.mean()),
        "accuracy_above": float(right[above].mean()),
        "accuracy_below": float(right[~above].mean()) if not above.all() else None,
        "ece": metrics.expected_calibration_error(truth, scores),
        "n_predictions": int(truth.size),
    }
