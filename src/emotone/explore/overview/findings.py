"""Findings on a corpus: what it contains, how even it is, what its recordings are like, and what was left out."""

from collections.abc import Callable, Mapping
from pathlib import PurePath

import numpy as np
import pandas as pd

from emotone.corpora import find_duplicates
from emotone.emotions import in_order
from emotone.explore.finding import Finding
from emotone.explore.measure import Measured
from emotone.explore.overview.figures import bars, count_grids, spreads
from emotone.explore.overview.statistics import count_by_emotion, cramers_v, summary_by_emotion, variance_share
from emotone.formatting import percent

#: Column of a corpus -> its name in texts.
KINDS = {"gender": "sex"} | {name: name for name in ("intensity", "statement", "channel", "corpus", "language")}
_ALWAYS = ("gender", "intensity", "statement")  # kinds that every corpus should have; missing kinds are named
_MOST_LEVELS = 12  # of a kind, to be drawn: a hundred sentences are a table
_MOST_UNEVEN = 1.5  # ratio of clips per emotion from which a corpus is called uneven
_UNKNOWN = "(not known)"
#: Name of a check -> which of the clips have the problem.
_CHECKS: dict[str, Callable[[pd.DataFrame], "pd.Series[bool]"]] = {
    "a sample at full scale": lambda clips: clips["clipped_share"] > 0,
    "over 0.1 % of samples at full scale (clipped)": lambda clips: clips["clipped_share"] > 1e-3,
    "mean over 1 % of full scale (DC offset)": lambda clips: clips["dc_offset"].abs() > 0.01,
    "level under -50 dB (very soft)": lambda clips: clips["active_db"] < -50,
    "shorter than 0.5 s": lambda clips: clips["duration_s"] < 0.5,
    "longer than 30 s": lambda clips: clips["duration_s"] > 30,
    "over 80 % silent": lambda clips: clips["silence_share"] > 0.8,
    "no silence at the beginning (cut close, or noise)": lambda clips: clips["lead_s"] < 0.02,
    "no silence at the end (cut close, or noise)": lambda clips: clips["trail_s"] < 0.02,
    "speaker not known": lambda clips: clips["speaker"] == "",
}


def all_findings(measured: Measured) -> list[Finding]:
    """Return all findings of this module, in the order of the page."""
    steps = (
        counts_by_emotion, counts_by_speaker, counts_by_kind, durations, levels, silence, formats, checks, duplicates,
        left_out, clips,
    )  # fmt: skip
    return [step(measured) for step in steps]


def counts_by_emotion(measured: Measured) -> Finding:
    """Count the clips, minutes and speakers of each emotion."""
    table = measured.clips
    rows, counts = [], {}
    for emotion in measured.corpus.emotions:
        chosen = table[table["emotion"] == emotion]
        counts[emotion] = len(chosen)
        rows.append(
            {
                "emotion": emotion,
                "clips": len(chosen),
                "share_percent": round(100 * len(chosen) / len(table), 2),
                "minutes": round(chosen["duration_s"].sum() / 60, 2),
                "speakers": chosen.loc[chosen["speaker"] != "", "speaker"].nunique(),
            }
        )
    minutes = table["duration_s"].sum() / 60
    text = (
        f"{len(table):,} clips of {len(counts)} emotions by {speakers(measured)}, {minutes:.1f} minutes in all. "
        f"{_evenness(counts)}"
    )
    title = "Clips by emotion"
    return Finding("counts-by-emotion", title, text, pd.DataFrame(rows), bars(counts, text=title))


def _evenness(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return "There is only one emotion, so there is nothing to distinguish."
    least, most = min(counts, key=lambda e: counts[e]), max(counts, key=lambda e: counts[e])
    ratio = counts[most] / counts[least]
    if ratio < _MOST_UNEVEN:
        return f"Nearly even: {counts[least]:,} ({least}) to {counts[most]:,} ({most}) clips per emotion."
    return (
        f"Uneven: {ratio:.1f} times as many clips of {most} ({counts[most]:,}) as of {least} ({counts[least]:,}), so "
        "accuracy alone would favour the frequent emotions; the unweighted average recall does not."
    )


def counts_by_speaker(measured: Measured) -> Finding:
    """Count each speaker's clips of each emotion."""
    table = measured.clips.assign(speaker=measured.clips["speaker"].replace("", _UNKNOWN))
    grid = count_by_emotion(table, "speaker", measured.corpus.emotions)
    per_speaker = grid.sum(axis=1)
    low, high = int(per_speaker.min()), int(per_speaker.max())
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    gaps = "Every speaker has every emotion."
    missing = [(grid.index[row], grid.columns[column]) for row, column in np.argwhere(grid.to_numpy() == 0)]
    if missing:
        speaker, emotion = missing[0]
        gaps = f"Pairs of speaker and emotion without a clip: {len(missing)} of {grid.size}, such as "
        gaps += f"{emotion} of {speaker}."
    unknown = measured.corpus.unknown_speakers
    if unknown:
        gaps += f" The speaker of {unknown:,} clips is not known: no speaker-disjoint protocol can be built with them."
    text = (
        f"{speakers(measured)}, {each} clips each. {gaps} Association with emotion: {_association(grid)} "
        "(Cramér's V: 0 none, 1 full)."
    )
    sexes = table.drop_duplicates("speaker").set_index("speaker")["gender"]
    named = grid.rename(index={name: f"{name} ({sexes[name]})" if sexes[name] else name for name in grid.index})
    out = grid.assign(all=per_speaker).reset_index()
    out.insert(1, "sex", [sexes[name] for name in grid.index])
    figure = count_grids({"speaker": named}, text="Clips by speaker and emotion")
    return Finding("counts-by-speaker", "Clips by speaker", text[0].upper() + text[1:], out, figure)


def counts_by_kind(measured: Measured) -> Finding:
    """Count each emotion's clips by sex, intensity and statement; by channel, corpus and language if there are two."""
    grids, missing = {}, []
    for column, kind in KINDS.items():
        values = measured.clips[column]
        if column in _ALWAYS and not (values != "").any():
            missing.append(kind)
        elif column in _ALWAYS or values.nunique() > 1:
            clips = measured.clips.assign(**{column: values.replace("", _UNKNOWN)})
            grids[kind] = count_by_emotion(clips, column, measured.corpus.emotions)
    sentences = []
    if grids:
        levels = "; ".join(f"{kind} {len(grid)} ({_association(grid)})" for kind, grid in grids.items())
        sentences += [
            f"Levels, and association with emotion (Cramér's V: 0 none, 1 full): {levels}.",
            "A model may learn such a property instead of the emotion if both occur together.",
        ]
    if missing:
        sentences.append(f"This corpus does not say: {', '.join(missing)}.")
    large = [f"{kind} ({len(grid)})" for kind, grid in grids.items() if len(grid) > _MOST_LEVELS]
    if large:
        sentences.append(f"Too many levels to draw, see the table: {', '.join(large)}.")
    columns = ["kind", "level", *measured.corpus.emotions]
    tables = [grid.reset_index(names="level").assign(kind=kind) for kind, grid in grids.items()]
    table = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    small = {kind: grid for kind, grid in grids.items() if len(grid) <= _MOST_LEVELS}
    figure = count_grids(small, text="Clips by kind and emotion") if small else None
    return Finding("counts-by-kind", "Clips by sex, intensity and statement", " ".join(sentences), table, figure)


def durations(measured: Measured) -> Finding:
    """Show how long clips are, as recorded and without the silence at both ends."""
    clips = measured.clips
    clips = clips.assign(sound_s=clips["duration_s"] - clips["lead_s"] - clips["trail_s"])
    labels = {"duration_s": "length of the clip, s", "sound_s": "without silence at both ends, s"}
    lengths = clips["duration_s"]
    text = (
        f"Clips are {lengths.min():.2f} to {lengths.max():.2f} s long (median {lengths.median():.2f} s), and "
        f"{clips['sound_s'].median():.2f} s (median) without the silence at both ends. {_apart(clips, 'sound_s', 's')}"
    )
    return _spread_finding("durations", "Length", text, clips, labels)


def levels(measured: Measured) -> Finding:
    """Show how loud the clips are: level of the parts that are not silent, and peak."""
    labels = {"active_db": "level of what is not silent, dB", "peak_db": "peak, dB"}
    active = measured.clips["active_db"]
    text = (
        f"Relative to full scale, the level of what is not silent is {active.min():.0f} to {active.max():.0f} dB "
        f"(median {active.median():.0f} dB). {_apart(measured.clips, 'active_db', 'dB')} A microphone at another "
        "distance changes it too, so the features are computed from clips scaled to one loudness."
    )
    return _spread_finding("levels", "Level", text, measured.clips, labels)


def silence(measured: Measured) -> Finding:
    """Show how much of the clips is silence: in total, before and after the sound."""
    labels = {"silence_percent": "silent share of the clip, %"}
    labels |= {"lead_s": "silence before, s", "trail_s": "silence after, s"}
    clips = measured.clips.assign(silence_percent=100 * measured.clips["silence_share"])
    text = (
        f"Of a clip, {percent(clips['silence_share'].median())} (median) is silent: 10 ms over 40 dB under the loudest "
        f"10 ms. {clips['lead_s'].median():.2f} s are before the sound and {clips['trail_s'].median():.2f} s after it; "
        "both are removed before training."
    )
    return _spread_finding("silence", "Silence", text, clips, labels, wide=True)


def formats(measured: Measured) -> Finding:
    """Count the formats of the files."""
    keys = ["corpus", "container", "codec", "sample_rate", "channels"]
    table = measured.clips.groupby(keys, as_index=False).size().rename(columns={"size": "clips"})
    table["minutes"] = (measured.clips.groupby(keys)["duration_s"].sum() / 60).round(2).to_numpy()
    rates = sorted(table["sample_rate"].unique())
    n_channels = sorted(table["channels"].unique())
    text = (
        f"Sample rates: {', '.join(f'{rate:,}' for rate in rates)} Hz; channels: {', '.join(map(str, n_channels))}. "
        "Every clip is read as 16 kHz mono."
    )
    if len(table) > 1:
        text += " Formats differ: a model may learn the format if it depends on the emotion or the speaker."
    return Finding("formats", "File formats", text, table.sort_values("clips", ascending=False, kind="stable"))


def checks(measured: Measured) -> Finding:
    """Count the clips that may have a problem."""
    rows = []
    for name, check in _CHECKS.items():
        mask = check(measured.clips)
        example = PurePath(measured.clips.loc[mask, "path"].iloc[0]).name if mask.any() else ""
        share = round(100 * float(mask.mean()), 2)
        rows.append({"check": name, "clips": int(mask.sum()), "share_percent": share, "such_as": example})
    hits = [f"{row['check']}: {row['clips']:,}" for row in rows if row["clips"]]
    text = f"Clips with: {'; '.join(hits)}." if hits else "None of the checks found anything."
    return Finding("checks", "Checks of the recordings", text, pd.DataFrame(rows))


def duplicates(measured: Measured) -> Finding:
    """List recordings that occur more than once, by their decoded sound."""
    groups = find_duplicates(measured.corpus, list(measured.clips["digest"]))
    columns = ["path", "emotion", "speaker", "intensity", "statement"]
    parts = [measured.clips.loc[list(rows), columns].assign(group=number) for number, rows in enumerate(groups, 1)]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=[*columns, "group"])
    table = table[["group", *columns]].assign(path=short_paths(table["path"], measured)).reset_index(drop=True)
    text = "No recording occurs twice, whatever its name: compared by the decoded sound."
    if parts:
        differing = table.groupby("group")[["emotion", "speaker"]].nunique().max(axis=1).gt(1).sum()
        text = (
            f"Recordings that occur more than once, by the decoded sound: {len(groups)}, as {len(table)} clips. Of "
            f"these, {differing} have different emotions or speakers. A recording that is both in training and in test "
            "is reported before training."
        )
    return Finding("duplicates", "The same recording twice", text, table)


def left_out(measured: Measured) -> Finding:
    """List the files that are not in the corpus, and why."""
    rows = [{"path": clip.path, "reason": clip.reason} for clip in measured.rejected]
    table = pd.DataFrame(rows, columns=["path", "reason"])
    table["path"] = short_paths(table["path"], measured)
    text = f"Nothing was left out: all {len(measured.clips):,} clips could be read."
    if rows:
        text = (
            f"{len(table):,} files or rows were left out; the table gives the reasons. Everything else on this page is "
            f"about the other {len(measured.clips):,}."
        )
    return Finding("left-out", "Left out", text, table)


def clips(measured: Measured) -> Finding:
    """Give the table of all clips, with all measures."""
    table = measured.clips.drop(columns=["digest"]).assign(path=short_paths(measured.clips["path"], measured))
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].round(6)
    text = "One row per clip, with its labels and its measures. Levels are in dB relative to full scale."
    return Finding("clips", "All clips", text, table)


def _spread_finding(
    name: str, title: str, text: str, clips: pd.DataFrame, labels: Mapping[str, str], *, wide: bool = False
) -> Finding:
    emotions = in_order(clips["emotion"], unknown_last=True)
    text += " A dot is a clip; the box is the middle half, the line in it the median, whiskers 5 to 95 %."
    figure = spreads(clips, labels, emotions=emotions, text=f"{title} by emotion")
    return Finding(name, title, text, summary_by_emotion(clips, list(labels), emotions=emotions), figure, wide)


def _apart(clips: pd.DataFrame, column: str, unit: str) -> str:
    """Name the emotions with the least and the greatest median, and the share of the variance between emotions."""
    medians = clips.groupby("emotion")[column].median().sort_values(kind="stable")
    if len(medians) < 2:
        return ""
    return (
        f"Medians go from {medians.iloc[0]:.1f} {unit} ({medians.index[0]}) to {medians.iloc[-1]:.1f} {unit} "
        f"({medians.index[-1]}); emotion accounts for {percent(variance_share(clips, column), digits=0)} of the "
        "variance."
    )


def _association(grid: pd.DataFrame) -> str:
    value = cramers_v(grid)
    return "one level" if np.isnan(value) else f"V {value:.2f}"


def speakers(measured: Measured) -> str:
    """Return the number of speakers as text."""
    n = len(measured.corpus.speakers)
    return "speakers who are not known" if n == 0 else f"{n} speaker{'s' if n > 1 else ''}"


def short_paths(paths: "pd.Series[str]", measured: Measured) -> "pd.Series[str]":
    """Remove the folders above the corpus, which are of this machine; of paths elsewhere, all folders."""
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
