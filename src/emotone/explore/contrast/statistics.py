"""Effect sizes of two emotions in each feature, with intervals, and the accuracy of each feature alone.

Pure functions of features ``values`` (n, d), ``is_first`` (n,), true for clips of the first emotion and false for those
of the second, and ``speakers`` (n,).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from emotone.explore.feature_analysis.statistics import centred, codes, standardised

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_CHUNK = 512  # features whose resamples are in memory at once
_MOST_FOLDS = 40  # more speakers than this are left out in groups
_ROUNDING = 1e-12  # of standardised features: a smaller share of variation is rounding


class Effects(NamedTuple):
    """Standardised differences of d features, first emotion minus second, each (d,).

    Attributes
    ----------
    overall, overall_low, overall_high
        Hedges' g over all clips and its 95 % interval over speakers.
    within, within_low, within_high
        The same within speakers.
    """

    overall: Floats
    overall_low: Floats
    overall_high: Floats
    within: Floats
    within_low: Floats
    within_high: Floats


def effects(
    values: ArrayLike, is_first: Bools, speakers: ArrayLike, *, n_resamples: int = 1000, seed: int = 0
) -> Effects:
    """Return Hedges' g of each feature, over all clips and within speakers.

    Over all clips g = J(df) (mean_1 - mean_2) / s with the pooled standard deviation s and df = n - 2; J(df) =
    1 - 3 / (4 df - 1) removes the bias of small samples (Hedges, Journal of Educational Statistics 1981).  Within
    speakers, the difference is that of a regression with a constant for each speaker, s is the standard deviation of
    its residuals, and df = n - speakers - 1.  Intervals are percentiles of
    resamples of whole speakers (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, 3.8).

    Intervals are NaN with fewer than two speakers, ``within`` if no speaker has both emotions.  All are 0 for a feature
    that does not vary.
    """
    owner, names = codes(speakers)
    x = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    s = len(names)
    drawn = np.stack([np.bincount(rng.integers(s, size=s), minlength=s) for _ in range(n_resamples)])
    weights = np.concatenate([np.ones((1, s)), drawn])  # the first is the corpus as it is
    parts = [
        _effects(standardised(x[:, start : start + _CHUNK]), is_first, owner, weights)
        for start in range(0, x.shape[1], _CHUNK)
    ]
    return Effects(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _effects(x: Floats, is_first: Bools, owner: NDArray[np.int64], weights: Floats) -> tuple[Floats, ...]:
    """Return `Effects` of standardised features, from sums of each speaker that resamples only weigh."""
    s = weights.shape[1]
    sums, squares = np.empty((2, s, x.shape[1])), np.empty((2, s, x.shape[1]))
    counts = np.empty((2, s))
    for emotion, speaker in np.ndindex(2, s):
        chosen = x[(owner == speaker) & (is_first == (emotion == 0))]
        counts[emotion, speaker] = len(chosen)
        sums[emotion, speaker], squares[emotion, speaker] = chosen.sum(axis=0), (chosen**2).sum(axis=0)
    together = counts.sum(axis=0)
    # sums of squares within a speaker: of the indicator of the first emotion, its product with the feature, the feature
    indicator = counts[0] * counts[1] / together
    product = sums[0] - (counts[0] / together)[:, None] * sums.sum(axis=0)
    moved = squares.sum(axis=0) - sums.sum(axis=0) ** 2 / together[:, None]

    n = weights @ counts.T  # (resamples, 2)
    usable = (n > 0).all(axis=1)
    n, drawn = n[usable], weights[usable]
    means = [(drawn @ sums[emotion]) / n[:, [emotion]] for emotion in (0, 1)]
    left = sum((drawn @ squares[emotion]) - n[:, [emotion]] * means[emotion] ** 2 for emotion in (0, 1))
    overall = _standardised_difference(means[0] - means[1], left, df=n.sum(axis=1) - 2)

    shared = weights @ indicator
    usable = shared > 0
    if not usable[0]:
        none = np.full(x.shape[1], np.nan)
        return (*_with_interval(overall, s), none, none, none)
    drawn, shared = weights[usable], shared[usable, None]
    slope = (drawn @ product) / shared
    left = drawn @ moved - slope**2 * shared
    df = drawn @ together - drawn.sum(axis=1) - 1
    return (*_with_interval(overall, s), *_with_interval(_standardised_difference(slope, left, df=df), s))


def _standardised_difference(difference: Floats, left: Floats, *, df: Floats) -> Floats:
    """Return Hedges' g of each resample and feature, (b, d), from the residual sum of squares."""
    df = np.maximum(df, 1.0)[:, None]
    correction = 1 - 3 / (4 * df - 1)
    spread = np.sqrt(np.where(left > _ROUNDING * df, left, 0.0) / df)
    flat = np.where(np.abs(difference) > np.sqrt(_ROUNDING), np.copysign(np.inf, difference), 0.0)
    g = np.where(spread > 0, correction * difference / np.where(spread > 0, spread, 1.0), flat)
    return np.asarray(g, dtype=np.float64)


def _with_interval(g: Floats, n_speakers: int) -> tuple[Floats, Floats, Floats]:
    """Return the first row, which is of the corpus, and the percentiles of the others, which are of resamples."""
    if n_speakers < 2 or len(g) < 2:
        unknown = np.full(g.shape[1], np.nan)
        return g[0], unknown, unknown
    low, high = np.quantile(g[1:], [0.025, 0.975], axis=0, method="inverted_cdf")
    return g[0], low, high


def area_under_curve(values: ArrayLike, is_first: Bools) -> Floats:
    """Return the probability that a clip of the first emotion has the larger value, ties counting half: (d,) in [0, 1].

    The area under the receiver operating characteristic, by ranks (Hanley and McNeil, Radiology 1982).  0.5 is chance;
    0 separates the emotions as well as 1.
    """
    ranks = stats.rankdata(np.asarray(values, dtype=np.float64), axis=0)
    first, second = int(is_first.sum()), int((~is_first).sum())
    wins = ranks[is_first].sum(axis=0) - first * (first + 1) / 2
    return np.asarray(wins / (first * second), dtype=np.float64)


def alone(values: ArrayLike, is_first: Bools, speakers: ArrayLike) -> Floats:
    """Return the balanced accuracy of each feature alone, on speakers that its threshold has not seen, (d,) in [0, 1].

    Each speaker is left out in turn.  Threshold and direction have the best balanced accuracy on the clips of all
    others; the threshold is half-way between two of their values.  All decisions together give the score.  More than
    40 speakers are left out in 40 groups.  ``values`` are not centred, since the mean of a new speaker is unknown.  NaN
    with fewer than two speakers, or if the others lack an emotion.
    """
    x = np.asarray(values, dtype=np.float64)
    owner, names = codes(speakers)
    folds = owner % min(len(names), _MOST_FOLDS)
    d = x.shape[1]
    order = np.argsort(x, axis=0, kind="stable").T  # (d, n)
    hits = np.zeros((2, d))
    for fold in range(folds.max() + 1):
        held = folds == fold
        train = ~held
        if not (is_first[train].any() and (~is_first[train]).any()):
            return np.full(d, np.nan)
        threshold, first_is_low = _thresholds(x, is_first, order[train[order]].reshape(d, -1))
        for emotion, rows in enumerate((held & is_first, held & ~is_first)):
            says_first = (x[rows] <= threshold) == first_is_low
            hits[emotion] += (says_first == (emotion == 0)).sum(axis=0)
    return np.asarray((hits[0] / is_first.sum() + hits[1] / (~is_first).sum()) / 2, dtype=np.float64)


def _thresholds(x: Floats, is_first: Bools, rows: NDArray[np.int64]) -> tuple[Floats, Bools]:
    """Return the best threshold of each feature, and its direction, from rows (d, m) sorted by the feature."""
    ordered, labels = np.take_along_axis(x.T, rows, axis=1), is_first[rows]
    n_first = int(labels[0].sum())
    below = np.cumsum(labels[:, :-1], axis=1)  # clips of the first emotion below each cut
    others = np.arange(1, rows.shape[1]) - below
    gain = below * (rows.shape[1] - n_first) - others * n_first  # of balanced accuracy, as an integer: exact ties
    gain[ordered[:, 1:] == ordered[:, :-1]] = 0  # no cut between equal values
    best = np.abs(gain).argmax(axis=1)
    feature = np.arange(len(rows))
    return (ordered[feature, best] + ordered[feature, best + 1]) / 2, gain[feature, best] > 0


def within_area(values: ArrayLike, is_first: Bools, speakers: ArrayLike) -> Floats:
    """Return `area_under_curve` of features minus their speaker's mean over clips of the two emotions, (d,)."""
    return area_under_curve(centred(values, speakers), is_first)
