"""Findings on a feature table: distributions, correlations, the best features, and all clips on a plane."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram, fcluster, linkage
from scipy.spatial.distance import squareform

from emotone.emotions import in_order
from emotone.explore.feature_analysis import figures, plane, statistics
from emotone.explore.feature_analysis.figures import Effect
from emotone.explore.feature_analysis.table import COPY_LIMIT, FeatureTable, effect_order, quantiles, ranking
from emotone.explore.finding import Finding
from emotone.formatting import percent
from emotone.progress import Progress

_GROUP_LIMIT = 0.7  # mean |r| from which branches of the tree count as one group
_BOOTSTRAPPED = 500  # resamples of speakers


def all_findings(
    table: FeatureTable, *, seed: int, with_umap: bool | None = None, progress: Progress | None = None
) -> list[Finding]:
    """Return all findings of this module, in the order of the page.

    Parameters
    ----------
    seed
        Of the resamples of speakers and of UMAP; equal seeds give equal findings.
    with_umap
        Whether to make a UMAP, which takes longer than all the rest; None: if it is installed.
    progress
        Called before each finding.
    """
    steps: list[tuple[str, Callable[[], Finding]]] = [
        ("discriminative features", lambda: discriminative(table, seed=seed)),
        ("distributions of features", lambda: distributions(table)),
        ("correlations of features", lambda: correlations(table)),
        ("projection by PCA", lambda: projection(table, method="pca", seed=seed)),
    ]
    if plane.has_umap() if with_umap is None else with_umap:
        steps.append(("projection by UMAP", lambda: projection(table, method="umap", seed=seed)))
    results = []
    for done, (name, step) in enumerate(steps):
        if progress is not None:
            progress(done, len(steps), name)
        results.append(step())
    if progress is not None:
        progress(len(steps), len(steps), "features")
    return results


def discriminative(table: FeatureTable, *, top: int = 30, seed: int = 0) -> Finding:
    """Show which features separate the emotions, within speakers and over all clips.

    ``top`` features are drawn, without near copies; the table has all.  ``seed`` is of the resamples of speakers.
    """
    ranked = ranking(table)
    shown = table.best(ranked["column"].to_numpy(), top)
    low, high = statistics.bootstrap_effects(
        table.values[:, shown], table.emotions, table.speakers, n_resamples=_BOOTSTRAPPED, seed=seed
    )
    rows = ranked.set_index("column")
    rows["shown"] = rows.index.isin(shown)
    rows.loc[shown, "omega2_within_low"], rows.loc[shown, "omega2_within_high"] = low, high
    best = rows.loc[shown[0]]
    n_emotions = len(set(table.emotions))
    figure = figures.effects_picture(
        [_line(row) for row in rows.loc[shown].itertuples()],
        label="omega²: share of the variance that the emotion accounts for",
        note="bits   speaker   agree",
        text=f"Of {len(ranked):,} features, {best['feature']} separates the {n_emotions} emotions best",
    )
    single = "" if len(set(table.speakers)) > 1 else "One speaker is known: within speakers is over all clips. "
    text = (
        f"{single}Within speakers, {int((ranked['q_within'] < 0.05).sum()):,} of {len(ranked):,} features differ by "
        f"emotion at a false discovery rate of 5 %, over all clips {int((ranked['q'] < 0.05).sum()):,}; clips of one "
        f"speaker are not independent, so p-values rank features and prove nothing. {best['feature']} has the largest "
        f"effect: omega² {best['omega2_within']:.2f} within speakers (F {best['f_within']:.0f}), {best['omega2']:.2f} "
        f"over all clips. {len(shown)} features are drawn, without those that correlate over {COPY_LIMIT} with a "
        "better one, and with intervals over speakers; as the best of many, they are somewhat too large. Bits are the "
        "mutual information with the emotion within speakers, speaker is the share of variance between speakers, agree "
        "counts the speakers whose emotions are in the same order as the others'."
    )
    title = "Features that separate emotions"
    return Finding("discriminative-features", title, text, rows.reset_index(drop=True), figure, wide=True)


def _line(row: Any) -> Effect:
    """Return a row of `ranking`, with its interval, as a line of the picture."""
    agree = f"{row.speakers_agree} of {row.speakers_counted}"
    note = f"{row.mutual_information_bits_within:.2f}     {row.speaker_share:.2f}     {agree}"
    ends = (row.omega2_within_low, row.omega2_within_high)
    return Effect(row.feature, row.omega2_within, *ends, overall=row.omega2, note=note)


def distributions(table: FeatureTable, *, top: int = 12) -> Finding:
    """Show the distributions of the best features by emotion, over all clips and within speakers."""
    shown = table.best(effect_order(table), top)
    rows = quantiles(table, shown)
    names = [table.names[column] for column in shown]
    headline = f"The {len(names)} features that differ most by emotion within speakers"
    figure = figures.boxes_picture(
        rows, features=names, emotions=in_order(table.emotions, unknown_last=True), text=headline
    )
    text = (
        "Boxes are the middle half of an emotion's clips, with a line at the median; whiskers end at the 5th and 95th "
        "percentile. Where the coloured boxes are further apart than the white ones, differences between speakers "
        f"hide the effect of the emotion. Features that correlate over {COPY_LIMIT} with a better one are left out."
    )
    return Finding("feature-distributions", "Distributions by emotion", text, rows, figure, wide=True)


def correlations(table: FeatureTable, *, top: int = 40) -> Finding:
    """Show the correlations of the features with the largest effects within speakers, near copies included."""
    shown = effect_order(table)[:top]
    scaled = statistics.standardised(statistics.centred(table.values[:, shown], table.speakers))
    matrix = np.clip(scaled.T @ scaled / len(scaled), -1, 1)
    np.fill_diagonal(matrix, 1.0)
    name = "feature-correlations"
    if len(shown) < 2:
        return Finding(name, "Correlations", "There is only one feature.", _matrix_table(matrix, [table.names[0]]))
    distances = squareform(np.maximum(1 - np.abs(matrix), 0), checks=False)
    joined = linkage(distances, method="average", optimal_ordering=True)
    tree = dendrogram(joined, no_plot=True)
    order = tree["leaves"]
    names = [table.names[shown[place]] for place in order]
    matrix = matrix[np.ix_(order, order)]
    pairs = np.abs(matrix[np.triu_indices(len(names), k=1)])
    groups = int(fcluster(joined, 1 - _GROUP_LIMIT, criterion="distance").max())
    text = (
        f"Correlations within speakers of the {len(names)} features with the largest effects, ordered by average "
        f"linkage of 1 - |r|. The median |r| is {np.median(pairs):.2f}, and {int((pairs > COPY_LIMIT).sum())} of "
        f"{len(pairs):,} pairs are over {COPY_LIMIT}; cut at |r| {_GROUP_LIMIT}, the tree has {groups} groups of "
        "features with much the same information."
    )
    headline = f"{len(names)} leading features, {groups} groups of features with much the same information"
    figure = figures.heat_map(matrix, names=names, tree=tree, text=headline)
    title = "Correlations of the leading features"
    return Finding(name, title, text, _matrix_table(matrix, names), figure, wide=True)


def _matrix_table(matrix: NDArray[np.float64], names: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(matrix, columns=names)
    table.insert(0, "feature", names)
    return table


def projection(
    table: FeatureTable, *, method: str = "pca", seed: int = 0, points: NDArray[np.float64] | None = None
) -> Finding:
    """Show all clips on a plane, coloured by emotion and by speaker; see `plane.project`.

    Raises
    ------
    ConfigError
        ``method`` is neither "pca" nor "umap".
    MissingExtraError
        ``method`` is "umap", which is not installed.
    """
    projected = plane.project(table.values, method=method, seed=seed, points=points)
    separation = plane.separation(projected, table.emotions, table.speakers, seed=seed)
    x, y = projected.points.T
    rows = pd.DataFrame({"emotion": table.emotions, "speaker": table.speakers, "x": x, "y": y})
    figure = figures.projection_picture(projected, table.emotions, table.speakers, separation=separation)
    emotion, speaker = separation["emotion"], separation["speaker"]
    several = len(set(table.speakers)) > 1
    variance = "" if projected.shares is None else f", {percent(float(projected.shares.sum()))} of the variance"
    text = (
        f"Each dot is a clip: {projected.columns} standardised features on a plane by {method.upper()}{variance}. Of "
        f"the {plane.NEIGHBOURS} nearest dots {'of other speakers' if several else 'of all'} {percent(emotion.plane)} "
        f"have the clip's emotion (chance {percent(emotion.chance)}), and {percent(emotion.space)} by the distance of "
        f"{projected.components.shape[1]} principal components"
    )
    if several:
        text += (
            f"; of the nearest of all clips, {percent(speaker.plane)} are of the same speaker (chance "
            f"{percent(speaker.chance)}), {percent(speaker.space)} by the components. The silhouette on the plane is "
            f"{emotion.silhouette:+.2f} by emotion and {speaker.silhouette:+.2f} by speaker; 0 or less means no "
            "cluster, 1 clusters far apart."
        )
    else:
        text += f". The silhouette by emotion is {emotion.silhouette:+.2f}. No two speakers are known."
    return Finding(f"projection-{method}", f"All clips by {method.upper()}", text, rows, figure, wide=True)
