"""Find out which windows of a recording are of the same speaker.

Embeddings of windows are averaged with their neighbours in time, since turns last.  Their pruned similarities form a
graph, which is cut by spectral clustering (Ng, Jordan and Weiss, "On spectral clustering", 2001).

The number of speakers is found by two measures of each further cut: how much more probable it makes the windows, if
speakers and the clips of a speaker are normally distributed (PLDA: Ioffe, "Probabilistic linear discriminant analysis",
2006), and how well the graph falls apart there (its eigenvalue).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone.errors import ConfigError
from emotone.recognition.speaker_names import MAX_SPEAKERS
from emotone.recognition.voices import Projection

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

#: Most speakers that are found if their number is not known.
_MOST_FOUND = 7
#: With fewer windows, about 4 s of speech, there is one speaker unless the number is known.
_FEWEST_WINDOWS = 8
#: Windows are averaged with weights exp(-seconds / this); a pause between stretches of speech adds a second.
_SMOOTHING_S, _PAUSE_S = 1.2, 1.0
#: Windows are compared without this share of the recording's mean, which holds what all of its voices have in common.
_COMMON = 0.8
#: A window's neighbours are this share of the windows, those most similar to it, or this times the square root of their
#: number if that is more: in short recordings, they would all be of the same turn.  The weight of other similarities.
_NEIGHBOURS, _BY_ROOT, _REST = 0.1, 2.0, 0.01
#: Most windows in the graph: of longer recordings they are drawn evenly, and the others join the nearest cluster.
_MOST_IN_GRAPH = 900
#: How much a window counts beside an independent clip; they overlap, and the windows of a clip are alike.
_EVIDENCE = 0.12
#: There is a second speaker if it makes each window more probable by a factor whose logarithm, the gain, is above this
#: multiple of the eigenvalue less the offset, and above 0: two sounds of a single voice can fall apart too.
_SECOND_BY_EIGENVALUE, _SECOND_OFFSET = 2.0, 0.02
#: There is a further one if this logistic function is positive, of the eigenvalue, of the gain over one speaker less,
#: and of how many there are.  All numbers were fitted to conversations of EMO-DB and ASED, those of one voice also to
#: parts of 30 to 90 s.
_OFFSET, _BY_EIGENVALUE, _BY_GAIN, _BY_NUMBER = 1.2, -20.8, 11.5, 0.5
_N_STARTS, _N_STEPS = 5, 30
#: Windows that are smoothed between two checks.
_CHECK_EVERY = 1000


def labels_of(
    embeddings: NDArray[Any],
    times_s: Array,
    stretches: Labels,
    *,
    projection: Projection,
    n_speakers: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> Labels:
    """Return the number of each window's speaker (n,), from 0.

    Parameters
    ----------
    embeddings
        (n, 256) of windows in order of time.
    times_s
        (n,) the middle of each window, in seconds.
    stretches
        (n,) number of the stretch of speech that holds the window.
    projection
        Of embeddings, to estimate the number of speakers.
    n_speakers
        Number of speakers, from 1 to `MAX_SPEAKERS`; None: it is estimated.  Fewer windows have fewer speakers.
    check
        Called between steps of about a second at most; an error that it raises ends the work.
    """
    n = len(embeddings)
    if n == 0 or n_speakers == 1 or (n_speakers is None and n < _FEWEST_WINDOWS):
        return np.zeros(n, np.int64)
    drawn = np.unique(np.linspace(0, n - 1, min(n, _MOST_IN_GRAPH)).round().astype(np.int64))
    smooth = _apart(_smoothed(embeddings, times_s + _PAUSE_S * stretches, check))
    values, vectors = _spectrum(smooth[drawn].astype(np.float64), _MOST_FOUND if n_speakers is None else n_speakers)
    if n_speakers is not None:
        labels = _clustered(vectors, min(n_speakers, len(drawn)))
    else:
        rows = np.asarray(embeddings[drawn], np.float64)
        projected = (rows - rows.mean(axis=0)) @ projection.matrix
        labels = _counted(values, vectors, projected, projection.between, check)
    return _spread(smooth, drawn, labels)


def check_number(n_speakers: int) -> None:
    """Raise `ConfigError` unless this can be a number of speakers."""
    if not 1 <= n_speakers <= MAX_SPEAKERS:
        raise ConfigError(f"the number of speakers is {n_speakers}; expected 1 to {MAX_SPEAKERS}, or auto")


def _smoothed(rows: NDArray[Any], times_s: Array, check: Callable[[], None]) -> NDArray[np.float32]:
    """Average windows with those near in time, and give the means (n, e) length 1."""
    reach = 6 * _SMOOTHING_S  # weights beyond are below 0.3 %
    result = np.empty(rows.shape, np.float32)
    for number, at in enumerate(times_s):
        if number % _CHECK_EVERY == 0:
            check()
        first, last = np.searchsorted(times_s, [at - reach, at + reach])
        mean = np.exp(-np.abs(times_s[first:last] - at) / _SMOOTHING_S) @ rows[first:last]
        result[number] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return result


def _apart(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows (n, e) of length 1 without what they have in common."""
    rows = rows - np.float32(_COMMON) * rows.mean(axis=0)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


def _spectrum(rows: Array, n_vectors: int) -> tuple[Array, Array]:
    """Return the first eigenvalues (n_vectors,) and eigenvectors (n, n_vectors) of the graph's normalised Laplacian."""
    similar = np.maximum(rows @ rows.T, 0.0)
    share = min(1.0, max(_NEIGHBOURS, _BY_ROOT / np.sqrt(len(rows))))
    limits = np.quantile(similar, 1 - share, axis=1)
    similar = np.where(similar >= limits[:, None], similar, _REST * similar)
    similar = (similar + similar.T) / 2
    np.fill_diagonal(similar, 0.0)
    root = np.sqrt(np.maximum(similar.sum(axis=1), 1e-9))
    values, vectors = np.linalg.eigh(np.eye(len(rows)) - similar / np.outer(root, root))
    return values[:n_vectors], vectors[:, :n_vectors]


def _clustered(vectors: Array, n_clusters: int) -> Labels:
    """Cluster rows of eigenvectors by k-means; the same every time."""
    points = _unit(vectors[:, :n_clusters])
    if n_clusters == 1:
        return np.zeros(len(points), np.int64)
    rng = np.random.default_rng(0)
    trials = [_k_means(points, n_clusters, rng) for _ in range(_N_STARTS)]
    best: Labels = min(trials, key=lambda trial: trial[0])[1]
    return best


def _k_means(points: Array, n_clusters: int, rng: np.random.Generator) -> tuple[float, Labels]:
    """Return the sum of squared distances, and the labels (n,), from one start (k-means++)."""
    centres = points[rng.integers(len(points))][None]
    while len(centres) < n_clusters:
        nearest = _distances(points, centres).min(axis=1)
        total = float(nearest.sum())
        chosen = rng.choice(len(points), p=nearest / total) if total > 0 else rng.integers(len(points))
        centres = np.concatenate([centres, points[chosen][None]])
    labels = np.zeros(len(points), np.int64)
    for _ in range(_N_STEPS):
        labels = _distances(points, centres).argmin(axis=1)
        moved = [points[labels == k].mean(axis=0) if (labels == k).any() else centres[k] for k in range(n_clusters)]
        if np.allclose(moved, centres):
            break
        centres = np.array(moved)
    return float(np.sum((points - centres[labels]) ** 2)), labels


def _distances(points: Array, centres: Array) -> Array:
    """Return the squared distances (n, k)."""
    return np.asarray(((points[:, None] - centres[None]) ** 2).sum(axis=2))


def _counted(values: Array, vectors: Array, projected: Array, between: Array, check: Callable[[], None]) -> Labels:
    """Return the labels (n,) of as many clusters as there seem to be speakers.

    Parameters
    ----------
    values, vectors
        Of the graph.
    projected, between
        Embeddings (n, r) around their mean, and their variance (r,) between speakers; within a speaker it is 1.
    """
    labels = np.zeros(len(vectors), np.int64)
    before = _evidence(projected, labels, between)
    for n_clusters in range(2, min(_MOST_FOUND, len(vectors) - 1) + 1):
        check()
        finer = _clustered(vectors, n_clusters)
        evidence = _evidence(projected, finer, between)
        gain = (evidence - before) / len(vectors)
        if n_clusters == 2:
            is_speaker = gain > max(0.0, _SECOND_BY_EIGENVALUE * values[1] - _SECOND_OFFSET)
        else:
            score = _OFFSET + _BY_EIGENVALUE * values[n_clusters - 1] + _BY_GAIN * gain + _BY_NUMBER * (n_clusters - 3)
            is_speaker = score > 0
        if not is_speaker:
            break
        labels, before = finer, evidence
    return labels


def _evidence(projected: Array, labels: Labels, between: Array) -> float:
    """Return the log-probability of the windows if each cluster is a speaker, up to a constant."""
    total = 0.0
    for label in np.unique(labels):
        own = projected[labels == label]
        n = _EVIDENCE * len(own)
        grown = 1 + n * between
        total -= 0.5 * float(np.sum(np.log(grown) - between * (n * own.mean(axis=0)) ** 2 / grown))
    return total


def _spread(smooth: NDArray[np.float32], drawn: Labels, labels: Labels) -> Labels:
    """Return labels for all windows (n,): those that were not drawn get the label of the nearest cluster."""
    if len(drawn) == len(smooth):
        return labels
    names = np.unique(labels)
    centres = np.array([smooth[drawn[labels == label]].mean(axis=0) for label in names])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
    result: Labels = names[(smooth @ centres.T).argmax(axis=1)]
    result[drawn] = labels
    return result
