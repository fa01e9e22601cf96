"""Scores of predictions: pure functions of class numbers and probabilities, numpy only.

Shapes throughout: ``truth`` (n,) and ``predicted`` (n,) int class numbers, ``scores`` (n, k) probabilities, and
``speakers`` (n,) names.  Rates lie in [0, 1].  A class without clips in ``truth`` has no recall,
and the unweighted average recall leaves it out.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotone.errors import ConfigError
from emotone.metrics._arrays import Counts, Floats, classes, ratio, scored
from emotone.metrics._bootstrap import Interval, interval, owners, resampled
from emotone.metrics.calibration import expected_calibration_error
from emotone.metrics.names import ScoreName


def confusion(truth: ArrayLike, predicted: ArrayLike, *, n_classes: int | None = None) -> Counts:
    """Return the confusion matrix: ``[t, p]`` counts the clips of class t that were predicted as class p.

    Parameters
    ----------
    truth, predicted
        (n,) class numbers, n >= 1.
    n_classes
        Size k of the matrix; None: the largest number that occurs, plus one.

    Returns
    -------
    (k, k) counts, rows are the truth.

    Raises
    ------
    ConfigError
        The arrays are empty, differ in shape, or hold anything but class numbers in [0, k).

    Examples
    --------
    >>> confusion([0, 0, 1], [0, 1, 1]).tolist()
    [[1, 1], [0, 1]]
    """
    t, p = classes(truth, name="truth"), classes(predicted, name="predicted")
    if t.shape != p.shape:
        raise ConfigError(f"truth has {t.size} clips and predicted {p.size}; expected one prediction for each clip")
    largest = int(max(t.max(), p.max()))
    k = largest + 1 if n_classes is None else n_classes
    if largest >= k:
        raise ConfigError(f"class number {largest} found, expected numbers below n_classes = {k}")
    return np.bincount(t * k + p, minlength=k * k).reshape(k, k).astype(np.int64)


def accuracy(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Return the share of right predictions: trace(C) / sum(C), C the confusion matrix.

    Examples
    --------
    >>> accuracy([0, 0, 0, 1], [0, 0, 1, 1])
    0.75
    """
    return float(_accuracy(confusion(truth, predicted)))


def unweighted_average_recall(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Return the unweighted average recall (UAR, balanced accuracy): 1/K sum_c C[c, c] / sum_p C[c, p].

    K counts the classes that occur in ``truth``.  The customary measure of emotion recognition, since corpora are
    unbalanced: Schuller, Steidl, Batliner, "The INTERSPEECH 2009 Emotion Challenge", Interspeech 2009.

    Examples
    --------
    >>> unweighted_average_recall([0, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    return float(_uar(confusion(truth, predicted)))


def macro_f1(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Return the mean over classes of F1 = 2 TP / (2 TP + FP + FN).

    Over the classes that occur in ``truth`` or ``predicted``.  The mean of F1 scores, not the F1 of mean precision and
    recall: Opitz and Burst, "Macro F1 and Macro F1", arXiv:1911.03347.

    Examples
    --------
    >>> macro_f1([0, 0, 1, 1], [0, 0, 1, 0])  # F1 of the classes: 4/5 and 2/3
    0.7333333333333334
    """
    return float(_macro_f1(confusion(truth, predicted)))


def per_class(truth: ArrayLike, predicted: ArrayLike, *, n_classes: int | None = None) -> dict[str, Floats]:
    """Return precision, recall, F1 and support of each class.

    Returns
    -------
    ``precision``, ``recall``, ``f1`` and ``support`` (clips in truth), each (k,).  A ratio without a denominator
    (precision of a class never predicted, recall of a class without clips) is 0; the support shows which case it is.

    Examples
    --------
    >>> per_class([0, 0, 1], [0, 1, 1])["recall"].tolist()
    [0.5, 1.0]
    """
    counts = confusion(truth, predicted, n_classes=n_classes)
    hits, support, taken = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    return {
        "precision": ratio(hits, taken),
        "recall": ratio(hits, support),
        "f1": ratio(2 * hits, support + taken),
        "support": support.astype(np.float64),
    }


def bootstrap_intervals(
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    speakers: Sequence[str] | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return percentile bootstrap intervals of accuracy, UAR and macro F1, over speakers.

    Clips of one speaker resemble each other, so whole speakers are drawn with replacement (cluster bootstrap: Davison
    and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8); an interval over clips would be too
    narrow.  If a resample misses a class, its UAR is the mean over the classes that it contains.  With few speakers
    (below about ten) the interval is still somewhat too narrow.

    Parameters
    ----------
    speakers
        (n,) names.  None, an empty name among them, or a single speaker: clips are drawn, and ``unit`` says so.
    level
        Coverage, in (0, 1).

    Examples
    --------
    >>> bootstrap_intervals([0, 1, 0, 1], [0, 1, 0, 1], speakers=["a", "a", "b", "b"])["uar"]
    {'low': 1.0, 'high': 1.0, 'unit': 'speaker'}
    """
    if not 0 < level < 1 or n_resamples < 1:
        raise ConfigError(f"level is {level} and n_resamples {n_resamples}; expected a level in (0, 1) and 1 or more")
    t, p = classes(truth, name="truth"), classes(predicted, name="predicted")
    total = confusion(t, p)
    k = len(total)
    owner = owners(speakers, n_clips=t.size)
    if owner is None:  # drawing clips is drawing cells of the confusion matrix
        rows, copies = np.eye(k * k, dtype=np.int64), total.ravel()
    else:
        rows = np.zeros((owner.max() + 1, k * k), dtype=np.int64)
        np.add.at(rows, (owner, t * k + p), 1)
        copies = np.ones(len(rows), dtype=np.int64)
    drawn = resampled(rows, copies, n_resamples=n_resamples, seed=seed).reshape(-1, k, k)
    unit = "clip" if owner is None else "speaker"
    return {name: interval(metric(drawn), level=level, unit=unit) for name, metric in _METRICS.items()}


def summary(
    truth: ArrayLike,
    scores: ArrayLike,
    *,
    emotions: Sequence[str],
    speakers: Sequence[str] | None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return all scores of a set of predictions, as ``metrics.json`` holds them.

    Class numbers and columns of ``scores`` are in the order of the k ``emotions``; the prediction is the largest score.

    Returns
    -------
    ``accuracy, uar, macro_f1, per_class, confusion, ece, interval`` (of the UAR), ``intervals`` (of all three),
    ``n_clips`` and ``absent`` (the emotions without clips in truth, which the UAR leaves out).
    """
    t, s = scored(truth, scores)
    if s.shape[1] != len(emotions):
        raise ConfigError(f"scores have {s.shape[1]} columns and there are {len(emotions)} emotions; expected as many")
    predicted = s.argmax(axis=1)
    counts = confusion(t, predicted, n_classes=len(emotions))
    classes = per_class(t, predicted, n_classes=len(emotions))
    intervals = bootstrap_intervals(t, predicted, speakers=speakers, n_resamples=n_resamples, seed=seed)
    named = {key: dict(zip(emotions, values.tolist(), strict=True)) for key, values in classes.items()}
    named["support"] = {emotion: int(clips) for emotion, clips in named["support"].items()}
    return {
        **{name: float(metric(counts)) for name, metric in _METRICS.items()},
        "per_class": named,
        "confusion": counts.tolist(),
        "ece": expected_calibration_error(t, s),
        "interval": dict(intervals["uar"]),
        "intervals": {name: dict(interval) for name, interval in intervals.items()},
        "n_clips": int(t.size),
        "absent": [emotion for emotion, clips in named["support"].items() if clips == 0],
    }


def chance_uar(summary: Mapping[str, Any]) -> float:
    """Return the UAR of guessing: 1 / (number of emotions that have test clips), in (0, 1]."""
    return 1 / max(1, sum(1 for clips in summary["per_class"]["support"].values() if clips))


def _accuracy(counts: Counts) -> Floats:
    """(..., k, k) -> (...)."""
    return ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def _uar(counts: Counts) -> Floats:
    """(..., k, k) -> (...)."""
    return mean_recall(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def _macro_f1(counts: Counts) -> Floats:
    """(..., k, k) -> (...)."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    mentions = counts.sum(axis=-1) + counts.sum(axis=-2)
    return ratio(ratio(2 * hits, mentions).sum(axis=-1), (mentions > 0).sum(axis=-1))


#: Every score that a run writes, and the function of the confusion matrix that computes it.  Scores with a function get
#: a confidence interval.
_TABLE: tuple[tuple[ScoreName, Callable[[Counts], Floats] | None], ...] = (
    (ScoreName("accuracy", "Accuracy", "accuracy"), _accuracy),
    (ScoreName("uar", "UAR", "UAR"), _uar),
    (ScoreName("macro_f1", "Macro F1", "macro F1"), _macro_f1),
    (ScoreName("ece", "Calibration error", "ECE"), None),
    (ScoreName("aurc", "Area under the risk-coverage curve", "AURC", is_percent=False, digits=3), None),
    (ScoreName("e_aurc", "Excess area under the risk-coverage curve", "E-AURC", is_percent=False, digits=3), None),
)
_METRICS = {name.key: function for name, function in _TABLE if function is not None}
#: Key -> name of every score that a run writes.
NAMES = {name.key: name for name, _ in _TABLE}
#: Key -> title of the scores that have a confidence interval, the most important first.
SCORES = {key: NAMES[key].title for key in sorted(_METRICS, key=lambda key: key != "uar")}


def mean_recall(hits: NDArray[Any], support: NDArray[Any]) -> Floats:
    """(..., k) hits and supports -> (...): mean recall over the classes that have support."""
    return ratio(ratio(hits, support).sum(axis=-1), (support > 0).sum(axis=-1))


def wilson(hits: int, n: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a share that was observed as ``hits`` of ``n``.

    Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American Statistical
    Association 22, 1927.  Without any observation it is (0, 1).

    Examples
    --------
    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    if not n:
        return 0.0, 1.0
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
