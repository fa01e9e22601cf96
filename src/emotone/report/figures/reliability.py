"""Reliability diagram: of the predictions with 80 % confidence, 80 % should be right."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from emotone import metrics
from emotone.report.figures.style import ACCENT, FAINT, STYLE, canvas, grid, title

#: The same number of bins as the expected calibration error, so that the picture shows its terms.
N_BINS = 15
_BEFORE = "#CC6677"  # of Paul Tol's "muted" scheme, as in all pictures


def bins(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> list[dict[str, float]]:
    """Summarise the predictions of each bin of confidence that is not empty.

    From class numbers (n,) and probabilities (n, k), return one row per bin: ``confidence`` (mean), ``accuracy``, its
    95 % interval over clips (``low``, ``high``) and ``count``.
    """
    binned = metrics.reliability(truth, scores, n_bins=N_BINS)
    rows = []
    for confidence, accuracy, count in zip(*(binned[key] for key in ("confidence", "accuracy", "count")), strict=True):
        if count:
            low, high = metrics.wilson(round(accuracy * count), int(count))
            means = {"confidence": float(confidence), "accuracy": float(accuracy)}
            rows.append(means | {"low": low, "high": high, "count": int(count)})
    return rows


def reliability_picture(
    truth: NDArray[np.int64],
    scores: NDArray[np.float64],
    *,
    before: NDArray[np.float64] | None,
    protocol: Mapping[str, Any],
) -> Figure:
    """Draw accuracy over confidence, and below it the number of predictions.

    ``truth`` (n,) and the calibrated ``scores`` (n, k) are those of the test; ``before`` are the probabilities before
    calibration, if they are known.
    """
    ece = metrics.expected_calibration_error(truth, scores)
    headline = f"Test: confidence differs from accuracy by {100 * ece:.1f} points on average (ECE)"
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=5.6)
        upper, lower = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
        upper.plot([0, 100], [0, 100], color=FAINT, linestyle="--", linewidth=1, label="perfect calibration")
        if before is not None:
            raw = metrics.expected_calibration_error(truth, before)
            headline += f"; before calibration by {100 * raw:.1f}"
            _points(upper, bins(truth, before), colour=_BEFORE, label="before calibration", filled=False)
        rows = bins(truth, scores)
        _points(upper, rows, colour=ACCENT, label="after calibration", filled=True)
        counts = metrics.reliability(truth, scores, n_bins=N_BINS)["count"]
        edges = 100 * np.arange(N_BINS) / N_BINS
        lower.bar(edges, counts, width=100 / N_BINS, align="edge", color=ACCENT, edgecolor="white", linewidth=1)
        upper.set_ylabel("accuracy")
        lower.set_ylabel("predictions")
        lower.set_xlabel("confidence of the prediction")
        upper.set_xlim(max(0.0, 100 * min(row["confidence"] for row in rows) - 8), 101)
        upper.set_ylim(-2, 102)
        for axis in (upper.yaxis, lower.xaxis):
            axis.set_major_formatter(PercentFormatter(decimals=0, symbol=" %"))
        for axes in (upper, lower):
            grid(axes)
        upper.legend(loc="upper left", frameon=False, fontsize=8)
        title(figure, headline=headline, protocol=protocol, caption=_caption(int(truth.size)))
    return figure


def _points(axes: Any, rows: list[dict[str, float]], *, colour: str, label: str, filled: bool) -> None:
    """Draw the bins as connected dots with their intervals."""
    x, y = [100 * row["confidence"] for row in rows], [100 * row["accuracy"] for row in rows]
    for row in rows:
        ends = [100 * row["low"], 100 * row["high"]]
        axes.plot([100 * row["confidence"]] * 2, ends, color=colour, linewidth=2 if filled else 1, alpha=0.45)
    look: dict[str, Any] = {"markeredgecolor": "white"} if filled else {"markerfacecolor": "white"}
    axes.plot(x, y, "o-", color=colour, markersize=6, linewidth=1, label=label, **look)


def _caption(n_clips: int) -> str:
    return (
        f"{n_clips:,} predictions in {N_BINS} bins of equal width. Dots are at the mean confidence of their bin. Lines "
        "are 95 % intervals (Wilson, over clips; somewhat too narrow, since clips of a speaker resemble each other)."
    )
