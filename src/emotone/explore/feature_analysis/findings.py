"""What features tell of emotions: distributions, correlations, which of them discriminate, and a map of all clips.

Each function takes a `FeatureTable` of any extractor and gives a `Finding`: a picture and its numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram, fcluster, linkage
from scipy.spatial.distance import squareform

from emotone.errors import FeatureError
from emotone.explore.feature_analysis import projection as feature_map
from emotone.explore.feature_analysis import statistics
from emotone.explore.feature_analysis.figures import SHARES, Effect, boxes_picture, effects_picture, heat_map
from emotone.explore.feature_analysis.labels import in_order
from emotone.explore.finding import Finding
from emotone.formatting import percent
from emotone.progress import Progress

__all__ = [
    "FeatureTable",
    "correlations",
    "discriminative",
    "distributions",
    "findings",
    "projection",
    "quantiles",
    "ranking",
]

#: Features that correlate more than this, within speakers, are shown once.
COPY_LIMIT = 0.9
_GROUP_LIMIT = 0.7  # mean |r| above which the tree's branches count as one group
_BOOTSTRAPPED = 500  # resamples of speakers


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of clips, and who says what in them.

    Parameters
    ----------
    values
        (n, d) float32, finite; n >= 3.
    names
        d names, all different.
    emotions
        (n,) texts, two different ones or more.
    speakers
        (n,) texts; clips of an unknown speaker share the text "", and count as one speaker.
    units
        d units of the features; "" if unknown, as all are by default.

    Raises
    ------
    FeatureError
        Any of this does not hold.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    emotions: NDArray[np.str_]
    speakers: NDArray[np.str_]
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, dtype=np.float32)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        object.__setattr__(self, "units", tuple(self.units) or ("",) * len(self.names))
        for name in ("emotions", "speakers"):
            labels = np.asarray(getattr(self, name), dtype=str)
            object.__setattr__(self, name, labels)
            if labels.shape != values.shape[:1]:
                raise FeatureError(f"{name} have shape {labels.shape}, features {values.shape}; expected one a clip")
        if values.ndim != 2 or values.shape[0] < 3 or values.shape[1] != len(self.names) or not self.names:
            raise FeatureError(
                f"features have shape {values.shape} and {len(self.names)} names; expected (clips, names), with three "
                "clips or more and a name for each column"
            )
        if len(set(self.names)) != len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise FeatureError(f"two features are called {twice!r}; expected different names")
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            row, column = wrong[0]
            raise FeatureError(
                f"feature {self.names[column]!r} of clip {row} is {values[row, column]}, as are {len(wrong) - 1} more; "
                "expected finite numbers: leave out the clips that have none"
            )
        if len(set(self.emotions)) < 2:
            raise FeatureError(f"all clips are {str(self.emotions[0])!r}; expected two emotions or more to tell apart")


def findings(
    table: FeatureTable, *, seed: int, with_umap: bool | None = None, progress: Progress | None = None
) -> list[Finding]:
    """Everything there is to find out about a table of features, in the order of a page.

    Parameters
    ----------
    seed
        Of the resamples of speakers and of UMAP; equal seeds give equal findings.
    with_umap
        Whether to make a UMAP too, which takes longer than all the rest; None: where it is installed.
    progress
        Told before each.
    """
    umap = feature_map.has_umap() if with_umap is None else with_umap
    steps: list[tuple[str, Callable[[], Finding]]] = [
        ("discriminative features", lambda: discriminative(table, seed=seed)),
        ("distributions of features", lambda: distributions(table)),
        ("correlations of features", lambda: correlations(table)),
        ("projection by PCA", lambda: projection(table, method="pca", seed=seed)),
    ]
    if umap:
        steps.append(("projection by UMAP", lambda: projection(table, method="umap", seed=seed)))
    found = []
    for done, (what, step) in enumerate(steps):
        if progress is not None:
            progress(done, len(steps), what)
        found.append(step())
    if progress is not None:
        progress(len(steps), len(steps), "features")
    return found


def ranking(table: FeatureTable) -> pd.DataFrame:
    """Every feature with what it tells of the emotion, the largest effect within speakers first.

    Returns
    -------
    One row a feature: ``rank, feature, unit``; ``f, p, q, p_holm, omega2, eta2, mutual_information_bits`` over all
    clips, and the same with ``_within`` for within speakers (`feature_statistics.anova`); ``speaker_share``, the share
    of the variance between speakers; ``speakers_agree`` of ``speakers_counted``, for how many the emotions lie as for
    the others; ``column``, the feature's place in the table.  ``q`` is corrected by Benjamini and Hochberg, ``p_holm``
    by Holm, for all features.
    """
    away = statistics.centred(table.values, table.speakers)
    told: dict[str, object] = {"feature": table.names, "unit": table.units}
    for suffix, blocks, values in (("_within", table.speakers, away), ("", None, table.values)):
        found = statistics.anova(table.values, table.emotions, blocks=blocks)
        told[f"f{suffix}"], told[f"p{suffix}"] = found.f, found.p
        told[f"q{suffix}"], told[f"p_holm{suffix}"] = statistics.false_discovery(found.p), statistics.holm(found.p)
        told[f"omega2{suffix}"], told[f"eta2{suffix}"] = found.omega2, found.eta2
        told[f"mutual_information_bits{suffix}"] = statistics.mutual_information(values, table.emotions)
    told["speaker_share"] = statistics.speaker_share(table.values, table.speakers)
    agreeing, counted = statistics.agreement(table.values, table.emotions, table.speakers)
    told["speakers_agree"], told["speakers_counted"] = agreeing, counted
    told["column"] = np.arange(len(table.names))
    ranked = pd.DataFrame(told).iloc[_order(table)].reset_index(drop=True)
    ranked.insert(0, "rank", np.arange(1, len(ranked) + 1))
    return ranked


def discriminative(table: FeatureTable, *, top: int = 30, seed: int = 0) -> Finding:
    """Which features tell the emotions apart, within speakers and over all clips.

    Parameters
    ----------
    top
        How many to draw, near copies left out; the table has all.
    seed
        Of the resamples of speakers.
    """
    ranked = ranking(table)
    away = statistics.centred(table.values, table.speakers)
    shown = statistics.without_copies(away, ranked["column"].to_numpy(), top=top, limit=COPY_LIMIT)
    low, high = statistics.bootstrap_effects(
        table.values[:, shown], table.emotions, table.speakers, n_resamples=_BOOTSTRAPPED, seed=seed
    )
    told = ranked.set_index("column")
    told["shown"] = told.index.isin(shown)
    told.loc[shown, "omega2_within_low"], told.loc[shown, "omega2_within_high"] = low, high
    effects = [_line(one) for one in told.loc[shown].itertuples()]
    best = told.loc[shown[0]]
    figure = effects_picture(
        effects,
        label="omega²: share of the variance that the emotion accounts for",
        note="bits   speaker   agree",
        text=f"Of {len(ranked):,} features, {best['feature']} tells the {_count(table)} emotions apart best",
    )
    alone = "" if len(set(table.speakers)) > 1 else "One speaker is known: within speakers is over all clips. "
    text = (
        f"{alone}Within speakers, {int((ranked['q_within'] < 0.05).sum()):,} of {len(ranked):,} features differ by "
        f"emotion at a false discovery rate of 5 %, over all clips {int((ranked['q'] < 0.05).sum()):,}; clips of one "
        f"speaker are not independent, so p-values rank features and prove nothing. {best['feature']} has the largest "
        f"effect: omega² {best['omega2_within']:.2f} within speakers (F {best['f_within']:.0f}), {best['omega2']:.2f} "
        f"over all clips. Drawn are {len(shown)}, leaving out each that correlates over {COPY_LIMIT} with a better "
        "one, with intervals over speakers; as the best of many, they are somewhat too large. Bits are the mutual "
        "information with the emotion within speakers, speaker is the share of variance between speakers, agree counts "
        "the speakers whose emotions lie as the others' do."
    )
    table_ = told.reset_index(drop=True)
    return Finding("discriminative-features", "Features that tell emotions apart", text, table_, figure, wide=True)


def _line(one: Any) -> Effect:
    """Put a row of `ranking`, with its interval, as a line of the picture."""
    note = (
        f"{one.mutual_information_bits_within:.2f}     {one.speaker_share:.2f}     "
        f"{one.speakers_agree} of {one.speakers_counted}"
    )
    ends = (one.omega2_within_low, one.omega2_within_high)
    return Effect(one.feature, one.omega2_within, *ends, overall=one.omega2, note=note)


def distributions(table: FeatureTable, *, top: int = 12) -> Finding:
    """How the best features are distributed by emotion, over all clips and within speakers."""
    shown = _leading(table, top)
    emotions = in_order(table.emotions)
    told = quantiles(table, shown)
    names = [table.names[column] for column in shown]
    headline = f"The {len(names)} features that differ most by emotion within speakers"
    figure = boxes_picture(told, features=names, emotions=emotions, text=headline)
    text = (
        f"Boxes hold the middle half of an emotion's clips and are cut by the median; whiskers end at the 5th and 95th "
        f"percentile. Where the coloured boxes lie further apart than the white ones, differences between speakers "
        f"hide what the emotion does. Features that correlate over {COPY_LIMIT} with a better one are left out."
    )
    return Finding("feature-distributions", "Distributions by emotion", text, told, figure, wide=True)


def quantiles(table: FeatureTable, columns: list[int]) -> pd.DataFrame:
    """Quantiles of features by emotion: ``feature, unit, emotion, scale, clips``, those of `SHARES`, and ``mean``.

    ``scale`` is "raw", or "within speaker": less the speaker's mean, plus the mean of all clips.
    """
    raw = table.values[:, columns].astype(np.float64)
    within = statistics.centred(raw, table.speakers) + raw.mean(axis=0)
    rows = []
    for emotion in in_order(table.emotions):
        chosen = table.emotions == emotion
        for scale, values in (("raw", raw), ("within speaker", within)):
            found = np.quantile(values[chosen], list(SHARES.values()), axis=0)
            means = values[chosen].mean(axis=0)
            for place, column in enumerate(columns):
                name = table.names[column]
                row = {"feature": name, "unit": table.units[column], "emotion": emotion, "scale": scale}
                numbers = dict(zip(SHARES, found[:, place], strict=True))
                rows.append({**row, "clips": int(chosen.sum()), **numbers, "mean": means[place]})
    return pd.DataFrame(rows)


def correlations(table: FeatureTable, *, top: int = 40) -> Finding:
    """How the features with the largest effects within speakers hang together, near copies included."""
    shown = _order(table)[:top]
    scaled = statistics.standardised(statistics.centred(table.values[:, shown], table.speakers))
    matrix = np.clip(scaled.T @ scaled / len(scaled), -1, 1)
    np.fill_diagonal(matrix, 1.0)
    if len(shown) < 2:
        names = [table.names[column] for column in shown]
        told = pd.DataFrame(matrix, columns=names)
        told.insert(0, "feature", names)
        return Finding("feature-correlations", "Correlations", "There is one feature alone.", told)
    distances = squareform(np.maximum(1 - np.abs(matrix), 0), checks=False)
    joined = linkage(distances, method="average", optimal_ordering=True)
    tree = dendrogram(joined, no_plot=True)
    order = tree["leaves"]
    names = [table.names[shown[place]] for place in order]
    matrix = matrix[np.ix_(order, order)]
    told = pd.DataFrame(matrix, columns=names)
    told.insert(0, "feature", names)
    pairs = np.abs(matrix[np.triu_indices(len(names), k=1)])
    groups = int(fcluster(joined, 1 - _GROUP_LIMIT, criterion="distance").max())
    text = (
        f"Correlations within speakers of the {len(names)} features with the largest effects, ordered by average "
        f"linkage of 1 - |r|. The median |r| is {np.median(pairs):.2f}, and {int((pairs > COPY_LIMIT).sum())} of "
        f"{len(pairs):,} pairs are over {COPY_LIMIT}; cut at |r| {_GROUP_LIMIT}, the tree has {groups} groups: so many "
        "different things these features tell."
    )
    headline = f"{len(names)} leading features, {groups} groups of features that say much the same"
    figure = heat_map(matrix, names=names, tree=tree, text=headline)
    return Finding("feature-correlations", "Correlations of the leading features", text, told, figure, wide=True)


def projection(
    table: FeatureTable, *, method: str = "pca", seed: int = 0, points: NDArray[np.float64] | None = None
) -> Finding:
    """All clips on a plane, coloured by emotion and by speaker; see `feature_map.project`.

    Raises
    ------
    ConfigError
        ``method`` is neither "pca" nor "umap".
    MissingExtraError
        UMAP is asked for and not installed.
    """
    found = feature_map.project(table.values, method=method, seed=seed, points=points)
    told = feature_map.told(found, table.emotions, table.speakers, seed=seed)
    shown = pd.DataFrame(
        {"emotion": table.emotions, "speaker": table.speakers, "x": found.points[:, 0], "y": found.points[:, 1]}
    )
    figure = feature_map.picture(found, table.emotions, table.speakers, told=told)
    emotion, speaker = told["emotion"], told["speaker"]
    whose = "of other speakers" if len(set(table.speakers)) > 1 else "of all"
    varied = "" if found.shares is None else f", {percent(float(found.shares.sum()))} of the variance"
    text = (
        f"Each dot is a clip: {found.columns} standardised features on a plane by {method.upper()}{varied}. "
        f"Of the {feature_map.NEIGHBOURS} nearest dots {whose} {percent(emotion.plane)} have the clip's "
        f"emotion (chance {percent(emotion.chance)}), and {percent(emotion.space)} by the distance of "
        f"{found.n_components} principal components"
    )
    if len(set(table.speakers)) > 1:
        text += (
            f"; of the nearest of all clips, {percent(speaker.plane)} are the "
            f"same speaker's (chance {percent(speaker.chance)}), {percent(speaker.space)} by the components. The "
            f"silhouette on the plane is {emotion.silhouette:+.2f} by emotion and {speaker.silhouette:+.2f} by "
            "speaker; 0 or less is no cluster, 1 clusters far apart."
        )
    else:
        text += f". The silhouette by emotion is {emotion.silhouette:+.2f}. No two speakers are known."
    return Finding(f"projection-{method}", f"All clips by {method.upper()}", text, shown, figure, wide=True)


def _order(table: FeatureTable) -> NDArray[np.int64]:
    """Columns by effect within speakers, then over all clips, (d,)."""
    within = statistics.anova(table.values, table.emotions, blocks=table.speakers)
    overall = statistics.anova(table.values, table.emotions)
    return np.lexsort((-overall.omega2, -within.omega2)).astype(np.int64)


def _leading(table: FeatureTable, top: int) -> list[int]:
    away = statistics.centred(table.values, table.speakers)
    return statistics.without_copies(away, _order(table), top=top, limit=COPY_LIMIT)


def _count(table: FeatureTable) -> int:
    return len(set(table.emotions))
