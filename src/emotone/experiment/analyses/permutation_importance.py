"""What a classic model goes by: the UAR that its test answers lose when a group of features is shuffled among clips.

Breiman, "Random Forests", Machine Learning 45, 2001, section 10, with all columns of a group permuted together, since
a column alone is told by its neighbours.  Nothing is chosen by it: it is read off models that are fitted.
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
#: How often each group is shuffled, and how many test clips of a fold are asked about at most, since each takes time.
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
    """Shuffle each group of features among clips that the model has not learnt from, and see what its UAR loses.

    Within a repeat every group is shuffled in the same way, so that groups differ by themselves and not by the draw.

    Parameters
    ----------
    model
        A fitted model.
    values, labels
        (n, d) features and (n,) class numbers of held-out clips.  Of more than ``most_clips``, that many are drawn.
    columns
        The d columns; those of a group are shuffled together.
    n_repeats
        How often a group is shuffled.
    seed
        Of the draws.

    Returns
    -------
    One row a group: ``group``; ``features``, how many it has; ``clips``; ``uar`` as it is, a share; ``drop``, how much
    less the UAR is with the group shuffled, mean over repeats; ``drop_low`` and ``drop_high`` over repeats.  A drop
    may be below 0.
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
        told = {"group": group, "features": int(places.size), "clips": int(truth.size), "uar": uar}
        rows.append(
            told | {"drop": float(drops.mean()), "drop_low": float(drops.min()), "drop_high": float(drops.max())}
        )
    return rows


def _uars(model: "Estimator", values: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """(r, n, d) features -> (r,) UAR of each; all in one question, since many small ones take longer."""
    scores = model.predict_proba(values.reshape(-1, values.shape[-1]))
    predicted = model.classes_[scores.argmax(axis=1)].reshape(len(values), -1)
    return np.asarray([metrics.unweighted_average_recall(truth, one) for one in predicted])


def write(folder: Path, results: Sequence["FoldResult"]) -> None:
    """Write ``importance.csv``, one row a fold and group; no file where no fold has any.

    Columns ``fold`` and those of `importance`.
    """
    rows = [{"fold": number, **row} for number, result in enumerate(results, start=1) for row in result.importance]
    if rows:
        files.write_table(folder / TABLE, pd.DataFrame(rows))
