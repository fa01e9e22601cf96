"""Project all clips on a plane by principal components or UMAP, and measure how far groups are apart."""

import importlib.util
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score

from emotone.errors import ConfigError, MissingExtraError
from emotone.explore.feature_analysis.statistics import codes, standardised

Floats = NDArray[np.float64]

#: Number of nearest clips whose labels are compared.
NEIGHBOURS = 10
_COMPONENTS = 50  # input of UMAP, and the space of the neighbours
_SAMPLE = 5_000  # clips that the silhouette of a large corpus is estimated from
_BLOCK = 512  # rows of distances in memory


@dataclass(frozen=True, eq=False)
class Projected:
    """Clips on a plane.

    Attributes
    ----------
    points
        (n, 2).
    components
        (n, c) principal components of the standardised features, c <= 50.
    shares
        (2,) share of the variance along each axis of a PCA; None for UMAP, whose axes have no meaning.
    columns
        Number of features.
    """

    points: Floats
    components: Floats
    shares: Floats | None
    columns: int


@dataclass(frozen=True)
class Separation:
    """How far groups of clips are apart.

    Attributes
    ----------
    plane, space
        Share of the nearest clips that have the clip's label, on the plane and by principal components.
    chance
        The same share of clips drawn at random.
    silhouette
        Mean silhouette on the plane, in [-1, 1]; NaN for one group.
    """

    plane: float
    space: float
    chance: float
    silhouette: float


def has_umap() -> bool:
    """Return whether umap-learn is installed, without importing it."""
    return importlib.util.find_spec("umap") is not None


def project(values: NDArray[np.float32], *, method: str, seed: int, points: Floats | None = None) -> Projected:
    """Project clips on a plane.

    PCA: the directions along which standardised features vary most (Jolliffe, "Principal Component Analysis", 2002).
    UMAP (McInnes, Healy and Melville, arXiv:1802.03426) keeps neighbours together, starting from 50 components.

    Parameters
    ----------
    values
        (n, d) features.
    method
        "pca", or "umap", which has the random ``seed``.
    points
        (n, 2) of an earlier UMAP of the same values and seed.

    Raises
    ------
    ConfigError
        The method is unknown.
    MissingExtraError
        umap-learn is not installed.
    """
    if method not in ("pca", "umap"):
        raise ConfigError(f"unknown method {method!r} of projection; expected 'pca' or 'umap'")
    if method == "umap" and not has_umap():
        raise MissingExtraError("UMAP", extra="explore")
    components, shares = _principal(standardised(values), count=_COMPONENTS)
    if method == "pca":
        return Projected(components[:, :2], components, shares[:2], values.shape[1])
    return Projected(_umap(components, seed=seed) if points is None else points, components, None, values.shape[1])


def _principal(scaled: Floats, *, count: int) -> tuple[Floats, Floats]:
    """Return principal components of centred columns (n, d), and their shares of the variance: (n, c), (c,).

    c is in [2, count].  They come from the eigenvectors of the smaller Gram matrix; the largest value is positive.
    """
    n, d = scaled.shape
    if d <= n:
        roots, axes = np.linalg.eigh(scaled.T @ scaled)
        points = scaled @ axes
    else:
        roots, axes = np.linalg.eigh(scaled @ scaled.T)
        points = axes * np.sqrt(np.maximum(roots, 0.0))
    kept = slice(None, -min(count, d, n) - 1, -1)
    points, roots = points[:, kept], np.maximum(roots[kept], 0.0)
    everything = max(float(np.einsum("nd,nd->", scaled, scaled)), np.finfo(float).tiny)
    tallest = points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])]
    points = points * np.where(tallest < 0, -1.0, 1.0)
    missing = max(0, 2 - points.shape[1])  # a single feature has no second axis
    return np.pad(points, ((0, 0), (0, missing))), np.pad(roots / everything, (0, missing))


def _umap(components: Floats, *, seed: int) -> Floats:
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one thread because of the seed; small graphs are not connected
        start = "spectral" if len(components) > 20 else "random"
        neighbours = min(15, len(components) - 1)
        model = umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1, init=start)
        return np.asarray(model.fit_transform(components), dtype=np.float64)


def purity(points: Floats, labels: NDArray[np.str_], *, apart: NDArray[np.str_] | None = None) -> float:
    """Return the share of each clip's nearest clips that have its label, as the mean over clips.

    Parameters
    ----------
    points, labels
        (n, c) with Euclidean distance, and (n,).
    apart
        (n,) groups: clips of a clip's own group are skipped, so that the speaker does not give the emotion away.

    Returns
    -------
    In [0, 1]; NaN if no clip has another.
    """
    numbers, _ = codes(labels)
    groups = np.arange(len(points)) if apart is None else codes(apart)[0]
    squares = np.einsum("nc,nc->n", points, points)
    shares = np.full(len(points), np.nan)
    for start in range(0, len(points), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(points)))
        distances = squares[rows, None] + squares[None] - 2 * points[rows] @ points.T
        distances[groups[rows, None] == groups[None]] = np.inf
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEIGHBOURS]
        known = np.isfinite(np.take_along_axis(distances, nearest, axis=1))
        same = (numbers[nearest] == numbers[rows, None]) & known
        shares[rows] = np.where(known.any(axis=1), same.sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.nan)
    return float(np.nanmean(shares)) if np.isfinite(shares).any() else float("nan")


def chance_purity(labels: NDArray[np.str_], *, apart: NDArray[np.str_] | None = None) -> float:
    """Return the value that `purity` is expected to have for nearest clips drawn at random."""
    numbers, names = codes(labels)
    groups = np.arange(len(numbers)) if apart is None else codes(apart)[0]
    own_label, own_group = np.bincount(numbers)[numbers], np.bincount(groups)[groups]
    _, both, counts = np.unique(groups * len(names) + numbers, return_inverse=True, return_counts=True)
    others = len(numbers) - own_group
    known = others > 0
    return float(((own_label - counts[both])[known] / others[known]).mean()) if known.any() else float("nan")


def separation(
    projected: Projected, emotions: NDArray[np.str_], speakers: NDArray[np.str_], *, seed: int
) -> Mapping[str, Separation]:
    """Return how far emotions (among clips of other speakers) and speakers are apart: "emotion" and "speaker"."""
    others = speakers if len(set(speakers)) > 1 else None
    result = {}
    for name, labels, apart in (("emotion", emotions, others), ("speaker", speakers, None)):
        size = _SAMPLE if len(labels) > _SAMPLE else None
        usable = 2 <= len(set(labels)) < len(labels)
        score = silhouette_score(projected.points, labels, sample_size=size, random_state=seed) if usable else np.nan
        result[name] = Separation(
            plane=purity(projected.points, labels, apart=apart),
            space=purity(projected.components, labels, apart=apart),
            chance=chance_purity(labels, apart=apart),
            silhouette=float(score),
        )
    return result
