"""Findings on two emotions: the features and the parts of the spectrum that separate them, and how well."""

from typing import Any

import numpy as np
import pandas as pd

from emotone.emotions import in_order
from emotone.errors import ConfigError, FeatureError
from emotone.explore.contrast import spectra as spectra_of_pairs
from emotone.explore.contrast import statistics
from emotone.explore.contrast.figures import clips_picture, difference_picture
from emotone.explore.contrast.spectra import STEPS, Match, Spectra
from emotone.explore.feature_analysis import FeatureTable, quantiles
from emotone.explore.feature_analysis.figures import Effect, boxes_picture, effects_picture
from emotone.explore.feature_analysis.statistics import anova, corrected
from emotone.explore.feature_analysis.table import COPY_LIMIT
from emotone.explore.finding import Finding
from emotone.formatting import percent
from emotone.palette import colour_of
from emotone.progress import Progress

_SHOWN_CLIPS = 2  # pairs
_SAME = ("speaker", "statement", "intensity")


def all_findings(
    table: FeatureTable, first: str, second: str, *, clips: pd.DataFrame, seed: int, progress: Progress | None = None
) -> list[Finding]:
    """Return all findings on two emotions, in the order of the page.

    Parameters
    ----------
    clips
        Table of a corpus (`emotone.corpora.table.COLUMNS`) with the same n rows as ``table``.
    seed
        Of resamples, and of the choice of clips if there are very many.
    progress
        Called before each clip that is read.

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
    ranked = ranking(table, first, second, seed=seed)
    is_first = table.emotions == first
    rows = np.flatnonzero(is_first | (table.emotions == second))
    chosen = clips.iloc[rows].reset_index(drop=True)
    spectra = spectra_of_pairs.read(chosen, is_first[rows], seed=seed, progress=progress)
    return [
        separating(table, first, second, ranked=ranked),
        distributions(table, first, second, ranked=ranked),
        spectrum(spectra, first, second),
        clips_apart(spectra, first, second),
    ]


def ranking(table: FeatureTable, first: str, second: str, *, seed: int = 0) -> pd.DataFrame:
    """Return every feature with how well it separates the two, the largest effect within speakers first.

    Returns
    -------
    One row per feature: ``rank, feature, unit``; Hedges' g, first minus second, within speakers and over all clips with
    95 % intervals over speakers (``g_within, g_within_low, g_within_high, g, g_low, g_high``); ``p_within`` of it, and
    ``q_within`` and ``p_holm_within``, corrected for all features; ``auc`` and ``auc_within``, the probability that a
    clip of the first has the larger value; ``balanced_accuracy`` of the feature alone on speakers that its threshold
    has not seen (`statistics.alone`); ``column``, its place in the table.
    """
    pair = _pair_table(table, first, second)
    values, speakers, is_first = pair.values, pair.speakers, pair.emotions == first
    effects = statistics.effects(values, is_first, speakers, seed=seed)
    p = anova(values, pair.emotions, blocks=speakers).p
    q, holm = corrected(p)
    rows = pd.DataFrame(
        {
            "feature": table.names,
            "unit": table.units,
            "g_within": effects.within,
            "g_within_low": effects.within_low,
            "g_within_high": effects.within_high,
            "g": effects.overall,
            "g_low": effects.overall_low,
            "g_high": effects.overall_high,
            "p_within": p,
            "q_within": q,
            "p_holm_within": holm,
            "auc": statistics.area_under_curve(values, is_first),
            "auc_within": statistics.within_area(values, is_first, speakers),
            "balanced_accuracy": statistics.alone(values, is_first, speakers),
            "column": np.arange(len(table.names)),
        }
    )
    size = np.abs(np.where(np.isnan(effects.within), effects.overall, effects.within))
    rows = rows.iloc[np.lexsort((-np.abs(effects.overall), -size))].reset_index(drop=True)
    rows.insert(0, "rank", np.arange(1, len(rows) + 1))
    return rows


def separating(
    table: FeatureTable, first: str, second: str, *, ranked: pd.DataFrame | None = None, top: int = 25, seed: int = 0
) -> Finding:
    """Show which features separate the two, and how well each alone does.

    ``top`` features are drawn, without near copies; the table has all.  ``ranked`` is the result of `ranking`.
    """
    ranked = ranking(table, first, second, seed=seed) if ranked is None else ranked
    pair = _pair_table(table, first, second)
    shown = pair.best(ranked["column"].to_numpy(), top)
    rows: Any = ranked.set_index("column")
    rows["shown"] = rows.index.isin(shown)
    single = bool(np.isnan(rows["g_within"]).all())
    best, alone = rows.loc[shown[0]], rows.loc[rows["balanced_accuracy"].fillna(0).idxmax()]
    figure = effects_picture(
        [_line(row, single=single) for row in rows.loc[shown].itertuples()],
        label="Hedges' g: difference of the means in standard deviations",
        note="AUC   within   alone",
        text=f"{first} against {second}: {best['feature']} differs most",
        colours=(colour_of(second, (first, second)), colour_of(first, (first, second))),
        ends=(f"higher when {second}", f"higher when {first}"),
    )
    text = (
        f"{_difference_words(rows, best, n_speakers=len(set(pair.speakers)))} "
        f"{_alone_words(alone, n_features=len(rows))} {len(shown)} features are drawn, without those that correlate "
        f"over {COPY_LIMIT} with a better one; AUC is how often the feature puts a clip of each in the right order, "
        "over all clips and within speakers."
    )
    title = f"What separates {first} and {second}"
    return Finding(f"{first}-{second}-features", title, text, rows.reset_index(drop=True), figure, wide=True)


def _difference_words(rows: pd.DataFrame, best: Any, *, n_speakers: int) -> str:
    if np.isnan(rows["g_within"]).all():
        return (
            "No speaker has both emotions, so effects within speakers are unknown; "
            f"{best['feature']} differs most over all clips, g {best['g']:+.2f}."
        )
    whose = f"Within the {n_speakers} speakers" if n_speakers > 1 else "Of the one speaker"
    return (
        f"{whose}, {int((rows['q_within'] < 0.05).sum()):,} of {len(rows):,} features differ at a false discovery rate "
        "of 5 %; p-values rank features and prove nothing, since clips of one speaker are not independent. "
        f"{best['feature']} differs most: g {best['g_within']:+.2f} within speakers, {best['g']:+.2f} over all clips."
    )


def _alone_words(best: Any, *, n_features: int) -> str:
    if np.isnan(best["balanced_accuracy"]):
        return "There are too few speakers of both to test a threshold on another speaker."
    return (
        f"Alone, with a threshold chosen on other speakers, {best['feature']} is best: balanced accuracy "
        f"{percent(float(best['balanced_accuracy']))}, where guessing gives 50 % (as the best of {n_features:,} it is "
        "somewhat too high)."
    )


def _line(row: Any, *, single: bool) -> Effect:
    """Return a row of `ranking` as a line of the picture; ``single``: no speaker has both emotions."""
    alone = "-" if np.isnan(row.balanced_accuracy) else percent(row.balanced_accuracy, digits=0)
    areas = [max(area, 1 - area) for area in (row.auc, row.auc_within)]
    within = (row.g, row.g_low, row.g_high) if single else (row.g_within, row.g_within_low, row.g_within_high)
    return Effect(row.feature, *within, row.g, f"{areas[0]:.2f}    {areas[1]:.2f}     {alone}")


def distributions(
    table: FeatureTable, first: str, second: str, *, ranked: pd.DataFrame | None = None, top: int = 12, seed: int = 0
) -> Finding:
    """Show the distributions of the features that separate the two most."""
    ranked = ranking(table, first, second, seed=seed) if ranked is None else ranked
    pair = _pair_table(table, first, second)
    shown = pair.best(ranked["column"].to_numpy(), top)
    rows = quantiles(pair, shown)
    names = [table.names[column] for column in shown]
    headline = f"The {len(names)} features that separate {first} and {second} most within speakers"
    figure = boxes_picture(rows, features=names, emotions=in_order((first, second), unknown_last=True), text=headline)
    text = (
        "Boxes are the middle half of the clips, with a line at the median; whiskers end at the 5th and 95th "
        "percentile. Within a speaker, values are minus the mean of the speaker's clips of both emotions. As above, "
        "near copies are left out."
    )
    return Finding(f"{first}-{second}-distributions", "Distributions", text, rows, figure, wide=True)


def spectrum(spectra: Spectra, first: str, second: str) -> Finding:
    """Show where the mean spectra of the two differ, by band and over relative time."""
    difference = spectra_of_pairs.difference(spectra)
    bands, n = difference.bands, difference.n_speakers
    names = [f"db_at_{100 * (step + 0.5) / STEPS:g}_percent" for step in range(STEPS)]
    columns = {"hz": spectra.rows_hz, "db": bands, "db_low": difference.bands_low, "db_high": difference.bands_high}
    rows = pd.concat([pd.DataFrame(columns), pd.DataFrame(difference.mean, columns=names)], axis=1)
    most = int(np.abs(bands).argmax())
    side = "louder" if bands[most] > 0 else "softer"
    headline = f"{first} is {abs(bands[most]):.1f} dB {side} than {second} around {spectra.rows_hz[most]:,.0f} Hz"
    figure = difference_picture(difference, spectra.rows_hz, first=first, second=second, text=headline)
    whose = f"the {n} speakers with both" if n else "all clips, because no speaker has both"
    text = (
        f"Mean level of {int(spectra.is_first.sum())} {first} clips minus that of {int((~spectra.is_first).sum())} "
        f"{second} clips in 128 mel bands, silence at the ends left out and each clip stretched to one length; the "
        f"mean over {whose}, each with the same weight. At every time it is the difference of levels, loudness "
        f"included: by band from {bands.min():+.1f} to {bands.max():+.1f} dB."
    )
    return Finding(f"{first}-{second}-spectrum", "Mean spectra", text, rows, figure, wide=True)


def clips_apart(spectra: Spectra, first: str, second: str) -> Finding:
    """Show the matched clips whose spectrograms differ most, side by side."""
    matches = spectra_of_pairs.matched(spectra)
    title, name = "Spectrograms that differ most", f"{first}-{second}-clips"
    clips = spectra.clips
    table = clips[list(_SAME)].iloc[[match.first for match in matches]].reset_index(drop=True)
    table[first] = [clips["path"].iloc[match.first] for match in matches]
    table[second] = [clips["path"].iloc[match.second] for match in matches]
    table["rms_db"] = [match.rms_db for match in matches]
    if not matches:
        text = "No speaker says the same with the same intensity in both emotions, so that no clips can be matched."
        return Finding(name, title, text, table)
    shown = spectra_of_pairs.differing_speakers(matches, spectra, count=_SHOWN_CLIPS)
    image = spectra_of_pairs.image_of
    pictures = [(image(clips, match.first), image(clips, match.second), _same(spectra, match)) for match in shown]
    median = float(np.median([match.rms_db for match in matches]))
    apart = " and ".join(f"{match.rms_db:.1f}" for match in shown)
    known = clips.iloc[[match.first for match in shown]]
    who = "One speaker" if (known["speaker"] != "").all() else "Speakers not known"
    words = "the same words" if (known["statement"].fillna("") != "").all() else "words not known"
    headline = f"{who}, {words}: {first} at the left, {second} at the right"
    figure = clips_picture(pictures, first=first, second=second, text=headline)
    text = (
        f"Of {len(matches)} pairs of clips with the same speaker, statement and intensity, where these are known, the "
        f"ones furthest apart of {len(shown)} speakers: their log-mel spectra over relative time differ by {apart} dB "
        f"(root mean square, loudness and pauses included; the median pair by {median:.1f} dB). All are drawn on one "
        "scale; they are extremes and not typical."
    )
    return Finding(name, title, text, table, figure, wide=True)


def _pair_table(table: FeatureTable, first: str, second: str) -> FeatureTable:
    """Return the clips of the two emotions; ConfigError unless both occur and differ."""
    known = in_order(table.emotions, unknown_last=True)
    for name in (first, second):
        if name not in known:
            raise ConfigError(f"no clip is {name!r}; expected two of {', '.join(known)}")
    if first == second:
        raise ConfigError(f"{first!r} is compared with itself; expected two different emotions of {', '.join(known)}")
    return table.only(np.flatnonzero((table.emotions == first) | (table.emotions == second)))


def _same(spectra: Spectra, match: Match) -> str:
    """Return what two clips have in common, if it is known."""
    clip = spectra.clips.iloc[match.first]
    parts = [clip["speaker"], clip["statement"] and f"“{clip['statement']}”", clip["intensity"]]
    return ", ".join(str(part) for part in parts if part)
