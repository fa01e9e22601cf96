"""Selective prediction: accuracy and coverage above the threshold for "unsure", on test clips.

Threshold and temperatures were chosen on validation clips.  The threshold belongs to the final model, which has one
temperature; the predictions here are calibrated with the temperature of their fold.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from emotone import files, metrics
from emotone.experiment import fold_result
from emotone.experiment.training_set import TrainingSet
from emotone.runs import folder as outputs_folder

TABLE, FIGURE = "risk_coverage.csv", "risk_coverage.png"


def write(
    folder: Path,
    table: pd.DataFrame,
    *,
    training_set: TrainingSet,
    threshold: float,
    protocol: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the risk-coverage curves of validation and test, and return the result of `selective_metrics` for the test.

    ``table``: result of `outputs.predictions`; ``threshold``: that of the final model; ``protocol``: that of
    ``metrics.json``.
    """
    from emotone.report.figures import risk_coverage, vector

    pooled = {
        subset: metrics.risk_coverage(
            *outputs_folder.truth_and_scores(table[table["subset"] == subset], training_set.emotions)
        )
        for subset in fold_result.SUBSETS
    }
    curves = pd.concat(
        [
            pd.DataFrame({"subset": subset, "confidence": x.confidence, "coverage": x.coverage, "risk": x.risk})
            for subset, x in pooled.items()
        ],
        ignore_index=True,
    )
    unsure = selective_metrics(table[table["subset"] == "test"], pooled["test"], threshold=threshold)
    files.write_table(folder / TABLE, curves)
    vector.save_pair(risk_coverage.risk_picture(curves, unsure=unsure, protocol=protocol), folder / "figures" / FIGURE)
    return unsure


def selective_metrics(tested: pd.DataFrame, curve: metrics.RiskCoverage, *, threshold: float) -> dict[str, Any]:
    """Compute accuracy and coverage above and below a threshold.

    Parameters
    ----------
    tested
        One row per prediction: ``emotion``, ``predicted``, ``confidence``.
    curve
        Their risk-coverage curve.

    Returns
    -------
    ``threshold``; ``coverage``, the share of predictions at or above it; ``accuracy_above`` and ``accuracy_below``
    (None without such predictions); ``aurc``, the area under the risk-coverage curve, ``best_aurc``, the same if every
    wrong prediction were less confident than every correct one, and ``e_aurc``, their difference.
    """
    right, above = tested["predicted"] == tested["emotion"], tested["confidence"] >= threshold
    return {
        "threshold": threshold,
        "coverage": float(above.mean()),
        "accuracy_above": float(right[above].mean()) if above.any() else None,
        "accuracy_below": float(right[~above].mean()) if not above.all() else None,
        "aurc": curve.aurc,
        "best_aurc": curve.best_aurc,
        "e_aurc": curve.e_aurc,
    }
