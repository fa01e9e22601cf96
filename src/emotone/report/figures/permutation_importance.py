"""Permutation importance: the loss in UAR if a group of features is shuffled among clips."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from emotone.formatting import MINUS
from emotone.report.figures.style import ACCENT, FAINT, STYLE, canvas, grid, title


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise the folds: one row per group, the largest mean drop first.

    The table is that of ``importance.csv`` (``fold``, ``group``, ``features``, ``drop``).  The result has ``group``,
    ``features``, and the ``mean``, ``least`` and ``most`` drop over folds, shares of UAR.
    """
    groups = table.groupby("group", sort=True).agg(
        features=("features", "first"), mean=("drop", "mean"), least=("drop", "min"), most=("drop", "max")
    )
    return groups.sort_values("mean", ascending=False, kind="stable").reset_index()


def importance_picture(table: pd.DataFrame, *, protocol: Mapping[str, Any]) -> Figure:
    """Draw the loss in UAR of each group: small dots are folds, a large dot their mean, the best on top."""
    groups = ranked(table)
    n_folds = int(table["fold"].nunique())
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=1.9 + 0.32 * len(groups))
        axes = figure.subplots()
        axes.axvline(0, color=FAINT, linewidth=1, linestyle="--")
        for y, row in enumerate(groups.itertuples()):
            folds = 100 * table.loc[table["group"] == row.group, "drop"].to_numpy()
            axes.plot([folds.min(), folds.max()], [y, y], color=ACCENT, linewidth=1.2, alpha=0.4)
            axes.plot(folds, [y] * len(folds), "o", color=ACCENT, markersize=4, alpha=0.45, markeredgewidth=0)
            mean = 100 * float(groups["mean"][y])
            axes.plot([mean], [y], "o", color=ACCENT, markersize=8, markeredgecolor="white")
            place: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(_points(mean), (max(mean, folds.max()), y), **place)
        counted = zip(groups["group"], groups["features"], strict=True)
        axes.set_yticks(range(len(groups)), [f"{group}, {n:,} feature{'' if n == 1 else 's'}" for group, n in counted])
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.margins(x=0.12)
        axes.set_xlabel("loss in UAR, points, if the group is shuffled among the test clips")
        grid(axes, "x")
        axes.spines["left"].set_visible(False)
        title(figure, headline=_headline(groups), protocol=protocol, caption=_caption(table, n_folds))
    return figure


def _points(value: float) -> str:
    """Return points of UAR, without a sign for zero."""
    return f"{round(value, 1) + 0.0:.1f}".replace("-", MINUS)


def _headline(groups: pd.DataFrame) -> str:
    best = float(groups["mean"][0])
    if best <= 0:
        return "No single group of features lowers the UAR of the model"
    return f"Most important features: {groups['group'][0]}, {_points(100 * best)} points of UAR"


def _caption(table: pd.DataFrame, n_folds: int) -> str:
    clips = f"At most {int(table['clips'].max())} test clips of each fold, shuffled twice."
    spread = "One fold." if n_folds == 1 else f"Small dots: each of {n_folds} folds; large: their mean."
    small = "A small loss does not mean that a group is useless: other groups can hold the same information."
    return f"{spread} {clips} {small} No decision depends on this."
