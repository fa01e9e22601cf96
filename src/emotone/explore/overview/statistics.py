"""Counts, quantiles and association with emotion of columns of a corpus."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

_SHARES = {"min": 0.0, "p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "max": 1.0}


def summary_by_emotion(clips: pd.DataFrame, columns: Sequence[str], *, emotions: Sequence[str]) -> pd.DataFrame:
    """Summarise columns by emotion, and over all clips.

    Returns
    -------
    One row per column and emotion: ``measure, emotion, clips, min, p05, p25, median, p75, p95, max, mean``.
    """
    rows = []
    for column in columns:
        for emotion in (*emotions, "all"):
            chosen = clips if emotion == "all" else clips[clips["emotion"] == emotion]
            values = chosen[column].to_numpy(float)
            numbers = dict(zip(_SHARES, np.quantile(values, list(_SHARES.values())).round(4), strict=True))
            row = {"measure": column, "emotion": emotion, "clips": values.size}
            rows.append({**row, **numbers, "mean": round(float(values.mean()), 4)})
    return pd.DataFrame(rows)


def count_by_emotion(clips: pd.DataFrame, column: str, emotions: Sequence[str]) -> pd.DataFrame:
    """Count clips by level of a column and emotion: (levels, emotions), levels sorted by name."""
    grid = pd.crosstab(clips[column], clips["emotion"])
    return grid.reindex(columns=list(emotions), fill_value=0).rename_axis(columns=None)


def cramers_v(grid: pd.DataFrame) -> float:
    """Return Cramér's V of a table of counts, sqrt(chi^2 / (n min(r - 1, c - 1))), in [0, 1]; NaN for one level."""
    counts = grid.to_numpy(float)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    smaller = min(counts.shape) - 1
    if smaller < 1:
        return float("nan")
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    chi_square = ((counts - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi_square / (counts.sum() * smaller)))


def variance_share(clips: pd.DataFrame, column: str) -> float:
    """Return the share of a column's variance that is between emotions, in [0, 1]; 0 if it does not vary."""
    values = clips[column].to_numpy(float)
    means = clips.groupby("emotion")[column].transform("mean").to_numpy(float)
    total = float(((values - values.mean()) ** 2).sum())
    return float(((means - values.mean()) ** 2).sum()) / total if total > 0 else 0.0
