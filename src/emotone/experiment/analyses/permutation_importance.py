"""What a classic model goes by: the UAR that its test answers lose when a group of features is shuffled among clips.

Breiman, "Random Forests", Machine Learning 45, 2001, section 10, with all columns of a group permuted together, since
a column alone is told by its neighbours.  Nothing is chosen by it: it is read off models that are fitted.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import files, metrics

if TYPE_CHECKING:
    from emotone.experiment.fold_result import FoldResult
    from emotone.models.registry import Estimator

TABLE = "importance.csv"
#: How often each group is shuffled, and how many test clips of a fold are asked about at most, since each takes time.
N_REPEATS, MOST_CLIPS = 2, 120
OTHER = "other"
#: Group -> what its features' names begin with, in lower case: those of `emotone.features.functionals`, and
#: openSMILE's in eGeMAPS and ComParE.  The first that fits is taken.
_PATTERNS = {
    "MFCC": r"mfcc",
    "mel bands": r"(log)?mel\d|band\d|audspec_rfilt",
    "chroma": r"chroma\d",
    "spectral contrast": r"contrast\d",
    "pitch": r"pitch|f0",
    "rhythm": r"rhythm|(mean|stddev)(un)?voicedsegment|voicedsegmentspersec|loudnesspeakspersec",
    "energy": r"level(-delta2?)?_|loudness_|equivalentsoundlevel|pcm_rmsenergy|audspec(rasta)?_lengthl1norm",
    "voice quality": r"aperiodicity|jitter|shimmer|(log)?hnr|voicingfinal|logrelf0-h1",
    "formants": r"f[123](frequency|bandwidth|amplitude)",
    "spectral shape": (
        r"level-|centroid|bandwidth|rolloff|zcr|alpharatio|hammarberg|slope|spectralflux|pcm_fftmag|pcm_zcr"
    ),
}
#: A column of a pretrained encoder, see `emotone.features.encoders.pooling.columns`: encoder and layer are its group.
_ENCODER = re.compile(r"(.+-\d+)-(mean|std|max|min)-\d+$")


def group_of(name: str) -> str:
    """Name the group of descriptors that a feature belongs to; "other" where no rule knows it.

    Examples
    --------
    >>> [group_of(name) for name in ("mfcc03-delta_std", "level_q95", "level-low_mean", "whisper-base-3-mean-17")]
    ['MFCC', 'energy', 'spectral shape', 'whisper-base-3']
    >>> [group_of(name) for name in ("F0semitoneFrom27.5Hz_sma3nz_amean", "F1frequency_sma3nz_amean")]
    ['pitch', 'formants']
    """
    encoder = _ENCODER.match(name)
    if encoder:
        return encoder[1]
    lower = name.lower()
    return next((group for group, pattern in _PATTERNS.items() if re.match(pattern, lower)), OTHER)


def groups_of(names: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Group the columns by `group_of`: group -> its columns, ascending, in the order in which groups appear."""
    found: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        found.setdefault(group_of(name), []).append(column)
    return {group: np.asarray(columns, dtype=np.int64) for group, columns in found.items()}


def importance(
    model: "Estimator",
    values: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    names: Sequence[str],
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
    names
        The d names of the features.
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
    for group, columns in groups_of(names).items():
        shuffled = np.repeat(X[None], n_repeats, axis=0)
        for place, order in enumerate(orders):
            shuffled[place][:, columns] = X[np.ix_(order, columns)]
        drops = uar - _uars(model, shuffled, truth)
        told = {"group": group, "features": int(columns.size), "clips": int(truth.size), "uar": uar}
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
