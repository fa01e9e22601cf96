"""Two emotions, one against the other: which features and which parts of the spectrum separate them, and how well."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone.errors import ConfigError, FeatureError
from emotone.explore.contrast import spectra as pair_sound
from emotone.explore.contrast import statistics as pair_statistics
from emotone.explore.contrast.figures import clips_picture, difference_picture
from emotone.explore.contrast.spectra import Spectra
from emotone.explore.feature_analysis import statistics
from emotone.explore.feature_analysis.figures import Effect, boxes_picture, effects_picture
from emotone.explore.feature_analysis.findings import COPY_LIMIT, FeatureTable, quantiles
from emotone.explore.feature_analysis.labels import in_order
from emotone.explore.finding import Finding
from emotone.formatting import percent
from emotone.palette import colour_of
from emotone.progress import Progress

__all__ = ["clips_apart", "distributions", "findings", "ranking", "separating", "spectrum"]

_SHOWN_CLIPS = 2  # pairs


def findings(
    table: FeatureTable,
    first: str,
    second: str,
    *,
    clips: pd.DataFrame,
    seed: int,
    progress: Progress | None = None,
) -> list[Finding]:
    """Everything there is to find out about two emotions, in the order of a page.

    Parameters
    ----------
    clips
        Table of a corpus (`emotone.corpora.table.COLUMNS`) with the same n rows as ``table``.
    seed
        Of resamples, and of the choice of clips where there are very many.
    progress
        Told of each clip that is read.

    Raises
    ------
    ConfigError
        An emotion does not occur, or both are the same.
    FeatureError
        ``clips`` has another number of rows.
    AudioError
        A clip can't be read.
    """
    if len(clips) != len(table.values):
        raise FeatureError(f"there are {len(clips)} clips and {len(table.values)} rows of features; expected as many")
    chosen = _chosen(table, first, second)
    ranked = ranking(table, first, second, seed=seed)
    is_first = table.emotions[chosen] == first
    spectra = pair_sound.read(clips.iloc[chosen].reset_index(drop=True), is_first, seed=seed, progress=progress)
    return [
        separating(table, first, second, ranked=ranked),
        distributions(table, first, second, ranked=ranked),
        spectrum(spectra, first, second),
        clips_apart(spectra, first, second),
    ]


def ranking(table: FeatureTable, first: str, second: str, *, seed: int = 0) -> pd.DataFrame:
    """Every feature with how far it separates the two, the largest effect within speakers first.

    Returns
    -------
    One row a feature: ``rank, feature, unit``; Hedges' g, first minus second, within speakers and over all clips with
    95 % intervals over speakers (``g_within, g_within_low, g_within_high, g, g_low, g_high``); ``p_within`` of it, and
    ``q_within`` and ``p_holm_within``, corrected for all features; ``auc`` and ``auc_within``, the probability that a
    clip of the first has the larger value; ``balanced_accuracy`` of the feature alone on speakers that its threshold
    has not seen (`pair_statistics.alone`); ``column``, its place in the table.
    """
    chosen = _chosen(table, first, second)
    values, speakers = table.values[chosen], table.speakers[chosen]
    is_first = table.emotions[chosen] == first
    found = pair_statistics.effects(values, is_first, speakers, seed=seed)
    p = statistics.anova(values, table.emotions[chosen], blocks=speakers).p
    told = pd.DataFrame(
        {
            "feature": table.names,
            "unit": table.units,
            "g_within": found.within,
            "g_within_low": found.within_low,
            "g_within_high": found.within_high,
            "g": found.overall,
            "g_low": found.overall_low,
            "g_high": found.overall_high,
            "p_within": p,
            "q_within": statistics.false_discovery(p),
            "p_holm_within": statistics.holm(p),
            "auc": pair_statistics.area_under_curve(values, is_first),
            "auc_within": pair_statistics.within_area(values, is_first, speakers),
            "balanced_accuracy": pair_statistics.alone(values, is_first, speakers),
            "column": np.arange(len(table.names)),
        }
    )
    size = np.abs(np.where(np.isnan(found.within), found.overall, found.within))
    told = told.iloc[np.lexsort((-np.abs(found.overall), -size))].reset_index(drop=True)
    told.insert(0, "rank", np.arange(1, len(told) + 1))
    return told


def separating(
    table: FeatureTable, first: str, second: str, *, ranked: pd.DataFrame | None = None, top: int = 25, seed: int = 0
) -> Finding:
    """Which features separate the two, and how well each alone tells them apart.

    Parameters
    ----------
    ranked
        What `ranking` gives, where it is at hand.
    top
        How many to draw, near copies left out; the table has all.
    """
    ranked = ranking(table, first, second, seed=seed) if ranked is None else ranked
    shown = _leading(table, first, second, ranked, top)
    told = ranked.set_index("column")
    told["shown"] = told.index.isin(shown)
    single = bool(np.isnan(told["g_within"]).all())
    lines = [_line(one, single=single) for one in told.loc[shown].itertuples()]
    rows: Any = told.loc
    best, alone = rows[shown[0]], rows[told["balanced_accuracy"].fillna(0).idxmax()]
    figure = effects_picture(
        lines,
        label="Hedges' g: difference of the means in standard deviations",
        note="AUC   within   alone",
        text=f"{first} against {second}: {best['feature']} differs most",
        colours=(colour_of(second), colour_of(first)),
        ends=(f"higher when {second}", f"higher when {first}"),
    )
    speakers = len(set(table.speakers[_chosen(table, first, second)]))
    text = (
        f"{_told_differences(told, best, speakers=speakers)} {_told_alone(alone, n_features=len(told))} Drawn are "
        f"{len(shown)} features, leaving out each that correlates over {COPY_LIMIT} with a better one; AUC is how "
        "often the feature puts a clip of each in the right order, over all clips and within speakers."
    )
    title = f"What separates {first} and {second}"
    return Finding(f"{first}-{second}-features", title, text, told.reset_index(drop=True), figure, wide=True)


def _told_differences(told: pd.DataFrame, best: Any, *, speakers: int) -> str:
    if np.isnan(told["g_within"]).all():
        return (
            "No speaker has both emotions, so that nothing can be told within speakers; "
            f"{best['feature']} differs most over all clips, g {best['g']:+.2f}."
        )
    whose = f"Within the {speakers} speakers" if speakers > 1 else "Of the one speaker"
    found = int((told["q_within"] < 0.05).sum())
    return (
        f"{whose}, {found:,} of {len(told):,} features differ at a false discovery rate of 5 %; p-values rank features "
        f"and prove nothing, since clips of one speaker are not independent. {best['feature']} differs most: g "
        f"{best['g_within']:+.2f} within speakers, {best['g']:+.2f} over all clips."
    )


def _told_alone(best: Any, *, n_features: int) -> str:
    if np.isnan(best["balanced_accuracy"]):
        return "There are too few speakers of both to tell how a threshold would do on another."
    return (
        f"Alone, with a threshold chosen on other speakers, {best['feature']} decides best: balanced accuracy "
        f"{percent(float(best['balanced_accuracy']))}, where guessing gives 50 % (as the best of {n_features:,} it is "
        "somewhat too high)."
    )


def distributions(
    table: FeatureTable, first: str, second: str, *, ranked: pd.DataFrame | None = None, top: int = 12, seed: int = 0
) -> Finding:
    """How the features that separate the two most are distributed."""
    ranked = ranking(table, first, second, seed=seed) if ranked is None else ranked
    shown = _leading(table, first, second, ranked, top)
    chosen = _chosen(table, first, second)
    part = FeatureTable(table.values[chosen], table.names, table.emotions[chosen], table.speakers[chosen], table.units)
    told = quantiles(part, shown)
    names = [table.names[column] for column in shown]
    headline = f"The {len(names)} features that separate {first} and {second} most within speakers"
    figure = boxes_picture(told, features=names, emotions=in_order((first, second)), text=headline)
    text = (
        "Boxes hold the middle half of the clips and are cut by the median; whiskers end at the 5th and 95th "
        "percentile. Within a speaker, values are less the mean of the speaker's clips of both emotions. As above, "
        "near copies are left out."
    )
    return Finding(f"{first}-{second}-distributions", "Distributions", text, told, figure, wide=True)


def spectrum(spectra: Spectra, first: str, second: str) -> Finding:
    """Where the mean spectra of the two differ, by band and over relative time."""
    found = pair_sound.difference(spectra)
    told = pd.DataFrame(found.mean, columns=[f"db_at_{100 * (step + 0.5) / pair_sound.STEPS:g}_percent" for step in
                                             range(pair_sound.STEPS)])  # fmt: skip
    told.insert(0, "hz", spectra.rows_hz)
    told.insert(1, "db", found.bands)
    told.insert(2, "db_low", found.bands_low)
    told.insert(3, "db_high", found.bands_high)
    most = int(np.abs(found.bands).argmax())
    side = "louder" if found.bands[most] > 0 else "softer"
    whose = (
        f"the {found.n_speakers} speakers with both"
        if found.n_speakers
        else "all clips, for want of a speaker with both"
    )
    figure = difference_picture(
        found, spectra.rows_hz, first=first, second=second,
        text=f"{first} is {abs(found.bands[most]):.1f} dB {side} than {second} around {spectra.rows_hz[most]:,.0f} Hz",
    )  # fmt: skip
    text = (
        f"Mean level of {int(spectra.is_first.sum())} {first} clips less that of {int((~spectra.is_first).sum())} "
        f"{second} ones in 128 mel bands, silence at the ends left out and each clip stretched to one length; the mean "
        f"over {whose}, each counting the same. At every time it is the difference of levels, loudness included: by "
        f"band from {found.bands.min():+.1f} to {found.bands.max():+.1f} dB."
    )
    return Finding(f"{first}-{second}-spectrum", "Mean spectra", text, told, figure, wide=True)


def clips_apart(spectra: Spectra, first: str, second: str) -> Finding:
    """The matched clips whose spectrograms differ most, side by side."""
    matches = pair_sound.matched(spectra)
    title, name = "Spectrograms that differ most", f"{first}-{second}-clips"
    rows = [_match_row(spectra, match, first, second) for match in matches]
    told = pd.DataFrame(rows, columns=["speaker", "statement", "intensity", first, second, "rms_db"])
    if not matches:
        text = "No speaker says the same with the same intensity in both emotions, so that no clips can be matched."
        return Finding(name, title, text, told)
    shown = pair_sound.differing_speakers(matches, spectra, count=_SHOWN_CLIPS)
    pictures = [
        (
            pair_sound.image_of(spectra.clips, match.first),
            pair_sound.image_of(spectra.clips, match.second),
            _same(spectra, match),
        )
        for match in shown
    ]
    middle = float(np.median([match.rms_db for match in matches]))
    apart = " and ".join(f"{match.rms_db:.1f}" for match in shown)
    known = spectra.clips.iloc[[match.first for match in shown]]
    who = "One speaker" if (known["speaker"] != "").all() else "Speakers not known"
    words = "the same words" if (known["statement"].fillna("") != "").all() else "words not known"
    headline = f"{who}, {words}: {first} at the left, {second} at the right"
    figure = clips_picture(pictures, first=first, second=second, text=headline)
    text = (
        f"Of {len(matches)} pairs of clips with the same speaker, statement and intensity, as far as these are known, "
        f"the ones furthest apart of {len(shown)} speakers: their log-mel spectra over relative time differ by "
        f"{apart} dB (root mean square, loudness and pauses included; the median pair by "
        f"{middle:.1f} dB). All are drawn on one scale; they are extremes and not typical."
    )
    return Finding(name, title, text, told, figure, wide=True)


def _chosen(table: FeatureTable, first: str, second: str) -> NDArray[np.int64]:
    """Rows of the two emotions; ConfigError where there are no two."""
    known = in_order(table.emotions)
    for name in (first, second):
        if name not in known:
            raise ConfigError(f"no clip is {name!r}; expected two of {', '.join(known)}")
    if first == second:
        raise ConfigError(f"{first!r} is compared with itself; expected two different emotions of {', '.join(known)}")
    return np.flatnonzero((table.emotions == first) | (table.emotions == second))


def _leading(table: FeatureTable, first: str, second: str, ranked: pd.DataFrame, top: int) -> list[int]:
    """Columns of the best features without near copies."""
    chosen = _chosen(table, first, second)
    away = statistics.centred(table.values[chosen], table.speakers[chosen])
    return statistics.without_copies(away, ranked["column"].to_numpy(), top=top, limit=COPY_LIMIT)


def _line(one: Any, *, single: bool) -> Effect:
    """Put a row of `ranking` as a line of the picture; ``single``: no speaker has both emotions."""
    alone = "-" if np.isnan(one.balanced_accuracy) else percent(one.balanced_accuracy, digits=0)
    areas = [max(area, 1 - area) for area in (one.auc, one.auc_within)]
    note = f"{areas[0]:.2f}    {areas[1]:.2f}     {alone}"
    if single:
        return Effect(one.feature, one.g, one.g_low, one.g_high, one.g, note)
    return Effect(one.feature, one.g_within, one.g_within_low, one.g_within_high, one.g, note)


def _match_row(spectra: Spectra, match: pair_sound.Match, first: str, second: str) -> dict[str, object]:
    clips = spectra.clips
    same = {name: clips[name].iloc[match.first] for name in ("speaker", "statement", "intensity")}
    paths = {first: clips["path"].iloc[match.first], second: clips["path"].iloc[match.second]}
    return {**same, **paths, "rms_db": match.rms_db}


def _same(spectra: Spectra, match: pair_sound.Match) -> str:
    """What two clips have in common, as far as it is known."""
    clip = spectra.clips.iloc[match.first]
    parts = [clip["speaker"], clip["statement"] and f"“{clip['statement']}”", clip["intensity"]]
    return ", ".join(str(part) for part in parts if part)
