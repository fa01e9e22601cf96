"""Confusion matrices."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from emotone.errors import ConfigError
from emotone.report.figures.style import ON_FILLED, ON_LIGHT, STYLE, canvas, title
from emotone.report.text import Result, score_line


def row_shares(counts: ArrayLike) -> NDArray[np.float64]:
    """Divide each row of a confusion matrix by its sum: (k, k) counts -> (k, k) in [0, 1], an empty row stays 0.

    Examples
    --------
    >>> row_shares([[3, 1], [0, 0]]).tolist()
    [[0.75, 0.25], [0.0, 0.0]]
    """
    matrix = np.asarray(counts)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ConfigError(f"a confusion matrix has shape {matrix.shape}, expected (k, k)")
    return np.asarray(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1), dtype=np.float64)


def confusion_picture(result: Result, *, protocol: Mapping[str, Any], subset: str = "") -> Figure:
    """Draw a confusion matrix: the colour is the share of the row, the numbers are share and clips.

    ``result`` and ``protocol`` are those of ``metrics.json``; ``subset`` ("validation" or "test") is for the title.
    """
    emotions = list(result["per_class"]["support"])
    counts, shares = np.asarray(result["confusion"]), row_shares(result["confusion"])
    k = len(emotions)
    if counts.shape != (k, k):
        raise ConfigError(f"the confusion matrix has shape {counts.shape} for {k} emotions, expected ({k}, {k})")
    side_inch = max(3.6, 0.68 * k)
    with rc_context(STYLE):
        figure = canvas(width_inch=side_inch + 2.0, height_inch=side_inch + 1.6)
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(k, k):
            _cell(axes, row, column, share=float(shares[row, column]), clips=int(counts[row, column]))
        axes.set_xticks(range(k), emotions, rotation=40, ha="right", rotation_mode="anchor")
        supports = [int(result["per_class"]["support"][emotion]) for emotion in emotions]
        axes.set_yticks(range(k), [f"{e}\n{n} clips" for e, n in zip(emotions, supports, strict=True)])
        axes.set_xticks(np.arange(k - 1) + 0.5, minor=True)
        axes.set_yticks(np.arange(k - 1) + 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("labelled")
        bar = figure.colorbar(image, ax=axes, fraction=0.045, aspect=30, pad=0.03, ticks=[0, 0.25, 0.5, 0.75, 1])
        bar.ax.set_yticklabels(["0", "25", "50", "75", "100 %"])
        bar.ax.tick_params(length=0)
        bar.outline.set_visible(False)
        prefix = f"{subset.capitalize()}: " if subset else ""
        title(figure, headline=prefix + score_line(result), protocol=protocol)
    return figure


def _cell(axes: Any, row: int, column: int, *, share: float, clips: int) -> None:
    """Write share and clips into a cell, in a colour that contrasts with the cell."""
    if not clips:
        return
    red, green, blue, _ = colormaps["Blues"](share)
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55  # ITU-R BT.601 luma
    colour = ON_FILLED if dark else ON_LIGHT
    # text, distance from the middle and size in points
    for text, up, size in ((f"{100 * share:.0f} %", 4.0, 9), (f"{clips}", -8.0, 7)):
        place: dict[str, Any] = {"xytext": (0, up), "textcoords": "offset points", "ha": "center", "va": "center"}
        axes.annotate(text, (column, row), color=colour, fontsize=size, **place)
