"""Pictures of a feature table: distributions, correlations, effects; drawn from numbers that are computed elsewhere."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from emotone.explore.feature_analysis.labels import short
from emotone.palette import colour_of
from emotone.report.figures.style import ACCENT, FAINT, GRID, INK, STYLE, canvas, headline

__all__ = ["SHARES", "Effect", "boxes_picture", "effects_picture", "heat_map"]

Floats = NDArray[np.float64]

#: What a box shows: ends of the whiskers, of the box, and the median.
SHARES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
_COLUMNS = 4  # panels side by side
_RAW, _WITHIN = 0.22, -0.16  # where the two boxes of an emotion lie, a row being 1 high


def boxes_picture(quantiles: pd.DataFrame, *, features: Sequence[str], emotions: Sequence[str], text: str) -> Figure:
    """Draw a panel a feature, and in it two boxes an emotion: within speakers in its colour, over all clips in white.

    Parameters
    ----------
    quantiles
        ``feature, unit, emotion, scale`` ("raw" or "within speaker") and the columns `SHARES`.
    """
    n_columns = min(_COLUMNS, len(features))
    n_rows = math.ceil(len(features) / n_columns)
    units = quantiles.groupby("feature")["unit"].first()
    found: Any = quantiles.set_index(["feature", "emotion", "scale"])[list(SHARES)]
    with rc_context(STYLE):
        height = 0.95 + n_rows * (0.75 + 0.24 * len(emotions))
        figure = canvas(width_inch=max(6.5, 1.0 + 2.65 * n_columns), height_inch=height)
        panels: Any = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
        for axes, feature in zip(panels.flat, features, strict=False):
            for y, emotion in enumerate(emotions):
                for scale, where in (("raw", _RAW), ("within speaker", _WITHIN)):
                    numbers = found.loc[(feature, emotion, scale)].to_numpy()
                    _box(axes, numbers, y + where, colour=colour_of(emotion) if scale != "raw" else "white")
            axes.set_title(short(feature), fontsize=9)
            axes.set_xlabel(units[feature] or "value", fontsize=8)
            axes.tick_params(axis="x", labelsize=8)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.grid(axis="x", color=GRID, linewidth=0.8)
            axes.set_axisbelow(True)
        for axes in panels.flat[len(features) :]:
            axes.set_axis_off()
        panels[0, 0].set_yticks(range(len(emotions)), list(emotions))
        panels[0, 0].set_ylim(len(emotions) - 0.45, -0.55)
        named = (("#999999", "within speaker: less the speaker's mean, plus the mean of all"), ("white", "all clips"))
        handles = [Patch(facecolor=colour, edgecolor=INK, linewidth=0.8, label=label) for colour, label in named]
        figure.legend(handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=8)
        headline(figure, text)
    return figure


def _box(axes: Any, quantiles: Floats, y: float, *, colour: str) -> None:
    """Draw a box from `SHARES` of values."""
    low, first, middle, third, high = quantiles
    axes.plot([low, high], [y, y], color=INK, linewidth=0.8)
    tall = 0.34 if colour != "white" else 0.2
    axes.barh(y, third - first, left=first, height=tall, facecolor=colour, edgecolor=INK, linewidth=0.8, zorder=3)
    ends = [y - tall / 2, y + tall / 2]
    axes.plot([middle, middle], ends, color="white", linewidth=3.4, solid_capstyle="butt", zorder=4)
    axes.plot([middle, middle], ends, color=INK, linewidth=1.5, solid_capstyle="butt", zorder=5)


def heat_map(matrix: Floats, *, names: Sequence[str], tree: Mapping[str, Any], text: str) -> Figure:
    """Draw correlations as shaded cells, the tree that orders them at the left.

    Parameters
    ----------
    matrix
        (d, d) in [-1, 1], in the order drawn.
    tree
        What scipy's ``dendrogram`` gives of it.
    """
    d = len(names)
    side = max(3.0, 0.168 * d)
    with rc_context(STYLE):
        figure = canvas(width_inch=side + 4.0, height_inch=side + 2.3)
        panels: Any = figure.subplots(1, 2, width_ratios=[0.13, 1], gridspec_kw={"wspace": 0.0})
        branches, axes = panels
        for y, x in zip(tree["icoord"], tree["dcoord"], strict=True):
            branches.plot(x, y, color=FAINT, linewidth=0.8)
        branches.set_xlim(max(1e-9, 1.02 * max(map(max, tree["dcoord"]))), 0)
        branches.set_ylim(10 * d, 0)
        branches.set_axis_off()
        image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
        size = 7 if d > 25 else 8
        axes.set_yticks(range(d), [short(name) for name in names], fontsize=size)
        axes.yaxis.tick_right()
        axes.set_xticks(range(d), [short(name) for name in names], rotation=90, fontsize=size)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, location="top", fraction=0.03, aspect=40, pad=0.015)
        bar.set_label("Pearson's r within speakers", fontsize=8)
        bar.ax.tick_params(length=0, labelsize=8)
        bar.outline.set_visible(False)
        headline(figure, text)
    return figure


class Effect(NamedTuple):
    """One line of `effects_picture`.

    Attributes
    ----------
    name
        Of the feature.
    value, low, high
        Within speakers, with its interval (NaN where there is none).
    overall
        The same over all clips.
    note
        Written at the right.
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
    """Draw an effect a feature as a dot with its 95 % interval, and as a ring the effect over all clips.

    Parameters
    ----------
    label
        Of the axis, with the unit.
    note
        Heads the column of notes.
    colours
        Of effects below 0 and above it.
    ends
        What the left and the right end mean; "" where there is nothing to say.
    """
    with rc_context(STYLE):
        figure = canvas(width_inch=9.0, height_inch=1.75 + 0.215 * len(effects))
        axes: Any = figure.add_subplot()
        for y, one in enumerate(effects):
            colour = colours[int(one.value >= 0)]
            axes.plot([one.low, one.high], [y, y], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot([one.overall], [y], "o", color=FAINT, markerfacecolor="white", markersize=5)
            axes.plot([one.value], [y], "o", color=colour, markersize=6.5, markeredgecolor="white")
            place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
            axes.annotate(one.note, (1, y), (6, 0), va="center", fontsize=8, **place)
        axes.annotate(
            note,
            (1, -0.9),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="bottom",
            fontsize=8,
            color="#555555",
        )
        axes.set_yticks(range(len(effects)), [short(one.name) for one in effects], fontsize=8)
        axes.set_ylim(len(effects) - 0.4, -0.6)
        axes.set_xlabel(label)
        axes.axvline(0, color=FAINT, linewidth=1)
        if not any(ends):
            axes.set_xlim(left=0)
        axes.grid(axis="both", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        for x, end, side in ((0.0, ends[0], "left"), (1.0, ends[1], "right")):
            axes.annotate(
                end, (x, 1), (0, 3), xycoords="axes fraction", textcoords="offset points", ha=side, fontsize=8
            )
        shade = colours[1] if colours[0] == colours[1] else INK  # of no emotion where colours are emotions'
        inside = Line2D([], [], color=shade, marker="o", linewidth=2, label="within speakers, 95 % interval")
        ring = Line2D([], [], color=FAINT, marker="o", markerfacecolor="white", linewidth=0, label="over all clips")
        figure.legend(handles=[inside, ring], loc="outside lower left", ncols=2, frameon=False, fontsize=8)
        headline(figure, text)
    return figure
