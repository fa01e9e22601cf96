"""Pictures of a feature table: distributions, correlations, effects, and all clips on a plane."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from emotone.emotions import in_order
from emotone.explore.feature_analysis.plane import NEIGHBOURS, Projected, Separation
from emotone.explore.feature_analysis.table import SHARES
from emotone.explore.figure_parts import IMAGE, box, colour_bar, emotion_axis, grid_behind, picture
from emotone.formatting import percent
from emotone.palette import colour_of
from emotone.report.figures.style import ACCENT, FAINT, INK, NOTE, grid

Floats = NDArray[np.float64]

_COLUMNS = 4  # panels in a row
_MOST_NAMED = 40  # speakers on the plane
_BOXES = (("raw", 0.22, 0.2), ("within speaker", -0.16, 0.34))  # position and height of an emotion's boxes, row 1 high
_AT_RIGHT: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "fontsize": 8}
_LEGEND: dict[str, Any] = {"loc": "outside lower left", "ncols": 2, "frameon": False, "fontsize": 8}


def short(name: str, *, length: int = 30) -> str:
    """Remove the middle of a long name, so that an axis stays readable.

    Examples
    --------
    >>> short("F0semitoneFrom27.5Hz_sma3nz_percentile20.0", length=20)
    'F0semitone…ile20.0'
    """
    if len(name) <= length:
        return name
    return f"{name[: length // 2]}…{name[len(name) - length // 2 + 3 :]}"


def short_speakers(names: Iterable[str]) -> list[str]:
    """Remove the prefix that all speakers share, up to its last hyphen.

    Examples
    --------
    >>> short_speakers(["ravdess-01", "ravdess-02"]), short_speakers(["anna", "ben"])
    (['01', '02'], ['anna', 'ben'])
    """
    listed = list(names)
    starts = {name.rpartition("-")[0] for name in listed}
    return [name.rpartition("-")[2] for name in listed] if len(starts) == 1 and all(starts) else listed


def boxes_picture(quantiles: pd.DataFrame, *, features: Sequence[str], emotions: Sequence[str], text: str) -> Figure:
    """Draw a panel per feature with two boxes per emotion: within speakers in its colour, over all clips in white.

    ``quantiles`` are those of `feature_analysis.quantiles`.
    """
    n_columns = min(_COLUMNS, len(features))
    n_rows = math.ceil(len(features) / n_columns)
    units = quantiles.groupby("feature")["unit"].first()
    boxes: Any = quantiles.set_index(["feature", "emotion", "scale"])[list(SHARES)]
    height = 0.95 + n_rows * (0.75 + 0.24 * len(emotions))
    with picture(max(6.5, 1.0 + 2.65 * n_columns), height, text=text) as figure:
        panels: Any = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
        for axes, feature in zip(panels.flat, features, strict=False):
            for y, emotion in enumerate(emotions):
                for scale, place, tall in _BOXES:
                    colour = "white" if scale == "raw" else colour_of(emotion, emotions)
                    numbers = boxes.loc[(feature, emotion, scale)].to_numpy()
                    box(axes, numbers, y + place, colour=colour, height=tall, widths=(0.8, 3.4, 1.5))
            axes.set_title(short(feature), fontsize=9)
            axes.set_xlabel(units[feature] or "value", fontsize=8)
            axes.tick_params(axis="x", labelsize=8)
            emotion_axis(axes, emotions)
            grid_behind(axes)
        for axes in panels.flat[len(features) :]:
            axes.set_axis_off()
        named = (("#999999", "within speaker: minus the speaker's mean, plus the mean of all"), ("white", "all clips"))
        handles = [Patch(facecolor=colour, edgecolor=INK, linewidth=0.8, label=label) for colour, label in named]
        figure.legend(handles=handles, **_LEGEND)
    return figure


def heat_map(matrix: Floats, *, names: Sequence[str], tree: Mapping[str, Any], text: str) -> Figure:
    """Draw correlations (d, d) as shaded cells, with the tree of scipy's ``dendrogram`` at the left."""
    d = len(names)
    side = max(3.0, 0.168 * d)
    with picture(side + 4.0, side + 2.3, text=text) as figure:
        panels: Any = figure.subplots(1, 2, width_ratios=[0.13, 1], gridspec_kw={"wspace": 0.0})
        branches, axes = panels
        for y, x in zip(tree["icoord"], tree["dcoord"], strict=True):
            branches.plot(x, y, color=FAINT, linewidth=0.8)
        branches.set_xlim(max(1e-9, 1.02 * max(map(max, tree["dcoord"]))), 0)
        branches.set_ylim(10 * d, 0)
        branches.set_axis_off()
        image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, **IMAGE)
        labels, size = [short(name) for name in names], 7 if d > 25 else 8
        axes.set_yticks(range(d), labels, fontsize=size)
        axes.yaxis.tick_right()
        axes.set_xticks(range(d), labels, rotation=90, fontsize=size)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        place = {"location": "top", "fraction": 0.03, "aspect": 40, "pad": 0.015}
        colour_bar(figure, image, axes, "Pearson's r within speakers", **place)
    return figure


class Effect(NamedTuple):
    """A line of `effects_picture`.

    Attributes
    ----------
    name
        Name of the feature.
    value, low, high
        Effect within speakers, with its interval (NaN if there is no interval).
    overall
        Effect over all clips.
    note
        Text at the right.
    """

    name: str
    value: float
    low: float
    high: float
    overall: float
    note: str


def effects_picture(
    effects: Sequence[Effect],
    *,
    label: str,
    note: str,
    text: str,
    colours: tuple[str, str] = (ACCENT, ACCENT),
    ends: tuple[str, str] = ("", ""),
) -> Figure:
    """Draw each feature's effect as a dot with its 95 % interval, and the effect over all clips as a ring.

    Parameters
    ----------
    label
        Of the axis, with the unit.
    note
        Heading of the column of notes.
    colours
        Of effects below 0 and above 0.
    ends
        Meaning of the left and the right end, if they have one.
    """
    with picture(9.0, 1.75 + 0.215 * len(effects), text=text) as figure:
        axes: Any = figure.add_subplot()
        for y, effect in enumerate(effects):
            colour = colours[int(effect.value >= 0)]
            axes.plot([effect.low, effect.high], [y, y], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot([effect.overall], [y], "o", color=FAINT, markerfacecolor="white", markersize=5)
            axes.plot([effect.value], [y], "o", color=colour, markersize=6.5, markeredgecolor="white")
            axes.annotate(effect.note, (1, y), (6, 0), va="center", **_AT_RIGHT)
        axes.annotate(note, (1, -0.9), (6, 0), va="bottom", color=NOTE, **_AT_RIGHT)
        axes.set_yticks(range(len(effects)), [short(effect.name) for effect in effects], fontsize=8)
        axes.set_ylim(len(effects) - 0.4, -0.6)
        axes.set_xlabel(label)
        axes.axvline(0, color=FAINT, linewidth=1)
        if not any(ends):
            axes.set_xlim(left=0)
        grid(axes)
        axes.spines["left"].set_visible(False)
        for x, end, side in ((0.0, ends[0], "left"), (1.0, ends[1], "right")):
            axes.annotate(end, (x, 1), (0, 3), ha=side, **{**_AT_RIGHT, "xycoords": "axes fraction"})
        shade = colours[1] if colours[0] == colours[1] else INK  # the colours are emotions' if they differ
        inside = Line2D([], [], color=shade, marker="o", linewidth=2, label="within speakers, 95 % interval")
        ring = Line2D([], [], color=FAINT, marker="o", markerfacecolor="white", linewidth=0, label="over all clips")
        figure.legend(handles=[inside, ring], **_LEGEND)
    return figure


def projection_picture(
    projected: Projected,
    emotions: NDArray[np.str_],
    speakers: NDArray[np.str_],
    *,
    separation: Mapping[str, Separation],
) -> Figure:
    """Draw the plane twice, coloured by emotion and by speaker, with each group's name at its median."""
    named, people = in_order(emotions, unknown_last=True), sorted(set(speakers))
    shades = colormaps["viridis"](np.linspace(0, 0.95, len(people)))
    panels_of: Any = (
        ("emotion", emotions, named, [colour_of(name, named) for name in named], named),
        ("speaker", speakers, people, list(shades), short_speakers(people)),
    )
    order = np.random.default_rng(0).permutation(len(emotions))  # so that no group is on top of another
    size = float(np.clip(14_000 / len(order), 3, 30))
    with picture(12.0, 6.4, text=_verdict(separation)) as figure:
        panels: Any = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, (kind, labels, names, colours, texts) in zip(panels, panels_of, strict=True):
            colour_by_name = dict(zip(names, colours, strict=True))
            dots = [colour_by_name[label] for label in labels[order]]
            axes.scatter(*projected.points[order].T, c=dots, s=size, alpha=0.8, linewidths=0, rasterized=True)
            if len(names) <= _MOST_NAMED:
                _name_groups(axes, projected.points, labels, names=names, texts=texts, colours=colours)
            asked = "of other speakers" if kind == "emotion" and len(people) > 1 else "of all clips"
            share = percent(separation[kind].plane, digits=0)
            chance = percent(separation[kind].chance, digits=0)
            heading = f"{len(names)} {kind}s: {share} of the {NEIGHBOURS} nearest {asked} are the same"
            axes.set_title(f"{heading} (chance {chance})", fontsize=9)
            _name_axes(axes, projected)
    return figure


def _name_groups(
    axes: Any, points: Floats, labels: Any, *, names: Sequence[str], texts: Sequence[str], colours: Sequence[Any]
) -> None:
    """Write each group's name at its median, moved where names would overlap, with a line to the median."""
    middles = np.stack([np.median(points[labels == name], axis=0) for name in names])
    room = np.maximum(np.ptp(points, axis=0), 1e-12)
    letters = max(len(text) for text in texts)
    places = _spread(middles / room, apart=np.asarray([0.014 * letters + 0.022, 0.045])) * room
    for middle, place, text, colour in zip(middles, places, texts, colours, strict=True):
        axes.plot(*np.stack([middle, place]).T, color=INK, linewidth=0.8, zorder=4)
        frame: dict[str, Any] = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colour, "linewidth": 2}
        axes.text(*place, text or "unknown", fontsize=8, ha="center", va="center", color=INK, bbox=frame, zorder=5)


def _spread(places: Floats, *, apart: Floats) -> Floats:
    """Move points (k, 2) until each two are ``apart`` in x or in y; stop after 200 rounds."""
    moved = places + np.linspace(0, 1e-6, places.size).reshape(places.shape)  # so that equal places have a direction
    for _ in range(200):
        between = moved[:, None] - moved[None]
        lack = apart - np.abs(between)  # two overlap if it is above 0 in both directions
        covered = (lack > 0).all(axis=-1) & ~np.eye(len(moved), dtype=bool)
        if not covered.any():
            break
        across = lack[..., 0] / apart[0] < lack[..., 1] / apart[1]
        step = np.where(np.stack([across, ~across], axis=-1), np.sign(between) * np.maximum(lack, 0), 0)
        moved = moved + 0.35 * (step * covered[..., None]).sum(axis=1)
    return moved


def _name_axes(axes: Any, projected: Projected) -> None:
    for number, axis in enumerate((axes.xaxis, axes.yaxis)):
        if projected.shares is None:
            axis.set_label_text(f"UMAP {number + 1} (no unit)")
        else:
            share = percent(float(projected.shares[number]))
            axis.set_label_text(f"principal component {number + 1} ({share} of variance)")
    axes.tick_params(length=0, labelsize=8, labelcolor=FAINT)


def _verdict(separation: Mapping[str, Separation]) -> str:
    """Say whether emotion or speaker orders the plane more, each relative to chance."""
    emotion, speaker = (separation[kind].plane / max(separation[kind].chance, 1e-9) for kind in ("emotion", "speaker"))
    if not np.isfinite([emotion, speaker]).all():
        return "All clips on a plane"
    return (
        f"Neighbours share the speaker {speaker:.1f} times as often as by chance, the emotion {emotion:.1f} times: the "
        f"{'speaker' if speaker > emotion else 'emotion'} orders this plane more"
    )
