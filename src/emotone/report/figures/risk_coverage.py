"""Selective prediction: accuracy of the most confident predictions over their share."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from emotone.formatting import percent, threshold_text
from emotone.report.figures.style import ACCENT, FAINT, STYLE, canvas, grid, title

_COLOURS = {"validation": "#CC6677", "test": ACCENT}  # of Paul Tol's "muted" scheme, as in all pictures
#: The curve begins at this share of the clips; below it, the accuracy is mostly chance.
_FIRST = 0.05


def risk_picture(curves: pd.DataFrame, *, unsure: Mapping[str, Any], protocol: Mapping[str, Any]) -> Figure:
    """Draw the accuracy of the kept predictions over their share, for validation and test.

    A dot marks the threshold.  Two lines show the best possible order of the test predictions, and a confidence without
    information.  ``curves`` has the columns ``subset`` ("validation" or "test"), ``confidence``, ``coverage`` and
    ``risk``; ``unsure`` is that of ``metrics.json``.
    """
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=5.0)
        axes = figure.subplots()
        error = float(curves.loc[curves["subset"] == "test", "risk"].iloc[-1])
        share = np.linspace(_FIRST, 1, 200)
        best = 1 - np.maximum(0, share - (1 - error)) / share
        axes.plot(100 * share, 100 * best, color=FAINT, linestyle=":", label="test, best possible order")
        for subset, colour in _COLOURS.items():
            _draw(axes, curves[curves["subset"] == subset], name=subset, threshold=unsure["threshold"], colour=colour)
        useless = f"test, confidence without information: {100 * (1 - error):.1f} %"
        axes.axhline(100 * (1 - error), color=FAINT, linestyle="--", linewidth=1, label=useless, zorder=1)
        axes.set_xlim(0, 102)
        axes.set_ylim(top=102)
        axes.set_xlabel("coverage: share of predictions that are kept, the most confident first")
        axes.set_ylabel("accuracy of the kept predictions")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(decimals=0, symbol=" %"))
        grid(axes)
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.13), ncols=2, frameon=False, fontsize=8)
        title(figure, headline=_headline(unsure), protocol=protocol, caption=_caption(unsure))
    return figure


def _draw(axes: Any, curve: pd.DataFrame, *, name: str, threshold: float, colour: str) -> None:
    """Draw a curve, and its point at the threshold."""
    coverage, accuracy = 100 * curve["coverage"].to_numpy(), 100 * (1 - curve["risk"].to_numpy())
    drawn = coverage >= 100 * _FIRST
    axes.plot(coverage[drawn], accuracy[drawn], color=colour, linewidth=1.8, label=name)
    kept = int((curve["confidence"].to_numpy() >= threshold).sum())
    if kept:
        look = {"markersize": 7, "markeredgewidth": 1.5, "markeredgecolor": colour, "zorder": 5}
        label = f"{name}, at the threshold: {accuracy[kept - 1]:.1f} % of {coverage[kept - 1]:.0f} %"
        fill = colour if name == "test" else "white"
        axes.plot(coverage[kept - 1], accuracy[kept - 1], "o", color=colour, markerfacecolor=fill, label=label, **look)


def _headline(unsure: Mapping[str, Any]) -> str:
    below, above = unsure["accuracy_below"], unsure["accuracy_above"]
    if below is None or above is None:
        which = "none" if below is None else "all"
        return (
            f"Confidence threshold {threshold_text(unsure['threshold'])}: {which} of the test predictions are below it"
        )
    right = f"{percent(below)} of them are right, {percent(above)} of the others"
    return f"Test: {percent(1 - unsure['coverage'])} of predictions are unsure; {right}"


def _caption(unsure: Mapping[str, Any]) -> str:
    return (
        f"Area under the risk-coverage curve of the test: {unsure['aurc']:.3f}, which is {unsure['e_aurc']:.3f} above "
        f"the best order. The threshold, {threshold_text(unsure['threshold'])}, was chosen on the validation "
        "predictions of all folds with the same temperature; in this picture each fold has its own temperature."
    )
