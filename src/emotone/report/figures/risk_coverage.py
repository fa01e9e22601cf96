"""Whether a model knows when it does not know: accuracy of the surest answers against how many are given."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from emotone.report.figures.style import ACCENT, FAINT, STYLE, canvas, title

_COLOURS = {"validation": "#CC6677", "test": ACCENT}  # of Paul Tol's "muted" scheme, as all pictures
#: The curve begins at this share of the clips: what a handful does is chance.
_FIRST = 0.05


def risk_picture(curves: pd.DataFrame, *, unsure: Mapping[str, Any], protocol: Mapping[str, Any]) -> Figure:
    """Draw the accuracy of the answers that are kept over their share, for validation and test.

    A dot is where the threshold parts the answers.  One line says what the best possible order of the test answers
    would give, one what a confidence that knows nothing would.

    Parameters
    ----------
    curves
        Columns ``subset`` ("validation" or "test"), ``confidence``, ``coverage`` and ``risk``; shares.
    unsure
        Of the test answers: ``threshold``, ``coverage``, ``accuracy_above``, ``accuracy_below``, ``aurc``, ``e_aurc``.
    protocol
        What `emotone.protocols.Protocol.header` returns.
    """
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=5.0)
        axes = figure.subplots()
        error = float(curves.loc[curves["subset"] == "test", "risk"].iloc[-1])
        share = np.linspace(_FIRST, 1, 200)
        best = 1 - np.maximum(0, share - (1 - error)) / share
        axes.plot(100 * share, 100 * best, color=FAINT, linestyle=":", label="test, in the best possible order")
        for subset, colour in _COLOURS.items():
            _draw(axes, curves[curves["subset"] == subset], name=subset, threshold=unsure["threshold"], colour=colour)
        useless = f"test, if confidence were of no use: {100 * (1 - error):.1f} %"
        axes.axhline(100 * (1 - error), color=FAINT, linestyle="--", linewidth=1, label=useless, zorder=1)
        axes.set_xlim(0, 102)
        axes.set_ylim(top=102)
        axes.set_xlabel("answers that are given, the surest first (coverage)")
        axes.set_ylabel("right among them")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(decimals=0, symbol=" %"))
        axes.grid(color="#E6E6E6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.13), ncols=2, frameon=False, fontsize=8)
        title(figure, headline=_headline(unsure), protocol=protocol, caption=_caption(unsure))
    return figure


def _draw(axes: Any, curve: pd.DataFrame, *, name: str, threshold: float, colour: str) -> None:
    """Draw one curve, and the point on it that the threshold cuts at."""
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
        return f"Confidence threshold {unsure['threshold']:.2f}: {which} of the test answers are under it"
    return (
        f"Test: unsure {100 * (1 - unsure['coverage']):.1f} % of the time; those answers are right {100 * below:.1f} % "
        f"of the time, the others {100 * above:.1f} %"
    )


def _caption(unsure: Mapping[str, Any]) -> str:
    return (
        f"Area under the risk-coverage curve of the test {unsure['aurc']:.3f}, {unsure['e_aurc']:.3f} above the best "
        f"order's. The threshold, {unsure['threshold']:.2f}, is from the validation answers of all folds under one "
        "temperature; here each fold's answers have their own."
    )
