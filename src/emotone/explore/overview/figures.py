"""Pictures of counts and of distributions by emotion: the same layout wherever they occur."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emotone.palette import colour_of
from emotone.report.figures.style import GRID, INK, STYLE, canvas, headline

__all__ = ["bars", "count_grids", "headline", "spreads", "summary_by_emotion"]

_ROW_INCH, _LEAST_ROW_INCH = 0.26, 0.085
_MOST_ROWS = 90  # of a grid at the least height of a row
_PALER = 1.7  # the largest count is drawn as if there were one so many times as large, so that numbers stay legible
_MOST_NAMED = 40  # rows that each get a name and numbers
_BOX, _DOTS = -0.18, (0.02, 0.36)  # where in an emotion's row they lie, the row being 1 high


def bars(counts: Mapping[str, int], *, text: str) -> Figure:
    """Draw the number of clips of each emotion as a bar with its number."""
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=1.1 + 0.3 * len(counts))
        axes = figure.add_subplot()
        emotions = list(counts)
        axes.barh(range(len(emotions)), list(counts.values()), height=0.7, color=[colour_of(e) for e in emotions])
        for y, count in enumerate(counts.values()):
            axes.annotate(f"{count:,}", (count, y), (4, 0), textcoords="offset points", va="center")
        _emotion_axis(axes, emotions)
        axes.set_xlim(0, 1.1 * max(counts.values()))
        axes.set_xlabel("clips")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        headline(figure, text)
    return figure


def count_grids(grids: Mapping[str, pd.DataFrame], *, text: str) -> Figure:
    """Draw counts as shaded cells, one grid under the other, the emotions being the columns of each.

    Parameters
    ----------
    grids
        Name of a kind -> (levels, emotions) counts.
    text
        The line above.
    """
    rows = [min(len(grid), _MOST_ROWS) for grid in grids.values()]
    n_emotions = next(iter(grids.values())).shape[1]
    heights = [max(_row_inch(n) * n, 0.5) for n in rows]
    with rc_context(STYLE):
        figure = canvas(width_inch=2.4 + 0.82 * n_emotions, height_inch=1.0 + sum(heights) + 0.35 * len(grids))
        panels: Any = figure.subplots(len(grids), 1, height_ratios=heights, squeeze=False)
        for place, (kind, grid) in enumerate(grids.items()):
            _count_grid(panels[place, 0], grid, kind=kind, named=place == 0)
        headline(figure, text)
    return figure


def _row_inch(n_rows: int) -> float:
    return _ROW_INCH if n_rows <= _MOST_NAMED else _LEAST_ROW_INCH


def _count_grid(axes: Any, grid: pd.DataFrame, *, kind: str, named: bool) -> None:
    """Draw one grid; ``named``: with the emotions above it."""
    counts = grid.to_numpy()
    top = max(int(counts.max()), 1)
    shades: Any = axes.imshow(counts, cmap="Blues", vmin=0, vmax=top * _PALER, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(grid.shape[1]), list(grid.columns) if named else [""] * grid.shape[1])
    axes.set_xticks(np.arange(grid.shape[1] - 1) + 0.5, minor=True)
    axes.grid(axis="x", which="minor", color="white", linewidth=1.5)
    axes.xaxis.tick_top()
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_ylabel(kind)
    if len(grid) > _MOST_NAMED:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(grid)} {kind}s, in the order of the table")
        axes.figure.colorbar(shades, ax=axes, label="clips", fraction=0.04, pad=0.02)
        return
    axes.set_yticks(range(len(grid)), [str(level) for level in grid.index])
    axes.set_yticks(np.arange(len(grid) - 1) + 0.5, minor=True)
    axes.grid(axis="y", which="minor", color="white", linewidth=1.5)
    for row, column in np.ndindex(counts.shape):
        count = int(counts[row, column])
        dark = np.mean(colormaps["Blues"](count / (_PALER * top))[:3]) < 0.55
        axes.text(column, row, f"{count}", ha="center", va="center", fontsize=8, color="white" if dark else INK)


def spreads(clips: pd.DataFrame, columns: Mapping[str, str], *, emotions: Sequence[str], text: str) -> Figure:
    """Draw each clip's value as a dot beside a box, by emotion, one panel a column.

    The box spans the middle half of the clips and is cut by their median; whiskers end at the 5th and 95th percentile.

    Parameters
    ----------
    clips
        Has ``emotion`` and the columns.
    columns
        Column -> the label of its axis, with the unit.
    """
    rng = np.random.default_rng(0)  # of the dots' places across, which mean nothing
    with rc_context(STYLE):
        figure = canvas(width_inch=1.2 + 3.9 * len(columns), height_inch=1.2 + 0.44 * len(emotions))
        panels: Any = figure.subplots(1, len(columns), squeeze=False, sharey=True)
        for axes, (column, label) in zip(panels[0], columns.items(), strict=True):
            for y, emotion in enumerate(emotions):
                values = clips.loc[clips["emotion"] == emotion, column].to_numpy(float)
                _dots_and_box(axes, values, y, colour=colour_of(emotion), rng=rng)
            axes.set_xlabel(label)
            axes.grid(axis="x", color=GRID, linewidth=0.8)
            axes.set_axisbelow(True)
            _emotion_axis(axes, emotions)
        headline(figure, text)
    return figure


def _dots_and_box(axes: Any, values: NDArray[np.float64], y: int, *, colour: str, rng: np.random.Generator) -> None:
    """Draw the box in the upper part of an emotion's row, a dot for each clip in the lower one."""
    places = y + rng.uniform(_DOTS[0], _DOTS[1], values.size)
    axes.plot(values, places, ".", color=colour, markersize=3.4, alpha=0.65, markeredgewidth=0, rasterized=True)
    low, first, middle, third, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    axes.plot([low, high], [y + _BOX, y + _BOX], color=INK, linewidth=0.9, zorder=3)
    axes.barh(y + _BOX, third - first, left=first, height=0.26, facecolor=colour, edgecolor=INK, lw=0.9, zorder=4)
    ends = [y + _BOX - 0.13, y + _BOX + 0.13]
    axes.plot([middle, middle], ends, color="white", linewidth=4.5, solid_capstyle="butt", zorder=5)
    axes.plot([middle, middle], ends, color=INK, linewidth=2, solid_capstyle="butt", zorder=6)


def _emotion_axis(axes: Any, emotions: Sequence[str]) -> None:
    """Name the emotions at the left, the first on top."""
    axes.set_yticks(range(len(emotions)), list(emotions))
    axes.set_ylim(len(emotions) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def summary_by_emotion(clips: pd.DataFrame, columns: Sequence[str], *, emotions: Sequence[str]) -> pd.DataFrame:
    """Sum up columns by emotion, and over all clips.

    Returns
    -------
    A row for each column and emotion: ``measure, emotion, clips, min, p05, p25, median, p75, p95, max, mean``.
    """
    shares = {"min": 0.0, "p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "max": 1.0}
    rows = []
    for column in columns:
        for emotion in (*emotions, "all"):
            chosen = clips if emotion == "all" else clips[clips["emotion"] == emotion]
            values = chosen[column].to_numpy(float)
            numbers = dict(zip(shares, np.quantile(values, list(shares.values())).round(4), strict=True))
            row = {"measure": column, "emotion": emotion, "clips": values.size}
            rows.append({**row, **numbers, "mean": round(float(values.mean()), 4)})
    return pd.DataFrame(rows)
