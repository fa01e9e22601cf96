"""Permutation importance of a classic model: the UAR that it loses if a group of features is shuffled among clips.

Breiman, "Random Forests", Machine Learning 45, 2001, section 10.  All columns of a group are permuted together, since
they are correlated.  It is computed for fitted models, and no setting is chosen by it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import files, metrics
from emotone.features.columns import FeatureColumn, by_group

if TYPE_CHECKING:
    from emotone.experiment.fold_result import FoldResult
    from emotone.models.registry import Estimator

TABLE = "importance.csv"
#: How often each group is shuffled, and the greatest number of test clips per fold, which limits the time.
N_REPEATS, MOST_CLIPS = 2, 120


def importance(
    model: "Estimator",
    values: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    columns: Sequence[FeatureColumn],
    n_repeats: int = N_REPEATS,
    most_clips: int = MOST_CLIPS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Compute the decrease in UAR on held-out clips for each group of features.

    Within a repeat, every group is shuffled in the same way, so that the draw causes no difference between groups.

    Parameters
    ----------
    model
        A fitted model.
    values, labels
        (n, d) features and (n,) class numbers of held-out clips, of which at most ``most_clips`` are drawn.
    columns
        The d columns.
    n_repeats
        How often a group is shuffled.
    seed
        Random seed.

    Returns
    -------
    One row per group: ``group``; number of ``features``; number of ``clips``; ``uar`` without shuffling, a share;
    ``drop``, the decrease, mean over repeats; ``drop_low`` and ``drop_high`` over repeats.  A drop may be negative.
    """
    chosen = np.arange(len(labels))
    if len(labels) > most_clips:
        chosen = np.sort(np.random.default_rng(seed).choice(len(labels), size=most_clips, replace=False))
    X, truth = values[chosen], labels[chosen]
    uar = float(_uars(model, X[None], truth)[0])
    orders = [np.random.default_rng([seed, repeat]).permutation(len(X)) for repeat in range(n_repeats)]
    rows = []
    for group, places in by_group(columns).items():
        shuffled = np.repeat(X[None], n_repeats, axis=0)
        for repeat, order in enumerate(orders):
            shuffled[repeat][:, places] = X[np.ix_(order, places)]
        drops = uar - _uars(model, shuffled, truth)
        sizes = {"features": int(places.size), "clips": int(truth.size)}
        spread = {"drop": float(drops.mean()), "drop_low": float(drops.min()), "drop_high": float(drops.max())}
        rows.append({"group": group, **sizes, "uar": uar, **spread})
    return rows


def _uars(model: "Estimator", values: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute (r,) UARs of (r, n, d) features with a single call of the model, which is faster than many."""
    scores = model.predict_proba(values.reshape(-1, values.shape[-1]))
    predicted = model.classes_[scores.argmax(axis=1)].reshape(len(values), -1)
    return np.asarray([metrics.unweighted_average_recall(truth, classes) for classes in predicted])


def write(folder: Path, results: Sequence["FoldResult"]) -> None:
    """Write ``importance.csv``: column ``fold`` and those of `importance`; no file for networks."""
    rows = [{"fold": number, **row} for number, result in enumerate(results, start=1) for row in result.importance]
    if rows:
        files.write_table(folder / TABLE, pd.DataFrame(rows))
