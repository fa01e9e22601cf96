"""The corpus checked: what it holds, how even that is, what its recordings are like, and what was left out."""

from collections.abc import Mapping
from pathlib import PurePath

import numpy as np
import pandas as pd

from emotone.corpora import find_duplicates
from emotone.explore.finding import Finding
from emotone.explore.measure.corpus import Measured
from emotone.explore.overview.figures import bars, count_grids, spreads, summary_by_emotion
from emotone.formatting import percent

__all__ = [
    "checks",
    "clips",
    "counts_by_emotion",
    "counts_by_kind",
    "counts_by_speaker",
    "duplicates",
    "durations",
    "findings",
    "formats",
    "left_out",
    "levels",
    "short_paths",
    "silence",
    "speakers",
]

#: Column of a corpus -> how a reader calls it.
KINDS = {
    "gender": "sex",
    "intensity": "intensity",
    "statement": "statement",
    "channel": "channel",
    "corpus": "corpus",
    "language": "language",
}
_ALWAYS = ("gender", "intensity", "statement")  # kinds that a corpus should tell; missing ones are named
_MOST_LEVELS = 12  # of a kind, to be drawn: a hundred sentences are a table
_MOST_UNEVEN = 1.5  # times as many clips of one emotion as of another are told as uneven


def findings(measured: Measured) -> list[Finding]:
    """Check a corpus: all of this module's findings, in the order of the page."""
    return [
        counts_by_emotion(measured),
        counts_by_speaker(measured),
        counts_by_kind(measured),
        durations(measured),
        levels(measured),
        silence(measured),
        formats(measured),
        checks(measured),
        duplicates(measured),
        left_out(measured),
        clips(measured),
    ]


def counts_by_emotion(measured: Measured) -> Finding:
    """Count the clips, minutes and speakers of each emotion."""
    table = measured.clips
    rows = []
    for emotion in measured.corpus.emotions:
        of_it = table[table["emotion"] == emotion]
        rows.append(
            {
                "emotion": emotion,
                "clips": len(of_it),
                "share_percent": round(100 * len(of_it) / len(table), 2),
                "minutes": round(of_it["duration_s"].sum() / 60, 2),
                "speakers": of_it.loc[of_it["speaker"] != "", "speaker"].nunique(),
            }
        )
    counts = {emotion: int((table["emotion"] == emotion).sum()) for emotion in measured.corpus.emotions}
    least, most = min(counts, key=lambda e: counts[e]), max(counts, key=lambda e: counts[e])
    times = counts[most] / counts[least]
    even = (
        f"Uneven: {times:.1f} times as many clips of {most} ({counts[most]:,}) as of {least} ({counts[least]:,}), so "
        "accuracy alone would favour the frequent; the unweighted average recall does not."
        if times >= _MOST_UNEVEN
        else f"Nearly even: {counts[least]:,} ({least}) to {counts[most]:,} ({most}) clips an emotion."
    )
    if len(counts) == 1:
        even = "With one emotion there is nothing to tell apart."
    text = (
        f"{len(table):,} clips of {len(counts)} emotions by {speakers(measured)}, "
        f"{table['duration_s'].sum() / 60:.1f} minutes in all. {even}"
    )
    return Finding(
        "counts-by-emotion", "Clips by emotion", text, pd.DataFrame(rows), bars(counts, text="Clips by emotion")
    )


def counts_by_speaker(measured: Measured) -> Finding:
    """Count each speaker's clips of each emotion."""
    table = measured.clips.assign(speaker=measured.clips["speaker"].replace("", "(not known)"))
    grid = _grid(table, "speaker", measured)
    per_speaker = grid.sum(axis=1)
    missing = [
        (speaker, emotion) for speaker in grid.index for emotion in grid.columns if not grid.loc[speaker, emotion]
    ]
    gaps = (
        f"Pairs of speaker and emotion without a clip: {len(missing)} of {grid.size}, such as {missing[0][1]} of "
        f"{missing[0][0]}."
        if missing
        else "Every speaker has every emotion."
    )
    unknown = measured.corpus.unknown_speakers
    if unknown:
        gaps += f" The speaker of {unknown:,} clips is not known: no speaker-disjoint protocol can be built with them."
    text = f"{speakers(measured)}, {_range(per_speaker)} clips each. {gaps} Association with emotion: "
    text += f"{_association(grid)} (Cramér's V: 0 none, 1 full)."
    sexes = table.drop_duplicates("speaker").set_index("speaker")["gender"]
    named = grid.rename(index={name: f"{name} ({sexes[name]})" if sexes[name] else name for name in grid.index})
    out = grid.assign(all=per_speaker).reset_index()
    out.insert(1, "sex", [sexes[name] for name in grid.index])
    figure = count_grids({"speaker": named}, text="Clips by speaker and emotion")
    return Finding("counts-by-speaker", "Clips by speaker", text[0].upper() + text[1:], out, figure)


def counts_by_kind(measured: Measured) -> Finding:
    """Count each emotion's clips by sex, intensity and statement; by channel, corpus and language if there are two."""
    grids, told, missing = {}, [], []
    for column, kind in KINDS.items():
        values = measured.clips[column]
        if column in _ALWAYS and not (values != "").any():
            missing.append(kind)
            continue
        if column not in _ALWAYS and values.nunique() < 2:
            continue
        grid = _grid(measured.clips.assign(**{column: values.replace("", "(not known)")}), column, measured)
        grids[kind] = grid
        told.append(f"{kind} {len(grid)} ({_association(grid)})")
    words = f"Levels, and association with emotion (Cramér's V: 0 none, 1 full): {'; '.join(told)}." if told else ""
    if told:
        words += " What goes with an emotion, but is none, a model may learn in its place."
    if missing:
        words += f" This corpus does not tell: {', '.join(missing)}."
    small = {kind: grid for kind, grid in grids.items() if len(grid) <= _MOST_LEVELS}
    large = [f"{kind} ({len(grid)})" for kind, grid in grids.items() if len(grid) > _MOST_LEVELS]
    if large:
        words += f" Too many levels to draw, see the table: {', '.join(large)}."
    tables = [grid.reset_index(names="level").assign(kind=kind) for kind, grid in grids.items()]
    columns = ["kind", "level", *measured.corpus.emotions]
    table = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    figure = count_grids(small, text="Clips by kind and emotion") if small else None
    return Finding("counts-by-kind", "Clips by sex, intensity and statement", words.strip(), table, figure)


def durations(measured: Measured) -> Finding:
    """Show how long clips are, as recorded and without the silence at both ends."""
    clips = _with_sound(measured)
    label = {"duration_s": "length of the clip, s", "sound_s": "without silence at both ends, s"}
    lengths = clips["duration_s"]
    text = (
        f"Clips are {lengths.min():.2f} to {lengths.max():.2f} s long (median {lengths.median():.2f} s), and "
        f"{clips['sound_s'].median():.2f} s (median) without the silence at both ends. {_apart(clips, 'sound_s', 's')}"
    )
    return _spread_finding(measured, clips, label, name="durations", title="Length", text=text)


def levels(measured: Measured) -> Finding:
    """Show how loud the clips are: level of what is not silent, and peak."""
    label = {"active_db": "level of what is not silent, dB", "peak_db": "peak, dB"}
    active = measured.clips["active_db"]
    text = (
        f"Relative to full scale, the level of what is not silent is {active.min():.0f} to {active.max():.0f} dB "
        f"(median {active.median():.0f} dB). {_apart(measured.clips, 'active_db', 'dB')} A microphone at another "
        "distance changes it too, so the features are made from clips scaled to one loudness."
    )
    return _spread_finding(measured, measured.clips, label, name="levels", title="Level", text=text)


def silence(measured: Measured) -> Finding:
    """Show how much of the clips is silence: of all, before and after the sound."""
    label = {
        "silence_percent": "silent share of the clip, %",
        "lead_s": "silence before, s",
        "trail_s": "silence after, s",
    }
    clips = measured.clips.assign(silence_percent=100 * measured.clips["silence_share"])
    text = (
        f"Of a clip, {percent(clips['silence_share'].median())} (median) is silent: 10 ms over 40 dB under the loudest "
        f"10 ms. {clips['lead_s'].median():.2f} s are before the sound and {clips['trail_s'].median():.2f} s after it; "
        "both are cut off before anything is learnt."
    )
    return _spread_finding(measured, clips, label, name="silence", title="Silence", text=text, wide=True)


def formats(measured: Measured) -> Finding:
    """Count the formats of the files."""
    keys = ["corpus", "container", "codec", "sample_rate", "channels"]
    table = measured.clips.groupby(keys, as_index=False).size().rename(columns={"size": "clips"})
    table["minutes"] = (measured.clips.groupby(keys)["duration_s"].sum() / 60).round(2).to_numpy()
    rates = sorted(table["sample_rate"].unique())
    n_channels = sorted(table["channels"].unique())
    text = (
        f"Sample rates: {', '.join(f'{rate:,}' for rate in rates)} Hz; channels: {', '.join(map(str, n_channels))}. "
        "Whatever they are, a clip is taken as 16 kHz mono."
    )
    if len(table) > 1:
        text += " Formats differ: where one goes with an emotion or a speaker, a model may learn it in their place."
    return Finding("formats", "File formats", text, table.sort_values("clips", ascending=False, kind="stable"))


def checks(measured: Measured) -> Finding:
    """Count the clips that something may be wrong with."""
    clips = measured.clips
    found: dict[str, pd.Series] = {
        "a sample at full scale": clips["clipped_share"] > 0,
        "over 0.1 % of samples at full scale (clipped)": clips["clipped_share"] > 1e-3,
        "mean over 1 % of full scale (DC offset)": clips["dc_offset"].abs() > 0.01,
        "level under -50 dB (very soft)": clips["active_db"] < -50,
        "shorter than 0.5 s": clips["duration_s"] < 0.5,
        "longer than 30 s": clips["duration_s"] > 30,
        "over 80 % silent": clips["silence_share"] > 0.8,
        "no silence at the beginning (cut close, or noise)": clips["lead_s"] < 0.02,
        "no silence at the end (cut close, or noise)": clips["trail_s"] < 0.02,
        "speaker not known": clips["speaker"] == "",
    }
    rows = [
        {
            "check": name,
            "clips": int(mask.sum()),
            "share_percent": round(100 * float(mask.mean()), 2),
            "such_as": PurePath(clips.loc[mask, "path"].iloc[0]).name if mask.any() else "",
        }
        for name, mask in found.items()
    ]
    hit = [f"{row['check']}: {row['clips']:,}" for row in rows if row["clips"]]
    text = f"Clips with: {'; '.join(hit)}." if hit else "None of the checks found anything."
    return Finding("checks", "Checks of the recordings", text, pd.DataFrame(rows))


def duplicates(measured: Measured) -> Finding:
    """List recordings that occur more than once, by their sound."""
    groups = find_duplicates(measured.corpus, list(measured.clips["digest"]))
    columns = ["path", "emotion", "speaker", "intensity", "statement"]
    parts = [measured.clips.loc[list(rows), columns].assign(group=number) for number, rows in enumerate(groups, 1)]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=[*columns, "group"])
    table = table[["group", *columns]].assign(path=short_paths(table["path"], measured)).reset_index(drop=True)
    differing = table.groupby("group")[["emotion", "speaker"]].nunique().max(axis=1).gt(1).sum() if parts else 0
    text = "No recording occurs twice, whatever its name: compared by the decoded sound."
    if parts:
        text = (
            f"Recordings that occur more than once, by the decoded sound: {len(groups)}, as {len(table)} clips. Of "
            f"these, {differing} have different emotions or speakers. One that is in training and in test is found "
            "before anything is trained."
        )
    return Finding("duplicates", "The same recording twice", text, table)


def left_out(measured: Measured) -> Finding:
    """List the files that are not in the corpus, and why."""
    table = pd.DataFrame(
        [{"path": one.path, "reason": one.reason} for one in measured.rejected], columns=["path", "reason"]
    )
    table["path"] = short_paths(table["path"], measured)
    text = (
        f"{len(table):,} files or rows were left out; the table says why each was. Everything else on this page is of "
        f"the other {len(measured.clips):,}."
        if len(table)
        else f"Nothing was left out: all {len(measured.clips):,} clips could be read."
    )
    return Finding("left-out", "Left out", text, table)


def clips(measured: Measured) -> Finding:
    """Give the table of all clips, with everything that was measured."""
    table = measured.clips.drop(columns=["digest"]).assign(path=short_paths(measured.clips["path"], measured))
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].round(6)
    text = "One row a clip, with what its name tells and what was measured. Levels are in dB relative to full scale."
    return Finding("clips", "All clips", text, table)


def _spread_finding(
    measured: Measured,
    clips: pd.DataFrame,
    label: Mapping[str, str],
    *,
    name: str,
    title: str,
    text: str,
    wide: bool = False,
) -> Finding:
    emotions = measured.corpus.emotions
    text += " A dot is a clip; the box is the middle half, the line in it the median, whiskers 5 to 95 %."
    figure = spreads(clips, label, emotions=emotions, text=f"{title} by emotion")
    return Finding(name, title, text, summary_by_emotion(clips, list(label), emotions=emotions), figure, wide)


def _with_sound(measured: Measured) -> pd.DataFrame:
    clips = measured.clips
    return clips.assign(sound_s=clips["duration_s"] - clips["lead_s"] - clips["trail_s"])


def _apart(clips: pd.DataFrame, column: str, unit: str) -> str:
    """Say between which emotions' medians the others lie, and how much of the variance goes with emotion."""
    medians = clips.groupby("emotion")[column].median().sort_values(kind="stable")
    if len(medians) < 2:
        return ""
    values = clips[column].to_numpy(float)
    means = clips.groupby("emotion")[column].transform("mean").to_numpy(float)
    total = float(((values - values.mean()) ** 2).sum())
    share = float(((means - values.mean()) ** 2).sum()) / total if total > 0 else 0.0
    return (
        f"Medians go from {medians.iloc[0]:.1f} {unit} ({medians.index[0]}) to {medians.iloc[-1]:.1f} {unit} "
        f"({medians.index[-1]}); emotion goes with {percent(share, digits=0)} of the variance."
    )


def _grid(table: pd.DataFrame, column: str, measured: Measured) -> pd.DataFrame:
    """Clips by level of a column and emotion, (levels, emotions), levels sorted by name."""
    grid = pd.crosstab(table[column], table["emotion"])
    return grid.reindex(columns=list(measured.corpus.emotions), fill_value=0).rename_axis(columns=None)


def _association(grid: pd.DataFrame) -> str:
    """Cramér's V of a table of counts, sqrt(chi^2 / (n min(r - 1, c - 1))), in [0, 1], as text."""
    counts = grid.to_numpy(float)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    smaller = min(counts.shape) - 1
    if smaller < 1:
        return "one level"
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    chi_square = ((counts - expected) ** 2 / expected).sum()
    return f"V {np.sqrt(chi_square / (counts.sum() * smaller)):.2f}"


def speakers(measured: Measured) -> str:
    """Say how many speakers there are."""
    n = len(measured.corpus.speakers)
    return "speakers who are not known" if n == 0 else f"{n} speaker{'s' if n > 1 else ''}"


def _range(counts: "pd.Series[int]") -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def short_paths(paths: "pd.Series[str]", measured: Measured) -> "pd.Series[str]":
    """Cut off the folders over the corpus, which tell of this machine; of what is elsewhere, all folders."""
    parents = [PurePath(path).parent for path in measured.clips["path"]]
    shared = parents[0]
    for parent in set(parents):
        while not parent.is_relative_to(shared) and shared != shared.parent:
            shared = shared.parent

    def short(path: str) -> str:
        whole = PurePath(path)
        if whole.is_relative_to(shared) and shared != shared.parent:
            return str(whole.relative_to(shared))
        return whole.name if whole.is_absolute() else path

    return paths.map(short)
