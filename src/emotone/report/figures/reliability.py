"""Whether confidences can be believed: of the answers that are 80 % sure, 80 % should be right."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from emotone import metrics
from emotone.metrics.scores import wilson
from emotone.report.figures.style import ACCENT, FAINT, STYLE, canvas, title

#: As many bins as the expected calibration error has, so that the picture shows what it sums.
N_BINS = 15
_BEFORE = "#CC6677"  # of Paul Tol's "muted" scheme, as all pictures


def bins(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> list[dict[str, float]]:
    """Sum up the answers of each bin of confidence that has any.

    Parameters
    ----------
    truth
        (n,) class numbers.
    scores
        (n, k) probabilities.

    Returns
    -------
    One row a bin: ``confidence`` (mean), ``accuracy``, ``low`` and ``high`` (its 95 % interval over clips), ``count``.
    """
    found = metrics.reliability(truth, scores, n_bins=N_BINS)
    rows = []
    for confidence, accuracy, count in zip(found["confidence"], found["accuracy"], found["count"], strict=True):
        if count:
            low, high = wilson(round(accuracy * count), int(count))
            told = {"confidence": float(confidence), "accuracy": float(accuracy)}
            rows.append(told | {"low": low, "high": high, "count": int(count)})
    return rows


def reliability_picture(
    truth: NDArray[np.int64],
    scores: NDArray[np.float64],
    *,
    before: NDArray[np.float64] | None,
    protocol: Mapping[str, Any],
) -> Figure:
    """Draw how often answers are right over how sure they are, and under it how many are that sure.

    Parameters
    ----------
    truth, scores
        (n,) class numbers and (n, k) calibrated probabilities of the test answers.
    before
        (n, k) probabilities before calibration, where they are known.
    protocol
        What `emotone.protocols.Protocol.header` returns.
    """
    ece = metrics.expected_calibration_error(truth, scores)
    headline = f"Test: confidence is off by {100 * ece:.1f} points on average (ECE)"
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=5.6)
        upper, lower = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
        upper.plot([0, 100], [0, 100], color=FAINT, linestyle="--", linewidth=1, label="confidence as it should be")
        if before is not None:
            raw = metrics.expected_calibration_error(truth, before)
            headline += f"; before calibration by {100 * raw:.1f}"
            _points(upper, bins(truth, before), colour=_BEFORE, label="before calibration", filled=False)
        rows = bins(truth, scores)
        _points(upper, rows, colour=ACCENT, label="as told", filled=True)
        counts = metrics.reliability(truth, scores, n_bins=N_BINS)["count"]
        edges = 100 * np.arange(N_BINS) / N_BINS
        lower.bar(edges, counts, width=100 / N_BINS, align="edge", color=ACCENT, edgecolor="white", linewidth=1)
        upper.set_ylabel("right among them")
        lower.set_ylabel("answers")
        lower.set_xlabel("confidence of the answer")
        upper.set_xlim(max(0.0, 100 * min(row["confidence"] for row in rows) - 8), 101)
        upper.set_ylim(-2, 102)
        for axis in (upper.yaxis, lower.xaxis):
            axis.set_major_formatter(PercentFormatter(decimals=0, symbol=" %"))
        for axes in (upper, lower):
            axes.grid(color="#E6E6E6", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.tick_params(length=0)
        upper.legend(loc="upper left", frameon=False, fontsize=8)
        title(figure, headline=headline, protocol=protocol, caption=_caption(int(truth.size)))
    return figure


def _points(axes: Any, rows: list[dict[str, float]], *, colour: str, label: str, filled: bool) -> None:
    """Draw the bins as dots in a line, with their intervals; hollow ones stand back."""
    x, y = [100 * row["confidence"] for row in rows], [100 * row["accuracy"] for row in rows]
    for row in rows:
        ends = [100 * row["low"], 100 * row["high"]]
        axes.plot([100 * row["confidence"]] * 2, ends, color=colour, linewidth=2 if filled else 1, alpha=0.45)
    look: dict[str, Any] = {"markeredgecolor": "white"} if filled else {"markerfacecolor": "white"}
    axes.plot(x, y, "o-", color=colour, markersize=6, linewidth=1, label=label, **look)


def _caption(n_clips: int) -> str:
    return (
        f"{n_clips:,} answers in {N_BINS} equally wide bins; a dot is at a bin's mean confidence, its line the 95 % "
        "interval (Wilson, over clips: somewhat too narrow, since clips of one speaker resemble each other)."
    )
