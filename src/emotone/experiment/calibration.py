"""Temperature and threshold of the final model, from the validation answers of all folds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emotone import metrics
from emotone.experiment.fold_result import FoldResult
from emotone.experiment.training_set import TrainingSet

#: The share of validation answers, the least certain ones, that the final model calls "unsure".
UNSURE_SHARE = 0.1


def calibration(results: Sequence[FoldResult], training_set: TrainingSet) -> dict[str, Any]:
    """Temperature and threshold of the final model, from the validation predictions of all folds.

    Returns
    -------
    ``temperature``; ``threshold``, the confidence under which the least certain `UNSURE_SHARE` of the validation
    answers lie, rounded down to thousandths; ``coverage``, the share of answers at or above it; ``accuracy_above`` and
    ``accuracy_below`` (None where no answer is below); ``ece``; ``n_predictions``.
    """
    truth = np.concatenate([training_set.labels[result.validation_rows] for result in results])
    raw = np.concatenate([result.validation_scores for result in results])
    temperature = metrics.fit_temperature(raw, truth)
    scores = metrics.apply_temperature(raw, temperature)
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    # Rounded, so that an answer doesn't hang on the last bit where a model is always sure; down, so that 1 is none.
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
