"""All clips on a plane: principal components or UMAP of standardised features, and how far groups lie apart in it."""

import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score

from emotone.errors import ConfigError, MissingExtraError
from emotone.explore.feature_analysis.labels import in_order, short_speakers
from emotone.explore.feature_analysis.statistics import codes, standardised
from emotone.formatting import percent
from emotone.palette import colour_of
from emotone.report.figures.style import FAINT, INK, STYLE, canvas, headline

__all__ = ["NEIGHBOURS", "Apart", "Projected", "chance_purity", "has_umap", "picture", "project", "purity", "told"]

Floats = NDArray[np.float64]

#: So many nearest clips are asked for their label.
NEIGHBOURS = 10
_COMPONENTS = 50  # that UMAP starts from, and that neighbours are compared by
_SAMPLE = 5_000  # clips from which the silhouette of a large corpus is estimated
_BLOCK = 512  # rows of distances held at once
_MOST_NAMED = 40  # speakers


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
        (2,) share of the variance along each axis of a PCA; None of UMAP, whose axes mean nothing.
    columns
        How many features there were.
    method
        "pca" or "umap".
    """

    points: Floats
    components: Floats
    shares: Floats | None
    columns: int
    method: str

    @property
    def n_components(self) -> int:
        """How many principal components are kept."""
        return int(self.components.shape[1])


@dataclass(frozen=True)
class Apart:
    """How far groups lie apart.

    Attributes
    ----------
    plane, space
        Share of the nearest clips that have the clip's label, on the plane and by principal components.
    chance
        The same of clips drawn at random.
    silhouette
        Mean silhouette on the plane, in [-1, 1]; NaN where there is one group.
    """

    plane: float
    space: float
    chance: float
    silhouette: float


def has_umap() -> bool:
    """Whether umap-learn is installed; it is not imported."""
    return importlib.util.find_spec("umap") is not None


def project(values: NDArray[np.float32], *, method: str, seed: int, points: Floats | None = None) -> Projected:
    """Lay clips on a plane.

    PCA: the directions along which standardised features vary most (Jolliffe, "Principal Component Analysis", 2002).
    UMAP (McInnes, Healy and Melville, arXiv:1802.03426) keeps neighbours together, starting from 50 components.

    Parameters
    ----------
    values
        (n, d).
    method
        "pca" or "umap".
    seed
        Of UMAP.
    points
        (n, 2) what an earlier UMAP of the same values and seed gave.

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
        return Projected(components[:, :2], components, shares[:2], values.shape[1], method)
    laid_out = _umap(components, seed=seed) if points is None else points
    return Projected(laid_out, components, None, values.shape[1], method)


def _principal(scaled: Floats, *, count: int) -> tuple[Floats, Floats]:
    """Principal components of centred columns: (n, d) -> (n, c) and their shares of the variance, c in [2, count].

    From the eigenvectors of the smaller of the two Gram matrices; signs so that the largest value is positive.
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
        warnings.simplefilter("ignore")  # that a seed means one thread, and that small graphs are not connected
        start = "spectral" if len(components) > 20 else "random"
        neighbours = min(15, len(components) - 1)
        model = umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1, init=start)
        return np.asarray(model.fit_transform(components), dtype=np.float64)


def purity(points: Floats, labels: NDArray[np.str_], *, apart: NDArray[np.str_] | None = None) -> float:
    """Share of each clip's nearest clips that have its label, the mean over clips.

    Parameters
    ----------
    points
        (n, c); the distance is Euclidean.
    labels
        (n,).
    apart
        (n,) groups: clips of a clip's own group are not asked, so that the speaker can't give the emotion away.

    Returns
    -------
    In [0, 1]; NaN where no clip has another to ask.
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
    """What `purity` is expected to be if the nearest clips were drawn at random."""
    numbers, names = codes(labels)
    groups = np.arange(len(numbers)) if apart is None else codes(apart)[0]
    own_label, own_group = np.bincount(numbers)[numbers], np.bincount(groups)[groups]
    _, both, counts = np.unique(groups * len(names) + numbers, return_inverse=True, return_counts=True)
    others = len(numbers) - own_group
    known = others > 0
    return float(((own_label - counts[both])[known] / others[known]).mean()) if known.any() else float("nan")


def told(found: Projected, emotions: NDArray[np.str_], speakers: NDArray[np.str_], *, seed: int) -> Mapping[str, Apart]:
    """How far emotions and speakers lie apart: "emotion" (asking clips of other speakers alone) and "speaker"."""
    asked = speakers if len(set(speakers)) > 1 else None
    result = {}
    for name, labels, apart in (("emotion", emotions, asked), ("speaker", speakers, None)):
        groups = len(set(labels))
        size = _SAMPLE if len(labels) > _SAMPLE else None
        usable = 2 <= groups < len(labels)
        score = silhouette_score(found.points, labels, sample_size=size, random_state=seed) if usable else np.nan
        result[name] = Apart(
            plane=purity(found.points, labels, apart=apart),
            space=purity(found.components, labels, apart=apart),
            chance=chance_purity(labels, apart=apart),
            silhouette=float(score),
        )
    return result


def picture(
    found: Projected, emotions: NDArray[np.str_], speakers: NDArray[np.str_], *, told: Mapping[str, Apart]
) -> Figure:
    """Draw the plane twice, coloured by emotion and by speaker, each group named where its middle lies."""
    named = in_order(emotions)
    people = sorted(set(speakers))
    shades = colormaps["viridis"](np.linspace(0, 0.95, len(people)))
    drawn: Any = (
        ("emotion", emotions, named, [colour_of(name) for name in named], named),
        ("speaker", speakers, people, list(shades), short_speakers(people)),
    )
    order = np.random.default_rng(0).permutation(len(emotions))  # so that no group lies on top of another
    with rc_context(STYLE):
        figure = canvas(width_inch=12.0, height_inch=6.4)
        panels: Any = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, (kind, labels, names, colours, texts) in zip(panels, drawn, strict=True):
            of = {name: colour for name, colour in zip(names, colours, strict=True)}
            marked = [of[label] for label in labels[order]]
            size = float(np.clip(14_000 / len(order), 3, 30))
            axes.scatter(*found.points[order].T, c=marked, s=size, alpha=0.8, linewidths=0, rasterized=True)
            if len(names) <= _MOST_NAMED:
                _name_groups(axes, found.points, labels, names=names, texts=texts, colours=colours)
            one = told[kind]
            asked = "of other speakers" if kind == "emotion" and len(people) > 1 else "of all clips"
            share, chance = percent(one.plane, digits=0), percent(one.chance, digits=0)
            heading = (
                f"{len(names)} {kind}s: {share} of the {NEIGHBOURS} nearest {asked} are the same (chance {chance})"
            )
            axes.set_title(heading, fontsize=9)
            _name_axes(axes, found)
        headline(figure, _verdict(told))
    return figure


def _name_groups(
    axes: Any, points: Floats, labels: Any, *, names: Sequence[str], texts: Sequence[str], colours: Sequence[Any]
) -> None:
    """Write each group's name at its median, moved where names would cover each other, with a line to the median."""
    middles = np.stack([np.median(points[labels == name], axis=0) for name in names])
    room = np.maximum(np.ptp(points, axis=0), 1e-12)
    letters = max(len(text) for text in texts)
    places = _spread(middles / room, apart=np.asarray([0.014 * letters + 0.022, 0.045])) * room
    for middle, place, text, colour in zip(middles, places, texts, colours, strict=True):
        axes.plot(*np.stack([middle, place]).T, color=INK, linewidth=0.8, zorder=4)
        box: dict[str, Any] = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colour, "linewidth": 2}
        axes.text(*place, text or "unknown", fontsize=8, ha="center", va="center", color=INK, bbox=box, zorder=5)


def _spread(places: Floats, *, apart: Floats) -> Floats:
    """Move points until each two are ``apart`` in one of the two directions, (k, 2); gives up after 200 rounds."""
    moved = places + np.linspace(0, 1e-6, places.size).reshape(places.shape)  # so that equal places have a direction
    for _ in range(200):
        between = moved[:, None] - moved[None]
        lack = apart - np.abs(between)  # above 0 in both directions: one covers the other
        covered = (lack > 0).all(axis=-1) & ~np.eye(len(moved), dtype=bool)
        if not covered.any():
            break
        across = lack[..., 0] / apart[0] < lack[..., 1] / apart[1]
        step = np.where(np.stack([across, ~across], axis=-1), np.sign(between) * np.maximum(lack, 0), 0)
        moved = moved + 0.35 * (step * covered[..., None]).sum(axis=1)
    return moved


def _name_axes(axes: Any, found: Projected) -> None:
    for number, axis in enumerate((axes.xaxis, axes.yaxis)):
        if found.shares is None:
            axis.set_label_text(f"UMAP {number + 1} (no unit)")
        else:
            axis.set_label_text(
                f"principal component {number + 1} ({percent(float(found.shares[number]))} of variance)"
            )
    axes.tick_params(length=0, labelsize=8, labelcolor=FAINT)


def _verdict(told: Mapping[str, Apart]) -> str:
    """Which of the two orders the plane more, each measured against its chance."""
    emotion, speaker = (told[kind].plane / max(told[kind].chance, 1e-9) for kind in ("emotion", "speaker"))
    if not np.isfinite([emotion, speaker]).all():
        return "All clips on a plane"
    more = "speaker" if speaker > emotion else "emotion"
    return (
        f"Neighbours share the speaker {speaker:.1f} times as often as by chance, the emotion {emotion:.1f} times: the "
        f"{more} orders this plane more"
    )
