"""What the threshold for "unsure" is worth: how often the surest answers are wrong, on clips it was not chosen on.

The threshold is the final model's: of the confidences that one temperature, of all folds' validation answers, gives.
Here it meets the folds' own answers, each calibrated by its fold's own temperature; no test label decided on either.
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
    """Write the risk-coverage curves of validation and test, as a table and a picture.

    Parameters
    ----------
    table
        What `outputs.predictions` returns.
    threshold
        Of `outputs.calibration`, from the validation answers.
    protocol
        The ``protocol`` of ``metrics.json``.

    Returns
    -------
    What `selective_metrics` tells of the test answers.
    """
    from emotone.report.figures import risk_coverage, style

    found = {
        subset: metrics.risk_coverage(
            *outputs_folder.truth_and_scores(table[table["subset"] == subset], training_set.emotions)
        )
        for subset in fold_result.SUBSETS
    }
    curves = pd.concat([_curve(subset, one) for subset, one in found.items()], ignore_index=True)
    told = selective_metrics(table[table["subset"] == "test"], found["test"], threshold=threshold)
    files.write_table(folder / TABLE, curves)
    style.save(risk_coverage.risk_picture(curves, unsure=told, protocol=protocol), folder / "figures" / FIGURE)
    return told


def _curve(subset: str, found: metrics.RiskCoverage) -> pd.DataFrame:
    columns = {"confidence": found.confidence, "coverage": found.coverage, "risk": found.risk}
    return pd.DataFrame({"subset": subset, **columns})


def selective_metrics(tested: pd.DataFrame, found: metrics.RiskCoverage, *, threshold: float) -> dict[str, Any]:
    """Say what a threshold does to answers.

    Parameters
    ----------
    tested
        One row an answer: ``emotion``, ``predicted``, ``confidence``.
    found
        Their risk-coverage curve.

    Returns
    -------
    ``threshold``; ``coverage``, the share of answers at or above it; ``accuracy_above`` and ``accuracy_below`` (None
    where there is no such answer); ``aurc``, the area under the risk-coverage curve, ``best_aurc``, the same if every
    wrong answer were less confident than every right one, and ``e_aurc``, the excess of the one over the other.
    """
    right, above = tested["predicted"] == tested["emotion"], tested["confidence"] >= threshold
    return {
        "threshold": threshold,
        "coverage": float(above.mean()),
        "accuracy_above": float(right[above].mean()) if above.any() else None,
        "accuracy_below": float(right[~above].mean()) if not above.all() else None,
        "aurc": found.aurc,
        "best_aurc": found.best_aurc,
        "e_aurc": found.e_aurc,
    }
