"""Variance, information and redundancy of features; pure functions of arrays.

Clips of a speaker resemble each other, and in most features speakers differ more than emotions.  So each effect is
computed twice: over all clips, and within speakers, with the speaker as a block (Fisher, "The Design of Experiments",
1935).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from emotone import metrics

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N_BINS = 8  # of the estimate of mutual information
_ROUNDING = 1e-24  # a smaller share of the sum of squares is rounding of float64 and no variation


class Anova(NamedTuple):
    """The analysis of variance of d features.

    Attributes
    ----------
    f, p
        (d,) F ratio and p-value.
    omega2, eta2
        (d,) shares in [0, 1] of the variance (within blocks) that the emotion accounts for: estimated for the
        population, and of these clips, which is too high with few clips.
    df
        Degrees of freedom of the emotion and of the rest.
    """

    f: Floats
    p: Floats
    omega2: Floats
    eta2: Floats
    df: tuple[int, int]


def codes(labels: ArrayLike) -> tuple[Ints, list[str]]:
    """Number the distinct labels in their sorted order: (n,) -> (n,) int64, names.

    Examples
    --------
    >>> numbers, names = codes(["sad", "happy", "sad"])
    >>> numbers.tolist(), names
    ([1, 0, 1], ['happy', 'sad'])
    """
    names, numbers = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    return numbers.astype(np.int64), [str(name) for name in names]


def centred(values: ArrayLike, groups: ArrayLike) -> Floats:
    """Subtract each group's mean from its rows: (n, d), (n,) -> (n, d).

    Examples
    --------
    >>> centred([[1.0], [3.0], [10.0]], ["a", "a", "b"]).ravel().tolist()
    [-1.0, 1.0, 0.0]
    """
    away = np.array(values, dtype=np.float64)
    numbers, names = codes(groups)
    for number in range(len(names)):
        rows = numbers == number
        away[rows] -= away[rows].mean(axis=0)
    return away


def standardised(values: ArrayLike) -> Floats:
    """Scale each column to mean 0 and standard deviation 1; a constant column becomes 0: (n, d)."""
    x = np.asarray(values, dtype=np.float64)
    away = x - x.mean(axis=0)
    squares = np.einsum("nd,nd->d", away, away)
    varies = squares > _ROUNDING * np.einsum("nd,nd->d", x, x)
    scale = np.where(varies, np.sqrt(np.where(varies, squares, 1.0) / len(x)), 1.0)
    return np.asarray(np.where(varies, away, 0.0) / scale, dtype=np.float64)


def anova(values: ArrayLike, labels: ArrayLike, *, blocks: ArrayLike | None = None) -> Anova:
    """Analyse the variance of each feature by emotion, over all clips or within blocks.

    F = (SS_emotion / df_1) / (SS_rest / df_2).  Within blocks, the block's mean is subtracted from feature and emotion
    (Frisch and Waugh, Econometrica 1933), so that the result is also right if emotions are not spread evenly over
    speakers; df_2 is reduced by the number of blocks.  omega^2 = (SS_emotion - df_1 MS_rest) / (SS_all + MS_rest)
    (Hays, "Statistics", 1963), eta^2 = SS_emotion / SS_all, SS_all being the variation within blocks.

    Parameters
    ----------
    values
        (n, d) features.
    labels
        (n,) emotions.
    blocks
        (n,) speakers; None takes all clips as one block.

    Returns
    -------
    Anova
        A feature that does not vary has F 0, p 1 and effect 0; so have all where no block has two emotions.
    """
    groups = np.zeros(len(np.asarray(labels)), dtype=np.int64) if blocks is None else codes(blocks)[0]
    x = np.asarray(values, dtype=np.float64)
    numbers, names = codes(labels)
    away, indicators = centred(x, groups), centred(np.eye(len(names))[numbers], groups)
    total = np.einsum("nd,nd->d", away, away)
    total[total <= _ROUNDING * np.einsum("nd,nd->d", x, x)] = 0.0
    df_emotion = int(np.linalg.matrix_rank(indicators, tol=1e-8)) if np.any(np.abs(indicators) > 1e-8) else 0
    df_rest = len(x) - len(np.unique(groups)) - df_emotion
    between = _explained(indicators.T @ indicators, indicators.T @ away)
    return _anova(np.minimum(between, total), total, df=(df_emotion, df_rest))


def bootstrap_effects(
    values: ArrayLike, labels: ArrayLike, speakers: ArrayLike, *, n_resamples: int = 500, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return the ends (d,) of 95 % intervals of omega^2 within speakers, by resampling speakers; NaN for one speaker.

    The percentile bootstrap of clusters: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, 3.8.
    """
    x = np.asarray(values, dtype=np.float64)
    owner, names = codes(speakers)
    d = x.shape[1]
    if len(names) < 2:
        return np.full(d, np.nan), np.full(d, np.nan)
    numbers, emotions = codes(labels)
    k, s = len(emotions), len(names)
    away, indicators = centred(x, owner), centred(np.eye(k)[numbers], owner)
    crossed, moved, total, clips = np.empty((s, k, k)), np.empty((s, k, d)), np.empty((s, d)), np.empty(s)
    for number in range(s):
        z, y = indicators[owner == number], away[owner == number]
        crossed[number], moved[number] = z.T @ z, z.T @ y
        total[number], clips[number] = np.einsum("nd,nd->d", y, y), len(y)
    rng = np.random.default_rng(seed)
    omega2 = np.empty((n_resamples, d))
    for draw in range(n_resamples):
        weights = np.bincount(rng.integers(s, size=s), minlength=s).astype(np.float64)
        matrix = np.tensordot(weights, crossed, axes=1)
        between = _explained(matrix, np.tensordot(weights, moved, axes=1))
        df_emotion = int(np.linalg.matrix_rank(matrix, tol=1e-8, hermitian=True))
        everything = weights @ total
        df = (df_emotion, int(weights @ clips) - s - df_emotion)
        omega2[draw] = _anova(np.minimum(between, everything), everything, df=df).omega2
    low, high = np.quantile(omega2, [0.025, 0.975], axis=0)
    return low, high


def agreement(values: ArrayLike, labels: ArrayLike, speakers: ArrayLike) -> tuple[Ints, Ints]:
    """Count the speakers whose emotions are in the same order as the others'.

    A speaker's profile is the mean of each emotion.  It agrees if its Pearson correlation with the mean profile of all
    other speakers is above 0; for a feature without information about half of the speakers agree.

    Returns
    -------
    agreeing, counted
        (d,) speakers that agree, and speakers that can be compared: those with two emotions or more, if the feature
        varies and other speakers have these emotions.
    """
    x = np.asarray(values, dtype=np.float64)
    owner, names = codes(speakers)
    numbers, emotions = codes(labels)
    away = centred(x, owner)
    away[:, np.einsum("nd,nd->d", away, away) <= _ROUNDING * np.einsum("nd,nd->d", x, x)] = 0.0
    profiles = np.zeros((len(names), len(emotions), x.shape[1]))
    clips = np.zeros((len(names), len(emotions), 1))
    np.add.at(clips, (owner, numbers), 1)
    for speaker, emotion in np.argwhere(clips[..., 0] > 0):
        profiles[speaker, emotion] = away[(owner == speaker) & (numbers == emotion)].mean(axis=0)
    known = clips > 0
    summed, n_speakers = profiles.sum(axis=0), known.sum(axis=0)
    agreeing, counted = np.zeros(x.shape[1], dtype=np.int64), np.zeros(x.shape[1], dtype=np.int64)
    for profile, has in zip(profiles, known, strict=True):
        others = n_speakers - has
        both = has & (others > 0)  # (emotions, 1)
        if both.sum() < 2:
            continue
        own = np.where(both, profile - profile[both[:, 0]].mean(axis=0), 0.0)
        rest = np.where(both, (summed - profile) / np.maximum(others, 1), 0.0)
        usable = np.ptp(own, axis=0) > 0
        agreeing += usable & ((own * rest).sum(axis=0) > 0)  # a covariance, since the mean of own is 0
        counted += usable
    return agreeing, counted


def speaker_share(values: ArrayLike, speakers: ArrayLike) -> Floats:
    """Return the share of each feature's variance between speakers, (d,) in [0, 1]; 0 for one speaker.

    The intraclass correlation ICC(1) = (MS_between - MS_within) / (MS_between + (n_0 - 1) MS_within) of Shrout and
    Fleiss, Psychological Bulletin 1979, with n_0 the mean number of clips per speaker, corrected for unequal numbers.
    """
    counts = np.bincount(codes(speakers)[0])
    n, s = int(counts.sum()), len(counts)
    if s < 2 or n == s:
        return np.zeros(np.asarray(values).shape[1])
    x = np.asarray(values, dtype=np.float64)
    everything = x - x.mean(axis=0)
    rest = centred(x, speakers)
    total, within = np.einsum("nd,nd->d", everything, everything), np.einsum("nd,nd->d", rest, rest)
    total[total <= _ROUNDING * np.einsum("nd,nd->d", x, x)] = 0.0
    between = np.maximum(total - within, 0.0) / (s - 1)
    within = within / (n - s)
    mean_count = (n - (counts**2).sum() / n) / (s - 1)
    below = between + (mean_count - 1) * within
    share = np.where(total > 0, (between - within) / np.where(below > 0, below, 1.0), 0.0)
    return np.asarray(np.clip(share, 0.0, 1.0), dtype=np.float64)


def mutual_information(values: ArrayLike, labels: ArrayLike, *, n_bins: int = N_BINS) -> Floats:
    """Return the mutual information of each feature with the emotion, (d,) >= 0, in bits.

    I = H(feature) + H(emotion) - H(both), over bins with equal numbers of clips, with Miller's correction of the bias
    of counted entropies, (cells in use - 1) / 2n nats each (Miller, "Note on the bias of information estimates", 1955).
    Equal values share a bin.  It is not random, unlike estimates by nearest neighbours.
    """
    x = np.asarray(values, dtype=np.float64)
    numbers, names = codes(labels)
    n, k = len(x), len(names)
    label_entropy = _entropies(np.bincount(numbers, minlength=k)[None], n)[0]
    shares = np.arange(1, n_bins) / n_bins
    information = np.empty(x.shape[1])
    for column, feature in enumerate(x.T):
        bins = np.searchsorted(np.quantile(feature, shares), feature, side="left")
        cells = np.bincount(bins * k + numbers, minlength=n_bins * k)
        own = cells.reshape(n_bins, k).sum(axis=1)
        information[column] = _entropies(own[None], n)[0] + label_entropy - _entropies(cells[None], n)[0]
    return np.maximum(information, 0.0)


def corrected(p: ArrayLike) -> tuple[Floats, Floats]:
    """Correct p-values (d,) for their number, by Benjamini and Hochberg and by Holm (`emotone.metrics.holm`).

    The first (J. R. Stat. Soc. B 1995) limits the mean share of wrong features among those below a level, if features
    are independent or rise together; the second limits the probability of any wrong feature.
    """
    values = np.asarray(p, dtype=np.float64)
    holm = metrics.holm({str(place): value for place, value in enumerate(values.tolist())})
    q = np.asarray(stats.false_discovery_control(values), dtype=np.float64)
    return q, np.asarray([holm[str(place)] for place in range(len(values))])


def without_copies(values: ArrayLike, order: Sequence[int] | Ints, *, top: int, limit: float = 0.9) -> list[int]:
    """Return the first ``top`` columns of (n, d) features in an order, without near copies of earlier columns.

    A column is a copy if its Pearson |r| with an earlier column is above ``limit``.
    """
    x = np.asarray(values)
    kept: list[int] = []
    scaled = np.empty((len(x), top))
    for column in order:
        if len(kept) == top:
            break
        feature = standardised(x[:, [column]])[:, 0] / np.sqrt(len(x))
        if not kept or np.abs(scaled[:, : len(kept)].T @ feature).max() <= limit:
            scaled[:, len(kept)] = feature
            kept.append(int(column))
    return kept


def _explained(crossed: Floats, moved: Floats) -> Floats:
    """Return the sum of squares that the emotions explain: b' A^+ b of each column, (k, k), (k, d) -> (d,)."""
    solved = np.linalg.pinv(crossed, rcond=1e-10, hermitian=True) @ moved
    return np.asarray(np.maximum(np.einsum("kd,kd->d", moved, solved), 0.0), dtype=np.float64)


def _anova(between: Floats, total: Floats, *, df: tuple[int, int]) -> Anova:
    """Return the analysis of variance from its sums of squares, (d,) each."""
    first, second = df
    none = np.zeros_like(total)
    if first < 1 or second < 1:
        return Anova(none, none + 1.0, none, none, df)
    varies = total > 0
    mean_rest = np.where(varies, total - between, 1.0) / second
    with np.errstate(divide="ignore"):  # F is infinite if nothing is left to explain
        f = np.where(varies, between / first / mean_rest, 0.0)
    below = np.where(varies, total + mean_rest, 1.0)
    omega2 = np.where(varies, np.clip((between - first * mean_rest) / below, 0.0, 1.0), 0.0)
    eta2 = np.where(varies, between / np.where(varies, total, 1.0), 0.0)
    return Anova(f, special.fdtrc(first, second, f), omega2, eta2, df)


def _entropies(counts: NDArray[np.int64], n: int) -> Floats:
    """Return the entropy of each row of counts in bits, with Miller's correction, (rows, cells) -> (rows,)."""
    shares = counts / n
    plain = -(shares * np.log2(np.where(counts > 0, shares, 1.0))).sum(axis=-1)
    return np.asarray(plain + ((counts > 0).sum(axis=-1) - 1) / (2 * n * np.log(2)), dtype=np.float64)
