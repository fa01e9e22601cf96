"""Pictures of counts and of distributions by emotion."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from emotone.explore.figure_parts import IMAGE, box, emotion_axis, grid_behind, picture
from emotone.palette import colour_of
from emotone.report.figures.style import ON_FILLED, ON_LIGHT

_ROW_INCH, _LEAST_ROW_INCH = 0.26, 0.085
_MOST_ROWS = 90  # of a grid with the least height of a row
_PALER = 1.7  # colours end at the largest count times this, so that numbers stay legible
_MOST_NAMED = 40  # rows that each get a name and numbers
_BOX, _DOTS = -0.18, (0.02, 0.36)  # positions in an emotion's row, which is 1 high
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def bars(counts: Mapping[str, int], *, text: str) -> Figure:
    """Draw the number of clips of each emotion as a bar with its number."""
    emotions = list(counts)
    with picture(7.0, 1.1 + 0.3 * len(counts), text=text) as figure:
        axes = figure.add_subplot()
        axes.barh(
            range(len(emotions)), list(counts.values()), height=0.7, color=[colour_of(e, emotions) for e in emotions]
        )
        for y, count in enumerate(counts.values()):
            axes.annotate(f"{count:,}", (count, y), (4, 0), textcoords="offset points", va="center")
        emotion_axis(axes, emotions)
        axes.set_xlim(0, 1.1 * max(counts.values()))
        axes.set_xlabel("clips")
        grid_behind(axes)
    return figure


def count_grids(grids: Mapping[str, pd.DataFrame], *, text: str) -> Figure:
    """Draw counts as shaded cells, one grid (levels, emotions) below the other; ``grids``: name of a kind -> grid."""
    rows = [min(len(grid), _MOST_ROWS) for grid in grids.values()]
    n_emotions = next(iter(grids.values())).shape[1]
    heights = [max((_ROW_INCH if n <= _MOST_NAMED else _LEAST_ROW_INCH) * n, 0.5) for n in rows]
    with picture(2.4 + 0.82 * n_emotions, 1.0 + sum(heights) + 0.35 * len(grids), text=text) as figure:
        panels: Any = figure.subplots(len(grids), 1, height_ratios=heights, squeeze=False)
        for place, (kind, grid) in enumerate(grids.items()):
            _count_grid(panels[place, 0], grid, kind=kind, with_emotions=place == 0)
    return figure


def _count_grid(axes: Any, grid: pd.DataFrame, *, kind: str, with_emotions: bool) -> None:
    counts = grid.to_numpy()
    top = max(int(counts.max()), 1)
    shades: Any = axes.imshow(counts, cmap="Blues", vmin=0, vmax=top * _PALER, **IMAGE)
    axes.set_xticks(range(grid.shape[1]), list(grid.columns) if with_emotions else [""] * grid.shape[1])
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
        axes.text(column, row, f"{count}", ha="center", va="center", fontsize=8, color=ON_FILLED if dark else ON_LIGHT)


def spreads(clips: pd.DataFrame, columns: Mapping[str, str], *, emotions: Sequence[str], text: str) -> Figure:
    """Draw each clip's value as a dot below a box, by emotion, one panel per column.

    The box spans the middle half of the clips; the line in it is their median; whiskers end at the 5th and 95th
    percentile.  ``columns``: column of ``clips`` -> label of its axis, with the unit.
    """
    rng = np.random.default_rng(0)  # of the dots' vertical positions, which have no meaning
    with picture(1.2 + 3.9 * len(columns), 1.2 + 0.44 * len(emotions), text=text) as figure:
        panels: Any = figure.subplots(1, len(columns), squeeze=False, sharey=True)
        for axes, (column, label) in zip(panels[0], columns.items(), strict=True):
            for y, emotion in enumerate(emotions):
                values = clips.loc[clips["emotion"] == emotion, column].to_numpy(float)
                places, colour = y + rng.uniform(*_DOTS, values.size), colour_of(emotion, emotions)
                dots = {"markersize": 3.4, "alpha": 0.65, "markeredgewidth": 0, "rasterized": True}
                axes.plot(values, places, ".", color=colour, **dots)
                quantiles = np.quantile(values, _QUANTILES)
                box(axes, quantiles, y + _BOX, colour=colour, height=0.26, widths=(0.9, 4.5, 2))
            axes.set_xlabel(label)
            grid_behind(axes)
            emotion_axis(axes, emotions)
    return figure
